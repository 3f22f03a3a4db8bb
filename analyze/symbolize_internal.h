/* SPDX-License-Identifier: MIT */
/* What a symbolizer is made of. Only for symbolize*.c. */
#ifndef STINT_ANALYZE_SYMBOLIZE_INTERNAL_H
#define STINT_ANALYZE_SYMBOLIZE_INTERNAL_H

#include "analyze/demangle.h"
#include "analyze/elf_symtab.h"
#include "analyze/program.h"
#include "analyze/symbolize.h"
#include "base/map.h"

/* Machine code that the recording has. */
struct recorded_code {
	uint64_t addr; /* by the module's kind */
	uint64_t size;
	const uint8_t *bytes;
	size_t n_bytes; /* up to size */
};

struct module {
	struct symbol_module info;
	struct elf_symtab recorded; /* what the recording itself carries */
	bool opened;
	bool sorted;
	bool packed;			   /* the recording says where its symbols were found, or */
	const char *packed_why;		   /* why not; NULL otherwise */
	bool misfit;			   /* its file was found, and isn't laid out as the recording's names say */
	struct program *program;	   /* owned by the symbolizer; NULL for memory without a file */
	struct stint_map chains[2];	   /* address -> struct symbol_chain *, by exact */
	struct stint_map packed_chains[2]; /* the same, as the recording has them: names aren't demangled yet */
	struct recorded_code *codes;
	size_t n_codes;
	uint64_t *lines; /* addresses of exact packed chains */
	size_t n_lines;
	bool lines_sorted; /* codes too */
};

struct symbol_names {
	const char *linkage, *shown;
};

struct symbolizer {
	struct symbolizer_options options;
	struct stint_arena arena;
	struct stint_intern names;   /* texts with their NUL */
	struct stint_map demangled;  /* id of a linkage name -> id of what is shown */
	struct stint_map by_pointer; /* a linkage name that stays in place -> struct symbol_names * */
	struct stint_map by_number;  /* the caller's module number -> index + 1 in modules */
	struct module **modules;
	size_t n_modules;
	struct stint_intern builds; /* build IDs -> programs */
	struct program **programs;
	size_t n_programs;
	char text[DEMANGLE_MAX_BYTES];
	struct dwarf_frame frames[DWARF_MAX_CHAIN];
};

/* NULL when no module has that number. */
struct module *symbolizer_module(const struct symbolizer *s, uint32_t number);

/* Opens the module's files unless that has been done. Returns 0 or STINT_ERR_NOMEM. */
int symbolizer_open(struct symbolizer *s, struct module *m, struct stint_err *err);

/* What dwarf_lookup says of an address, where that is known already. */
struct symbol_frames {
	const struct dwarf_frame *at;
	uint32_t n;
};

/* The chain of an address, not from what was looked up before; m and frames may be NULL. NULL without memory. */
struct symbol_chain *symbolizer_resolve(struct symbolizer *s, struct module *m, uint64_t addr, bool exact,
					const struct symbol_frames *frames, struct stint_err *err);

/* True when the answer depends on the module's DWARF, at *ret_vaddr. Opens its files where the recording has none. */
bool symbolizer_asks_dwarf(struct symbolizer *s, struct module *m, uint64_t addr, bool exact, uint64_t *ret_vaddr);

/*
 * Where a line of the packed code begins that has addr: the greatest address up to it, in the same recorded code, that
 * the recording has an exact chain for. False when addr is in no recorded code.
 */
bool symbolizer_packed_line(struct module *m, uint64_t addr, uint64_t *ret_line);
void symbolizer_code_done(struct module *m);

#endif
