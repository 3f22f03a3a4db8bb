/* SPDX-License-Identifier: MIT */
/*
 * Hands out runs of a numbered space (rows of a segment, entries of the array of mappings). What is
 * given back can be quarantined: walks in the kernel may still be reading it.
 */
#ifndef STINT_RECORD_UNWIND_EXTENTS_H
#define STINT_RECORD_UNWIND_EXTENTS_H

#include <stdbool.h>
#include <stdint.h>

#define UNWIND_QUARANTINE_NS 100000000ull /* a walk takes some microseconds */

struct unwind_extent {
	uint32_t first, n;
	uint64_t free_ns; /* usable from then on; 0: now */
};

struct unwind_extents {
	struct unwind_extent *free; /* sorted by first */
	uint32_t n_free, cap_free;
	uint32_t n_total;
	uint32_t n_used; /* quarantined ones count as used */
};

/* All of 0 to n - 1 is free. 0 or STINT_ERR_NOMEM. */
int unwind_extents_init(struct unwind_extents *e, uint32_t n);
void unwind_extents_done(struct unwind_extents *e); /* NULL and zeroed are fine */

/* A run of n; false where there is none (or no memory). */
bool unwind_extents_take(struct unwind_extents *e, uint32_t n, uint64_t now_ns, uint32_t *ret_first);

/* Gives a run back, to be used again UNWIND_QUARANTINE_NS after now_ns. Without memory to note it,
 * it is lost. */
void unwind_extents_give(struct unwind_extents *e, uint32_t first, uint32_t n, uint64_t now_ns);

/* The largest run that can be had now. */
uint32_t unwind_extents_largest(struct unwind_extents *e, uint64_t now_ns);

#endif
