/* SPDX-License-Identifier: MIT */
/*
 * Two hash tables. struct stint_map maps a u64 key to a u64 value. struct stint_intern gives equal
 * byte strings equal, dense ids in order of first appearance, starting at 1. Zeroed ones are ready.
 */
#ifndef STINT_BASE_MAP_H
#define STINT_BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

struct stint_map_slot {
	uint64_t key;
	uint64_t value;
	bool used;
};

struct stint_map {
	struct stint_map_slot *slots;
	size_t n_slots; /* 0 or a power of two */
	size_t n_used;
};

/* The value of key, writable until the next put or remove; NULL when there is none. */
uint64_t *stint_map_get(const struct stint_map *map, uint64_t key);

/*
 * The value of key, made 0 first if it was missing (*ret_new, which may be NULL, tells). NULL when
 * there is no memory; the map is then as it was.
 */
uint64_t *stint_map_put(struct stint_map *map, uint64_t key, bool *ret_new);

void stint_map_remove(struct stint_map *map, uint64_t key); /* missing keys are fine */
void stint_map_done(struct stint_map *map);

struct stint_intern_entry {
	const uint8_t *data;
	size_t size;
	uint64_t hash;
};

struct stint_intern {
	struct stint_intern_entry *entries; /* entries[id - 1] */
	uint32_t n_entries;
	uint32_t cap_entries;
	uint32_t *slots; /* ids, 0 = free */
	size_t n_slots;
	struct stint_arena arena; /* the copied bytes */
};

/* Returns 0, STINT_ERR_NOMEM or STINT_ERR_LIMIT (2^32 - 1 entries). ret_new may be NULL. */
int stint_intern_put(struct stint_intern *in, const void *data, size_t size, uint32_t *ret_id, bool *ret_new);

/* The id of these bytes, 0 when they were never put. */
uint32_t stint_intern_find(const struct stint_intern *in, const void *data, size_t size);

/* The memory it holds, for callers that keep a budget. */
size_t stint_intern_bytes(const struct stint_intern *in);

void stint_intern_done(struct stint_intern *in);

/* A fast 64-bit hash of bytes, stable within a run only: never store it. */
uint64_t stint_hash_bytes(const void *data, size_t size);

#endif
