/* SPDX-License-Identifier: MIT */
/*
 * Fails each allocation in turn, zstd's included, while a recording is written, read, verified and
 * repaired: every failure comes back as STINT_ERR_NOMEM, and nothing crashes, leaks into the
 * results or is left locked. Sanitizers have allocators of their own, so this does nothing under
 * them.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "format/verify.h"
#include "tests/unit/format_util.h"

static long n_until_failure = -1; /* allocations that still succeed; negative: all */
static bool has_failed;

#ifndef __SANITIZE_ADDRESS__
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *old, size_t size);

static bool fails(void)
{
	if (n_until_failure < 0)
		return false;
	if (n_until_failure-- > 0)
		return false;
	has_failed = true;
	errno = ENOMEM;
	return true;
}

void *malloc(size_t size)
{
	return fails() ? NULL : __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
	return fails() ? NULL : __libc_calloc(n, size);
}

void *realloc(void *old, size_t size)
{
	return fails() ? NULL : __libc_realloc(old, size);
}

void *reallocarray(void *old, size_t n, size_t size)
{
	return size && n > SIZE_MAX / size ? NULL : realloc(old, n * size);
}
#endif

static uint8_t *memory; /* of the sinks, which must not fail */
static size_t memory_used;
#define MEMORY_BYTES (1u << 20)

static int keep(void *context, const void *data, size_t size, struct stint_err *err)
{
	(void)context;
	(void)err;
	if (size > MEMORY_BYTES - memory_used)
		return STINT_ERR_IO;
	memcpy(memory + memory_used, data, size);
	memory_used += size;
	return 0;
}

static int write_recording(struct stint_err *err)
{
	struct stint_writer_options options = {0};
	struct stint_writer *w;
	uint32_t i, id = 0;
	int code = stint_writer_new(&w, &options, (struct stint_sink){keep, NULL}, err);

	for (i = 0; i < 200 && !code; i++) {
		struct stint_node node = {.parent = id};
		struct stint_meta meta = {0};
		struct stint_offcpu offcpu = {.start_ns = i, .end_ns = i + 5};

		code = stint_writer_string(w, &i, sizeof(i), &meta.key_str, err);
		if (!code)
			code = stint_writer_intern(w, STINT_NODE, &node, &id, err);
		if (!code)
			code = stint_writer_add(w, STINT_META, &meta, err);
		if (!code)
			code = stint_writer_add(w, STINT_OFFCPU, &offcpu, err);
		if (!code && i == 150)
			code = stint_writer_flush(w, err);
	}
	if (!code)
		code = stint_writer_finish(w, err);
	stint_writer_free(w);
	return code;
}

static int read_recording(const uint8_t *data, size_t size, uint64_t n_problems, struct stint_err *err)
{
	struct stint_verify_result result;
	struct stint_rows rows = {0};
	struct stint_reader *reader;
	size_t i;
	int code = stint_reader_open_memory(&reader, data, size, err);

	for (i = 0; !code && i < stint_reader_info(reader)->n_blocks; i++)
		code = stint_reader_decode(reader, i, &rows, err);
	if (!code)
		code = stint_verify(reader, NULL, NULL, &result, err);
	/* What has no memory must not be taken for damage. */
	if (!code && result.n_problems != n_problems)
		code = STINT_ERR_FORMAT;
	if (!code)
		code = stint_repair(reader, (struct stint_sink){keep, NULL}, err);
	stint_rows_done(&rows);
	stint_reader_free(reader);
	return code;
}

static void test_writing(void **state)
{
	struct stint_err err;
	long n;
	int code;

	(void)state;
	for (n = 0, has_failed = true; has_failed; n++) {
		err = (struct stint_err)STINT_ERR_INIT;
		memory_used = 0;
		has_failed = false;
		n_until_failure = n;
		code = write_recording(&err);
		n_until_failure = -1;
		if (has_failed) {
			assert_int_equal(code, STINT_ERR_NOMEM);
			assert_int_equal(err.code, STINT_ERR_NOMEM);
			assert_true(err.msg[0]);
		}
		/* Whatever was written until then reads. */
		if (memory_used)
			assert_int_equal(read_recording(memory, memory_used, 0, NULL), 0);
	}
	print_message("%ld allocations failed in turn\n", n - 1);
	assert_int_equal(code, 0);
}

static void test_reading(void **state)
{
	struct stint_err err = STINT_ERR_INIT;
	uint8_t *data;
	size_t size, cut;
	long n;
	int code = 0;

	(void)state;
	memory_used = 0;
	assert_int_equal(write_recording(&err), 0);
	data = test_malloc(memory_used);
	memcpy(data, memory, memory_used);
	/* With an index, and without. */
	for (cut = 0; cut < 2; cut++) {
		size = memory_used - cut * 20;
		for (n = 0, has_failed = true; has_failed; n++) {
			uint8_t *copy = memory + MEMORY_BYTES / 2;

			err = (struct stint_err)STINT_ERR_INIT;
			memcpy(copy, data, size);
			memory_used = 0;
			has_failed = false;
			n_until_failure = n;
			code = read_recording(copy, size, cut, &err);
			n_until_failure = -1;
			if (has_failed)
				assert_int_equal(code, STINT_ERR_NOMEM);
		}
		print_message("%ld allocations failed in turn\n", n - 1);
		assert_int_equal(code, 0);
		memory_used = size;
	}
	test_free(data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_writing),
		cmocka_unit_test(test_reading),
	};
	static uint8_t bytes[MEMORY_BYTES];

	memory = bytes;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
