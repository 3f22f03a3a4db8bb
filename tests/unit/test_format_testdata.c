/* SPDX-License-Identifier: MIT */
/* Every file of testdata/ is opened, decoded, verified and repaired as testdata/README.md says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "format/verify.h"
#include "tests/unit/format_util.h"

#define DAMAGE	  (1u << STINT_PROBLEM_DAMAGE)
#define REFERENCE (1u << STINT_PROBLEM_REFERENCE)
#define TREE	  (1u << STINT_PROBLEM_TREE)
#define SUM	  (1u << STINT_PROBLEM_SUM)
#define MISSING	  (1u << STINT_PROBLEM_MISSING)
#define ORDER	  (1u << STINT_PROBLEM_ORDER)

struct expectation {
	const char *name;
	int open;	    /* what opening returns */
	size_t n_blocks;    /* unknown types included, index blocks not */
	size_t n_unread;    /* of those, damaged ones and ones of unknown types */
	unsigned int kinds; /* of problems that verify finds */
	bool complete;
	const char *says; /* part of a problem's text, or of the refusal */
};

static const struct expectation expectations[] = {
	{"example", 0, 2, 0, 0, true, NULL},
	{"empty", 0, 0, 0, 0, true, NULL},
	{"encodings", 0, 4, 0, 0, false, NULL},
	{"host", 0, 25, 0, 0, true, NULL},
	{"killed", 0, 16, 0, 0, false, NULL},
	{"cut", 0, 16, 0, DAMAGE, false, "ends within a block"},
	{"flipped-file-header", 0, 25, 0, DAMAGE, true, "file header is damaged"},
	{"flipped-block-header", 0, 25, 1, DAMAGE, true, "block header is damaged"},
	{"flipped-payload", 0, 25, 1, DAMAGE, true, "payload is damaged"},
	{"flipped-dictionary", 0, 25, 1, DAMAGE | REFERENCE, true, "no block before them defines"},
	{"flipped-index", 0, 25, 0, DAMAGE, true, "index"},
	{"hole", 0, 25, 1, DAMAGE, false, "payload is damaged"},
	{"tables", 0, 0, 0, 0, true, NULL},
	{"windows", 0, 8, 0, 0, true, NULL},
	{"appended", 0, 2, 0, 0, true, NULL},
	{"appended-cut", 0, 2, 0, DAMAGE, false, "ends within a block"},
	{"newer", 0, 3, 1, 0, false, NULL},
	{"refused-critical", STINT_ERR_UNSUPPORTED, 0, 0, 0, false, "type 50"},
	{"refused-major", STINT_ERR_UNSUPPORTED, 0, 0, 0, false, "version 2.0"},
	{"refused-feature", STINT_ERR_UNSUPPORTED, 0, 0, 0, false, "bits 0x4"},
	{"bad-columns", 0, 2, 1, DAMAGE, false, "STINT_MAX_COLUMNS"},
	{"bad-directory", 0, 2, 1, DAMAGE, false, "directory of columns is damaged"},
	{"bad-column-size", 0, 2, 1, DAMAGE, false, "columns end behind the payload's end"},
	{"bad-column-twice", 0, 2, 1, DAMAGE, false, "is there twice"},
	{"bad-packing", 0, 2, 1, DAMAGE, false, "unknown encoding"},
	{"bad-transform", 0, 2, 1, DAMAGE, false, "unknown encoding"},
	{"bad-plane-width", 0, 2, 1, DAMAGE, false, "planes"},
	{"bad-plane-size", 0, 2, 1, DAMAGE, false, "planes"},
	{"bad-varint", 0, 2, 1, DAMAGE, false, "doesn't fit the number of rows"},
	{"bad-too-wide", 0, 2, 1, DAMAGE, false, "wider than its field"},
	{"bad-rest", 0, 2, 1, DAMAGE, false, "bytes behind the last column"},
	{"bad-start-ref", 0, 2, 1, DAMAGE, false, "in front of its block"},
	{"bad-blob", 0, 2, 1, DAMAGE, false, "strings where numbers belong"},
	{"bad-string-length", 0, 2, 1, DAMAGE, false, "doesn't fit the strings' lengths"},
	{"bad-long-string", 0, 2, 1, DAMAGE, false, "STINT_MAX_STRING_BYTES"},
	{"bad-long-window", 0, 2, 1, DAMAGE, false, "STINT_MAX_WINDOW_BYTES"},
	{"bad-long-code", 0, 2, 1, DAMAGE, false, "STINT_MAX_CODE_BYTES"},
	{"bad-row-count", 0, 1, 0, DAMAGE, false, "STINT_MAX_BLOCK_ROWS"},
	{"bad-headers", 0, 5, 3, DAMAGE | REFERENCE | MISSING, false, "STINT_MAX_BLOCK_BYTES"},
	{"bad-ids", 0, 1, 0, DAMAGE, false, "STINT_MAX_DICTIONARY_ROWS"},
	{"bad-event-ids", 0, 1, 0, DAMAGE, false, "events with ids"},
	{"bad-frames", 0, 5, 3, DAMAGE, false, "zstd frame"},
	{"bad-index-entry", 0, 2, 1, DAMAGE, true, "isn't the one in the index"},
	{"rule-reference", 0, 2, 0, REFERENCE, false, "1 of 1 meta rows refer to ids"},
	{"rule-tree", 0, 2, 0, TREE, false, "1 of 2 node rows"},
	{"rule-time-range", 0, 2, 0, ORDER, false, "outside of the time range"},
	{"rule-order-and-sum", 0, 2, 0, ORDER | SUM, true, "5 events seen, but 1 in the file"},
};

struct heard {
	const struct expectation *expected;
	unsigned int kinds;
	bool said;
};

static void hear(void *context, const struct stint_problem *problem)
{
	struct heard *heard = context;

	heard->kinds |= 1u << problem->kind;
	if (heard->expected->says && strstr(problem->what, heard->expected->says))
		heard->said = true;
}

static size_t count_unread(const struct stint_reader *reader)
{
	struct stint_rows rows = {0};
	size_t i, n = 0;

	for (i = 0; i < stint_reader_info(reader)->n_blocks; i++) {
		if (!stint_reader_decode(reader, i, &rows, NULL))
			continue;
		assert_int_equal(rows.n_rows, 0);
		assert_null(rows.rows);
		n++;
	}
	stint_rows_done(&rows);
	return n;
}

/* A repaired file has what was whole, and nothing that is damaged. */
static void check_repair(const struct stint_reader *reader, const struct expectation *expected)
{
	struct heard heard = {.expected = expected};
	struct stint_verify_result result;
	struct stint_reader *repaired;
	struct stint_buf out;

	stint_buf_init(&out, SIZE_MAX);
	assert_int_equal(stint_repair(reader, util_sink(&out), NULL), 0);
	assert_int_equal(stint_reader_open_memory(&repaired, out.data, out.len, NULL), 0);
	assert_int_equal(stint_verify(repaired, hear, &heard, &result, NULL), 0);
	assert_true(result.complete);
	assert_int_equal(heard.kinds & (DAMAGE | MISSING), 0);
	stint_reader_free(repaired);
	stint_buf_done(&out);
}

static void check_file(const struct expectation *expected)
{
	struct heard heard = {.expected = expected};
	struct stint_err err = STINT_ERR_INIT;
	struct stint_verify_result result;
	struct stint_reader *reader;
	char path[256];

	print_message("%s\n", expected->name);
	snprintf(path, sizeof(path), "testdata/%s.stint", expected->name);
	assert_int_equal(stint_reader_open(&reader, path, &err), expected->open);
	if (expected->open) {
		assert_non_null(strstr(err.msg, expected->says));
		return;
	}
	assert_int_equal(stint_verify(reader, hear, &heard, &result, NULL), 0);
	check_repair(reader, expected);
	assert_int_equal(stint_reader_info(reader)->complete, expected->complete);
	if (strcmp(expected->name, "tables") != 0) {
		assert_int_equal(heard.kinds, expected->kinds);
		assert_int_equal(stint_reader_info(reader)->n_blocks, expected->n_blocks);
	}
	assert_int_equal(count_unread(reader), expected->n_unread);
	assert_true(heard.said || !expected->says);
	stint_reader_free(reader);
}

static void test_every_file(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(expectations) / sizeof(expectations[0]); i++)
		check_file(&expectations[i]);
}

static void test_no_recording(void **state)
{
	struct stint_err err = STINT_ERR_INIT;
	struct stint_reader *reader = (void *)1;

	(void)state;
	assert_int_equal(stint_reader_open(&reader, "testdata/README.md", &err), STINT_ERR_FORMAT);
	assert_string_equal(err.msg, "not a stint recording");
	assert_null(reader);
	assert_int_equal(stint_reader_open(&reader, "/dev/null", &err), STINT_ERR_IO);
	assert_int_equal(stint_reader_open(&reader, "testdata", &err), STINT_ERR_IO);
	assert_int_equal(stint_reader_open(&reader, "testdata/nothing", &err), STINT_ERR_IO);
	assert_int_equal(stint_reader_open_memory(&reader, "", 0, &err), STINT_ERR_FORMAT);
}

/* The header of a newer minor version, unknown columns and tables: what is known reads. */
static void test_newer(void **state)
{
	const struct stint_clock *clock;
	struct stint_rows rows = {0};
	struct stint_reader *reader;

	(void)state;
	assert_int_equal(stint_reader_open(&reader, "testdata/newer.stint", NULL), 0);
	assert_int_equal(stint_reader_info(reader)->minor, 7);
	assert_int_equal(stint_reader_decode(reader, 1, &rows, NULL), STINT_ERR_NOTFOUND);
	assert_int_equal(stint_reader_decode(reader, 2, &rows, NULL), 0);
	assert_int_equal(rows.n_rows, 1);
	clock = rows.rows;
	assert_int_equal(clock->monotonic_ns, 5);
	assert_int_equal(clock->realtime_ns, 128);
	stint_rows_done(&rows);
	stint_reader_free(reader);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_file),
		cmocka_unit_test(test_no_recording),
		cmocka_unit_test(test_newer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
