/* SPDX-License-Identifier: MIT */
#include "analyze/metrics.h"

#include <stddef.h>

#include "analyze/select.h"

const char *const metric_names[] = {"samples", "count", "duration", "blocked", "runqueue", "max", "open", NULL};
const char *const view_names[] = {"on-cpu", "off-cpu", NULL};

static const char *const metric_keys[] = {"samples",	 "count",  "duration_ns", "blocked_ns",
					  "runqueue_ns", "max_ns", "open"};

const char *metric_key(enum metric metric)
{
	return metric_keys[metric];
}

bool metric_is_time(enum metric metric)
{
	return metric >= METRIC_DURATION && metric <= METRIC_MAX;
}

int view_metrics(enum view view, enum metric *metrics)
{
	int i, n = 0;

	if (view == VIEW_ON_CPU) {
		metrics[0] = METRIC_SAMPLES;
		return 1;
	}
	for (i = METRIC_COUNT; i < N_METRICS; i++)
		metrics[n++] = (enum metric)i;
	return n;
}

void metrics_add_offcpu(struct metrics *to, const struct stint_offcpu *row)
{
	struct offcpu_times t = offcpu_times(row);

	if (row->flags & STINT_OFFCPU_OPEN_END)
		to->v[METRIC_OPEN]++;
	else
		to->v[METRIC_COUNT]++;
	to->v[METRIC_DURATION] += t.duration_ns;
	to->v[METRIC_BLOCKED] += t.blocked_ns;
	to->v[METRIC_RUNQUEUE] += t.runqueue_ns;
	if (t.duration_ns > to->v[METRIC_MAX])
		to->v[METRIC_MAX] = t.duration_ns;
}

static unsigned bucket_of(uint64_t ns)
{
	return ns ? 64 - (unsigned)__builtin_clzll(ns) : 0;
}

void histogram_add(struct histogram *to, const struct stint_offcpu *row)
{
	struct offcpu_times t = offcpu_times(row);

	if (row->flags & STINT_OFFCPU_OPEN_END)
		return;
	to->n[HISTOGRAM_DURATION][bucket_of(t.duration_ns)]++;
	to->n[HISTOGRAM_BLOCKED][bucket_of(t.blocked_ns)]++;
	to->n[HISTOGRAM_RUNQUEUE][bucket_of(t.runqueue_ns)]++;
}

void histogram_merge(struct histogram *to, const struct histogram *from)
{
	size_t h, b;

	for (h = 0; h < N_HISTOGRAMS; h++)
		for (b = 0; b < N_HISTOGRAM_BUCKETS; b++)
			to->n[h][b] += from->n[h][b];
}
