/* SPDX-License-Identifier: MIT */
/* The few operations on BPF maps that the unwind tables need, by system call: the library is left
 * to session.c. */
#ifndef STINT_RECORD_UNWIND_BPF_H
#define STINT_RECORD_UNWIND_BPF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The maps of bpf/unwind.h. */
struct unwind_map_fds {
	int segments, mappings, slices, files;
};

/* All return 0 (or a descriptor), or a negative errno. */
int unwind_bpf_create_array(const char *name, uint32_t value_bytes, uint32_t flags);
int unwind_bpf_update(int map_fd, const void *key, const void *value);
int unwind_bpf_delete(int map_fd, const void *key);

/*
 * A part of an mmapable map's only value, in this process's memory until it is unmapped; NULL on failure with errno
 * set. The offset is a page's.
 */
void *unwind_bpf_mmap(int map_fd, size_t offset, size_t size_bytes);

/*
 * All of the value, whose pieces are mapped as they are used: BPF maps every page at once, used or not, and all of them
 * count as this process's memory.
 * Zeroed is fine for unwind_view_done.
 */
#define UNWIND_VIEW_PIECES 256u

struct unwind_view {
	int map_fd; /* not owned */
	uint8_t *base;
	size_t size_bytes, piece_bytes;
	bool mapped[UNWIND_VIEW_PIECES];
};

int unwind_view_init(struct unwind_view *view, int map_fd, size_t size_bytes); /* 0 or a negative errno */
void unwind_view_done(struct unwind_view *view);

/* These bytes of the value, from now on; NULL on failure with errno set. */
void *unwind_view_get(struct unwind_view *view, size_t offset, size_t size_bytes);

#endif
