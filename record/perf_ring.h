/* SPDX-License-Identifier: MIT */
/* A perf event of one CPU and the ring that the kernel writes its records into. */
#ifndef STINT_RECORD_PERF_RING_H
#define STINT_RECORD_PERF_RING_H

#include <linux/perf_event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct perf_ring {
	int fd; /* -1 while there is none */
	struct perf_event_mmap_page *page;
};

/* Opens the event for all processes. Returns 0 or an errno: ENODEV for a CPU that is offline. */
int perf_ring_open(struct perf_ring *ring, struct perf_event_attr *attr, int cpu);

/* Maps its ring of that many bytes, a power of two and no less than a page. Returns 0 or an errno.
 */
int perf_ring_map(struct perf_ring *ring, size_t bytes);

/* Unmaps and closes what there is, and leaves a ring with fd -1. A ring must have been opened, or
 * have fd -1. */
void perf_ring_close(struct perf_ring *ring);

/* Mapped memory, the control page included; 0 while there is none. */
size_t perf_ring_bytes(const struct perf_ring *ring);

/* Nothing is left in it, or there is none. */
bool perf_ring_is_empty(const struct perf_ring *ring);

/* Copies size bytes from a position, which wraps around. */
void perf_ring_copy(const struct perf_ring *ring, uint64_t at, void *to, size_t size);

/*
 * Hands over every record that is complete: its header, and the position it stands at, for
 * perf_ring_copy. A take that returns false leaves that record, and those behind it, for the next
 * time.
 */
void perf_ring_drain(struct perf_ring *ring,
		     bool (*take)(void *context, struct perf_ring *ring, const struct perf_event_header *header,
				  uint64_t at),
		     void *context);

#endif
