/* SPDX-License-Identifier: MIT */
#include "base/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_BYTES ((size_t)64 * 1024)

struct stint_arena_chunk {
	struct stint_arena_chunk *next;
	size_t used;
	size_t size;
	alignas(max_align_t) uint8_t data[];
};

static void *take(struct stint_arena *arena, size_t size)
{
	struct stint_arena_chunk *chunk = arena->head;
	void *at;

	if (size > SIZE_MAX / 2)
		return NULL;
	size = (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
	if (!chunk || size > chunk->size - chunk->used) {
		size_t room = size > CHUNK_BYTES ? size : CHUNK_BYTES;

		chunk = malloc(sizeof(*chunk) + room);
		if (!chunk)
			return NULL;
		chunk->used = 0;
		chunk->size = room;
		chunk->next = arena->head;
		arena->head = chunk;
		arena->total_bytes += sizeof(*chunk) + room;
	}
	at = chunk->data + chunk->used;
	chunk->used += size;
	return at;
}

/* Zeroed piece by piece, while it is about to be written anyway: a whole chunk would be out of the caches by then. */
void *stint_arena_alloc(struct stint_arena *arena, size_t size)
{
	void *at = take(arena, size);

	return at ? memset(at, 0, size) : NULL;
}

char *stint_arena_strndup(struct stint_arena *arena, const void *data, size_t size)
{
	char *copy = size == SIZE_MAX ? NULL : take(arena, size + 1);

	if (!copy)
		return NULL;
	if (size)
		memcpy(copy, data, size);
	copy[size] = 0;
	return copy;
}

void stint_arena_done(struct stint_arena *arena)
{
	if (!arena)
		return;
	while (arena->head) {
		struct stint_arena_chunk *next = arena->head->next;

		free(arena->head);
		arena->head = next;
	}
	arena->total_bytes = 0;
}
