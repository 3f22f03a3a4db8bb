/* SPDX-License-Identifier: MIT */
/*
 * When the recorder opens the files whose functions it names: what a program runs just before it ends, when nobody can
 * open its file any more, has its name as well.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "format_util.h"
#include "record/embed_names.h"

extern const char __ehdr_start[]; /* where this program's file is mapped; its code is at the same offset in both */

struct gone { /* a file that can be opened only so often */
	unsigned n_left, n_opened;
};

static int open_own(void *context)
{
	struct gone *gone = context;

	gone->n_opened++;
	return gone->n_left && gone->n_left-- ? open("/proc/self/exe", O_RDONLY | O_CLOEXEC) : -1;
}

static uint64_t file_off(void (*function)(void **))
{
	return (uintptr_t)function - (uintptr_t)__ehdr_start;
}

struct recording {
	struct stint_buf bytes;
	struct stint_writer *writer;
	struct embed_names names;
};

static void begin(struct recording *rec)
{
	const struct stint_writer_options options = {.recording_id = {1}};
	struct stint_err err = STINT_ERR_INIT;

	stint_buf_init(&rec->bytes, 1u << 20);
	assert_int_equal(stint_writer_new(&rec->writer, &options, util_sink(&rec->bytes), &err), 0);
	embed_names_init(&rec->names, rec->writer);
}

/* Ends the recording; how many functions it names. */
static size_t end(struct recording *rec)
{
	struct stint_err err = STINT_ERR_INIT;
	struct stint_reader *reader;
	struct stint_rows rows = {0};
	size_t i, n = 0;

	embed_names_done(&rec->names);
	assert_int_equal(stint_writer_finish(rec->writer, &err), 0);
	assert_int_equal(stint_reader_open_memory(&reader, rec->bytes.data, rec->bytes.len, &err), 0);
	for (i = 0; i < stint_reader_info(reader)->n_blocks; i++) {
		assert_int_equal(stint_reader_decode(reader, i, &rows, &err), 0);
		n += rows.table == STINT_SYMBOL ? rows.n_rows : 0;
	}
	stint_rows_done(&rows);
	stint_reader_free(reader);
	stint_writer_free(rec->writer);
	stint_buf_done(&rec->bytes);
	return n;
}

static void address(struct recording *rec, uint32_t module_row, void (*function)(void **), struct gone *gone)
{
	struct stint_err err = STINT_ERR_INIT;

	assert_int_equal(
		embed_names_address(&rec->names, getpid(), module_row, file_off(function), open_own, gone, &err), 0);
}

static void write_names(struct recording *rec, bool last)
{
	struct stint_err err = STINT_ERR_INIT;

	assert_int_equal(embed_names_write(&rec->names, last, &err), 0);
}

static void other_function(void **state)
{
	(void)state;
}

static void test_last_breath(void **state)
{
	struct gone gone = {.n_left = 1};
	struct recording rec;

	(void)state;
	begin(&rec);
	address(&rec, 1, test_last_breath, &gone);
	write_names(&rec, true);
	address(&rec, 1, test_last_breath, &gone);
	address(&rec, 1, other_function, &gone);
	write_names(&rec, true);
	assert_int_equal(gone.n_opened, 1);
	assert_int_equal(end(&rec), 2);
}

/* A file that can't be opened is tried again, but once between two writings. */
static void test_later(void **state)
{
	struct gone gone = {0};
	struct recording rec;

	(void)state;
	begin(&rec);
	address(&rec, 1, test_later, &gone);
	address(&rec, 1, test_last_breath, &gone);
	assert_int_equal(gone.n_opened, 1);
	write_names(&rec, true);
	gone.n_left = 1;
	address(&rec, 1, other_function, &gone);
	assert_int_equal(gone.n_opened, 2);
	write_names(&rec, true);
	assert_int_equal(end(&rec), 3);
}

/* More files than may be open: those with all their names make room, the one that was asked for longest ago first. */
static void test_many_files(void **state)
{
	struct gone gone = {.n_left = 2 * EMBED_MAX_OPEN};
	struct recording rec;
	uint32_t i;

	(void)state;
	begin(&rec);
	for (i = 1; i <= EMBED_MAX_OPEN; i++)
		address(&rec, i, test_many_files, &gone);
	address(&rec, i, test_many_files, &gone);
	assert_int_equal(gone.n_opened, EMBED_MAX_OPEN); /* each of the open ones is still to be read */
	write_names(&rec, true);
	address(&rec, i, test_later, &gone);
	assert_int_equal(gone.n_opened, EMBED_MAX_OPEN + 1);
	address(&rec, 2, test_later, &gone); /* still open, */
	assert_int_equal(gone.n_opened, EMBED_MAX_OPEN + 1);
	address(&rec, 1, test_later, &gone); /* and this one closed */
	assert_int_equal(gone.n_opened, EMBED_MAX_OPEN + 2);
	write_names(&rec, true);
	assert_int_equal(rec.names.n_open, EMBED_MAX_OPEN);
	assert_int_equal(end(&rec), EMBED_MAX_OPEN + 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_last_breath),
		cmocka_unit_test(test_later),
		cmocka_unit_test(test_many_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
