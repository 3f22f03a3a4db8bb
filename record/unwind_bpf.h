/* SPDX-License-Identifier: MIT */
/* The few operations on BPF maps that the unwind tables need, by system call: the library is left
 * to session.c. */
#ifndef STINT_RECORD_UNWIND_BPF_H
#define STINT_RECORD_UNWIND_BPF_H

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

/* An mmapable map's only value, in this process's memory; NULL on failure with errno set. */
void *unwind_bpf_mmap(int map_fd, size_t size_bytes);

#endif
