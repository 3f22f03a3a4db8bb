/* SPDX-License-Identifier: MIT */
/*
 * All that is known here about one build of a program, library or kernel: its code, its separate debug file, and what
 * both say about an address. Every file is held against the recorded build ID before it is used.
 */
#ifndef STINT_ANALYZE_PROGRAM_H
#define STINT_ANALYZE_PROGRAM_H

#include "analyze/debug_find.h"
#include "analyze/debuginfod.h"
#include "analyze/dwarf.h"
#include "analyze/elf_file.h"
#include "analyze/elf_symtab.h"
#include "analyze/symbolize.h"

struct program {
	struct elf_file *code;	/* NULL when it isn't here */
	struct elf_file *debug; /* a separate debug file; NULL when there is none */
	struct elf_file *mini;	/* .gnu_debugdata, unpacked */
	struct elf_symtab symtab;
	struct dwarf *dwarf;	  /* NULL when there is none, or it wasn't asked for */
	struct elf_file *alt;	  /* dwz's shared file */
	struct elf_file **splits; /* split DWARF: .dwo files and the .dwp package */
	size_t n_splits;
	struct debug_places places; /* borrowed */
	uint64_t kernel_text;	    /* the kernel's _text */
	bool has_kernel_text;
	char *from; /* as in struct symbol_source */
	char *why;
};

/*
 * Finds the files and reads their symbol tables; servers are asked last. Missing and bad files are no failure. Fails
 * with STINT_ERR_NOMEM.
 */
int program_load(struct program **ret, const struct symbol_module *module, const struct symbolizer_options *options,
		 struct stint_err *err);
void program_free(struct program *p); /* NULL is fine */

/*
 * The file with the code alone, for those who need its bytes and no names; the caller closes it. Where there is none,
 * *ret is NULL and *ret_why, to be freed, says why (NULL: it was not found). Fails with STINT_ERR_NOMEM.
 */
int program_find_code(struct elf_file **ret, char **ret_why, const struct symbol_module *module,
		      const struct symbolizer_options *options, struct stint_err *err);

/* The virtual address of a frame of the module; false when no file here can tell. */
bool program_vaddr(const struct program *p, uint32_t module_kind, uint64_t addr, uint64_t *ret_vaddr);

/* Opens the DWARF of the debug file, else of the code, with the files that it refers to (program_dwarf.c). */
int program_open_dwarf(struct program *p, struct stint_err *err);

#endif
