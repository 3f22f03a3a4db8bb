/* SPDX-License-Identifier: MIT */
/* The writer where things go wrong or grow large: failing sinks, no memory, pipes, budgets, long
 * files. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "format/verify.h"
#include "tests/unit/format_util.h"

static const struct stint_writer_options defaults = {.recording_id = "0123456789abcde"};

/* Some rows of several tables that refer to each other. Returns the first error. */
static int write_rows(struct stint_writer *w, uint32_t n, struct stint_err *err)
{
	uint32_t i, id = 0;
	int code = 0;

	for (i = 0; i < n && !code; i++) {
		struct stint_frame frame = {.addr = 4096 + i};
		struct stint_node node = {0};
		struct stint_stack stack = {0};
		struct stint_offcpu offcpu = {.start_ns = i, .end_ns = i + 10, .cpu = i % 3};

		code = stint_writer_intern(w, STINT_FRAME, &frame, &node.frame, err);
		if (!code)
			code = stint_writer_intern(w, STINT_NODE, &node, &stack.leaf, err);
		if (!code)
			code = stint_writer_intern(w, STINT_STACK, &stack, &id, err);
		offcpu.stack = id;
		if (!code)
			code = stint_writer_add(w, STINT_OFFCPU, &offcpu, err);
		if (!code && i % 100 == 99)
			code = stint_writer_flush(w, err);
	}
	return code ? code : stint_writer_finish(w, err);
}

static uint64_t count_problems(const struct stint_buf *buf, uint64_t *ret_n_rows)
{
	struct stint_verify_result result;
	struct stint_reader *reader;

	assert_int_equal(stint_reader_open_memory(&reader, buf->data, buf->len, NULL), 0);
	assert_int_equal(stint_verify(reader, NULL, NULL, &result, NULL), 0);
	stint_reader_free(reader);
	*ret_n_rows = result.n_rows;
	return result.n_problems;
}

struct failing_sink {
	struct stint_buf buf;
	size_t n_left; /* writes that still succeed */
};

static int failing_write(void *context, const void *data, size_t size, struct stint_err *err)
{
	struct failing_sink *sink = context;

	if (!sink->n_left)
		return stint_err_set(err, STINT_ERR_SYSTEM, ENOSPC, -1, "cannot write");
	sink->n_left--;
	/* A full disk takes a part. */
	stint_buf_bytes(&sink->buf, data, sink->n_left ? size : size / 2);
	return sink->n_left ? 0 : stint_err_set(err, STINT_ERR_SYSTEM, ENOSPC, -1, "cannot write");
}

/* Wherever the sink fails, the error comes back, stays, and what was written before reads. */
static void test_failing_sink(void **state)
{
	struct stint_err err;
	struct stint_writer *w;
	size_t n;

	(void)state;
	for (n = 0; n < 12; n++) {
		struct failing_sink sink = {.n_left = n};
		struct stint_verify_result result;
		struct stint_reader *reader;
		int code;

		stint_buf_init(&sink.buf, SIZE_MAX);
		err = (struct stint_err)STINT_ERR_INIT;
		code = stint_writer_new(&w, &defaults, (struct stint_sink){failing_write, &sink}, &err);
		if (!code)
			code = write_rows(w, 1000, &err);
		assert_int_equal(code, STINT_ERR_SYSTEM);
		assert_int_equal(err.sys_errno, ENOSPC);
		if (n < 2) {
			assert_null(w);
			stint_buf_done(&sink.buf);
			continue;
		}
		err = (struct stint_err)STINT_ERR_INIT;
		assert_int_equal(stint_writer_flush(w, &err), STINT_ERR_SYSTEM);
		assert_int_equal(err.sys_errno, ENOSPC);
		assert_int_equal(stint_writer_finish(w, NULL), STINT_ERR_SYSTEM);
		stint_writer_free(w);
		assert_int_equal(stint_reader_open_memory(&reader, sink.buf.data, sink.buf.len, NULL), 0);
		assert_int_equal(stint_verify(reader, NULL, NULL, &result, NULL), 0);
		/* The header was the first write, the torn block the last one. */
		assert_int_equal(result.n_whole, n - 2);
		assert_int_equal(result.n_problems, 1);
		stint_reader_free(reader);
		stint_buf_done(&sink.buf);
	}
}

/* Past the budget, rows get new ids, old ids stay good, and no more memory is held. */
static void test_forgetting(void **state)
{
	struct stint_writer_options options = defaults;
	struct stint_writer *w;
	struct stint_buf buf;
	uint64_t n_rows, generation;
	uint32_t first, again, i, id;
	size_t held = 0;

	(void)state;
	stint_buf_init(&buf, SIZE_MAX);
	options.max_dictionary_bytes = 1u << 20;
	assert_int_equal(stint_writer_new(&w, &options, util_sink(&buf), NULL), 0);
	assert_int_equal(stint_writer_string(w, "the first", 9, &first, NULL), 0);
	assert_int_equal(stint_writer_generation(w), 0);
	for (i = 0; i < 200000; i++) {
		struct stint_frame frame = {.addr = i};
		struct stint_node node;
		struct stint_meta meta = {.key_str = first, .value_str = first};

		assert_int_equal(stint_writer_intern(w, STINT_FRAME, &frame, &node.frame, NULL), 0);
		assert_int_equal(node.frame, i + 1);
		node.parent = 0;
		assert_int_equal(stint_writer_intern(w, STINT_NODE, &node, &id, NULL), 0);
		assert_int_equal(id, i + 1);
		if (i % 1000 == 0) {
			assert_int_equal(stint_writer_add(w, STINT_META, &meta, NULL), 0);
			assert_int_equal(stint_writer_flush(w, NULL), 0);
		}
		if (i == 50000)
			held = stint_writer_memory_bytes(w);
	}
	generation = stint_writer_generation(w);
	assert_true(generation > 3);
	assert_true(stint_writer_memory_bytes(w) < held + (4u << 20));
	assert_int_equal(stint_writer_string(w, "the first", 9, &again, NULL), 0);
	assert_int_equal(again, first + 1);
	assert_int_equal(stint_writer_finish(w, NULL), 0);
	stint_writer_free(w);
	assert_int_equal(count_problems(&buf, &n_rows), 0);
	assert_int_equal(n_rows, 2 * 200000 + 200 + 2);
	stint_buf_done(&buf);
}

/* Many blocks need several index blocks, which are all used for opening. */
static void test_index_chain(void **state)
{
	struct stint_clock clock = {0};
	struct stint_writer *w;
	struct stint_reader *reader;
	struct stint_buf buf;
	uint64_t n_rows;
	size_t i, memory, n = 10000;

	(void)state;
	stint_buf_init(&buf, SIZE_MAX);
	assert_int_equal(stint_writer_new(&w, &defaults, util_sink(&buf), NULL), 0);
	memory = stint_writer_memory_bytes(w);
	for (i = 0; i < n; i++) {
		clock.monotonic_ns = i;
		assert_int_equal(stint_writer_add(w, STINT_CLOCK, &clock, NULL), 0);
		assert_int_equal(stint_writer_flush(w, NULL), 0);
	}
	assert_true(stint_writer_memory_bytes(w) < memory + (2u << 20));
	assert_int_equal(stint_writer_finish(w, NULL), 0);
	stint_writer_free(w);
	assert_int_equal(stint_reader_open_memory(&reader, buf.data, buf.len, NULL), 0);
	assert_false(stint_reader_info(reader)->scanned);
	assert_true(stint_reader_info(reader)->complete);
	assert_int_equal(stint_reader_info(reader)->n_blocks, n);
	for (i = 0; i < n; i++)
		assert_int_equal(stint_reader_block(reader, i)->t_min_ns, i);
	stint_reader_free(reader);
	assert_int_equal(count_problems(&buf, &n_rows), 0);

	/* A flipped bit in the oldest index block: nothing is lost, and it is reported. */
	for (i = 0; i < buf.len - 8 && memcmp(buf.data + i, "STINTEND", 8) != 0; i++)
		;
	buf.data[i - 100] ^= 1;
	assert_int_equal(stint_reader_open_memory(&reader, buf.data, buf.len, NULL), 0);
	assert_true(stint_reader_info(reader)->scanned);
	assert_true(stint_reader_info(reader)->complete);
	assert_int_equal(stint_reader_info(reader)->n_blocks, n);
	stint_reader_free(reader);
	assert_int_equal(count_problems(&buf, &n_rows), 1);
	stint_buf_done(&buf);
}

/* Full blocks of every kind: rows and strings up to the limits. */
static void test_full_blocks(void **state)
{
	static uint8_t text[STINT_MAX_STRING_BYTES];
	struct stint_writer *w;
	struct stint_buf buf;
	uint64_t n_rows;
	uint32_t i, id;

	(void)state;
	stint_buf_init(&buf, SIZE_MAX);
	assert_int_equal(stint_writer_new(&w, &defaults, util_sink(&buf), NULL), 0);
	for (i = 0; i < 300; i++) {
		memset(text, (int)i, sizeof(text));
		memcpy(text, &i, sizeof(i));
		assert_int_equal(stint_writer_string(w, text, sizeof(text), &id, NULL), 0);
		assert_int_equal(id, i + 1);
	}
	for (i = 0; i < 150000; i++) {
		struct stint_clock clock = {.monotonic_ns = UINT64_MAX * (i & 1), .realtime_ns = i};

		assert_int_equal(stint_writer_add(w, STINT_CLOCK, &clock, NULL), 0);
	}
	assert_int_equal(stint_writer_rows(w, STINT_CLOCK), 150000);
	assert_int_equal(stint_writer_finish(w, NULL), 0);
	stint_writer_free(w);
	assert_int_equal(count_problems(&buf, &n_rows), 0);
	assert_int_equal(n_rows, 150300);
	stint_buf_done(&buf);
}

/* A copy goes on with ids behind those that it has, and what is damaged is said to be lost. */
static void test_copy(void **state)
{
	struct stint_writer_options options = {0};
	struct stint_rows rows = {0};
	struct stint_writer *w;
	struct stint_reader *reader, *copy;
	struct stint_buf buf, out;
	struct stint_frame frame = {.addr = 4096};
	struct stint_symbol symbol = {.addr = 7};
	uint64_t n_rows;
	uint32_t id;
	size_t last;

	(void)state;
	stint_buf_init(&buf, SIZE_MAX);
	stint_buf_init(&out, SIZE_MAX);
	assert_int_equal(stint_writer_new(&w, &defaults, util_sink(&buf), NULL), 0);
	assert_int_equal(write_rows(w, 1000, NULL), 0);
	stint_writer_free(w);
	assert_int_equal(stint_reader_open_memory(&reader, buf.data, buf.len, NULL), 0);
	assert_int_equal(stint_writer_new_copy(&w, reader, &options, util_sink(&out), NULL), 0);
	assert_int_equal(stint_writer_rows(w, STINT_OFFCPU), 1000);
	/* That row is there, as number 1, but the writer doesn't look. */
	assert_int_equal(stint_writer_intern(w, STINT_FRAME, &frame, &id, NULL), 0);
	assert_int_equal(id, 1001);
	assert_int_equal(stint_writer_string(w, "main", 4, &symbol.name_str, NULL), 0);
	assert_int_equal(symbol.name_str, 1);
	assert_int_equal(stint_writer_add(w, STINT_SYMBOL, &symbol, NULL), 0);
	assert_int_equal(stint_writer_finish(w, NULL), 0);
	stint_writer_free(w);
	assert_int_equal(count_problems(&out, &n_rows), 0);
	assert_int_equal(n_rows, 4000 + 3);
	assert_int_equal(stint_reader_open_memory(&copy, out.data, out.len, NULL), 0);
	assert_memory_equal(stint_reader_info(copy)->recording_id, defaults.recording_id, 16);
	last = stint_reader_info(copy)->n_blocks - 1;
	assert_int_equal(stint_reader_block(copy, last)->table, STINT_SYMBOL);
	assert_int_equal(stint_reader_decode(copy, last, &rows, NULL), 0);
	assert_memory_equal(rows.rows, &symbol, sizeof(symbol));
	stint_rows_done(&rows);
	stint_reader_free(copy);
	stint_reader_free(reader);
	stint_buf_done(&buf);
	stint_buf_done(&out);
}

/* An appended row has an id of its own, which survives the look-up's being emptied like any other. */
static void test_appending(void **state)
{
	struct stint_writer_options options = defaults;
	struct stint_node node = {0};
	struct stint_frame frame = {.addr = 4096};
	uint32_t shared, first, second, again;
	struct stint_buf buf;
	struct stint_writer *w;
	uint64_t n_rows;

	(void)state;
	stint_buf_init(&buf, SIZE_MAX);
	options.max_dictionary_bytes = 1;
	assert_int_equal(stint_writer_new(&w, &options, util_sink(&buf), NULL), 0);
	assert_int_equal(stint_writer_intern(w, STINT_FRAME, &frame, &node.frame, NULL), 0);
	assert_int_equal(stint_writer_intern(w, STINT_NODE, &node, &shared, NULL), 0);
	assert_int_equal(stint_writer_append(w, STINT_NODE, &node, &first, NULL), 0);
	assert_int_equal(stint_writer_append(w, STINT_NODE, &node, &second, NULL), 0);
	assert_int_equal(stint_writer_intern(w, STINT_NODE, &node, &again, NULL), 0);
	assert_int_equal(first, shared + 1);
	assert_int_equal(second, shared + 2);
	assert_int_equal(again, shared);
	assert_int_equal(stint_writer_flush(w, NULL), 0); /* forgets */
	assert_int_equal(stint_writer_append(w, STINT_NODE, &node, &first, NULL), 0);
	assert_int_equal(stint_writer_intern(w, STINT_NODE, &node, &again, NULL), 0);
	assert_int_equal(first, second + 1);
	assert_int_equal(again, second + 2);
	assert_int_equal(stint_writer_append(w, STINT_SAMPLE, &node, &first, NULL), STINT_ERR_USAGE);
	assert_int_equal(first, 0);
	assert_int_equal(stint_writer_finish(w, NULL), 0);
	stint_writer_free(w);
	assert_int_equal(count_problems(&buf, &n_rows), 0);
	stint_buf_done(&buf);
}

static void test_misuse(void **state)
{
	struct stint_clock clock = {0};
	struct stint_writer *w;
	struct stint_buf buf;
	uint32_t id;

	(void)state;
	stint_buf_init(&buf, SIZE_MAX);
	assert_int_equal(stint_writer_new(&w, &defaults, util_sink(&buf), NULL), 0);
	assert_int_equal(stint_writer_intern(w, STINT_CLOCK, &clock, &id, NULL), STINT_ERR_USAGE);
	assert_int_equal(stint_writer_add(w, STINT_NODE, &clock, NULL), STINT_ERR_USAGE);
	assert_int_equal(stint_writer_add(w, STINT_INDEX, &clock, NULL), STINT_ERR_USAGE);
	assert_int_equal(stint_writer_add(w, 50, &clock, NULL), STINT_ERR_USAGE);
	assert_int_equal(stint_writer_add(w, 5000, &clock, NULL), STINT_ERR_USAGE);
	assert_int_equal(stint_writer_finish(w, NULL), 0);
	assert_int_equal(stint_writer_add(w, STINT_CLOCK, &clock, NULL), STINT_ERR_USAGE);
	assert_int_equal(stint_writer_flush(w, NULL), STINT_ERR_USAGE);
	stint_writer_free(w);
	stint_writer_free(NULL);
	stint_reader_free(NULL);
	stint_rows_done(NULL);
	stint_buf_done(&buf);
}

static int fd_write(void *context, const void *data, size_t size, struct stint_err *err)
{
	const uint8_t *at = data;

	while (size) {
		ssize_t n = write(*(int *)context, at, size);

		if (n < 0)
			return stint_err_set(err, STINT_ERR_IO, errno, -1, "cannot write");
		at += n;
		size -= (size_t)n;
	}
	return 0;
}

static void *write_to_pipe(void *context)
{
	int fd = *(int *)context;
	struct stint_writer *w;

	if (stint_writer_new(&w, &defaults, (struct stint_sink){fd_write, &fd}, NULL) == 0)
		write_rows(w, 20000, NULL);
	stint_writer_free(w);
	close(fd);
	return NULL;
}

/* From one pipe into the other: nothing is seeked by the writer, and the reader takes what comes.
 */
static void test_pipe(void **state)
{
	struct stint_verify_result result;
	struct stint_reader *reader;
	pthread_t thread;
	int fds[2], saved = dup(STDIN_FILENO);

	(void)state;
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(pthread_create(&thread, NULL, write_to_pipe, &fds[1]), 0);
	dup2(fds[0], STDIN_FILENO);
	close(fds[0]);
	assert_int_equal(stint_reader_open(&reader, "-", NULL), 0);
	pthread_join(thread, NULL);
	if (saved >= 0)
		dup2(saved, STDIN_FILENO);
	close(saved);
	assert_int_equal(stint_verify(reader, NULL, NULL, &result, NULL), 0);
	assert_int_equal(result.n_problems, 0);
	assert_true(result.complete);
	assert_int_equal(result.n_rows, 20000 * 4);
	stint_reader_free(reader);
}

/* A file that becomes shorter under an open reader gives an error, not a signal. */
static void test_shrinking_file(void **state)
{
	char path[] = "/tmp/stint-test-XXXXXX";
	struct stint_err err = STINT_ERR_INIT;
	struct stint_rows rows = {0};
	struct stint_reader *reader;
	struct stint_writer *w;
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(stint_writer_new(&w, &defaults, (struct stint_sink){fd_write, &fd}, NULL), 0);
	assert_int_equal(write_rows(w, 1000, NULL), 0);
	stint_writer_free(w);
	assert_int_equal(stint_reader_open(&reader, path, NULL), 0);
	assert_int_equal(stint_reader_decode(reader, 5, &rows, NULL), 0);
	assert_int_equal(ftruncate(fd, 100), 0);
	assert_int_equal(stint_reader_decode(reader, 5, &rows, &err), STINT_ERR_FORMAT);
	assert_int_equal(rows.n_rows, 0);
	stint_rows_done(&rows);
	stint_reader_free(reader);
	close(fd);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_appending),      cmocka_unit_test(test_failing_sink),
		cmocka_unit_test(test_forgetting),     cmocka_unit_test(test_index_chain),
		cmocka_unit_test(test_full_blocks),    cmocka_unit_test(test_copy),
		cmocka_unit_test(test_misuse),	       cmocka_unit_test(test_pipe),
		cmocka_unit_test(test_shrinking_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
