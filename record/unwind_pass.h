/* SPDX-License-Identifier: MIT */
/*
 * Goes through the room that was taken for a table, in the rows' order, to write them or to compare them, with a piece
 * of a segment mapped at a time. No lock is needed: while it is taken, nobody else writes there.
 */
#ifndef STINT_RECORD_UNWIND_PASS_H
#define STINT_RECORD_UNWIND_PASS_H

#include <stdbool.h>
#include <stdint.h>

#include "record/unwind_store.h"

/* Zeroed but for the first three is the beginning. */
struct unwind_pass {
	const struct unwind_store *store;
	struct unwind_chunk *chunks;
	uint32_t n_chunks;
	uint32_t chunk, done; /* where the next row is: in that chunk, behind so many of its rows */
	struct unwind_row *piece;
	uint32_t piece_segment, piece_first; /* a row's number in the segment */
};

/* What comes next. Returns 0, or STINT_ERR_SYSTEM (rows can't be mapped) or _LIMIT (there are fewer, or, of
 * unwind_pass_compare, others). */
int unwind_pass_write(struct unwind_pass *pass, const struct unwind_row *rows, uint32_t n);
int unwind_pass_compare(struct unwind_pass *pass, const struct unwind_row *rows, uint32_t n);
bool unwind_pass_ended(const struct unwind_pass *pass); /* was that all of them? */
void unwind_pass_done(struct unwind_pass *pass);

#endif
