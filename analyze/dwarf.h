/* SPDX-License-Identifier: MIT */
/*
 * Functions, inlined functions and source lines from DWARF 2 to 5, by address. Reads .debug_info itself, without
 * .debug_aranges, across units, in split files and with dwz's shared ones; each unit at the first address in it.
 */
#ifndef STINT_ANALYZE_DWARF_H
#define STINT_ANALYZE_DWARF_H

#include <stdbool.h>
#include <stdint.h>

#include "analyze/addr_map.h"
#include "analyze/elf_file.h"

#define DWARF_MAX_CHAIN 512u /* functions at one address; deeper inlining is cut */

struct dwarf;

/* One function at an address. All text lives as long as the struct dwarf. */
struct dwarf_frame {
	const char *linkage; /* NULL when it has none */
	const char *name;    /* the source's name, unqualified; NULL when it has none */
	const char *file;    /* NULL when unknown */
	uint32_t line;	     /* 0 when unknown */
	bool inlined;
	uint64_t start;	   /* the function's first byte */
	const void **note; /* a place of the caller's, NULL at first, that functions of the same name share; or NULL */
};

/* What the reader needs from outside. */
struct dwarf_sources {
	struct elf_file *elf; /* with .debug_info; must stay open, likewise the others */
	struct elf_file *alt; /* dwz's shared file, or NULL */
	/* Opens a split file or the package of all split files (owned by the caller); NULL when it isn't found. */
	struct elf_file *(*open_split)(void *context, const char *comp_dir, const char *name);
	struct elf_file *(*open_package)(void *context);
	void *context;
};

/*
 * Reads the headers of all units and where their code is. Fails with STINT_ERR_NOMEM, _FORMAT or _LIMIT;
 * STINT_ERR_NOTFOUND when there is no .debug_info.
 */
int dwarf_open(struct dwarf **ret, const struct dwarf_sources *sources, struct stint_err *err);
void dwarf_close(struct dwarf *dw); /* NULL is fine */

/*
 * The functions at addr, innermost first, into frames (room for DWARF_MAX_CHAIN); returns how many. Code without a
 * function but with lines, as from assembly, gives one frame without names. With inlines false, only the function that
 * has the code.
 */
uint32_t dwarf_lookup(struct dwarf *dw, uint64_t addr, bool inlines, struct dwarf_frame *frames);

/* Takes what dwarf_lookup would say of one address. The frames are gone afterwards. False ends the whole. */
typedef bool (*dwarf_take)(void *context, uint32_t value, const struct dwarf_frame *frames, uint32_t n);

/*
 * Looks many addresses up by reading each unit just once and keeping little of it: the starts of the n ranges in
 * wanted, which are changed; spare has room for as many. take gets the value of each, unit by unit and by ascending
 * address within one. Returns 0, or STINT_ERR_NOMEM, also where take returned false.
 */
int dwarf_lookup_all(struct dwarf *dw, struct addr_range *wanted, struct addr_range *spare, size_t n, bool inlines,
		     dwarf_take take, void *context);

/* True once a lookup needed more work than the size of its file allows: some answers have less than there is. */
bool dwarf_spent(const struct dwarf *dw);

/* Files that split units name but that weren't found: how many; the first one's name in *ret_name. */
uint32_t dwarf_missing_splits(const struct dwarf *dw, const char **ret_name);

#endif
