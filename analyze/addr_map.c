/* SPDX-License-Identifier: MIT */
#include "analyze/addr_map.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

/* A sweep over the ranges by start. The heap holds those that have begun; ended ones leave when they reach its top. */
struct sweep {
	const struct addr_range **heap;
	size_t n_heap;
	struct addr_map *map;
};

static int by_start(const void *a, const void *b)
{
	const struct addr_range *ra = a, *rb = b;

	return (ra->start > rb->start) - (ra->start < rb->start);
}

static bool wins(const struct addr_range *a, const struct addr_range *b)
{
	if (a->priority != b->priority)
		return a->priority > b->priority;
	if (a->start != b->start)
		return a->start > b->start;
	if (a->end != b->end)
		return a->end < b->end;
	return a->value > b->value;
}

static void push(struct sweep *sw, const struct addr_range *range)
{
	size_t i = sw->n_heap++;

	while (i && wins(range, sw->heap[(i - 1) / 2])) {
		sw->heap[i] = sw->heap[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	sw->heap[i] = range;
}

static void pop(struct sweep *sw)
{
	const struct addr_range *moved = sw->heap[--sw->n_heap];
	size_t i = 0, child;

	while ((child = 2 * i + 1) < sw->n_heap) {
		if (child + 1 < sw->n_heap && wins(sw->heap[child + 1], sw->heap[child]))
			child++;
		if (!wins(sw->heap[child], moved))
			break;
		sw->heap[i] = sw->heap[child];
		i = child;
	}
	sw->heap[i] = moved;
}

static void emit(struct sweep *sw, uint64_t start, uint32_t value)
{
	struct addr_map *map = sw->map;

	if (map->n && map->starts[map->n - 1] == start)
		map->n--;
	if (map->n ? map->values[map->n - 1] == value : value == ADDR_MAP_NONE)
		return;
	map->starts[map->n] = start;
	map->values[map->n++] = value;
}

static void sweep_ranges(struct sweep *sw, const struct addr_range *ranges, size_t n)
{
	uint64_t at = 0;
	size_t i = 0;

	while (i < n || sw->n_heap) {
		if (!sw->n_heap)
			at = ranges[i].start;
		for (; i < n && ranges[i].start <= at; i++)
			push(sw, &ranges[i]);
		emit(sw, at, sw->heap[0]->value);
		at = sw->heap[0]->end;
		if (i < n && ranges[i].start < at)
			at = ranges[i].start;
		while (sw->n_heap && sw->heap[0]->end <= at)
			pop(sw);
		if (!sw->n_heap)
			emit(sw, at, ADDR_MAP_NONE); /* replaced when another range starts just here */
	}
}

/* Moves the empty ranges out of the way; returns how many are left. */
static size_t drop_empty(struct addr_range *ranges, size_t n)
{
	size_t i, kept = 0;

	for (i = 0; i < n; i++)
		if (ranges[i].end > ranges[i].start)
			ranges[kept++] = ranges[i];
	return kept;
}

/* The arrays were sized for the worst case; the usual case needs half. */
static void shrink(struct addr_map *map)
{
	uint64_t *starts = realloc(map->starts, map->n * sizeof(*starts));
	uint32_t *values = realloc(map->values, map->n * sizeof(*values));

	map->starts = starts ? starts : map->starts;
	map->values = values ? values : map->values;
}

int addr_map_build(struct addr_map *map, struct addr_range *ranges, size_t n)
{
	struct sweep sw = {.map = map};
	size_t most;

	memset(map, 0, sizeof(*map));
	n = drop_empty(ranges, n);
	if (!n)
		return 0;
	if (n > SIZE_MAX / 64)
		return STINT_ERR_NOMEM;
	most = 2 * n + 1; /* each start and each end begins at most one piece */
	map->starts = malloc(most * sizeof(*map->starts));
	map->values = malloc(most * sizeof(*map->values));
	sw.heap = malloc(n * sizeof(*sw.heap));
	if (!map->starts || !map->values || !sw.heap) {
		free(sw.heap);
		addr_map_done(map);
		return STINT_ERR_NOMEM;
	}
	qsort(ranges, n, sizeof(*ranges), by_start);
	sweep_ranges(&sw, ranges, n);
	free(sw.heap);
	if (map->n)
		shrink(map);
	return 0;
}

uint32_t addr_map_find(const struct addr_map *map, uint64_t addr)
{
	size_t low = 0, high = map->n, mid;

	if (!map->n || addr < map->starts[0])
		return ADDR_MAP_NONE;
	while (high - low > 1) {
		mid = low + (high - low) / 2;
		if (map->starts[mid] <= addr)
			low = mid;
		else
			high = mid;
	}
	return map->values[low];
}

void addr_map_done(struct addr_map *map)
{
	if (!map)
		return;
	free(map->starts);
	free(map->values);
	memset(map, 0, sizeof(*map));
}
