/* SPDX-License-Identifier: MIT */
/* Memory that is taken piece by piece and given back all at once. Not safe for two threads at a time. */
#ifndef STINT_BASE_ARENA_H
#define STINT_BASE_ARENA_H

#include <stddef.h>

struct stint_arena_chunk;

struct stint_arena {
	struct stint_arena_chunk *head;
	size_t total_bytes; /* allocated from the system */
};

/* Zeroed memory aligned for any type, owned by the arena; NULL when there is none. A zeroed arena is ready. */
void *stint_arena_alloc(struct stint_arena *arena, size_t size);

/* A NUL-terminated copy of size bytes. NULL when there is no memory. */
char *stint_arena_strndup(struct stint_arena *arena, const void *data, size_t size);

/* Frees everything. NULL and zeroed arenas are fine, and the arena is ready for use again. */
void stint_arena_done(struct stint_arena *arena);

#endif
