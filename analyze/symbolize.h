/* SPDX-License-Identifier: MIT */
/*
 * From (module, address) to functions: one interface for every source of names. Results are cached and
 * owned by the symbolizer; each distinct address is looked up once.
 */
#ifndef STINT_ANALYZE_SYMBOLIZE_H
#define STINT_ANALYZE_SYMBOLIZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "format/layout.h"
#include "format/rows.h"

struct debuginfod;
struct symbolizer;

enum demangle_mode {
	DEMANGLE_SHORT, /* without parameters: "ns::f", the default */
	DEMANGLE_FULL,
	DEMANGLE_NONE,
};

struct symbolizer_options {
	const char *const *dirs; /* --symbols, in order; a debug root, a .build-id tree or a sysroot */
	size_t n_dirs;
	struct debuginfod *servers; /* asked last, and not again once they failed; NULL: none */
	bool local;		    /* also look at this system's files */
	bool lines;		    /* source files and lines, and inlined functions, from DWARF */
	bool inlines;		    /* expand inlined functions (needs lines) */
	enum demangle_mode demangle;
};

/* One function at an address. The text lives as long as the symbolizer. */
struct symbol {
	const char *name;    /* demangled; "file+0xoffset" when nothing is known */
	const char *linkage; /* as in the symbol table; NULL when nothing is known */
	const char *file;    /* source file; NULL when unknown */
	uint32_t line;	     /* 0 when unknown */
	bool inlined;	     /* its body stands in the next symbol's function */
	bool resolved;	     /* false for file+0xoffset */
	uint64_t elf_addr;   /* the address in the ELF file's own terms; of the file offset where the file isn't here */
	uint64_t start;	     /* elf_addr of the function's first byte; 0 when unknown */
};

/* The functions at one address, innermost first: inlined ones, then the one that has the code. At least one. */
struct symbol_chain {
	const struct symbol *symbols;
	uint32_t n;
};

/* What the symbolizer knows of a module after it has been asked about it. */
struct symbol_source {
	const char *from; /* "recording", "elf: PATH" or "debug: PATH"; "; " and what is missing; NULL when none */
	const char *why;  /* why there is none: "not found", "build ID differs: PATH", "damaged: …"; NULL otherwise */
};

/* A module as the symbolizer needs it. The strings are copied. */
struct symbol_module {
	uint32_t kind; /* enum stint_module_kind */
	const char *path;
	const uint8_t *build_id;
	size_t build_id_size; /* 0 where the recording has none */
};

int symbolizer_new(struct symbolizer **ret, const struct symbolizer_options *options, struct stint_err *err);
void symbolizer_free(struct symbolizer *s); /* NULL is fine */

/* Makes module known under a number of the caller's (the recording's module id). Opens nothing yet. */
int symbolizer_add_module(struct symbolizer *s, uint32_t module, const struct symbol_module *info,
			  struct stint_err *err);

/* A name that the recording itself carries (STINT_SYMBOL); name is copied. Takes precedence over files. */
int symbolizer_add_symbol(struct symbolizer *s, uint32_t module, uint64_t addr, uint64_t size_bytes, const char *name,
			  struct stint_err *err);

/*
 * What the recording itself says that an address resolved to (STINT_CHAIN): linkage, file, line, inlined, resolved and
 * elf_addr of each function count, and all text is copied. An address that is resolved so is looked up nowhere else. A
 * later call for the same address supersedes.
 */
int symbolizer_add_chain(struct symbolizer *s, uint32_t module, uint64_t addr, bool exact,
			 const struct symbol_chain *chain, struct stint_err *err);

/* Where these chains of a module came from, or (why is not NULL) why it has no names. */
int symbolizer_add_source(struct symbolizer *s, uint32_t module, const char *from, const char *why,
			  struct stint_err *err);

/*
 * The functions at addr (by the module's kind, as in a STINT_FRAME row). Without exact, addr is a return address and
 * the call before it is meant. Never fails for bad or missing symbol files: the chain is then one unresolved
 * symbol. Returns 0 or STINT_ERR_NOMEM.
 */
int symbolizer_lookup(struct symbolizer *s, uint32_t module, uint64_t addr, bool exact, struct symbol_chain *ret,
		      struct stint_err *err);

struct symbol_request {
	uint64_t addr;
	uint32_t module;
	bool exact;
	const struct symbol_chain *chain; /* the answer; lives as long as the symbolizer */
};

/*
 * Looks many addresses up, with the same answers in less time and memory: files are read once, for just these. Fewer
 * than 2^32. Returns 0 or STINT_ERR_NOMEM; then some answers are missing.
 */
int symbolizer_lookup_all(struct symbolizer *s, struct symbol_request *requests, size_t n, struct stint_err *err);

/* Machine code that the recording itself carries (STINT_CODE), of a function of size_bytes. The bytes are copied. */
int symbolizer_add_code(struct symbolizer *s, uint32_t module, uint64_t addr, uint64_t size_bytes, const void *bytes,
			size_t n_bytes, struct stint_err *err);

/* The most code of one function. One without a size in its symbol table reaches no further, even if nothing follows. */
#define SYMBOL_MAX_CODE_BYTES STINT_MAX_CODE_BYTES

/* The part of a function that lies in one piece, around an address. */
struct symbol_code {
	uint64_t start;	      /* by the module's kind, like addr */
	uint64_t elf_start;   /* the same in the ELF file's own terms */
	uint64_t size;	      /* bytes; 0 when nobody knows where the function begins and ends */
	const uint8_t *bytes; /* as long as the symbolizer lives */
	size_t n_bytes;	      /* up to size, and SYMBOL_MAX_CODE_BYTES; a file that is cut off has fewer */
	uint16_t machine;     /* EM_*; 0 when it is the recording's */
	const char *why;      /* why there are no bytes; NULL when there are some */
};

/* Where the function's code at addr is, and its bytes. Never fails for bad or missing files. 0 or STINT_ERR_NOMEM. */
int symbolizer_code(struct symbolizer *s, uint32_t module, uint64_t addr, bool exact, struct symbol_code *ret,
		    struct stint_err *err);

/* Opens the module's files if that hasn't happened yet, and says where its symbols come from. */
struct symbol_source symbolizer_source(struct symbolizer *s, uint32_t module);

#endif
