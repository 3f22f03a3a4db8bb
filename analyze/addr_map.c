/* SPDX-License-Identifier: MIT */
#include "analyze/addr_map.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"

/* A sweep over the ranges by start. The heap holds those that have begun; ended ones leave when they reach its top. */
struct sweep {
	const struct addr_range **heap;
	size_t n_heap;
	struct addr_map *map;
};

static void push(struct sweep *sw, const struct addr_range *range)
{
	size_t i = sw->n_heap++;

	while (i && addr_range_wins(range, sw->heap[(i - 1) / 2])) {
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
		if (child + 1 < sw->n_heap && addr_range_wins(sw->heap[child + 1], sw->heap[child]))
			child++;
		if (!addr_range_wins(sw->heap[child], moved))
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

#define RADIX_BITS 11
#define RADIX	   (1u << RADIX_BITS)

/* One pass of a radix sort, by the digit at shift of what start is above base. */
static void radix_pass(const struct addr_range *from, struct addr_range *to, size_t n, uint64_t base,
		       unsigned int shift)
{
	size_t place[RADIX] = {0}, sum = 0, count, i;

	for (i = 0; i < n; i++)
		place[(from[i].start - base) >> shift & (RADIX - 1)]++;
	for (i = 0; i < RADIX; i++) {
		count = place[i];
		place[i] = sum;
		sum += count;
	}
	for (i = 0; i < n; i++)
		to[place[(from[i].start - base) >> shift & (RADIX - 1)]++] = from[i];
}

/*
 * Addresses of one program differ in few digits, so this takes two or three passes where a sort by comparing takes
 * most of the time of building a map.
 */
void addr_ranges_sort(struct addr_range *ranges, struct addr_range *spare, size_t n)
{
	uint64_t low = UINT64_MAX, high = 0;
	struct addr_range *from = ranges, *to = spare;
	unsigned int shift;
	bool sorted = true;
	size_t i;

	for (i = 0; i < n; i++) {
		low = ranges[i].start < low ? ranges[i].start : low;
		high = ranges[i].start > high ? ranges[i].start : high;
		sorted &= !i || ranges[i - 1].start <= ranges[i].start;
	}
	if (sorted)
		return;
	for (shift = 0; shift < 64 && (high - low) >> shift; shift += RADIX_BITS) {
		struct addr_range *swap = from;

		radix_pass(from, to, n, low, shift);
		from = to;
		to = swap;
	}
	if (from != ranges)
		memcpy(ranges, from, n * sizeof(*ranges));
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

/* A worst case of n ranges: each start and each end begins at most one piece. */
static size_t max_pieces(size_t n)
{
	return 2 * n + 1;
}

static bool reserve(struct addr_map_scratch *scratch, size_t n)
{
	size_t size = n * (sizeof(struct addr_range) + sizeof(struct addr_range *)) +
		      max_pieces(n) * (sizeof(uint64_t) + sizeof(uint32_t));
	uint8_t *memory;

	if (size <= scratch->size)
		return true;
	memory = realloc(scratch->memory, size + size / 2);
	if (!memory)
		return false;
	scratch->memory = memory;
	scratch->size = size + size / 2;
	return true;
}

/* Copies the pieces, which stand in the scratch, into arrays of their own. */
static bool keep_pieces(struct addr_map *map, const struct addr_map *pieces)
{
	map->starts = malloc(pieces->n * sizeof(*map->starts));
	map->values = malloc(pieces->n * sizeof(*map->values));
	if (!map->starts || !map->values)
		return false;
	memcpy(map->starts, pieces->starts, pieces->n * sizeof(*map->starts));
	memcpy(map->values, pieces->values, pieces->n * sizeof(*map->values));
	map->n = pieces->n;
	return true;
}

int addr_map_build(struct addr_map *map, struct addr_range *ranges, size_t n, struct addr_map_scratch *scratch)
{
	struct addr_map pieces = {.n = 0};
	struct sweep sw = {.map = &pieces};

	memset(map, 0, sizeof(*map));
	n = drop_empty(ranges, n);
	if (!n)
		return 0;
	if (n > SIZE_MAX / 128 || !reserve(scratch, n))
		return STINT_ERR_NOMEM;
	addr_ranges_sort(ranges, (struct addr_range *)scratch->memory, n);
	sw.heap = (const struct addr_range **)(scratch->memory + n * sizeof(*ranges));
	pieces.starts = (uint64_t *)(sw.heap + n);
	pieces.values = (uint32_t *)(pieces.starts + max_pieces(n));
	sweep_ranges(&sw, ranges, n);
	if (keep_pieces(map, &pieces))
		return 0;
	addr_map_done(map);
	return STINT_ERR_NOMEM;
}

void addr_map_scratch_done(struct addr_map_scratch *scratch)
{
	free(scratch->memory);
	*scratch = (struct addr_map_scratch){NULL, 0};
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
