/* SPDX-License-Identifier: MIT */
/* What is added up over events: one set of numbers for both views, of which each view uses its own.
 */
#ifndef STINT_ANALYZE_METRICS_H
#define STINT_ANALYZE_METRICS_H

#include <stdbool.h>
#include <stdint.h>

#include "format/rows.h"

enum view { VIEW_ON_CPU, VIEW_OFF_CPU };

enum metric {
	METRIC_SAMPLES,	 /* on-CPU: the samples' weights */
	METRIC_COUNT,	 /* off-CPU: completed intervals */
	METRIC_DURATION, /* ns, open intervals included, as are the next three */
	METRIC_BLOCKED,
	METRIC_RUNQUEUE,
	METRIC_MAX,  /* the longest interval; of two sets, the greater one counts */
	METRIC_OPEN, /* intervals still open at the end */
	N_METRICS,
};

struct metrics {
	uint64_t v[N_METRICS];
};

static inline void metrics_add(struct metrics *to, const struct metrics *from)
{
	int i;

	for (i = 0; i < N_METRICS; i++)
		if (i != METRIC_MAX)
			to->v[i] += from->v[i];
	if (from->v[METRIC_MAX] > to->v[METRIC_MAX])
		to->v[METRIC_MAX] = from->v[METRIC_MAX];
}

static inline void metrics_add_sample(struct metrics *to, const struct stint_sample *row)
{
	to->v[METRIC_SAMPLES] += row->weight;
}

void metrics_add_offcpu(struct metrics *to, const struct stint_offcpu *row);

/* "samples", "count", "duration" …, as --by takes them; NULL terminates. */
extern const char *const metric_names[];

/* The key in JSON and CSV: with its unit, "duration_ns". */
const char *metric_key(enum metric metric);
bool metric_is_time(enum metric metric);

/* The metrics that a view shows, in order; returns how many. */
int view_metrics(enum view view, enum metric *metrics);

extern const char *const view_names[]; /* "on-cpu", "off-cpu", NULL */

/* Powers of two of a time in ns: bucket 0 holds 0 ns, bucket b holds [2^(b-1), 2^b). */
#define N_HISTOGRAM_BUCKETS 65

enum { HISTOGRAM_DURATION, HISTOGRAM_BLOCKED, HISTOGRAM_RUNQUEUE, N_HISTOGRAMS };

/* Completed intervals by how long they were. */
struct histogram {
	uint64_t n[N_HISTOGRAMS][N_HISTOGRAM_BUCKETS];
};

static inline uint64_t histogram_from_ns(unsigned bucket)
{
	return bucket ? (uint64_t)1 << (bucket - 1) : 0;
}

/* The first time beyond the bucket; of the last one, the greatest time there is. */
static inline uint64_t histogram_to_ns(unsigned bucket)
{
	return bucket < N_HISTOGRAM_BUCKETS - 1 ? (uint64_t)1 << bucket : UINT64_MAX;
}

void histogram_add(struct histogram *to, const struct stint_offcpu *row);
void histogram_merge(struct histogram *to, const struct histogram *from);

#endif
