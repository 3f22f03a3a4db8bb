/* SPDX-License-Identifier: MIT */
#include "base/map.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"

static uint64_t mix(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t hash_u64(uint64_t key)
{
	return mix(key ^ 0x9e3779b97f4a7c15u, 0xe7037ed1a0b428dbu);
}

uint64_t stint_hash_bytes(const void *data, size_t size)
{
	const uint8_t *at = data;
	uint64_t hash = size ^ 0xa0761d6478bd642fu;
	uint64_t word;

	for (; size >= 8; at += 8, size -= 8) {
		memcpy(&word, at, 8);
		hash = mix(hash ^ word, 0xe7037ed1a0b428dbu);
	}
	if (size) {
		word = 0;
		memcpy(&word, at, size);
		hash = mix(hash ^ word, 0x8ebc6af09c88c6e3u);
	}
	return hash_u64(hash);
}

static struct stint_map_slot *map_slot(const struct stint_map *map, uint64_t key)
{
	size_t mask = map->n_slots - 1;
	size_t i = hash_u64(key) & mask;

	while (map->slots[i].used && map->slots[i].key != key)
		i = (i + 1) & mask;
	return &map->slots[i];
}

uint64_t *stint_map_get(const struct stint_map *map, uint64_t key)
{
	struct stint_map_slot *slot;

	if (!map->n_slots)
		return NULL;
	slot = map_slot(map, key);
	return slot->used ? &slot->value : NULL;
}

static bool map_enlarge(struct stint_map *map)
{
	struct stint_map bigger = {.n_slots = map->n_slots ? map->n_slots * 2 : 64, .n_used = map->n_used};
	size_t i;

	bigger.slots = calloc(bigger.n_slots, sizeof(*bigger.slots));
	if (!bigger.slots)
		return false;
	for (i = 0; i < map->n_slots; i++)
		if (map->slots[i].used)
			*map_slot(&bigger, map->slots[i].key) = map->slots[i];
	free(map->slots);
	*map = bigger;
	return true;
}

uint64_t *stint_map_put(struct stint_map *map, uint64_t key, bool *ret_new)
{
	struct stint_map_slot *slot;
	uint64_t *value = stint_map_get(map, key);

	if (ret_new)
		*ret_new = !value;
	if (value)
		return value;
	if ((map->n_used + 1) * 4 > map->n_slots * 3 && !map_enlarge(map))
		return NULL;
	slot = map_slot(map, key);
	*slot = (struct stint_map_slot){.key = key, .used = true};
	map->n_used++;
	return &slot->value;
}

void stint_map_remove(struct stint_map *map, uint64_t key)
{
	size_t mask = map->n_slots - 1;
	struct stint_map_slot *slot;
	size_t hole, i;

	if (!map->n_slots)
		return;
	slot = map_slot(map, key);
	if (!slot->used)
		return;
	map->n_used--;
	/* Close the gap: move back every later slot of the run whose home is at or before the hole. */
	hole = (size_t)(slot - map->slots);
	for (i = (hole + 1) & mask; map->slots[i].used; i = (i + 1) & mask) {
		size_t home = hash_u64(map->slots[i].key) & mask;

		if (((i - home) & mask) >= ((i - hole) & mask)) {
			map->slots[hole] = map->slots[i];
			hole = i;
		}
	}
	map->slots[hole].used = false;
}

void stint_map_done(struct stint_map *map)
{
	if (!map)
		return;
	free(map->slots);
	memset(map, 0, sizeof(*map));
}

static uint32_t *intern_slot(const struct stint_intern *in, uint32_t *slots, size_t n_slots, const void *data,
			     size_t size, uint64_t hash)
{
	size_t i = hash & (n_slots - 1);

	for (; slots[i]; i = (i + 1) & (n_slots - 1)) {
		const struct stint_intern_entry *entry = &in->entries[slots[i] - 1];

		if (entry->hash == hash && entry->size == size && (!size || !memcmp(entry->data, data, size)))
			break;
	}
	return &slots[i];
}

static bool intern_enlarge(struct stint_intern *in)
{
	size_t n_slots = in->n_slots ? in->n_slots * 2 : 64;
	uint32_t *slots = calloc(n_slots, sizeof(*slots));
	uint32_t id;

	if (!slots)
		return false;
	for (id = 1; id <= in->n_entries; id++) {
		const struct stint_intern_entry *entry = &in->entries[id - 1];

		*intern_slot(in, slots, n_slots, entry->data, entry->size, entry->hash) = id;
	}
	free(in->slots);
	in->slots = slots;
	in->n_slots = n_slots;
	return true;
}

static bool intern_enlarge_entries(struct stint_intern *in)
{
	uint32_t cap = in->cap_entries ? (in->cap_entries > UINT32_MAX / 2 ? UINT32_MAX : in->cap_entries * 2) : 64;
	struct stint_intern_entry *entries = realloc(in->entries, cap * sizeof(*entries));

	if (!entries)
		return false;
	in->entries = entries;
	in->cap_entries = cap;
	return true;
}

int stint_intern_put(struct stint_intern *in, const void *data, size_t size, uint32_t *ret_id, bool *ret_new)
{
	uint64_t hash = stint_hash_bytes(data, size);
	uint32_t *slot;
	void *copy;

	if (in->n_entries == UINT32_MAX)
		return STINT_ERR_LIMIT;
	if (((size_t)in->n_entries + 1) * 4 > in->n_slots * 3 && !intern_enlarge(in))
		return STINT_ERR_NOMEM;
	slot = intern_slot(in, in->slots, in->n_slots, data, size, hash);
	if (ret_new)
		*ret_new = !*slot;
	if (!*slot) {
		if (in->n_entries == in->cap_entries && !intern_enlarge_entries(in))
			return STINT_ERR_NOMEM;
		copy = stint_arena_strndup(&in->arena, data, size);
		if (!copy)
			return STINT_ERR_NOMEM;
		in->entries[in->n_entries++] = (struct stint_intern_entry){copy, size, hash};
		*slot = in->n_entries;
	}
	*ret_id = *slot;
	return 0;
}

uint32_t stint_intern_find(const struct stint_intern *in, const void *data, size_t size)
{
	if (!in->n_slots)
		return 0;
	return *intern_slot(in, in->slots, in->n_slots, data, size, stint_hash_bytes(data, size));
}

size_t stint_intern_bytes(const struct stint_intern *in)
{
	return in->arena.total_bytes + in->n_slots * sizeof(*in->slots) + in->cap_entries * sizeof(*in->entries);
}

void stint_intern_done(struct stint_intern *in)
{
	if (!in)
		return;
	free(in->entries);
	free(in->slots);
	stint_arena_done(&in->arena);
	memset(in, 0, sizeof(*in));
}
