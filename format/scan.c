/* SPDX-License-Identifier: MIT */
/* Finds the blocks of a file without a usable index by their headers, and goes on behind damage. */
#include <stdlib.h>
#include <string.h>

#include "format/reader_internal.h"

#define WINDOW_BYTES (64u << 10)

struct scan {
	struct stint_reader *reader;
	uint8_t *window;
	const uint8_t *bytes; /* what was read last: n_bytes from bytes_off on */
	uint64_t bytes_off;
	size_t n_bytes;
	uint64_t damage_off; /* where the damage being skipped began */
	const char *why;
	/*
	 * Payload bytes that may still be checked to find out whether a block is shorter than it
	 * says. Headers that overlap on purpose could otherwise make us read the same bytes over
	 * and over.
	 */
	uint64_t check_budget;
};

/* Makes s->bytes hold what stands at off, at least a header's size. False when that can't be read.
 */
static bool look_at(struct scan *s, uint64_t off)
{
	uint64_t left = s->reader->info.size_bytes - off;

	/* Where magics are dense, most of them are in the bytes that were read for the last one. */
	if (s->bytes && off >= s->bytes_off && off + STINT_BLOCK_HEADER_BYTES <= s->bytes_off + s->n_bytes)
		return true;
	s->n_bytes = left < WINDOW_BYTES ? (size_t)left : WINDOW_BYTES;
	s->bytes_off = off;
	s->bytes = stint_input_at(&s->reader->input, off, s->n_bytes, s->window, NULL);
	return s->bytes;
}

/* The next place from off on where a valid block header stands; the file's end when there is none.
 */
static uint64_t find_header(struct scan *s, uint64_t off)
{
	static const uint8_t magic[4] = {STINT_BLOCK_MAGIC & 255, STINT_BLOCK_MAGIC >> 8 & 255,
					 STINT_BLOCK_MAGIC >> 16 & 255, STINT_BLOCK_MAGIC >> 24};
	uint64_t size = s->reader->info.size_bytes;
	struct stint_block_header header;

	while (size - off >= STINT_BLOCK_HEADER_BYTES && look_at(s, off)) {
		size_t skip = (size_t)(off - s->bytes_off);
		const uint8_t *at = memmem(s->bytes + skip, s->n_bytes - skip, magic, sizeof(magic));

		if (!at) {
			/* A magic may lie across the end of what was read. */
			off = s->bytes_off + s->n_bytes - (sizeof(magic) - 1);
			continue;
		}
		off = s->bytes_off + (uint64_t)(at - s->bytes);
		if (size - off < STINT_BLOCK_HEADER_BYTES || !look_at(s, off))
			break;
		if (!stint_block_header_decode(s->bytes + (off - s->bytes_off), &header))
			return off;
		off++;
	}
	return size;
}

/*
 * Checks the payload of the block in front of a place without a header: 0 if it is as long as it
 * says, STINT_ERR_FORMAT if not, STINT_ERR_NOMEM.
 */
static int check_payload(struct scan *s, const struct stint_block_info *block, const struct stint_block_header *header)
{
	void *memory = NULL;
	size_t memory_bytes = 0;
	const uint8_t *payload;
	int code;

	if (header->stored_bytes > s->check_budget)
		return 0;
	s->check_budget -= header->stored_bytes;
	code = stint_reader_payload(s->reader, block->file_off, header, &memory, &memory_bytes, &payload, NULL);
	free(memory);
	/* What can't be read is reported when it is needed. */
	return code == STINT_ERR_IO ? 0 : code;
}

static int end_damage(struct scan *s, uint64_t off)
{
	const char *why = s->why;
	uint64_t from = s->damage_off;

	s->why = NULL;
	if (!why || off <= from)
		return 0;
	return stint_reader_add_damage(s->reader, from, off - from, why);
}

static void begin_damage(struct scan *s, uint64_t off, const char *why)
{
	if (s->why)
		return;
	s->damage_off = off;
	s->why = why;
}

/* From block to block; off is where the first one should be. */
static int scan_blocks(struct scan *s, uint64_t off)
{
	uint64_t size = s->reader->info.size_bytes;
	struct stint_block_header header, last_header;
	struct stint_block_info last;
	bool have_last = false;
	const char *why;
	int code;

	while (off < size) {
		why = stint_reader_header_at(s->reader, off, &header);
		if (!why) {
			last = stint_reader_info_of(off, &header);
			if (end_damage(s, off) || stint_reader_add_block(s->reader, &last))
				return STINT_ERR_NOMEM;
			last_header = header;
			have_last = true;
			off += STINT_BLOCK_HEADER_BYTES + header.stored_bytes;
			continue;
		}
		begin_damage(s, off, why);
		/* Bytes may be missing from the last block, with a header in what seems to be it.
		 */
		code = have_last ? check_payload(s, &last, &last_header) : 0;
		if (code == STINT_ERR_NOMEM)
			return code;
		if (code)
			off = last.file_off + STINT_BLOCK_HEADER_BYTES;
		else
			off++;
		have_last = false;
		off = find_header(s, off);
	}
	return end_damage(s, size);
}

int stint_reader_scan(struct stint_reader *reader)
{
	struct scan s = {
		.reader = reader,
		.check_budget = 2 * reader->info.size_bytes + STINT_MAX_BLOCK_BYTES,
	};
	int code = STINT_ERR_NOMEM;

	s.window = malloc(WINDOW_BYTES);
	if (s.window)
		code = scan_blocks(&s, reader->header_bytes);
	free(s.window);
	return code;
}
