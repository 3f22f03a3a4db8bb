/* SPDX-License-Identifier: MIT */
/*
 * Fuzzes the reader: any bytes are opened, decoded, walked, verified and repaired. Beyond not
 * crashing, what repair writes must be free of damage.
 *
 * Checksums would keep a fuzzer at the door, so its mutations are sealed again most of the time.
 * With -DSTANDALONE and standalone.c this is a program that runs the files given to it, for regression
 * tests without libFuzzer.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "format/checksum.h"
#include "format/header.h"
#include "format/verify.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int append(void *context, const void *data, size_t size, struct stint_err *err)
{
	stint_buf_bytes(context, data, size);
	return stint_buf_status(context) ? stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory") : 0;
}

static void touch(void *context, const char *name, uint64_t value)
{
	*(uint64_t *)context += value + (uint8_t)name[0];
}

static void touch_bytes(void *context, const char *name, struct stint_string bytes)
{
	size_t k;

	(void)name;
	for (k = 0; k < bytes.size; k++)
		*(uint64_t *)context += bytes.data[k];
}

/* Reads every byte of every row, so that a sanitizer sees what is wrong with it. */
static void walk(const struct stint_reader *reader)
{
	struct stint_rows rows = {0};
	volatile uint64_t sink;
	uint64_t sum = 0;
	size_t b, i;

	for (b = 0; b < stint_reader_info(reader)->n_blocks; b++) {
		const uint8_t *raw, *row;
		size_t raw_bytes;

		if (stint_reader_decode(reader, b, &rows, NULL))
			continue;
		row = rows.rows;
		for (i = 0; i < rows.n_rows; i++)
			stint_row_visit_bytes(rows.table, row + i * stint_row_bytes(rows.table), touch_bytes, &sum);
		/* One row in a few is enough where blocks are large. */
		for (i = 0; i < rows.n_rows; i += 1 + rows.n_rows / 64)
			stint_row_visit(rows.table, row + i * stint_row_bytes(rows.table), touch, &sum);
		if (stint_reader_raw(reader, b, &rows, &raw, &raw_bytes, NULL))
			abort();
		sum += raw[raw_bytes - 1];
	}
	sink = sum;
	(void)sink;
	stint_rows_done(&rows);
}

static void check_repaired(void *context, const struct stint_problem *problem)
{
	(void)context;
	if (problem->kind == STINT_PROBLEM_DAMAGE || problem->kind == STINT_PROBLEM_MISSING) {
		fprintf(stderr, "a repaired file has damage: %s\n", problem->what);
		abort();
	}
}

static void repair(const struct stint_reader *reader)
{
	struct stint_verify_result result;
	struct stint_reader *repaired;
	struct stint_buf out;

	stint_buf_init(&out, 256u << 20);
	if (stint_repair(reader, (struct stint_sink){append, &out}, NULL))
		abort();
	if (stint_reader_open_memory(&repaired, out.data, out.len, NULL))
		abort();
	if (stint_verify(repaired, check_repaired, NULL, &result, NULL))
		abort();
	if (!result.complete || stint_reader_info(repaired)->scanned)
		abort();
	stint_reader_free(repaired);
	stint_buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct stint_verify_result result;
	struct stint_reader *reader;

	if (stint_reader_open_memory(&reader, data, size, NULL))
		return 0;
	walk(reader);
	if (stint_verify(reader, NULL, NULL, &result, NULL))
		abort();
	/* Writing is slow next to reading, so not every input is repaired. */
	if (stint_checksum(data, size) % 8 == 0)
		repair(reader);
	stint_reader_free(reader);
	return 0;
}

#ifndef STANDALONE

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed);

static void put(uint8_t *at, uint64_t value, size_t size)
{
	size_t i;

	for (i = 0; i < size; i++)
		at[i] = (uint8_t)(value >> (8 * i));
}

static uint32_t get32(const uint8_t *at)
{
	return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

/* Makes all checksums right again. */
static void seal(uint8_t *data, size_t size)
{
	size_t off = STINT_FILE_HEADER_BYTES;

	if (size < STINT_FILE_HEADER_BYTES)
		return;
	put(data + 56, stint_checksum(data, 56), 8);
	while (size - off >= STINT_BLOCK_HEADER_BYTES) {
		uint8_t *block = data + off;
		size_t left = size - off - STINT_BLOCK_HEADER_BYTES, stored = get32(block + 8);

		if (get32(block) != STINT_BLOCK_MAGIC) {
			off++;
			continue;
		}
		if (stored > left)
			stored = left;
		put(block + 8, stored, 4);
		if (block[5] == STINT_CODEC_NONE)
			put(block + 12, stored, 4);
		put(block + 40, stint_checksum(block + STINT_BLOCK_HEADER_BYTES, stored), 8);
		put(block + 52, stint_checksum(block, 52), 4);
		off += STINT_BLOCK_HEADER_BYTES + stored;
	}
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
	size = LLVMFuzzerMutate(data, size, max_size);
	if (seed % 8)
		seal(data, size);
	return size;
}

#endif
