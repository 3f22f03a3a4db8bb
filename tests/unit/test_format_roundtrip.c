/* SPDX-License-Identifier: MIT */
/* What is written is read: every table, random rows, several blocks, with and without compression.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/map.h"
#include "tests/unit/format_util.h"

#define ROWS 500

static const uint8_t recording_id[16] = "0123456789abcde";

static struct stint_writer *start(struct stint_buf *buf, int level)
{
	struct stint_writer_options options = {.compression_level = level};
	struct stint_writer *w;

	memcpy(options.recording_id, recording_id, 16);
	stint_buf_init(buf, SIZE_MAX);
	assert_int_equal(stint_writer_new(&w, &options, util_sink(buf), NULL), 0);
	return w;
}

/* Off-CPU rows come back sorted, so both sides are compared in this order. */
static int compare_offcpu(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct stint_offcpu));
}

/* What bytes point to is another memory on each side: equal bytes become equal numbers. */
static void number_bytes(struct stint_intern *in, uint32_t table, uint8_t *row)
{
	const struct stint_schema *schema = stint_schema_of(table);
	size_t i;

	for (i = 0; i < schema->n_columns; i++) {
		struct stint_string *bytes = (struct stint_string *)(row + schema->columns[i].offset);
		uint32_t id;

		if (schema->columns[i].width)
			continue;
		assert_int_equal(stint_intern_put(in, bytes->data, bytes->size, &id, NULL), 0);
		bytes->data = NULL;
		bytes->size = id;
	}
}

/* All rows of a table in the order of the file, n of them, one behind the other; bytes as numbers. */
static uint8_t *read_all(const struct stint_reader *reader, uint32_t table, struct stint_intern *in, size_t *ret_n)
{
	const struct stint_schema *schema = stint_schema_of(table);
	struct stint_rows rows = {0};
	uint8_t *all = NULL;
	size_t i, k, n = 0;

	for (i = 0; i < stint_reader_info(reader)->n_blocks; i++) {
		if (stint_reader_block(reader, i)->table != table)
			continue;
		assert_int_equal(stint_reader_decode(reader, i, &rows, NULL), 0);
		if (stint_is_dictionary(table))
			assert_int_equal(rows.first_id, n + 1);
		all = realloc(all, (n + rows.n_rows) * schema->row_bytes);
		memcpy(all + n * schema->row_bytes, rows.rows, rows.n_rows * schema->row_bytes);
		for (k = 0; k < rows.n_rows; k++)
			number_bytes(in, table, all + (n + k) * schema->row_bytes);
		n += rows.n_rows;
	}
	stint_rows_done(&rows);
	*ret_n = n;
	return all;
}

static void check_table(uint32_t table, int level)
{
	const struct stint_schema *schema = stint_schema_of(table);
	uint8_t *rows = calloc(ROWS, schema->row_bytes), *back;
	struct stint_reader *reader;
	struct stint_intern in = {0};
	struct stint_buf buf;
	struct stint_writer *w = start(&buf, level);
	uint64_t state = 77 + table;
	size_t i, n;
	uint32_t id;

	for (i = 0; i < ROWS; i++) {
		uint8_t *row = rows + i * schema->row_bytes;

		util_random_row(&state, table, row);
		if (stint_is_dictionary(table)) {
			assert_int_equal(stint_writer_intern(w, table, row, &id, NULL), 0);
			/* A row that was there already adds nothing. */
			if (id != i + 1)
				i--;
		} else {
			assert_int_equal(stint_writer_add(w, table, row, NULL), 0);
		}
		if (i % 100 == 50)
			assert_int_equal(stint_writer_flush(w, NULL), 0);
	}
	assert_int_equal(stint_writer_rows(w, table), ROWS);
	assert_int_equal(stint_writer_finish(w, NULL), 0);
	assert_int_equal(stint_writer_size_bytes(w), buf.len);
	stint_writer_free(w);

	assert_int_equal(stint_reader_open_memory(&reader, buf.data, buf.len, NULL), 0);
	assert_true(stint_reader_info(reader)->complete);
	assert_false(stint_reader_info(reader)->scanned);
	back = read_all(reader, table, &in, &n);
	for (i = 0; i < ROWS; i++)
		number_bytes(&in, table, rows + i * schema->row_bytes);
	assert_int_equal(n, ROWS);
	if (table == STINT_OFFCPU) {
		qsort(rows, n, schema->row_bytes, compare_offcpu);
		qsort(back, n, schema->row_bytes, compare_offcpu);
	}
	assert_memory_equal(back, rows, n * schema->row_bytes);
	stint_reader_free(reader);
	stint_buf_done(&buf);
	stint_intern_done(&in);
	free(rows);
	free(back);
}

static void test_every_table(void **state)
{
	uint32_t table;

	(void)state;
	for (table = STINT_STRING + 1; table < STINT_INDEX; table++) {
		if (!stint_schema_of(table))
			continue;
		check_table(table, 0);
		check_table(table, -1);
	}
}

static void test_strings(void **state)
{
	static uint8_t bytes[STINT_MAX_STRING_BYTES + 5];
	const struct stint_string *strings;
	struct stint_rows rows = {0};
	struct stint_reader *reader;
	struct stint_buf buf;
	struct stint_writer *w = start(&buf, 0);
	uint32_t id;

	(void)state;
	memset(bytes, 'x', sizeof(bytes));
	assert_int_equal(stint_writer_string(w, "", 0, &id, NULL), 0);
	assert_int_equal(id, 0);
	assert_int_equal(stint_writer_string(w, "a\0b", 3, &id, NULL), 0);
	assert_int_equal(id, 1);
	assert_int_equal(stint_writer_string(w, "\xff\xfe", 2, &id, NULL), 0);
	assert_int_equal(id, 2);
	assert_int_equal(stint_writer_string(w, bytes, sizeof(bytes), &id, NULL), 0);
	assert_int_equal(id, 3);
	assert_int_equal(stint_writer_string(w, "a\0b", 3, &id, NULL), 0);
	assert_int_equal(id, 1);
	assert_int_equal(stint_writer_finish(w, NULL), 0);
	assert_int_equal(stint_writer_string(w, "late", 4, &id, NULL), STINT_ERR_USAGE);
	stint_writer_free(w);

	assert_int_equal(stint_reader_open_memory(&reader, buf.data, buf.len, NULL), 0);
	assert_memory_equal(stint_reader_info(reader)->recording_id, recording_id, 16);
	assert_int_equal(stint_reader_info(reader)->n_blocks, 1);
	assert_int_equal(stint_reader_decode(reader, 0, &rows, NULL), 0);
	assert_int_equal(rows.n_rows, 3);
	strings = rows.rows;
	assert_int_equal(strings[0].size, 3);
	assert_memory_equal(strings[0].data, "a\0b", 3);
	assert_int_equal(strings[1].size, 2);
	/* Longer ones are cut, not refused. */
	assert_int_equal(strings[2].size, STINT_MAX_STRING_BYTES);
	assert_memory_equal(strings[2].data, bytes, STINT_MAX_STRING_BYTES);
	stint_rows_done(&rows);
	stint_reader_free(reader);
	stint_buf_done(&buf);
}

/* Windows are copied when they are added, and their blocks end long before the limit of a block. */
static void test_windows(void **state)
{
	static uint8_t bytes[STINT_MAX_WINDOW_BYTES + 1];
	struct stint_window window = {.bytes = {bytes, STINT_MAX_WINDOW_BYTES}};
	struct stint_err err = STINT_ERR_INIT;
	struct stint_rows rows = {0};
	struct stint_reader *reader;
	struct stint_buf buf;
	struct stint_writer *w = start(&buf, -1);
	size_t b, i, n = 0;

	(void)state;
	for (i = 0; i < 40; i++) {
		memset(bytes, (int)i, sizeof(bytes));
		window.regs[15] = i;
		assert_int_equal(stint_writer_add(w, STINT_WINDOW, &window, NULL), 0);
		assert_true(stint_writer_memory_bytes(w) >= STINT_MAX_WINDOW_BYTES);
	}
	window.bytes.size++;
	assert_int_equal(stint_writer_add(w, STINT_WINDOW, &window, &err), STINT_ERR_LIMIT);
	assert_non_null(strstr(err.msg, "STINT_MAX_WINDOW_BYTES"));
	assert_int_equal(stint_writer_rows(w, STINT_WINDOW), 40);
	assert_int_equal(stint_writer_finish(w, NULL), 0);
	stint_writer_free(w);

	assert_int_equal(stint_reader_open_memory(&reader, buf.data, buf.len, NULL), 0);
	assert_true(stint_reader_info(reader)->n_blocks > 1);
	for (b = 0; b < stint_reader_info(reader)->n_blocks; b++) {
		const struct stint_window *back;

		assert_int_equal(stint_reader_decode(reader, b, &rows, NULL), 0);
		back = rows.rows;
		for (i = 0; i < rows.n_rows; i++, n++) {
			memset(bytes, (int)n, sizeof(bytes));
			assert_int_equal(back[i].regs[15], n);
			assert_int_equal(back[i].bytes.size, STINT_MAX_WINDOW_BYTES);
			assert_memory_equal(back[i].bytes.data, bytes, STINT_MAX_WINDOW_BYTES);
		}
	}
	assert_int_equal(n, 40);
	stint_rows_done(&rows);
	stint_reader_free(reader);
	stint_buf_done(&buf);
}

/* Two threads that take turns on a CPU, and one on another: nearly every start is another row's
 * end. */
static void test_offcpu_chain(void **state)
{
	const struct stint_offcpu *back;
	struct stint_rows rows = {0};
	struct stint_reader *reader;
	struct stint_buf buf;
	struct stint_writer *w = start(&buf, 0);
	uint64_t now = 1000000, left[2] = {1000, 2000}, t_min = UINT64_MAX;
	size_t i, b, n = 0;

	(void)state;
	for (i = 0; i < 100000; i++) {
		struct stint_offcpu row = {
			.start_ns = left[i & 1],
			.end_ns = now,
			.wake_ns = now - 500,
			.flags = STINT_OFFCPU_WOKEN,
			.cpu = (uint32_t)(i % 7 == 0),
			.cpu_out = (uint32_t)(i % 5 == 0),
			.thread = 1 + (i & 1),
		};

		t_min = row.start_ns < t_min ? row.start_ns : t_min;
		assert_int_equal(stint_writer_add(w, STINT_OFFCPU, &row, NULL), 0);
		left[!(i & 1)] = now;
		now += 2000 + i % 300;
	}
	assert_int_equal(stint_writer_finish(w, NULL), 0);
	stint_writer_free(w);
	assert_int_equal(stint_reader_open_memory(&reader, buf.data, buf.len, NULL), 0);
	for (b = 0; b < stint_reader_info(reader)->n_blocks; b++) {
		assert_int_equal(stint_reader_decode(reader, b, &rows, NULL), 0);
		back = rows.rows;
		for (i = 0; i < rows.n_rows; i++) {
			assert_int_equal(back[i].wake_ns + 500, back[i].end_ns);
			assert_true(back[i].start_ns < back[i].end_ns);
			assert_int_equal(back[i].reserved, 0);
			assert_true(!i || back[i - 1].cpu < back[i].cpu ||
				    (back[i - 1].cpu == back[i].cpu && back[i - 1].end_ns <= back[i].end_ns));
		}
		n += rows.n_rows;
	}
	assert_int_equal(n, 100000);
	assert_int_equal(stint_reader_block(reader, 0)->t_min_ns, t_min);
	stint_rows_done(&rows);
	stint_reader_free(reader);
	stint_buf_done(&buf);
}

struct decoder {
	const struct stint_reader *reader;
	uint64_t sum;
};

static void *decode_all(void *context)
{
	struct decoder *d = context;
	struct stint_rows rows = {0};
	size_t b, i;

	for (b = 0; b < stint_reader_info(d->reader)->n_blocks; b++) {
		const struct stint_clock *clocks;

		if (stint_reader_decode(d->reader, b, &rows, NULL))
			break;
		clocks = rows.rows;
		for (i = 0; i < rows.n_rows; i++)
			d->sum += clocks[i].realtime_ns;
	}
	stint_rows_done(&rows);
	return NULL;
}

/* One open file, read by several threads at a time. */
static void test_threads(void **state)
{
	char path[] = "/tmp/stint-test-XXXXXX";
	struct decoder decoders[4];
	struct stint_reader *reader;
	pthread_t threads[4];
	struct stint_buf buf;
	struct stint_writer *w = start(&buf, 0);
	uint64_t i, sum = 0;
	int fd = mkstemp(path);

	(void)state;
	for (i = 0; i < 50000; i++) {
		struct stint_clock clock = {.monotonic_ns = i, .realtime_ns = i * i};

		assert_int_equal(stint_writer_add(w, STINT_CLOCK, &clock, NULL), 0);
		sum += i * i;
		if (i % 500 == 0)
			assert_int_equal(stint_writer_flush(w, NULL), 0);
	}
	assert_int_equal(stint_writer_finish(w, NULL), 0);
	stint_writer_free(w);
	assert_int_equal(write(fd, buf.data, buf.len), buf.len);
	close(fd);
	assert_int_equal(stint_reader_open(&reader, path, NULL), 0);
	for (i = 0; i < 4; i++) {
		decoders[i] = (struct decoder){.reader = reader};
		assert_int_equal(pthread_create(&threads[i], NULL, decode_all, &decoders[i]), 0);
	}
	for (i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(decoders[i].sum, sum);
	}
	stint_reader_free(reader);
	unlink(path);
	stint_buf_done(&buf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_table),  cmocka_unit_test(test_strings), cmocka_unit_test(test_windows),
		cmocka_unit_test(test_offcpu_chain), cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
