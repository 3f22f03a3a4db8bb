/* SPDX-License-Identifier: MIT */
/* Every limit of FORMAT.md at its edge: what is just within reads, what is just over is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "format/columns.h"
#include "format/header.h"
#include "format/verify.h"
#include "tests/unit/format_util.h"

static void test_file_header_bytes(void **state)
{
	struct stint_file_header header = {.major = 1}, back;
	uint8_t bytes[STINT_FILE_HEADER_BYTES];

	(void)state;
	header.header_bytes = STINT_MAX_FILE_HEADER_BYTES;
	stint_file_header_encode(&header, bytes);
	assert_null(stint_file_header_decode(bytes, &back));
	header.header_bytes++;
	stint_file_header_encode(&header, bytes);
	assert_non_null(stint_file_header_decode(bytes, &back));
	header.header_bytes = STINT_FILE_HEADER_BYTES - 1;
	stint_file_header_encode(&header, bytes);
	assert_non_null(stint_file_header_decode(bytes, &back));
}

/* What a reader says about a header with these sizes, NULL when they are fine. */
static const char *judge(uint8_t table, uint32_t stored_bytes, uint32_t raw_bytes, uint32_t n_rows, uint32_t first_id)
{
	struct stint_block_header header = {.table = table,
					    .stored_bytes = stored_bytes,
					    .raw_bytes = raw_bytes,
					    .n_rows = n_rows,
					    .first_id = first_id};
	uint8_t bytes[STINT_BLOCK_HEADER_BYTES];

	stint_block_header_encode(&header, bytes);
	return stint_block_header_decode(bytes, &header);
}

static void test_block_headers(void **state)
{
	(void)state;
	assert_null(judge(STINT_META, STINT_MAX_BLOCK_BYTES, STINT_MAX_BLOCK_BYTES, 1, 0));
	assert_non_null(judge(STINT_META, STINT_MAX_BLOCK_BYTES + 1, 1, 1, 0));
	assert_non_null(judge(STINT_META, 1, STINT_MAX_BLOCK_BYTES + 1, 1, 0));
	assert_non_null(judge(STINT_META, UINT32_MAX, UINT32_MAX, 1, 0));
	assert_null(judge(STINT_META, 1, 1, STINT_MAX_BLOCK_ROWS, 0));
	assert_non_null(judge(STINT_META, 1, 1, STINT_MAX_BLOCK_ROWS + 1, 0));
	assert_null(judge(STINT_NODE, 1, 1, 1, STINT_MAX_DICTIONARY_ROWS));
	assert_non_null(judge(STINT_NODE, 1, 1, 2, STINT_MAX_DICTIONARY_ROWS));
	assert_non_null(judge(STINT_NODE, 1, 1, 1, UINT32_MAX));
	assert_non_null(judge(STINT_NODE, 1, 1, 1, 0));
	assert_non_null(judge(STINT_META, 1, 1, 1, 1));
	/* Nobody knows what a newer table's rows and ids are. The sizes are the same for all. */
	assert_null(judge(50, 1, 1, UINT32_MAX, 77));
	assert_non_null(judge(50, 1, STINT_MAX_BLOCK_BYTES + 1, 1, 0));
}

static int decode_columns(unsigned int n)
{
	const struct stint_schema *schema = stint_schema_of(STINT_CLOCK);
	struct stint_clock clock;
	struct stint_cursor cur;
	struct stint_buf buf;
	unsigned int i;
	int code;

	stint_buf_init(&buf, SIZE_MAX);
	stint_buf_varint(&buf, n);
	for (i = 0; i < n; i++) {
		stint_buf_varint(&buf, 100 + i);
		stint_buf_u8(&buf, 0);
		stint_buf_varint(&buf, 0);
	}
	cur = stint_cursor_of(buf.data, buf.len);
	code = stint_decode(schema, &cur, &clock, 1, NULL);
	stint_buf_done(&buf);
	return code;
}

static void test_columns(void **state)
{
	(void)state;
	assert_int_equal(decode_columns(STINT_MAX_COLUMNS), 0);
	assert_int_equal(decode_columns(STINT_MAX_COLUMNS + 1), STINT_ERR_LIMIT);
}

static uint64_t problems_of_stack(uint32_t depth)
{
	struct stint_writer_options options = {0};
	struct stint_verify_result result;
	struct stint_reader *reader;
	struct stint_node node = {0};
	struct stint_stack stack = {0};
	struct stint_writer *w;
	struct stint_buf buf;
	uint32_t i, id;

	stint_buf_init(&buf, SIZE_MAX);
	assert_int_equal(stint_writer_new(&w, &options, util_sink(&buf), NULL), 0);
	for (i = 0; i < depth; i++) {
		assert_int_equal(stint_writer_intern(w, STINT_NODE, &node, &node.parent, NULL), 0);
		/* Over two blocks, the deepest part in the second one. */
		if (i == depth / 2)
			assert_int_equal(stint_writer_flush(w, NULL), 0);
	}
	stack.leaf = node.parent;
	assert_int_equal(stint_writer_intern(w, STINT_STACK, &stack, &id, NULL), 0);
	assert_int_equal(stint_writer_finish(w, NULL), 0);
	stint_writer_free(w);
	assert_int_equal(stint_reader_open_memory(&reader, buf.data, buf.len, NULL), 0);
	assert_int_equal(stint_verify(reader, NULL, NULL, &result, NULL), 0);
	stint_reader_free(reader);
	stint_buf_done(&buf);
	return result.n_problems;
}

static void test_stack_depth(void **state)
{
	(void)state;
	assert_int_equal(problems_of_stack(STINT_MAX_STACK_DEPTH), 0);
	assert_int_equal(problems_of_stack(STINT_MAX_STACK_DEPTH + 1), 1);
}

/* A writer that has used up a dictionary's ids says so, and can still finish. */
static void test_dictionary_rows(void **state)
{
	struct stint_block_header block = {.table = STINT_NODE,
					   .n_rows = 1,
					   .raw_bytes = 1,
					   .stored_bytes = 1,
					   .first_id = STINT_MAX_DICTIONARY_ROWS - 1};
	struct stint_file_header file = {.major = 1, .header_bytes = STINT_FILE_HEADER_BYTES};
	uint8_t bytes[STINT_FILE_HEADER_BYTES + STINT_BLOCK_HEADER_BYTES + 1] = {0};
	struct stint_writer_options options = {0};
	struct stint_err err = STINT_ERR_INIT;
	struct stint_node node = {0};
	struct stint_reader *reader;
	struct stint_writer *w;
	struct stint_buf out;
	uint32_t id;

	(void)state;
	/* A node without columns, whose payload is one zero byte. */
	block.payload_check = UINT64_C(0xc44bdff4074eecdb);
	stint_file_header_encode(&file, bytes);
	stint_block_header_encode(&block, bytes + STINT_FILE_HEADER_BYTES);
	assert_int_equal(stint_reader_open_memory(&reader, bytes, sizeof(bytes), NULL), 0);
	stint_buf_init(&out, SIZE_MAX);
	assert_int_equal(stint_writer_new_copy(&w, reader, &options, util_sink(&out), NULL), 0);
	assert_int_equal(stint_writer_intern(w, STINT_NODE, &node, &id, &err), 0);
	assert_int_equal(id, STINT_MAX_DICTIONARY_ROWS);
	node.parent = 1;
	assert_int_equal(stint_writer_intern(w, STINT_NODE, &node, &id, &err), STINT_ERR_LIMIT);
	assert_non_null(strstr(err.msg, "STINT_MAX_DICTIONARY_ROWS"));
	assert_int_equal(stint_writer_finish(w, NULL), 0);
	stint_writer_free(w);
	stint_reader_free(reader);
	stint_buf_done(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_file_header_bytes), cmocka_unit_test(test_block_headers),
		cmocka_unit_test(test_columns),		  cmocka_unit_test(test_stack_depth),
		cmocka_unit_test(test_dictionary_rows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
