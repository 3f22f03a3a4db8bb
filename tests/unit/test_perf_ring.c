/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "record/perf_ring.h"

#define RING_BYTES   256u
#define RECORD_BYTES 24u

/* A ring as the kernel lays it out. */
struct memory {
	struct perf_event_mmap_page page;
	uint8_t data[RING_BYTES];
};

struct taken {
	uint64_t values[32];
	size_t n, stop_at;
};

static void put(struct memory *memory, uint64_t value)
{
	struct perf_event_header header = {.type = 1, .size = RECORD_BYTES};
	uint8_t record[RECORD_BYTES] = {0};
	uint64_t head = memory->page.data_head;
	size_t i;

	memcpy(record, &header, sizeof(header));
	memcpy(record + RECORD_BYTES - sizeof(value), &value, sizeof(value));
	for (i = 0; i < RECORD_BYTES; i++)
		memory->data[(head + i) % RING_BYTES] = record[i];
	memory->page.data_head = head + RECORD_BYTES;
}

static bool take(void *context, struct perf_ring *ring, const struct perf_event_header *header, uint64_t at)
{
	struct taken *taken = context;
	uint64_t value;

	if (taken->n == taken->stop_at)
		return false;
	assert_int_equal(header->size, RECORD_BYTES);
	perf_ring_copy(ring, at + RECORD_BYTES - sizeof(value), &value, sizeof(value));
	taken->values[taken->n++] = value;
	return true;
}

static struct perf_ring ring_of(struct memory *memory)
{
	memset(memory, 0, sizeof(*memory));
	memory->page.data_offset = offsetof(struct memory, data);
	memory->page.data_size = RING_BYTES;
	return (struct perf_ring){.fd = -1, .page = &memory->page};
}

static void records_that_wrap_around(void **state)
{
	struct memory memory;
	struct perf_ring ring = ring_of(&memory);
	uint64_t next = 0, seen = 0;
	size_t round, i;

	(void)state;
	for (round = 0; round < 50; round++) {
		struct taken taken = {.stop_at = 32};

		for (i = 0; i < 1 + round % 10; i++)
			put(&memory, next++);
		perf_ring_drain(&ring, take, &taken);
		assert_int_equal(memory.page.data_tail, memory.page.data_head);
		for (i = 0; i < taken.n; i++)
			assert_int_equal(taken.values[i], seen++);
	}
	assert_int_equal(seen, next);
}

static void what_is_refused_stays(void **state)
{
	struct taken some = {.stop_at = 2}, rest = {.stop_at = 32};
	struct memory memory;
	struct perf_ring ring = ring_of(&memory);

	(void)state;
	put(&memory, 10);
	put(&memory, 11);
	put(&memory, 12);
	perf_ring_drain(&ring, take, &some);
	assert_int_equal(some.n, 2);
	perf_ring_drain(&ring, take, &rest);
	assert_int_equal(rest.n, 1);
	assert_int_equal(rest.values[0], 12);
}

static void no_ring(void **state)
{
	struct perf_ring ring = {.fd = -1};
	struct taken taken = {.stop_at = 32};

	(void)state;
	perf_ring_drain(&ring, take, &taken);
	assert_int_equal(taken.n, 0);
	assert_int_equal(perf_ring_bytes(&ring), 0);
	perf_ring_close(&ring);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records_that_wrap_around),
		cmocka_unit_test(what_is_refused_stays),
		cmocka_unit_test(no_ring),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
