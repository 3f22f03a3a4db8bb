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

void *stint_arena_alloc(struct stint_arena *arena, size_t size)
{
	struct stint_arena_chunk *chunk = arena->head;
	void *at;

	if (size > SIZE_MAX / 2)
		return NULL;
	size = (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
	if (!chunk || size > chunk->size - chunk->used) {
		size_t room = size > CHUNK_BYTES ? size : CHUNK_BYTES;

		chunk = calloc(1, sizeof(*chunk) + room);
		if (!chunk)
			return NULL;
		chunk->size = room;
		chunk->next = arena->head;
		arena->head = chunk;
		arena->total_bytes += sizeof(*chunk) + room;
	}
	at = chunk->data + chunk->used;
	chunk->used += size;
	return at;
}

char *stint_arena_strndup(struct stint_arena *arena, const void *data, size_t size)
{
	char *copy = size == SIZE_MAX ? NULL : stint_arena_alloc(arena, size + 1);

	if (copy && size)
		memcpy(copy, data, size);
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
