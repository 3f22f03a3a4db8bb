/* SPDX-License-Identifier: MIT */
/* A report made ready, and the ways to write it: one vtable. */
#ifndef STINT_ANALYZE_REPORT_H
#define STINT_ANALYZE_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "analyze/aggregate.h"
#include "analyze/call_tree.h"
#include "analyze/notes.h"

/* What is shown: rows of a table, a function's callers or callees, or a histogram of intervals. */
enum report_shape { SHAPE_TABLE, SHAPE_CALLERS, SHAPE_CALLEES, SHAPE_HISTOGRAM };

struct report {
	const struct model *m;
	struct functions *functions; /* NULL where the group needs no names */
	enum report_shape shape;
	enum view view;
	enum group_by group;
	enum metric by;
	bool by_total; /* sorted by total, not by self */
	bool selected; /* some selection was made */
	size_t limit;  /* rows at most; 0: all */
	struct tally tally;
	struct table table;    /* of SHAPE_TABLE */
	struct call_tree tree; /* of SHAPE_CALLERS and SHAPE_CALLEES */
	const char *symbol;    /* whose */
	struct notes notes;
};

struct report_emitter {
	const char *name; /* as --format takes it */
	/* Writes everything. Output errors stay in the FILE. Returns 0 or STINT_ERR_NOMEM. */
	int (*write)(const struct report *r, FILE *out, struct stint_err *err);
	size_t default_limit; /* rows, where --limit isn't given; 0: all */
};

extern const struct report_emitter report_text, report_json, report_csv;

/* How many of n rows to show. */
static inline size_t report_rows(const struct report *r, size_t n)
{
	return r->limit && r->limit < n ? r->limit : n;
}

/* The metric that percentages are of: shares of the longest interval mean nothing, so it is
 * duration for max. */
static inline enum metric report_share_metric(const struct report *r)
{
	return r->by == METRIC_MAX ? METRIC_DURATION : r->by;
}

#endif
