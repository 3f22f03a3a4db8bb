/* SPDX-License-Identifier: MIT */
/*
 * Adds up a recording's selected events by one key: a row of sums for each distinct stack, thread,
 * CPU …. Blocks are decoded and added up by several threads at once. Memory grows with the distinct
 * keys, never with the events.
 */
#ifndef STINT_ANALYZE_TALLY_H
#define STINT_ANALYZE_TALLY_H

#include "analyze/metrics.h"
#include "analyze/model.h"
#include "analyze/select.h"
#include "base/map.h"

enum tally_key {
	TALLY_STACK,	    /* stack id */
	TALLY_THREAD,	    /* thread id */
	TALLY_CPU,	    /* as a sample or offcpu_cpu() has it */
	TALLY_STATE,	    /* enum task_state */
	TALLY_SYSCALL,	    /* number plus one; 0 none */
	TALLY_WAKER,	    /* thread id; 0 none */
	TALLY_THREAD_STACK, /* thread id << 32 | stack id */
	TALLY_THREAD_END,   /* thread id << 32 | enum stint_user_end of its stack */
	TALLY_COMM_STACK,   /* the first thread id of that name << 32 | stack id */
};

struct tally_row {
	uint64_t key;
	struct metrics sums;
};

struct tally {
	struct tally_row *rows; /* in ascending order of keys */
	size_t n, cap;
	struct stint_map index; /* private */
	struct metrics total;
	struct histogram histogram; /* of the off-CPU view */
	uint64_t n_events;	    /* rows selected */
	uint64_t n_seen;	    /* rows looked at, or known to be outside of the window */
};

/* Fills *ret, which needs no initialization. sel may be NULL: everything. Fails as model_each_block
 * does. */
int tally_collect(struct tally *ret, struct model *m, const struct selection *sel, enum view view, enum tally_key key,
		  struct stint_err *err);
void tally_done(struct tally *t); /* NULL and zeroed are fine */

#endif
