/* SPDX-License-Identifier: MIT */
#include "record/unwind_extents.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"

int unwind_extents_init(struct unwind_extents *e, uint32_t n)
{
	*e = (struct unwind_extents){.n_total = n};
	e->free = calloc(8, sizeof(*e->free));
	if (!e->free)
		return STINT_ERR_NOMEM;
	e->cap_free = 8;
	e->free[0] = (struct unwind_extent){.first = 0, .n = n};
	e->n_free = n ? 1 : 0;
	return 0;
}

void unwind_extents_done(struct unwind_extents *e)
{
	if (!e)
		return;
	free(e->free);
	*e = (struct unwind_extents){0};
}

static void remove_at(struct unwind_extents *e, uint32_t i)
{
	memmove(&e->free[i], &e->free[i + 1], (e->n_free - i - 1) * sizeof(*e->free));
	e->n_free--;
}

/* Ends quarantines that are over, and joins neighbours. */
static void settle(struct unwind_extents *e, uint64_t now_ns)
{
	uint32_t i = 0;

	for (i = 0; i < e->n_free; i++) {
		struct unwind_extent *x = &e->free[i];

		if (x->free_ns && x->free_ns <= now_ns) {
			x->free_ns = 0;
			e->n_used -= x->n;
		}
		if (i && !x->free_ns && !x[-1].free_ns && x[-1].first + x[-1].n == x->first) {
			x[-1].n += x->n;
			remove_at(e, i--);
		}
	}
}

bool unwind_extents_take(struct unwind_extents *e, uint32_t n, uint64_t now_ns, uint32_t *ret_first)
{
	uint32_t i;

	settle(e, now_ns);
	for (i = 0; i < e->n_free; i++) {
		struct unwind_extent *x = &e->free[i];

		if (x->free_ns || x->n < n)
			continue;
		*ret_first = x->first;
		x->first += n;
		x->n -= n;
		e->n_used += n;
		if (!x->n)
			remove_at(e, i);
		return true;
	}
	return false;
}

void unwind_extents_give(struct unwind_extents *e, uint32_t first, uint32_t n, uint64_t now_ns)
{
	uint32_t i = 0;

	if (!n)
		return;
	if (e->n_free == e->cap_free) {
		struct unwind_extent *fresh = realloc(e->free, 2 * e->cap_free * sizeof(*fresh));

		if (!fresh)
			return;
		e->free = fresh;
		e->cap_free *= 2;
	}
	while (i < e->n_free && e->free[i].first < first)
		i++;
	memmove(&e->free[i + 1], &e->free[i], (e->n_free - i) * sizeof(*e->free));
	e->free[i] = (struct unwind_extent){.first = first, .n = n, .free_ns = now_ns + UNWIND_QUARANTINE_NS};
	e->n_free++;
}

uint32_t unwind_extents_largest(struct unwind_extents *e, uint64_t now_ns)
{
	uint32_t i, largest = 0;

	settle(e, now_ns);
	for (i = 0; i < e->n_free; i++)
		if (!e->free[i].free_ns && e->free[i].n > largest)
			largest = e->free[i].n;
	return largest;
}
