/* SPDX-License-Identifier: MIT */
/* Checks every block and every reference of a recording, and copies out what is whole. */
#ifndef STINT_FORMAT_VERIFY_H
#define STINT_FORMAT_VERIFY_H

#include "format/reader.h"
#include "format/writer.h"

enum stint_problem_kind {
	STINT_PROBLEM_DAMAGE = 1,    /* bytes that are no whole, valid block: torn, flipped, or foreign */
	STINT_PROBLEM_REFERENCE = 2, /* a row refers to an id that no dictionary block defines */
	STINT_PROBLEM_TREE = 3,	     /* a node whose parent is not an earlier node, or a stack that is too deep */
	STINT_PROBLEM_SUM = 4,	     /* final totals: seen != in the file + in the ledger */
	STINT_PROBLEM_MISSING = 5,   /* block numbers that are absent */
	STINT_PROBLEM_ORDER = 6,     /* times that can't be: an interval that ends before it starts, … */
};

struct stint_problem {
	enum stint_problem_kind kind;
	uint64_t file_off; /* of the block or the bytes */
	uint64_t count;	   /* how many rows of that block are concerned; bytes for DAMAGE */
	char what[160];
};

struct stint_verify_result {
	uint64_t n_blocks, n_whole; /* blocks found; those without any problem */
	uint64_t n_rows;	    /* in whole blocks */
	uint64_t n_problems;
	bool complete;
};

/*
 * Reads everything; each(context, problem) is called once for every problem (each may be NULL). Returns 0 even
 * when there are problems: see the result. Fails only with STINT_ERR_NOMEM or _IO.
 */
int stint_verify(const struct stint_reader *reader, void (*each)(void *context, const struct stint_problem *problem),
		 void *context, struct stint_verify_result *ret_result, struct stint_err *err);

/* Whether a loss of this cause is of events that the kernel side counted as seen (FORMAT.md, "Totals"). */
bool stint_loss_was_seen(uint32_t cause);

/*
 * Writes a recording that has every whole block as it was but for its number, in order, a loss record
 * (STINT_LOSS_REPAIRED) for each block left out and each place where no block could be found, and an index. Rows that
 * refer to a dictionary block that was left out are kept, so the result may still have STINT_PROBLEM_REFERENCE.
 * Fails with STINT_ERR_NOMEM, _IO or what the sink says.
 */
int stint_repair(const struct stint_reader *reader, struct stint_sink sink, struct stint_err *err);

#endif
