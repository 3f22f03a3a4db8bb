/* SPDX-License-Identifier: MIT */
/*
 * Functions, instruction by instruction: where in them the selected events are. An event counts once in a function, at
 * the innermost frame of it that its stack has: at the instruction that ran, or at the call that was under way. It
 * counts in self only where that frame is the stack's leaf. So both add up over the instructions to the function's own.
 */
#ifndef STINT_ANALYZE_ANNOTATE_H
#define STINT_ANALYZE_ANNOTATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "analyze/disassemble.h"
#include "analyze/functions.h"
#include "analyze/metrics.h"
#include "analyze/notes.h"
#include "analyze/source_text.h"
#include "analyze/tally.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/map.h"

#define ANNOTATE_MAX_CODE_BYTES (4u << 20) /* disassembled in one run; further functions are shown without code */
#define ANNOTATE_MAX_FUNCTIONS	4096u /* that one name may stand for; those found later are left out, and counted */

/* Where a jump or call goes. */
enum target_kind {
	TARGET_NONE,
	TARGET_HERE,  /* in the same part of the function: offset is from its beginning */
	TARGET_PART,  /* in another part of the same function */
	TARGET_OTHER, /* into another function, offset bytes behind its beginning */
};

/* An instruction, or an address with events where there is no code to show. */
struct place {
	uint64_t addr;	      /* by the module's kind */
	uint64_t elf_addr;    /* as in the ELF file, as disassemblers show it */
	const uint8_t *bytes; /* NULL where there is no code */
	uint8_t n_bytes;
	bool is_data; /* no valid instruction */
	bool is_syscall;
	bool is_return; /* without code: a return address, the call is in front of it */
	bool outside;	/* of an inlined function: code that isn't its own */
	enum target_kind target_kind;
	const char *mnemonic, *operands; /* NULL where there is no code */
	const char *target;		 /* the other function's name */
	uint64_t target_offset;
	uint64_t reference;	   /* the ELF address of an operand in memory; 0 none */
	struct symbol_chain chain; /* innermost first: file, line, what is inlined here */
	struct metrics self, total;
};

/* A function's code in one piece; the compiler may have moved some of it elsewhere. */
struct part {
	uint32_t module;     /* id, of the events that came first */
	const char *linkage; /* its own: that of a clone, or of one of several functions that are shown by one name */
	uint64_t start, elf_start;
	uint64_t size;	      /* 0 unknown */
	const char *why;      /* why there is no code; NULL where there is */
	uint64_t n_missing;   /* bytes at its end that are not here */
	struct place *places; /* by address */
	size_t n, cap;
	struct metrics self, total;
};

/* What a source line has. */
struct source_line {
	const char *file; /* NULL unknown */
	uint32_t line;	  /* 0 unknown */
	struct metrics self, total;
};

struct annotation {
	const char *name;
	const char *linkage; /* as in the symbol table; NULL when it has none */
	const char *host;    /* of an inlined function: the one whose code it is in; NULL otherwise */
	uint32_t module;     /* id */
	bool kernel;
	struct metrics self, total;
	struct part *parts; /* by address; these and the lines once it is open */
	size_t n_parts;
	struct source_line *lines; /* the most first */
	size_t n_lines;
	struct stint_arena arena; /* of what its instructions say */
	struct hits *hits;	  /* private, as is what follows */
	size_t unknown_part;	  /* 1 + index of the part of which nobody knows the extent; 0 there is none */
};

enum annotate_order { ORDER_ADDRESS, ORDER_HOTTEST };
enum annotate_group { ANNOTATE_INSTRUCTIONS, ANNOTATE_LINES };

extern const char *const annotate_order_names[]; /* "address", "hottest", NULL */
extern const char *const annotate_group_names[]; /* "instruction", "line", NULL */

/* What is shown, and how. */
struct annotations {
	const struct model *m;
	struct functions *functions;
	const char *symbol; /* as asked for */
	enum view view;
	enum metric by;
	enum annotate_order order;
	enum annotate_group group;
	bool selected, bytes, intel, colour;
	size_t limit;	/* functions at most; 0 all */
	size_t n_rows;	/* lines or hottest instructions of each at most; 0 all */
	size_t context; /* instructions shown around those with events; SIZE_MAX all */
	struct source_text *sources;
	struct tally tally; /* by TALLY_STACK */
	struct notes notes;
	struct annotation *all; /* the most first */
	size_t n, cap;
	uint64_t n_left_out;
	struct stint_intern keys;	   /* private: of the functions */
	struct stint_intern places;	   /* private: of their modules */
	struct stint_map matches;	   /* private: by linkage name */
	struct disassembler *disassembler; /* private, as is what follows: NULL until it is needed */
	enum machine machine;
	bool has_machine;
	uint64_t n_code_bytes;
};

/*
 * Finds the functions of a->symbol in the tally's stacks: those of exactly that name (as shown, in full, or as in the
 * symbol table), else those whose shown name matches it as an extended regular expression. Adds up their events.
 * Fails with STINT_ERR_NOTFOUND (the message has names that are near), or STINT_ERR_NOMEM.
 */
int annotations_find(struct annotations *a, struct stint_err *err);

/*
 * Finds and disassembles the code of one of them, and lays the events on it. To be closed before the next one is
 * opened, so that memory is for one at a time. Fails with STINT_ERR_NOMEM.
 */
int annotation_open(struct annotations *a, struct annotation *f, struct stint_err *err);
void annotation_close(struct annotation *f);

void annotations_done(struct annotations *a); /* zeroed is fine; sources and functions are the caller's */

/* Names of selected functions that the user may have meant: ", ", at most some; "" when there are none. */
int annotate_near_names(const struct annotations *a, struct stint_buf *out, struct stint_err *err);

/* Private to annotate_*.c: events of a function by address, in ascending order of where they look. */
struct hit {
	uint64_t addr;
	uint32_t module;
	bool exact;
	bool entered_kernel; /* exact, but behind a system call's instruction if that is what stands in front of it */
	struct metrics self, total;
};

struct hits {
	struct hit *at;
	size_t n, cap;
	struct stint_map index[4];
	size_t last_stack; /* 1 + index of the stack that was counted last */
};

/* The address that has the instruction of a hit. */
static inline uint64_t hit_look(const struct hit *hit)
{
	return hit->exact || !hit->addr ? hit->addr : hit->addr - 1;
}

struct annotate_emitter {
	const char *name;
	int (*write)(struct annotations *a, FILE *out, struct stint_err *err);
	size_t default_limit, default_rows;
};

extern const struct annotate_emitter annotate_text, annotate_json;

static inline enum metric annotate_share_metric(const struct annotations *a)
{
	return a->by == METRIC_MAX ? METRIC_DURATION : a->by;
}

#endif
