/* SPDX-License-Identifier: MIT */
/*
 * From an address to the range that has it. Ranges may nest and overlap in any way: at each address the one of the
 * highest priority wins, among equals the one that starts last, then the shortest, then the highest value.
 */
#ifndef STINT_ANALYZE_ADDR_MAP_H
#define STINT_ANALYZE_ADDR_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ADDR_MAP_NONE UINT32_MAX

struct addr_range {
	uint64_t start;
	uint64_t end;	/* exclusive; empty ranges are ignored */
	uint32_t value; /* not ADDR_MAP_NONE */
	uint32_t priority;
};

/* Does a go before b, at an address that both have? */
static inline bool addr_range_wins(const struct addr_range *a, const struct addr_range *b)
{
	if (a->priority != b->priority)
		return a->priority > b->priority;
	if (a->start != b->start)
		return a->start > b->start;
	if (a->end != b->end)
		return a->end < b->end;
	return a->value > b->value;
}

/* Flattened: from starts[i] up to starts[i + 1] the answer is values[i]. Zeroed is empty. */
struct addr_map {
	uint64_t *starts;
	uint32_t *values;
	size_t n;
};

/* Memory that building maps needs for a while: kept for the next one. Zeroed is ready. */
struct addr_map_scratch {
	uint8_t *memory;
	size_t size;
};

/* Sorts by start and keeps the order of equal ones. spare has room for n. */
void addr_ranges_sort(struct addr_range *ranges, struct addr_range *spare, size_t n);

/* Builds *map, in O(n log n), from ranges, which are reordered. Returns 0 or STINT_ERR_NOMEM. */
int addr_map_build(struct addr_map *map, struct addr_range *ranges, size_t n, struct addr_map_scratch *scratch);
void addr_map_scratch_done(struct addr_map_scratch *scratch);

/* The value at addr, or ADDR_MAP_NONE. */
uint32_t addr_map_find(const struct addr_map *map, uint64_t addr);

void addr_map_done(struct addr_map *map); /* NULL and zeroed are fine */

#endif
