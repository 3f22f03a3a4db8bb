/* SPDX-License-Identifier: MIT */
#include "record/perf_ring.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

int perf_ring_open(struct perf_ring *ring, struct perf_event_attr *attr, int cpu)
{
	ring->page = NULL;
	ring->fd = (int)syscall(SYS_perf_event_open, attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);
	return ring->fd < 0 ? errno : 0;
}

int perf_ring_map(struct perf_ring *ring, size_t bytes)
{
	size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
	void *at = mmap(NULL, page_bytes + bytes, PROT_READ | PROT_WRITE, MAP_SHARED, ring->fd, 0);

	if (at == MAP_FAILED)
		return errno;
	ring->page = at;
	return 0;
}

size_t perf_ring_bytes(const struct perf_ring *ring)
{
	return ring->page ? ring->page->data_offset + ring->page->data_size : 0;
}

bool perf_ring_is_empty(const struct perf_ring *ring)
{
	return !ring->page || __atomic_load_n(&ring->page->data_head, __ATOMIC_ACQUIRE) == ring->page->data_tail;
}

void perf_ring_close(struct perf_ring *ring)
{
	if (ring->page)
		munmap(ring->page, perf_ring_bytes(ring));
	if (ring->fd >= 0)
		close(ring->fd);
	ring->page = NULL;
	ring->fd = -1;
}

void perf_ring_copy(const struct perf_ring *ring, uint64_t at, void *to, size_t size)
{
	const uint8_t *data = (const uint8_t *)ring->page + ring->page->data_offset;
	uint64_t ring_bytes = ring->page->data_size, off = at % ring_bytes;
	size_t first = size < ring_bytes - off ? size : (size_t)(ring_bytes - off);

	memcpy(to, data + off, first);
	memcpy((uint8_t *)to + first, data, size - first);
}

void perf_ring_drain(struct perf_ring *ring,
		     bool (*take)(void *context, struct perf_ring *ring, const struct perf_event_header *header,
				  uint64_t at),
		     void *context)
{
	struct perf_event_header header;
	uint64_t head, tail;

	if (!ring->page)
		return;
	tail = ring->page->data_tail;
	head = __atomic_load_n(&ring->page->data_head, __ATOMIC_ACQUIRE);
	if (head == tail)
		return;
	while (tail < head) {
		perf_ring_copy(ring, tail, &header, sizeof(header));
		if (header.size < sizeof(header) || !take(context, ring, &header, tail))
			break;
		tail += header.size;
	}
	__atomic_store_n(&ring->page->data_tail, tail, __ATOMIC_RELEASE);
}
