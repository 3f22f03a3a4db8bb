/* SPDX-License-Identifier: MIT */
/*
 * Rows as they are made: functions in the order of their addresses though few are held, a file that is read in pieces,
 * tables that are made twice since they are large, and how much memory all that takes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "record/unwind_bytes.h"
#include "record/unwind_cfi.h"
#include "record/unwind_order.h"
#include "record/unwind_prepare.h"
#include "tests/unit/unwind_huge.h"

static int compare_keys(const void *a, const void *b)
{
	const unwind_key *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* Adds all keys, again and again, and expects them back in their order. Returns how often they had to be added. */
static uint32_t check_order(const unwind_key *keys, const unwind_key *sorted, uint32_t n)
{
	struct unwind_order order = {0};
	uint32_t done = 0, rounds = 0, i;

	unwind_order_first(&order);
	do {
		if (rounds++)
			unwind_order_next(&order);
		for (i = 0; i < n; i++)
			assert_int_equal(unwind_order_add(&order, keys[i]), 0);
		unwind_order_sort(&order);
		assert_true(order.n <= UNWIND_ORDER_MAX && order.cap <= UNWIND_ORDER_MAX && order.n <= n - done);
		assert_memory_equal(order.keys, sorted + done, order.n * sizeof(*sorted));
		assert_int_equal(unwind_order_find(&order, sorted[done] + 1), 1);
		done += order.n;
	} while (order.more);
	assert_int_equal(done, n);
	unwind_order_done(&order);
	return rounds;
}

static void test_order(void **state)
{
	const uint32_t n = 3 * UNWIND_ORDER_MAX + 12345;
	unwind_key *keys = malloc(n * sizeof(*keys)), *sorted = malloc(n * sizeof(*sorted));
	unsigned short seed[3] = {1, 2, 3};
	uint32_t i, few = 1000;

	(void)state;
	assert_true(keys && sorted);
	for (i = 0; i < n; i++) /* many starts are the same; no two keys are */
		sorted[i] = UNWIND_KEY((uint32_t)nrand48(seed) % 100000 * 40961, nrand48(seed) % 4, i);
	memcpy(keys, sorted, n * sizeof(*keys));
	qsort(sorted, n, sizeof(*sorted), compare_keys);
	assert_true(check_order(keys, sorted, n) > 3);
	assert_true(check_order(sorted, sorted, n) > 3);
	assert_int_equal(check_order(sorted, sorted, UNWIND_ORDER_MAX), 1);
	memcpy(sorted, keys, few * sizeof(*keys));
	qsort(sorted, few, sizeof(*sorted), compare_keys);
	assert_int_equal(check_order(keys, sorted, few), 1);
	free(keys);
	free(sorted);
}

/* At random, also across the pieces and longer than one, the bytes are the file's; beyond its end there are none. */
static void test_bytes(void **state)
{
	const uint32_t size = 3u << 20, part = 12345;
	unsigned short seed[3] = {4, 5, 6};
	uint8_t *data = malloc(size);
	int fd = memfd_create("bytes", MFD_CLOEXEC), i;
	struct unwind_source source;
	struct unwind_bytes bytes;

	(void)state;
	assert_true(data && fd >= 0);
	for (i = 0; i < (int)size; i++)
		data[i] = (uint8_t)nrand48(seed);
	assert_int_equal(write(fd, data, size), size);
	assert_int_equal(unwind_source_of(&source, fd, NULL), 0);
	unwind_bytes_init(&bytes, &source, part, size - part);
	for (i = 0; i < 20000; i++) {
		uint64_t off = (uint64_t)nrand48(seed) % (size - part);
		size_t n = (size_t)nrand48(seed) % (i % 100 ? 300 : UNWIND_BYTES_MAX);
		const uint8_t *at = unwind_bytes_at(&bytes, off, n);

		assert_int_equal(!at, off + n > size - part);
		if (at)
			assert_memory_equal(at, data + part + off, n);
	}
	assert_non_null(unwind_bytes_at(&bytes, size - part, 0));
	assert_null(unwind_bytes_at(&bytes, size - part, 1));
	assert_null(unwind_bytes_at(&bytes, UINT64_MAX, 2));
	assert_null(unwind_bytes_at(&bytes, 0, UNWIND_BYTES_MAX + 1));
	assert_int_equal(bytes.status, 0);
	/* A file that has become shorter is an error, and stays one. */
	assert_int_equal(ftruncate(fd, part + 10), 0);
	unwind_bytes_done(&bytes);
	unwind_bytes_init(&bytes, &source, part, size - part);
	assert_null(unwind_bytes_at(&bytes, 100000, 10));
	assert_int_equal(bytes.status, STINT_ERR_FORMAT);
	assert_null(unwind_bytes_at(&bytes, 0, 1));
	unwind_bytes_done(&bytes);
	close(fd);
	free(data);
}

struct seen {
	uint32_t n, last_pc;
	int64_t peak; /* of the memory that is allocated */
};

static int64_t allocated(void)
{
	struct mallinfo2 info = mallinfo2();

	return (int64_t)(info.uordblks + info.hblkhd);
}

static int see_rows(void *context, const struct unwind_row *rows, uint32_t n)
{
	struct seen *seen = context;
	uint32_t i;

	for (i = 0; i < n; i++) {
		assert_true(!seen->n || rows[i].pc > seen->last_pc);
		seen->last_pc = rows[i].pc;
		seen->n++;
	}
	if (seen->peak < allocated())
		seen->peak = allocated();
	return 0;
}

/* As in huge_write: the first one, all but the last one of each, and the end. */
static void check_rows_of_huge(uint32_t n_functions, uint32_t n_states, bool shuffled, bool held)
{
	int64_t before = allocated();
	struct unwind_prepared prepared;
	struct unwind_source source;
	struct seen seen = {0};
	int fd = huge_file(n_functions, n_states, shuffled);

	assert_int_equal(unwind_source_of(&source, fd, NULL), 0);
	assert_int_equal(unwind_prepare(&prepared, &source, NULL), 0);
	assert_int_equal(prepared.counts.n_fdes, n_functions);
	assert_int_equal(prepared.n_rows, n_functions * n_states + 1);
	assert_int_equal(prepared.held != NULL, held);
	assert_int_equal(unwind_prepared_rows(&prepared, see_rows, &seen), 0);
	assert_int_equal(seen.n, prepared.n_rows);
	print_message("%u functions, %u rows: %lld KiB\n", n_functions, seen.n, (long long)(seen.peak - before) / 1024);
	assert_true(seen.peak - before < 6 << 20);
	unwind_prepared_done(&prepared);
	close(fd);
}

static void test_large_tables(void **state)
{
	(void)state;
	check_rows_of_huge(1000, 10, false, true);
	check_rows_of_huge(1000, 10, true, true);
	check_rows_of_huge(100000, 10, true, false);
	/* More functions than are held at a time. */
	check_rows_of_huge(UNWIND_ORDER_MAX + UNWIND_ORDER_MAX / 2, 2, true, false);
}

/* The second time, a file has other rows: fewer, more, or as many others. */
static void test_changing_file(void **state)
{
	const uint32_t n_functions = 60000, n_states[] = {10, 9, 11, 10};
	struct unwind_source source;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(n_states) / sizeof(n_states[0]); i++) {
		int fd = huge_file(n_functions, n_states[0], false);
		struct unwind_prepared prepared;
		struct seen seen = {0};

		assert_int_equal(unwind_source_of(&source, fd, NULL), 0);
		assert_int_equal(unwind_prepare(&prepared, &source, NULL), 0);
		assert_null(prepared.held);
		huge_write(fd, n_functions, n_states[i], false, i == 3);
		assert_int_equal(unwind_prepared_rows(&prepared, see_rows, &seen), i ? STINT_ERR_FORMAT : 0);
		assert_true(seen.n <= prepared.n_rows);
		unwind_prepared_done(&prepared);
		close(fd);
	}
}

/* What this process has read so far. */
static uint64_t read_so_far(void)
{
	FILE *io = fopen("/proc/self/io", "r");
	unsigned long long n = 0;

	assert_non_null(io);
	assert_int_equal(fscanf(io, "rchar: %llu", &n), 1);
	fclose(io);
	return n;
}

/* Entries in any order cost a few times their own size, once in each run. */
static void test_read_bytes(void **state)
{
	const uint32_t n_functions = 200000;
	struct unwind_prepared prepared;
	struct unwind_source source;
	struct seen seen = {0};
	int fd = huge_file(n_functions, 3, true);
	uint64_t before = read_so_far(), n;

	(void)state;
	assert_int_equal(unwind_source_of(&source, fd, NULL), 0);
	assert_int_equal(unwind_prepare(&prepared, &source, NULL), 0);
	assert_null(prepared.held);
	assert_int_equal(unwind_prepared_rows(&prepared, see_rows, &seen), 0);
	n = read_so_far() - before;
	print_message("%u functions: %llu MiB read\n", n_functions, (unsigned long long)n >> 20);
	assert_in_range(n, 2 * n_functions * 32u, 2 * n_functions * 2048u);
	unwind_prepared_done(&prepared);
	close(fd);
}

/* Each pass has its own number of CIEs that may be read: what the first run could do, the second one can. */
static void test_many_cies(void **state)
{
	const uint32_t n_functions = 95000, n_states = 10, n_cies = 4 * CFI_CIES;
	struct unwind_prepared prepared;
	struct unwind_source source;
	struct seen seen = {0};
	int fd = huge_file(1, 2, false);

	(void)state;
	huge_write_cies(fd, n_functions, n_states, true, false, n_cies);
	assert_true(3 * n_functions > CFI_MAX_CIE_READS);
	assert_int_equal(unwind_source_of(&source, fd, NULL), 0);
	assert_int_equal(unwind_prepare(&prepared, &source, NULL), 0);
	assert_null(prepared.held);
	assert_int_equal(unwind_prepared_rows(&prepared, see_rows, &seen), 0);
	assert_int_equal(seen.n, n_functions * n_states + 1);
	unwind_prepared_done(&prepared);
	close(fd);
}

/* Says so after having been asked a number of times, and counts how often it is asked after that. */
struct patience {
	uint32_t left, n_after;
};

static bool is_over(void *context)
{
	struct patience *patience = context;

	if (patience->left)
		return !--patience->left;
	patience->n_after++;
	return true;
}

/* Whenever an end is asked for, there is one at once: no row is handed on any more. */
static void test_stop(void **state)
{
	struct patience patience = {0};
	const struct unwind_stop stop = {is_over, &patience};
	struct unwind_prepared prepared;
	struct unwind_source source;
	struct seen seen = {0};
	int fd = huge_file(150000, 4, true), rc;
	uint32_t n = 0, left;

	(void)state;
	assert_int_equal(unwind_source_of(&source, fd, NULL), 0);
	source.stop = &stop;
	for (left = 1; left < 200000; left *= 3) {
		patience = (struct patience){.left = left};
		rc = unwind_prepare(&prepared, &source, NULL);
		assert_int_equal(rc, patience.left ? 0 : STINT_ERR_SYSTEM);
		assert_true(patience.n_after <= 1);
		unwind_prepared_done(&prepared);
		n += rc != 0;
	}
	assert_true(n > 5);
	patience = (struct patience){.left = UINT32_MAX};
	assert_int_equal(unwind_prepare(&prepared, &source, NULL), 0);
	patience.left = 1000;
	assert_int_equal(unwind_prepared_rows(&prepared, see_rows, &seen), STINT_ERR_SYSTEM);
	assert_true(seen.n < 1000 * 4 && patience.n_after <= 1);
	unwind_prepared_done(&prepared);
	close(fd);
}

/* Beyond what may be read of a file there is nothing, in whatever part of it. */
static void test_read_limit(void **state)
{
	uint64_t left = 100000;
	struct unwind_source source;
	struct unwind_bytes bytes;
	int fd = huge_file(10000, 4, false), rc;
	uint32_t n = 0;
	uint8_t byte;

	(void)state;
	assert_int_equal(unwind_source_of(&source, fd, NULL), 0);
	source.left_bytes = &left;
	unwind_bytes_init(&bytes, &source, 0, source.size_bytes);
	while (n < 1000 && unwind_bytes_at(&bytes, n * 100, 100))
		n++;
	assert_in_range(n, 500, 999);
	assert_int_equal(bytes.status, STINT_ERR_LIMIT);
	rc = unwind_source_read(&source, 0, &byte, 1, NULL);
	assert_int_equal(rc, STINT_ERR_LIMIT);
	unwind_bytes_done(&bytes);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),	     cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_large_tables), cmocka_unit_test(test_changing_file),
		cmocka_unit_test(test_read_bytes),   cmocka_unit_test(test_many_cies),
		cmocka_unit_test(test_stop),	     cmocka_unit_test(test_read_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
