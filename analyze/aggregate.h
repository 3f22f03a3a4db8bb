/* SPDX-License-Identifier: MIT */
/*
 * From sums by key to the rows of a report. Every event counts in exactly one row's self, so that
 * the selfs of any grouping add up to the total (max, which is no sum, excepted). Its total also
 * has the events whose stack passes through the row, each once, however often a recursive function
 * stands in it.
 */
#ifndef STINT_ANALYZE_AGGREGATE_H
#define STINT_ANALYZE_AGGREGATE_H

#include <stddef.h>
#include <stdint.h>

#include "analyze/functions.h"
#include "analyze/labels.h"
#include "analyze/metrics.h"
#include "analyze/tally.h"
#include "base/map.h"

enum group_by {
	GROUP_SYMBOL,
	GROUP_STACK,
	GROUP_MODULE,
	GROUP_LINE,
	GROUP_THREAD,
	GROUP_PROCESS,
	GROUP_COMM,
	GROUP_SYSCALL,
	GROUP_STATE,
	GROUP_CPU,
	GROUP_WAKER,
	N_GROUPS,
};

extern const char *const group_names[]; /* as --group takes them; NULL terminates */

bool group_is_of_stacks(enum group_by group); /* its rows need symbols */
bool group_is_of_offcpu(enum group_by group); /* only intervals have it */
enum tally_key group_tally_key(enum group_by group);

struct table_row {
	const char *name;   /* any bytes but NUL */
	const char *module; /* of symbols, lines and modules; "" otherwise */
	struct metrics self, total;
	uint32_t first_member; /* of stack rows, 1 + index into members; 0 none */
};

/* A stack that counts in a stack row: those with the same functions are one row, whatever their
 * addresses. */
struct member {
	uint32_t stack;
	uint32_t next; /* 1 + index; 0 at the end */
};

struct table {
	enum group_by group;
	struct table_row *rows; /* sorted, see table_sort */
	size_t n, cap;
	struct member *members;
	size_t n_members, cap_members;
	struct stint_intern keys; /* private */
	struct stint_arena arena; /* the names' */
};

/*
 * Makes rows of a tally that was collected by group_tally_key(group). functions may be NULL unless
 * group_is_of_stacks. *ret needs no initialization.
 */
int table_make(struct table *ret, const struct tally *tally, enum group_by group, const struct labels *labels,
	       struct functions *functions, struct stint_err *err);
void table_done(struct table *t); /* NULL and zeroed are fine */

/* By this metric, descending: self first (or total first, with by_total), then the other, then name
 * and module. */
void table_sort(struct table *t, enum metric by, bool by_total);

#endif
