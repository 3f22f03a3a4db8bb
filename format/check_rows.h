/* SPDX-License-Identifier: MIT */
/* The rules that rows must keep beyond decoding: references, the tree of stacks, times. */
#ifndef STINT_FORMAT_CHECK_ROWS_H
#define STINT_FORMAT_CHECK_ROWS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "format/reader.h"

/* Consecutive ids that a dictionary block defined. */
struct stint_id_range {
	uint32_t first;
	uint32_t n;
	uint16_t *depth; /* of each node, 1 for outermost ones; nodes only */
};

/* What is known from the blocks seen so far. Zeroed is ready. */
struct stint_row_checks {
	struct {
		struct stint_id_range *ranges; /* ascending, none next to each other */
		size_t n_ranges;
	} dictionaries[STINT_FIRST_EVENT_TABLE];
};

/* How many rows of a block break a rule. */
struct stint_row_faults {
	uint64_t n_references;
	uint64_t n_tree;
	uint64_t n_order;
};

/*
 * Checks a block's rows against all blocks in front of it, and remembers what it defines. Returns
 * 0, STINT_ERR_NOMEM, or STINT_ERR_FORMAT when it defines ids that are not behind all earlier ones.
 */
int stint_row_checks_block(struct stint_row_checks *checks, const struct stint_rows *rows,
			   struct stint_row_faults *ret_faults, struct stint_err *err);
void stint_row_checks_done(struct stint_row_checks *checks);

#endif
