/* SPDX-License-Identifier: MIT */
/*
 * What changed between two sides, each of one or several recordings: rows by name, never by
 * address. A value is normalized before it is compared: per second of recorded time, or as a share
 * of its side's total.
 */
#ifndef STINT_ANALYZE_DIFF_H
#define STINT_ANALYZE_DIFF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "analyze/functions.h"
#include "analyze/labels.h"
#include "analyze/metrics.h"
#include "analyze/notes.h"
#include "analyze/options.h"
#include "base/map.h"

enum diff_group { DIFF_SYMBOL, DIFF_THREAD, DIFF_STACK, DIFF_FOLDED };
enum diff_normalize { DIFF_BY_TIME, DIFF_BY_SAMPLES };

extern const char *const diff_group_names[];	 /* "symbol", "thread", "stack", NULL */
extern const char *const diff_normalize_names[]; /* "time", "samples", NULL */

struct diff_side {
	struct string_list files;
	uint64_t duration_ns; /* of the selected time, of all recordings together */
	uint64_t total;
	struct notes notes;
};

struct diff_row {
	const char *name, *module; /* module is a file's name without its version, "" where there is none */
	uint64_t v[2];		   /* by side, not normalized */
};

struct diff {
	enum view view;
	enum metric by;
	bool by_total; /* rows have what was called too, not only their own */
	enum diff_group group;
	enum diff_normalize normalize;
	size_t limit;	  /* rows at most; 0: all */
	uint64_t freq_hz; /* of the first recording */
	struct diff_side sides[2];
	struct diff_row *rows;
	size_t n, cap;
	struct stint_intern keys; /* private */
	struct stint_arena arena; /* the names' */
};

/* Adds a recording to side 0 or 1. What the struct says above sides must be set. */
int diff_add(struct diff *d, int side, const char *file, const struct select_spec *select,
	     const struct symbolizer_options *symbols, struct stint_err *err);

/*
 * When both sides are complete: leaves out rows that are equal once normalized (unless they are
 * DIFF_FOLDED), and sorts by the size of the change, then by name; folded rows by name. Fails with
 * STINT_ERR_UNSUPPORTED when a side has no time.
 */
int diff_finish(struct diff *d, struct stint_err *err);
void diff_done(struct diff *d); /* NULL and zeroed are fine */

/* A value of a side, normalized: per second, or in percent. */
double diff_value(const struct diff *d, int side, uint64_t v);
const char *diff_unit(const struct diff *d); /* "samples/s", "ns/s", "%" … */

/*
 * A thread's name and a stack (thread id << 32 | stack id) as stint flame folds them:
 * "comm;outermost;...;leaf". To be freed with free().
 */
int diff_folded_name(struct functions *functions, const struct labels *labels, uint64_t key, char **ret,
		     struct stint_err *err);

struct diff_emitter {
	const char *name;
	int (*write)(const struct diff *d, FILE *out, struct stint_err *err);
	size_t default_limit;
};

extern const struct diff_emitter diff_text, diff_json, diff_folded;

static inline size_t diff_n_rows(const struct diff *d)
{
	return d->limit && d->limit < d->n ? d->limit : d->n;
}

#endif
