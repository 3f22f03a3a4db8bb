/* SPDX-License-Identifier: MIT */
#include "record/exec_maps.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"

#define FIRST_CAP 8

static size_t bytes_of(uint32_t cap)
{
	return sizeof(struct exec_maps) + cap * sizeof(struct exec_map);
}

static struct exec_maps *new_with(uint32_t cap)
{
	struct exec_maps *em = malloc(bytes_of(cap));

	if (em) {
		em->refs = 1;
		em->n = 0;
		em->cap = cap;
	}
	return em;
}

struct exec_maps *exec_maps_new(void)
{
	return new_with(FIRST_CAP);
}

struct exec_maps *exec_maps_share(struct exec_maps *em)
{
	em->refs++;
	return em;
}

void exec_maps_put(struct exec_maps *em)
{
	if (em && !--em->refs)
		free(em);
}

/* The first mapping that ends after addr. */
static uint32_t first_after(const struct exec_maps *em, uint64_t addr)
{
	uint32_t low = 0;
	uint32_t high = em->n;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if (em->maps[mid].end <= addr)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

const struct exec_map *exec_maps_find(const struct exec_maps *em, uint64_t addr)
{
	uint32_t i = first_after(em, addr);

	return i < em->n && em->maps[i].start <= addr ? &em->maps[i] : NULL;
}

bool exec_maps_equal(const struct exec_maps *a, const struct exec_maps *b)
{
	return a->n == b->n && !memcmp(a->maps, b->maps, a->n * sizeof(a->maps[0]));
}

size_t exec_maps_bytes(const struct exec_maps *em)
{
	return bytes_of(em->cap);
}

/* Do both belong to one run of the same module, so that a look-up in either gives the same answer? */
static bool same_run(const struct exec_map *a, const struct exec_map *b)
{
	return a->module == b->module && a->linear == b->linear &&
	       (!a->linear || a->file_off - a->start == b->file_off - b->start);
}

bool exec_maps_replaces(const struct exec_maps *em, const struct exec_map *map)
{
	uint32_t i;

	for (i = first_after(em, map->start); i < em->n && em->maps[i].start < map->end; i++)
		if (!same_run(&em->maps[i], map))
			return true;
	return false;
}

static void set_start(struct exec_map *map, uint64_t start)
{
	if (map->linear)
		map->file_off += start - map->start;
	map->start = start;
}

/* Makes *em unshared, with room for extra more. */
static int make_room(struct exec_maps **em, uint32_t extra)
{
	struct exec_maps *old = *em;
	struct exec_maps *bigger;
	uint32_t cap = old->cap;

	if (old->refs == 1 && old->n + extra <= old->cap)
		return 0;
	while (cap < old->n + extra)
		cap *= 2;
	bigger = new_with(cap);
	if (!bigger)
		return STINT_ERR_NOMEM;
	bigger->n = old->n;
	memcpy(bigger->maps, old->maps, old->n * sizeof(old->maps[0]));
	exec_maps_put(old);
	*em = bigger;
	return 0;
}

/* Puts n_new mappings in the place of n_old ones at i. */
static void splice(struct exec_maps *em, uint32_t i, uint32_t n_old, const struct exec_map *with, uint32_t n_new)
{
	memmove(&em->maps[i + n_new], &em->maps[i + n_old], (em->n - i - n_old) * sizeof(em->maps[0]));
	memcpy(&em->maps[i], with, n_new * sizeof(with[0]));
	em->n += n_new - n_old;
}

int exec_maps_add(struct exec_maps **em, const struct exec_map *map, bool *ret_changed)
{
	const struct exec_maps *now = *em;
	struct exec_map pieces[3];
	struct exec_map middle = *map;
	uint32_t n_pieces = 0;
	uint32_t first = first_after(now, map->start);
	uint32_t last = first; /* behind the last one that is touched */
	int ret;

	if (ret_changed)
		*ret_changed = false;
	if (first < now->n && now->maps[first].start <= map->start && now->maps[first].end >= map->end &&
	    same_run(&now->maps[first], map))
		return 0;
	while (last < now->n && now->maps[last].start < map->end)
		last++;
	/* What the new one leaves of the first and the last it overlaps; a part of the same run is joined instead. */
	if (first < last && now->maps[first].start < map->start) {
		if (same_run(&now->maps[first], map)) {
			set_start(&middle, now->maps[first].start);
		} else {
			pieces[n_pieces] = now->maps[first];
			pieces[n_pieces++].end = map->start;
		}
	} else if (first > 0 && now->maps[first - 1].end == map->start && same_run(&now->maps[first - 1], map)) {
		first--;
		set_start(&middle, now->maps[first].start);
	}
	if (last > first && now->maps[last - 1].end > map->end) {
		if (same_run(&now->maps[last - 1], map)) {
			middle.end = now->maps[last - 1].end;
			pieces[n_pieces++] = middle;
		} else {
			pieces[n_pieces++] = middle;
			pieces[n_pieces] = now->maps[last - 1];
			set_start(&pieces[n_pieces++], map->end);
		}
	} else {
		if (last < now->n && now->maps[last].start == map->end && same_run(&now->maps[last], map))
			middle.end = now->maps[last++].end;
		pieces[n_pieces++] = middle;
	}
	if (now->n + n_pieces - (last - first) > EXEC_MAPS_MAX)
		return STINT_ERR_LIMIT;
	ret = make_room(em, 2);
	if (ret)
		return ret;
	splice(*em, first, last - first, pieces, n_pieces);
	if (ret_changed)
		*ret_changed = true;
	return 0;
}
