/* SPDX-License-Identifier: MIT */
/*
 * The executable mappings of one address space, as the kernel reports them: each new one replaces what it overlaps.
 * Pure data; shared between a process and its forks until one of them changes.
 */
#ifndef STINT_RECORD_EXEC_MAPS_H
#define STINT_RECORD_EXEC_MAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EXEC_MAPS_MAX 16384 /* mappings in one address space */

struct exec_map {
	uint64_t start, end;
	uint64_t file_off; /* of start; not used, and 0, where module addresses are virtual */
	uint32_t module;   /* the caller's; never 0 */
	uint32_t linear;   /* addresses of this module are file offsets */
};

struct exec_maps {
	uint32_t refs;
	uint32_t n;
	uint32_t cap;
	struct exec_map maps[]; /* sorted, disjoint */
};

/* An empty one with one reference; NULL without memory. */
struct exec_maps *exec_maps_new(void);
struct exec_maps *exec_maps_share(struct exec_maps *em); /* one more reference */
void exec_maps_put(struct exec_maps *em);		 /* one less; NULL is fine */

/*
 * Adds map to *em, which is copied first when it is shared, and may move. *ret_changed (may be NULL) is false when
 * the same mapping was already there, as an mprotect reports it again. Neighbours that continue each other are
 * joined. Returns 0, STINT_ERR_NOMEM, or STINT_ERR_LIMIT past EXEC_MAPS_MAX; nothing has changed then.
 */
int exec_maps_add(struct exec_maps **em, const struct exec_map *map, bool *ret_changed);

/* Would map, once added, take addresses from another module, or from other parts of the same one? */
bool exec_maps_replaces(const struct exec_maps *em, const struct exec_map *map);

/* The mapping that has this address; NULL when there is none. Valid until the next change. */
const struct exec_map *exec_maps_find(const struct exec_maps *em, uint64_t addr);

bool exec_maps_equal(const struct exec_maps *a, const struct exec_maps *b);

/* The heap it holds. */
size_t exec_maps_bytes(const struct exec_maps *em);

#endif
