/* SPDX-License-Identifier: MIT */
/*
 * Which range has each of some addresses, where the addresses are known before the ranges: what addr_map.h answers for
 * any address, without keeping the ranges. They come one by one, in any order.
 */
#ifndef STINT_ANALYZE_ADDR_HITS_H
#define STINT_ANALYZE_ADDR_HITS_H

#include "analyze/addr_map.h"

struct addr_hits {
	const uint64_t *addrs;	 /* ascending; the caller's */
	struct addr_range *best; /* by address; its end is 0 while no range has it */
	uint32_t n, cap;
	uint32_t *first; /* by the digits of an address from shift on: the first address with these or greater ones */
	uint32_t cap_first;
	unsigned int shift;
	uint64_t budget; /* how many more times an address may be looked at; the caller's, kept across starts */
	bool spent;	 /* that wasn't enough: the answers aren't complete */
};

/*
 * Begins with other addresses: ascending, at least one, fewer than 2^31. They stay the caller's and in place. A zeroed
 * addr_hits is ready, and keeps its memory for the next time. Returns 0 or STINT_ERR_NOMEM.
 */
int addr_hits_start(struct addr_hits *hits, const uint64_t *addrs, uint32_t n);
/* Forgets the ranges. */
void addr_hits_again(struct addr_hits *hits);
void addr_hits_done(struct addr_hits *hits);

/* The first address that isn't below addr; n where all are. */
static inline uint32_t addr_hits_from(const struct addr_hits *hits, uint64_t addr)
{
	uint32_t low, high, mid;
	uint64_t digits;

	if (addr <= hits->addrs[0])
		return 0;
	if (addr > hits->addrs[hits->n - 1])
		return hits->n;
	digits = (addr - hits->addrs[0]) >> hits->shift;
	low = hits->first[digits];
	high = hits->first[digits + 1];
	while (low < high) {
		mid = low + (high - low) / 2;
		if (hits->addrs[mid] < addr)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* Takes work off the budget. False: there is none left, stop. */
static inline bool addr_hits_spend(struct addr_hits *hits, uint64_t work)
{
	if (work > hits->budget) {
		hits->budget = 0;
		hits->spent = true;
		return false;
	}
	hits->budget -= work;
	return true;
}

/* Offers a range to all addresses in it. False without budget. */
static inline bool addr_hits_offer(struct addr_hits *hits, const struct addr_range *range)
{
	uint32_t first = addr_hits_from(hits, range->start), i;

	for (i = first; i < hits->n && hits->addrs[i] < range->end; i++)
		if (!hits->best[i].end || addr_range_wins(range, &hits->best[i]))
			hits->best[i] = *range;
	return addr_hits_spend(hits, i - first);
}

#endif
