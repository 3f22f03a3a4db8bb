/* SPDX-License-Identifier: MIT */
/* A recording that is cut, flipped or patched together costs what was hit, and nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "format/verify.h"
#include "tests/unit/format_util.h"

/* A small recording with a few blocks of each kind, which has no problems. */
static void write_small(struct stint_buf *buf, bool finish)
{
	struct stint_writer_options options = {.recording_id = "0123456789abcde"};
	struct stint_writer *w;
	uint32_t round, i, id = 0;

	stint_buf_init(buf, SIZE_MAX);
	assert_int_equal(stint_writer_new(&w, &options, util_sink(buf), NULL), 0);
	for (round = 0; round < 2; round++) {
		for (i = 0; i < 3; i++) {
			struct stint_node node = {.parent = id};
			struct stint_meta meta;
			struct stint_clock clock = {.monotonic_ns = 100 * round + i, .realtime_ns = 7};
			char text[2] = {(char)('a' + i), (char)('a' + round)};

			assert_int_equal(stint_writer_string(w, text, 2, &meta.key_str, NULL), 0);
			meta.value_str = meta.key_str;
			assert_int_equal(stint_writer_intern(w, STINT_NODE, &node, &id, NULL), 0);
			assert_int_equal(stint_writer_add(w, STINT_META, &meta, NULL), 0);
			assert_int_equal(stint_writer_add(w, STINT_CLOCK, &clock, NULL), 0);
		}
		assert_int_equal(stint_writer_flush(w, NULL), 0);
	}
	if (finish)
		assert_int_equal(stint_writer_finish(w, NULL), 0);
	stint_writer_free(w);
}

/* A checksum of each block's decoded rows, 0 for blocks that don't decode, by file offset. */
struct digest {
	uint64_t file_off;
	uint64_t hash;
};

static uint64_t digest_block(const struct stint_reader *reader, size_t i, struct stint_rows *rows)
{
	uint64_t hash = 14695981039346656037u;
	const uint8_t *bytes;
	size_t size, k, r;

	if (stint_reader_decode(reader, i, rows, NULL))
		return 0;
	for (r = 0; r < rows->n_rows; r++) {
		size = stint_schema_of(rows->table)->row_bytes;
		bytes = (const uint8_t *)rows->rows + r * size;
		if (rows->table == STINT_STRING) {
			const struct stint_string *string = (const struct stint_string *)rows->rows + r;

			bytes = string->data;
			size = string->size;
		}
		for (k = 0; k < size; k++)
			hash = (hash ^ bytes[k]) * 1099511628211u;
	}
	return hash;
}

static size_t digest_all(const struct stint_reader *reader, struct digest *digests, size_t max)
{
	struct stint_rows rows = {0};
	size_t i, n = stint_reader_info(reader)->n_blocks;

	assert_true(n <= max);
	for (i = 0; i < n; i++)
		digests[i] = (struct digest){stint_reader_block(reader, i)->file_off, digest_block(reader, i, &rows)};
	stint_rows_done(&rows);
	return n;
}

#define MAX_BLOCKS 32

/* Cut at every byte, every whole block in front of the cut reads, and nothing else appears. */
static void test_cut_everywhere(void **state)
{
	struct digest whole[MAX_BLOCKS], part[MAX_BLOCKS];
	struct stint_verify_result result;
	struct stint_reader *reader;
	struct stint_buf buf;
	size_t n_whole, n, size, i;
	uint8_t *copy;

	(void)state;
	write_small(&buf, true);
	assert_int_equal(stint_reader_open_memory(&reader, buf.data, buf.len, NULL), 0);
	n_whole = digest_all(reader, whole, MAX_BLOCKS);
	assert_int_equal(n_whole, 8);
	for (size = 0; size < buf.len; size++) {
		struct stint_reader *cut;
		int code;

		/* A copy of exactly that size, so that a sanitizer sees each read behind it. */
		copy = malloc(size ? size : 1);
		memcpy(copy, buf.data, size);
		code = stint_reader_open_memory(&cut, copy, size, NULL);
		if (size < STINT_FILE_HEADER_BYTES) {
			assert_int_equal(code, STINT_ERR_FORMAT);
			free(copy);
			continue;
		}
		assert_int_equal(code, 0);
		assert_false(stint_reader_info(cut)->complete);
		n = digest_all(cut, part, MAX_BLOCKS);
		for (i = 0; i < n_whole; i++) {
			const struct stint_block_info *block = stint_reader_block(reader, i);

			if (block->file_off + STINT_BLOCK_HEADER_BYTES + block->stored_bytes > size)
				break;
			assert_true(i < n && part[i].file_off == whole[i].file_off && part[i].hash == whole[i].hash);
		}
		assert_int_equal(n, i);
		assert_int_equal(stint_verify(cut, NULL, NULL, &result, NULL), 0);
		assert_int_equal(result.n_whole, n);
		assert_false(result.complete);
		stint_reader_free(cut);
		free(copy);
	}
	stint_reader_free(reader);
	stint_buf_done(&buf);
}

static void check_flip(const struct stint_buf *buf, const struct digest *whole, size_t n_whole, size_t bit)
{
	struct digest part[MAX_BLOCKS];
	struct stint_verify_result result;
	struct stint_reader *reader;
	size_t n, i, k, n_lost = 0;

	buf->data[bit / 8] ^= (uint8_t)(1u << bit % 8);
	/* No single flip makes it another format's file: all blocks are still there. */
	assert_int_equal(stint_reader_open_memory(&reader, buf->data, buf->len, NULL), 0);
	assert_int_equal(stint_verify(reader, NULL, NULL, &result, NULL), 0);
	if (!result.n_problems)
		fail_msg("bit %zu of byte %zu isn't missed", bit % 8, bit / 8);
	n = digest_all(reader, part, MAX_BLOCKS);
	for (i = 0; i < n_whole; i++) {
		for (k = 0; k < n && part[k].file_off != whole[i].file_off; k++)
			;
		if (k == n || part[k].hash != whole[i].hash) {
			/* A block is as written or not there, never something else. */
			assert_true(k == n || part[k].hash == 0);
			n_lost++;
			assert_true(bit / 8 >= whole[i].file_off);
			assert_true(i + 1 == n_whole || bit / 8 < whole[i + 1].file_off);
		}
	}
	assert_true(n_lost <= 1);
	stint_reader_free(reader);
	buf->data[bit / 8] ^= (uint8_t)(1u << bit % 8);
}

/* Every bit, in a recording with an index and in one without. */
static void test_flip_every_bit(void **state)
{
	struct digest whole[MAX_BLOCKS];
	struct stint_reader *reader;
	struct stint_buf buf;
	size_t n_whole, bit;
	int finish;

	(void)state;
	for (finish = 0; finish < 2; finish++) {
		write_small(&buf, finish);
		assert_int_equal(stint_reader_open_memory(&reader, buf.data, buf.len, NULL), 0);
		n_whole = digest_all(reader, whole, MAX_BLOCKS);
		stint_reader_free(reader);
		for (bit = 0; bit < buf.len * 8; bit++)
			check_flip(&buf, whole, n_whole, bit);
		stint_buf_done(&buf);
	}
}

/* Bytes that vanish from any place cost the block that they were in, and no other. */
static void test_missing_bytes(void **state)
{
	struct digest whole[MAX_BLOCKS], part[MAX_BLOCKS];
	struct stint_reader *reader;
	struct stint_buf buf;
	size_t n_whole, n, off, i, k, lost;
	uint8_t *copy;

	(void)state;
	write_small(&buf, false);
	assert_int_equal(stint_reader_open_memory(&reader, buf.data, buf.len, NULL), 0);
	n_whole = digest_all(reader, whole, MAX_BLOCKS);
	stint_reader_free(reader);
	copy = malloc(buf.len);
	for (off = 0; off + 3 <= buf.len; off++) {
		memcpy(copy, buf.data, off);
		memcpy(copy + off, buf.data + off + 3, buf.len - off - 3);
		assert_int_equal(stint_reader_open_memory(&reader, copy, buf.len - 3, NULL), 0);
		n = digest_all(reader, part, MAX_BLOCKS);
		for (i = 0, lost = 0; i < n_whole; i++) {
			for (k = 0; k < n && part[k].hash != whole[i].hash; k++)
				;
			lost += k == n;
		}
		/* Three bytes may reach over the border of two blocks. */
		assert_true(lost <= 2);
		assert_true(lost <= 1 || off > STINT_FILE_HEADER_BYTES);
		stint_reader_free(reader);
	}
	free(copy);
	stint_buf_done(&buf);
}

static void count_kind(void *context, const struct stint_problem *problem)
{
	uint64_t *counts = context;

	counts[problem->kind]++;
}

/* What repair writes has no damage and every whole block, and says what it left out. */
static void test_repair(void **state)
{
	struct stint_verify_result before, after;
	uint64_t counts[16] = {0};
	struct stint_rows rows = {0};
	const struct stint_loss *loss;
	struct stint_reader *reader, *repaired;
	struct stint_buf buf, out;

	(void)state;
	write_small(&buf, false);
	assert_int_equal(stint_reader_open_memory(&reader, buf.data, buf.len, NULL), 0);
	/* The payload of the clock block in the first round, which is the third block. */
	assert_int_equal(stint_reader_block(reader, 2)->table, STINT_CLOCK);
	buf.data[stint_reader_block(reader, 2)->file_off + STINT_BLOCK_HEADER_BYTES + 3] ^= 4;
	assert_int_equal(stint_verify(reader, count_kind, counts, &before, NULL), 0);
	assert_int_equal(before.n_blocks, 8);
	assert_int_equal(before.n_whole, 7);
	assert_int_equal(before.n_problems, 1);
	assert_int_equal(counts[STINT_PROBLEM_DAMAGE], 1);

	stint_buf_init(&out, SIZE_MAX);
	assert_int_equal(stint_repair(reader, util_sink(&out), NULL), 0);
	assert_int_equal(stint_reader_open_memory(&repaired, out.data, out.len, NULL), 0);
	assert_memory_equal(stint_reader_info(repaired)->recording_id, "0123456789abcde", 16);
	assert_int_equal(stint_verify(repaired, NULL, NULL, &after, NULL), 0);
	assert_true(after.complete);
	assert_int_equal(after.n_problems, 0);
	assert_int_equal(after.n_blocks, 8);
	assert_int_equal(stint_reader_block(repaired, 7)->table, STINT_LOSS);
	assert_int_equal(stint_reader_decode(repaired, 7, &rows, NULL), 0);
	loss = rows.rows;
	assert_int_equal(rows.n_rows, 1);
	assert_int_equal(loss->cause, STINT_LOSS_REPAIRED);
	assert_int_equal(loss->table, STINT_CLOCK);
	assert_int_equal(loss->count, 3);
	assert_int_equal(loss->from_ns, 0);
	assert_int_equal(loss->to_ns, 2);
	stint_rows_done(&rows);
	stint_reader_free(repaired);
	stint_reader_free(reader);
	stint_buf_done(&buf);
	stint_buf_done(&out);
}

/* A block whose header is gone, with the one behind it, is said too: how many rows it had isn't known. */
static void test_repair_without_header(void **state)
{
	uint64_t counts[16] = {0};
	struct stint_verify_result result;
	const struct stint_loss *loss;
	struct stint_reader *reader;
	struct stint_rows rows = {0};
	struct stint_buf buf, out;
	uint64_t file_off;
	size_t n;

	(void)state;
	write_small(&buf, false);
	assert_int_equal(stint_reader_open_memory(&reader, buf.data, buf.len, NULL), 0);
	n = stint_reader_info(reader)->n_blocks;
	assert_true(n > 6);
	file_off = stint_reader_block(reader, 4)->file_off;
	buf.data[file_off] ^= 1;
	buf.data[stint_reader_block(reader, 5)->file_off] ^= 1;
	stint_reader_free(reader);
	assert_int_equal(stint_reader_open_memory(&reader, buf.data, buf.len, NULL), 0);
	assert_int_equal(stint_reader_info(reader)->n_blocks, n - 2);
	stint_buf_init(&out, SIZE_MAX);
	assert_int_equal(stint_repair(reader, util_sink(&out), NULL), 0);
	stint_reader_free(reader);
	assert_int_equal(stint_reader_open_memory(&reader, out.data, out.len, NULL), 0);
	assert_int_equal(stint_verify(reader, count_kind, counts, &result, NULL), 0);
	assert_int_equal(counts[STINT_PROBLEM_DAMAGE] + counts[STINT_PROBLEM_SUM], 0);
	n = stint_reader_info(reader)->n_blocks;
	assert_int_equal(stint_reader_block(reader, n - 1)->table, STINT_LOSS);
	assert_int_equal(stint_reader_decode(reader, n - 1, &rows, NULL), 0);
	loss = rows.rows;
	assert_int_equal(rows.n_rows, 1);
	assert_int_equal(loss->cause, STINT_LOSS_REPAIRED);
	assert_int_equal(loss->table, 0);
	assert_int_equal(loss->count, 2);
	assert_true(loss->from_ns <= loss->to_ns);
	stint_rows_done(&rows);
	stint_reader_free(reader);
	stint_buf_done(&buf);
	stint_buf_done(&out);
}

static void append_block(struct stint_buf *out, const struct stint_buf *buf, const struct stint_reader *reader,
			 size_t i)
{
	const struct stint_block_info *block = stint_reader_block(reader, i);

	stint_buf_bytes(out, buf->data + block->file_off, STINT_BLOCK_HEADER_BYTES + block->stored_bytes);
}

/* Repairs the recording's blocks in this order; returns how many rows the repair left out. */
static uint64_t repair_blocks(const uint8_t *order, size_t n, uint64_t *counts)
{
	struct stint_verify_result result;
	struct stint_buf buf, mixed, out;
	struct stint_reader *reader;
	struct stint_rows rows = {0};
	uint64_t n_lost = 0;
	size_t i, k;

	write_small(&buf, false);
	assert_int_equal(stint_reader_open_memory(&reader, buf.data, buf.len, NULL), 0);
	stint_buf_init(&mixed, SIZE_MAX);
	stint_buf_init(&out, SIZE_MAX);
	stint_buf_bytes(&mixed, buf.data, STINT_FILE_HEADER_BYTES);
	for (i = 0; i < n; i++)
		append_block(&mixed, &buf, reader, order[i]);
	stint_reader_free(reader);
	assert_int_equal(stint_reader_open_memory(&reader, mixed.data, mixed.len, NULL), 0);
	assert_int_equal(stint_reader_info(reader)->n_blocks, n);
	assert_int_equal(stint_repair(reader, util_sink(&out), NULL), 0);
	stint_reader_free(reader);
	assert_int_equal(stint_reader_open_memory(&reader, out.data, out.len, NULL), 0);
	assert_int_equal(stint_verify(reader, count_kind, counts, &result, NULL), 0);
	for (i = 0; i < stint_reader_info(reader)->n_blocks; i++) {
		assert_int_equal(stint_reader_decode(reader, i, &rows, NULL), 0);
		for (k = 0; rows.table == STINT_LOSS && k < rows.n_rows; k++)
			n_lost += ((const struct stint_loss *)rows.rows)[k].count;
	}
	stint_rows_done(&rows);
	stint_reader_free(reader);
	stint_buf_done(&buf);
	stint_buf_done(&mixed);
	stint_buf_done(&out);
	return n_lost;
}

/* Blocks that are there twice are once in what repair writes, which is whole then. */
static void test_repair_duplicates(void **state)
{
	const uint8_t once_more[] = {0, 1, 2, 3, 0, 1, 2, 3, 4, 5, 6, 7, 4, 7};
	uint64_t counts[16] = {0};
	size_t i;

	(void)state;
	assert_int_equal(repair_blocks(once_more, sizeof(once_more), counts), 6 * 3);
	for (i = 0; i < 16; i++)
		assert_int_equal(counts[i], 0);
}

/* Dictionary blocks that come too late are lost; what refers to them is all that verify finds. */
static void test_repair_order(void **state)
{
	const uint8_t exchanged[] = {4, 5, 6, 7, 0, 1, 2, 3};
	uint64_t counts[16] = {0};
	size_t i;

	(void)state;
	assert_int_equal(repair_blocks(exchanged, sizeof(exchanged), counts), 2 * 3);
	assert_true(counts[STINT_PROBLEM_REFERENCE] > 0);
	for (i = 0; i < 16; i++)
		assert_true(i == STINT_PROBLEM_REFERENCE || counts[i] == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cut_everywhere),	      cmocka_unit_test(test_flip_every_bit),
		cmocka_unit_test(test_missing_bytes),	      cmocka_unit_test(test_repair),
		cmocka_unit_test(test_repair_without_header), cmocka_unit_test(test_repair_duplicates),
		cmocka_unit_test(test_repair_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
