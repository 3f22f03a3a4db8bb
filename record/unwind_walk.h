/* SPDX-License-Identifier: MIT */
/* From a frame to its caller on x86-64 in user space: the counterpart of the walker in the kernel,
 * rule for rule. */
#ifndef STINT_RECORD_UNWIND_WALK_H
#define STINT_RECORD_UNWIND_WALK_H

#include <stdbool.h>
#include <stdint.h>

#include "bpf/unwind_row.h"
#include "format/rows.h"

enum { UNWIND_REG_FP = 6, UNWIND_REG_SP = 7, UNWIND_N_REGS = 16 };

struct unwind_regs {
	uint64_t ip;
	uint64_t r[UNWIND_N_REGS]; /* by DWARF number */
	bool all;		   /* all of r are this frame's: where the thread runs, or was interrupted by a
	           * signal; else only frame and stack pointer are */
	bool fp_known;
	bool callee_all;    /* the frame before this one had all of r, and r has the others still */
	uint64_t callee_sp; /* its stack pointer */
	bool exact;	    /* ip is where it runs or was interrupted, not a return address */
};

/* Reads 8 bytes of the walked process; false if they can't be read. */
typedef bool unwind_read_fn(void *context, uint64_t addr, uint64_t *ret);

/*
 * Replaces regs by the caller's. Returns 0, or how the walk ends here (enum stint_user_end):
 * COMPLETE, NO_ROWS for a gap, UNSUPPORTED or UNREADABLE; regs are then unspecified.
 */
enum stint_user_end unwind_step(const struct unwind_row *row, struct unwind_regs *regs, unwind_read_fn *read,
				void *context);

/* The same for code without rows, by its frame pointer. Ends with FP_END where that can't be one.
 */
enum stint_user_end unwind_step_fp(struct unwind_regs *regs, unwind_read_fn *read, void *context);

/* What is known of an address. */
enum unwind_at {
	UNWIND_AT_ROW,
	UNWIND_AT_GAP,	   /* a mapping, and no row there */
	UNWIND_AT_NOWHERE, /* no mapping */
	UNWIND_AT_UNKNOWN, /* the process isn't known: all there is are frame pointers */
	UNWIND_AT_PENDING, /* its rows aren't loaded yet */
};

/* A process's code and memory, as a walk sees them. */
struct unwind_process {
	enum unwind_at (*find)(void *context, uint64_t addr, const struct unwind_row **ret);
	unwind_read_fn *read;
	void *context;
	uint64_t top; /* where its first stack pointer was; 0 where that isn't known */
};

/*
 * Walks a stack from its innermost frame on, by the same rules as the walker in the kernel. Fills addrs (innermost
 * first; EVENT_FRAME_EXACT set in those that a signal interrupted) and says how the walk ended: STINT_USER_WINDOW
 * where it met UNWIND_AT_PENDING.
 */
enum stint_user_end unwind_walk(const struct unwind_process *process, const struct unwind_regs *first, uint64_t *addrs,
				uint32_t max_addrs, uint32_t *ret_n);

#endif
