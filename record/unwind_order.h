/* SPDX-License-Identifier: MIT */
/*
 * A file's functions in the order of their addresses, in a bounded amount of memory: of a file with more functions than
 * are held, those with the lowest addresses are kept, and whoever finds them is asked to find all of them again for the
 * next ones.
 */
#ifndef STINT_RECORD_UNWIND_ORDER_H
#define STINT_RECORD_UNWIND_ORDER_H

#include <stdbool.h>
#include <stdint.h>

#define UNWIND_ORDER_MAX (256u << 10) /* held at a time: 2 MiB */

/* Where a range of code has its rule from; of ranges that start at one place, the lower number was there first. */
enum unwind_origin {
	FROM_KNOWN = 0, /* functions known by name or code; also where an earlier range has covered them */
	FROM_EH_FRAME = 1,
	FROM_DEBUG_FRAME = 2,
	FROM_STUBS = 3,
};

/* The file offset of a function's code, then its origin, then what its origin knows it by: an offset in a section. */
typedef uint64_t unwind_key;

#define UNWIND_KEY(start, origin, at) ((uint64_t)(start) << 32 | (uint64_t)(origin) << 30 | (at))
#define UNWIND_KEY_MAX_AT	      ((1u << 30) - 1)

static inline uint32_t unwind_key_start(unwind_key key)
{
	return (uint32_t)(key >> 32);
}

static inline enum unwind_origin unwind_key_origin(unwind_key key)
{
	return (enum unwind_origin)(key >> 30 & 3);
}

static inline uint32_t unwind_key_at(unwind_key key)
{
	return (uint32_t)key & UNWIND_KEY_MAX_AT;
}

struct unwind_order {
	unwind_key *keys;
	uint32_t n, cap;
	bool sorted;
	bool more;	       /* some were left out since they come later */
	unwind_key from, past; /* only these are kept; past itself isn't one of them */
};

/* Begins with the lowest ones, or anew with those behind the last ones that were kept. */
void unwind_order_first(struct unwind_order *order);
void unwind_order_next(struct unwind_order *order);
void unwind_order_done(struct unwind_order *order); /* zeroed is fine */

/* No two keys may be equal. Returns 0 or STINT_ERR_NOMEM. */
int unwind_order_add(struct unwind_order *order, unwind_key key);

/* Once all have been added: keys is sorted. */
void unwind_order_sort(struct unwind_order *order);

/* The first of the sorted keys that is not below key; n where there is none. */
uint32_t unwind_order_find(const struct unwind_order *order, unwind_key key);

#endif
