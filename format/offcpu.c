/* SPDX-License-Identifier: MIT */
#include "format/offcpu.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define N_BUCKETS 1024

static size_t bucket_of(uint32_t cpu)
{
	return cpu < N_BUCKETS ? cpu : N_BUCKETS - 1;
}

/* The order in the file. Rows that are equal in it keep the order in which they were added. */
static bool in_order(const struct stint_offcpu *a, const struct stint_offcpu *b)
{
	return a->cpu != b->cpu ? a->cpu < b->cpu : a->end_ns <= b->end_ns;
}

static int compare(const void *pa, const void *pb, void *context)
{
	const struct stint_offcpu *rows = context;
	uint32_t a = *(const uint32_t *)pa, b = *(const uint32_t *)pb;

	if (in_order(&rows[a], &rows[b]) && in_order(&rows[b], &rows[a]))
		return a < b ? -1 : a > b;
	return in_order(&rows[a], &rows[b]) ? -1 : 1;
}

/*
 * Recorders add the rows of each CPU in order of time, so that sharing them out by CPU is nearly
 * always all it takes, at a tenth of a comparison sort's cost.
 */
int stint_offcpu_sort(struct stint_offcpu *rows, size_t n_rows)
{
	uint32_t starts[N_BUCKETS + 1] = {0};
	uint32_t *order = malloc(n_rows * sizeof(*order));
	struct stint_offcpu *copy = malloc(n_rows * sizeof(*copy));
	bool sorted = true;
	uint32_t i;

	if (!order || !copy) {
		free(order);
		free(copy);
		return n_rows ? STINT_ERR_NOMEM : 0;
	}
	for (i = 0; i < n_rows; i++)
		starts[bucket_of(rows[i].cpu) + 1]++;
	for (i = 0; i < N_BUCKETS; i++)
		starts[i + 1] += starts[i];
	for (i = 0; i < n_rows; i++)
		order[starts[bucket_of(rows[i].cpu)]++] = i;
	for (i = 1; i < n_rows && sorted; i++)
		sorted = in_order(&rows[order[i - 1]], &rows[order[i]]);
	if (!sorted)
		qsort_r(order, n_rows, sizeof(*order), compare, rows);
	memcpy(copy, rows, n_rows * sizeof(*rows));
	for (i = 0; i < n_rows; i++)
		rows[i] = copy[order[i]];
	free(order);
	free(copy);
	return 0;
}

/* How many of the sorted rows are in front of (cpu, end_ns), itself included. */
static size_t count_up_to(const struct stint_offcpu *rows, size_t n_rows, uint32_t cpu, uint64_t end_ns)
{
	size_t lo = 0, hi = n_rows;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (rows[mid].cpu < cpu || (rows[mid].cpu == cpu && rows[mid].end_ns <= end_ns))
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* The row behind which this one's thread left its CPU: how far it is in front of row i, 0 for none.
 */
static uint32_t find_start(const struct stint_offcpu *rows, size_t i)
{
	const struct stint_offcpu *row = &rows[i];
	size_t n = i, back;

	/* On its own CPU it is mostly among the last few. */
	for (back = 1; back <= i && back <= 4 && rows[i - back].cpu == row->cpu_out; back++)
		if (rows[i - back].end_ns == row->start_ns)
			return (uint32_t)back;
	n = count_up_to(rows, i, row->cpu_out, row->start_ns);
	if (n && rows[n - 1].cpu == row->cpu_out && rows[n - 1].end_ns == row->start_ns)
		return (uint32_t)(i - (n - 1));
	return 0;
}

void stint_offcpu_to_stored(struct stint_offcpu *rows, size_t n_rows)
{
	size_t i;

	/* From the last row on, because a row is found by fields of those in front of it. */
	for (i = n_rows; i-- > 0;) {
		struct stint_offcpu *row = &rows[i];

		row->reserved = find_start(rows, i);
		row->start_ns = row->reserved ? 0 : row->end_ns - row->start_ns;
		row->wake_ns = row->flags & STINT_OFFCPU_WOKEN ? row->end_ns - row->wake_ns : 0;
	}
}

int stint_offcpu_from_stored(struct stint_offcpu *rows, size_t n_rows, struct stint_err *err)
{
	size_t i;

	for (i = 0; i < n_rows; i++) {
		struct stint_offcpu *row = &rows[i];

		if (row->reserved > i)
			return stint_err_set(err, STINT_ERR_FORMAT, 0, -1,
					     "off-cpu row %zu refers to a row in front of its block", i);
		row->start_ns = row->reserved ? rows[i - row->reserved].end_ns : row->end_ns - row->start_ns;
		row->wake_ns = row->flags & STINT_OFFCPU_WOKEN ? row->end_ns - row->wake_ns : 0;
		row->reserved = 0;
	}
	return 0;
}
