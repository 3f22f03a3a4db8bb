/* SPDX-License-Identifier: MIT */
/*
 * The reader agrees with FORMAT.md: with a reader that was written from it in another language, row
 * by row over all of testdata/, and with the bytes that it explains.
 */
#include <glob.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "tests/unit/format_util.h"

#define REFERENCE "/usr/bin/python3 tests/reference/stint_ref.py"

static void print_field(void *context, const char *name, uint64_t value)
{
	stint_buf_printf(context, ",\"%s\":%" PRIu64, name, value);
}

static void print_bytes(void *context, const char *name, struct stint_string bytes)
{
	size_t k;

	stint_buf_printf(context, ",\"%s\":\"", name[0] ? name : "hex");
	for (k = 0; k < bytes.size; k++)
		stint_buf_printf(context, "%02x", bytes.data[k]);
	stint_buf_printf(context, "\"");
}

static void print_row(struct stint_buf *out, size_t block, const struct stint_rows *rows, size_t i)
{
	const uint8_t *row = (const uint8_t *)rows->rows + i * stint_row_bytes(rows->table);

	stint_buf_printf(out, "{\"block\":%zu,\"table\":\"%s\"", block, stint_table_name(rows->table));
	if (stint_is_dictionary(rows->table))
		stint_buf_printf(out, ",\"id\":%zu", rows->first_id + i);
	stint_row_visit(rows->table, row, print_field, out);
	stint_row_visit_bytes(rows->table, row, print_bytes, out);
	stint_buf_printf(out, "}\n");
}

/* All rows as the reference prints them. Returns its exit status. */
static int dump(const char *path, struct stint_buf *out)
{
	struct stint_rows rows = {0};
	struct stint_reader *reader;
	size_t b, i;
	int code, status;

	if (stint_reader_open(&reader, path, NULL))
		return 3;
	status = stint_reader_info(reader)->n_damage > 0;
	for (b = 0; b < stint_reader_info(reader)->n_blocks; b++) {
		code = stint_reader_decode(reader, b, &rows, NULL);
		if (code && code != STINT_ERR_NOTFOUND)
			status = 1;
		for (i = 0; i < rows.n_rows; i++)
			print_row(out, b, &rows, i);
	}
	stint_rows_done(&rows);
	stint_reader_free(reader);
	return status;
}

/* Returns the exit status of the reference, 127 and the like where it can't run. */
static int run_reference(const char *path, struct stint_buf *out)
{
	char command[512];
	FILE *pipe;
	size_t n;
	int status;

	snprintf(command, sizeof(command), REFERENCE " '%s' 2>/dev/null", path);
	pipe = popen(command, "r");
	assert_non_null(pipe);
	do {
		uint8_t bytes[4096];

		n = fread(bytes, 1, sizeof(bytes), pipe);
		stint_buf_bytes(out, bytes, n);
	} while (n);
	status = pclose(pipe);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void show_difference(const struct stint_buf *ours, const struct stint_buf *theirs)
{
	size_t i = 0, line = 0;

	while (i < ours->len && i < theirs->len && ours->data[i] == theirs->data[i]) {
		i++;
		if (ours->data[i - 1] == '\n')
			line = i;
	}
	print_error("stint:     %.*s\nreference: %.*s\n", (int)(ours->len - line > 300 ? 300 : ours->len - line),
		    ours->data + line, (int)(theirs->len - line > 300 ? 300 : theirs->len - line), theirs->data + line);
}

static void test_same_rows(void **state)
{
	struct stint_buf ours, theirs;
	glob_t files;
	size_t i;

	(void)state;
	if (system("/usr/bin/python3 -c 'import xxhash, zstandard' 2>/dev/null") != 0) {
		print_message("python3-xxhash and python3-zstandard are not installed\n");
		skip();
	}
	assert_int_equal(glob("testdata/*.stint", 0, NULL, &files), 0);
	assert_true(files.gl_pathc > 30);
	stint_buf_init(&ours, SIZE_MAX);
	stint_buf_init(&theirs, SIZE_MAX);
	for (i = 0; i < files.gl_pathc; i++) {
		int our_status, their_status;

		print_message("%s\n", files.gl_pathv[i]);
		stint_buf_reset(&ours);
		stint_buf_reset(&theirs);
		our_status = dump(files.gl_pathv[i], &ours);
		their_status = run_reference(files.gl_pathv[i], &theirs);
		if (ours.len != theirs.len || (ours.len && memcmp(ours.data, theirs.data, ours.len) != 0)) {
			show_difference(&ours, &theirs);
			fail();
		}
		/* The reference doesn't say so when an index that it can't use is damaged. */
		if (!strstr(files.gl_pathv[i], "flipped-index"))
			assert_int_equal(our_status, their_status);
	}
	globfree(&files);
	stint_buf_done(&ours);
	stint_buf_done(&theirs);
}

/* Compares one line of hex, "OFFSET  BYTES ; what they are", with a file. */
static size_t check_line(const char *line, const uint8_t *bytes, size_t n_bytes)
{
	char *at;
	size_t off = strtoul(line, &at, 16), n = 0;

	for (;;) {
		unsigned long byte;

		at += strspn(at, " ");
		if (*at == ';' || *at == '\n')
			break;
		byte = strtoul(at, &at, 16);
		assert_true(off + n < n_bytes);
		if (bytes[off + n] != byte)
			fail_msg("the file differs from this line: %s", line);
		n++;
	}
	return n;
}

/* The bytes explained in FORMAT.md are those of the files that it names. */
static void test_examples(void **state)
{
	FILE *spec = fopen("format/FORMAT.md", "r"), *file = NULL;
	size_t n_bytes = 0, n_checked = 0, n_example = 0;
	uint8_t bytes[1024];
	char line[512], name[64], path[128];

	(void)state;
	assert_non_null(spec);
	while (fgets(line, sizeof(line), spec)) {
		if (sscanf(line, "```stint-hex %60s", name) == 1) {
			snprintf(path, sizeof(path), "testdata/%s.stint", name);
			file = fopen(path, "rb");
			assert_non_null(file);
			n_bytes = fread(bytes, 1, sizeof(bytes), file);
			fclose(file);
		} else if (strncmp(line, "```", 3) == 0) {
			file = NULL;
		} else if (file) {
			n_checked += check_line(line, bytes, n_bytes);
			if (strcmp(name, "example") == 0)
				n_example = n_checked;
		}
	}
	fclose(spec);
	/* One of the files is explained from its first byte to its last one. */
	assert_int_equal(n_example, 345);
	assert_true(n_checked > n_example);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_rows),
		cmocka_unit_test(test_examples),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
