/* SPDX-License-Identifier: MIT */
#include "analyze/address_space.h"

#include <stdlib.h>
#include <string.h>

#include "base/map.h"

/* Mappings moved about while spaces are brought up to a time. An honest recording needs some thousands
 * for each process; one made to hurt gets what was mapped last from here on. */
#define MAX_MOVED (UINT64_C(1) << 28)

/* A process as it was at the time that was asked for last. */
struct space {
	uint32_t first, n;  /* its mappings in order[] */
	uint32_t n_applied; /* of them */
	struct mapped *all; /* by address, apart from each other */
	uint32_t n_all, cap_all;
};

struct address_spaces {
	const struct model *m;
	uint32_t *order; /* ids of mappings by process, then time */
	uint32_t n_order;
	struct stint_map by_process; /* process id -> struct space * */
	uint64_t n_moved;
};

static int no_memory(struct stint_err *err)
{
	return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory for what was mapped");
}

static int by_process_and_time(const void *a, const void *b, void *arg)
{
	const struct stint_mapping *rows = arg;
	uint32_t ia = *(const uint32_t *)a, ib = *(const uint32_t *)b;
	const struct stint_mapping *ma = &rows[ia], *mb = &rows[ib];

	if (ma->process != mb->process)
		return ma->process < mb->process ? -1 : 1;
	if (ma->from_ns != mb->from_ns)
		return ma->from_ns < mb->from_ns ? -1 : 1;
	return ia < ib ? -1 : ia > ib;
}

int address_spaces_new(struct address_spaces **ret, const struct model *m, struct stint_err *err)
{
	struct address_spaces *spaces = calloc(1, sizeof(*spaces));
	uint32_t i;

	*ret = NULL;
	if (!spaces)
		return no_memory(err);
	spaces->m = m;
	spaces->order = calloc((size_t)m->mappings.n + 1, sizeof(*spaces->order));
	if (!spaces->order) {
		address_spaces_free(spaces);
		return no_memory(err);
	}
	for (i = 1; i < m->mappings.n; i++)
		spaces->order[spaces->n_order++] = i;
	if (spaces->n_order)
		qsort_r(spaces->order, spaces->n_order, sizeof(*spaces->order), by_process_and_time, m->mappings.rows);
	*ret = spaces;
	return 0;
}

static void space_free(struct space *space)
{
	free(space->all);
	free(space);
}

void address_spaces_free(struct address_spaces *spaces)
{
	size_t i;

	if (!spaces)
		return;
	for (i = 0; i < spaces->by_process.n_slots; i++)
		if (spaces->by_process.slots[i].used && spaces->by_process.slots[i].value)
			space_free((struct space *)(uintptr_t)spaces->by_process.slots[i].value);
	stint_map_done(&spaces->by_process);
	free(spaces->order);
	free(spaces);
}

/* The first place in order[] whose mapping's process isn't below this one. */
static uint32_t first_of(const struct address_spaces *spaces, uint64_t process)
{
	uint32_t low = 0, high = spaces->n_order;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (spaces->m->mappings.rows[spaces->order[middle]].process < process)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct space *space_of(struct address_spaces *spaces, uint32_t process)
{
	uint64_t *slot = stint_map_put(&spaces->by_process, process, NULL);
	struct space *space;

	if (!slot || *slot)
		return slot ? (struct space *)(uintptr_t)*slot : NULL;
	space = calloc(1, sizeof(*space));
	if (!space)
		return NULL;
	space->first = first_of(spaces, process);
	space->n = first_of(spaces, (uint64_t)process + 1) - space->first;
	*slot = (uint64_t)(uintptr_t)space;
	return space;
}

/* The first one that ends behind addr. */
static uint32_t find(const struct space *space, uint64_t addr)
{
	uint32_t low = 0, high = space->n_all;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (space->all[middle].end <= addr)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Room for two more: a mapping, and what it leaves of the one that it lies in. */
static bool make_room(struct space *space)
{
	uint32_t cap = space->cap_all ? 2 * space->cap_all : 64;
	struct mapped *all;

	if (space->n_all + 2 <= space->cap_all)
		return true;
	all = realloc(space->all, cap * sizeof(*all));
	if (!all)
		return false;
	space->all = all;
	space->cap_all = cap;
	return true;
}

/* Puts n mappings in the place of those from index from up to to. */
static void replace(struct address_spaces *spaces, struct space *space, uint32_t from, uint32_t to,
		    const struct mapped *with, uint32_t n)
{
	memmove(&space->all[from + n], &space->all[to], (space->n_all - to) * sizeof(*with));
	memcpy(&space->all[from], with, n * sizeof(*with));
	spaces->n_moved += space->n_all - to + 1;
	space->n_all = space->n_all - (to - from) + n;
}

/* Maps one over what is there. */
static bool apply(struct address_spaces *spaces, struct space *space, const struct stint_mapping *row)
{
	struct mapped with[3], map = {row->start, row->start + row->size_bytes, row->file_off, row->module};
	uint32_t from, to, n = 0;

	if (map.end <= map.start)
		return true;
	if (!make_room(space))
		return false;
	from = to = find(space, map.start);
	if (from < space->n_all && space->all[from].start < map.start) {
		with[n] = space->all[from];
		with[n++].end = map.start;
	}
	with[n++] = map;
	while (to < space->n_all && space->all[to].end <= map.end)
		to++;
	if (to < space->n_all && space->all[to].start < map.end) {
		with[n] = space->all[to];
		with[n].file_off += map.end - with[n].start;
		with[n++].start = map.end;
		to++;
	}
	replace(spaces, space, from, to, with, n);
	return true;
}

/* Applies what was mapped up to a time. */
static int advance(struct address_spaces *spaces, struct space *space, uint64_t time_ns, struct stint_err *err)
{
	const struct stint_mapping *rows = spaces->m->mappings.rows;
	const uint32_t *order = spaces->order + space->first;

	if (spaces->n_moved > MAX_MOVED)
		return 0;
	if (space->n_applied && rows[order[space->n_applied - 1]].from_ns > time_ns) {
		space->n_applied = 0;
		space->n_all = 0;
	}
	while (space->n_applied < space->n && spaces->n_moved <= MAX_MOVED &&
	       rows[order[space->n_applied]].from_ns <= time_ns) {
		if (!apply(spaces, space, &rows[order[space->n_applied]]))
			return no_memory(err);
		space->n_applied++;
	}
	return 0;
}

int address_spaces_find(struct address_spaces *spaces, uint32_t process, uint64_t time_ns, uint64_t addr,
			const struct mapped **ret, struct stint_err *err)
{
	struct space *space = space_of(spaces, process);
	uint32_t i;
	int code;

	*ret = NULL;
	if (!space)
		return no_memory(err);
	code = advance(spaces, space, time_ns, err);
	if (code)
		return code;
	i = find(space, addr);
	if (i < space->n_all && addr >= space->all[i].start)
		*ret = &space->all[i];
	return 0;
}
