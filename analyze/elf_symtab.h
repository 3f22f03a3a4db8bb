/* SPDX-License-Identifier: MIT */
/*
 * The functions of one program or library by address, gathered from the symbol tables of one or more ELF files of
 * the same build: .symtab, .dynsym, and PLT stubs as "name@plt".
 */
#ifndef STINT_ANALYZE_ELF_SYMTAB_H
#define STINT_ANALYZE_ELF_SYMTAB_H

#include <stdint.h>

#include "analyze/addr_map.h"
#include "analyze/elf_file.h"
#include "base/arena.h"

#define ELF_MAX_SYMBOLS	   (32u << 20) /* of one program */
#define ELF_COMPARED_BYTES 4096u       /* of the names of aliases */

struct elf_symbol {
	const char *name; /* in the elf_file, or in the symtab's arena */
	uint64_t addr;
	uint64_t end;	/* from the size it has, else from where the next one starts */
	uint64_t limit; /* the end of its section */
	uint32_t rank;	/* the lower, the better a name among several for the same code */
	bool sized;
	bool indirect;	     /* an IFUNC: its address is that of the function that chooses one */
	uint16_t name_bytes; /* of the name, up to ELF_COMPARED_BYTES; elf_symtab_put sets it */
};

struct elf_symtab {
	struct elf_symbol *symbols;
	size_t n;
	size_t cap;
	struct addr_map map;
	struct stint_arena arena;
};

/* Adds the functions of ef, which must stay open as long as the symtab. A damaged table is left out. */
int elf_symtab_add(struct elf_symtab *st, const struct elf_file *ef, struct stint_err *err);

/* Adds the PLT stubs of a file that has its code, after the symbols of all files. */
int elf_symtab_add_plt(struct elf_symtab *st, const struct elf_file *ef, struct stint_err *err);

/* Adds the functions of a Go program's own table (.gopclntab), which stripping leaves in place. */
int elf_symtab_add_go(struct elf_symtab *st, const struct elf_file *ef, struct stint_err *err);

/* Adds one name by hand; the text must outlive the symtab. Without sized, it can't reach further than its limit. */
int elf_symtab_put(struct elf_symtab *st, const struct elf_symbol *symbol, struct stint_err *err);

/* Less than 0 where a is the better name of two for the same code. */
int elf_symbol_order(const struct elf_symbol *a, const struct elf_symbol *b);

/* Sorts, decides between aliases and nested symbols. To be called before lookups, and again after more was added. */
int elf_symtab_build(struct elf_symtab *st, struct stint_err *err);

/* The value of a symbol by name, of any kind. False when the file has none by that name. */
bool elf_symbol_value(const struct elf_file *ef, const char *name, uint64_t *ret_value);
bool elf_symbol_range(const struct elf_file *ef, const char *name, uint64_t *ret_value, uint64_t *ret_size);

/* The function that has addr; NULL when there is none. */
const struct elf_symbol *elf_symtab_find(const struct elf_symtab *st, uint64_t addr);

void elf_symtab_done(struct elf_symtab *st); /* zeroed is fine */

#endif
