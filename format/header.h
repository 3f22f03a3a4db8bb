/* SPDX-License-Identifier: MIT */
/* The two fixed headers as bytes (FORMAT.md, "File header" and "Block header"). */
#ifndef STINT_FORMAT_HEADER_H
#define STINT_FORMAT_HEADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "format/layout.h"

struct stint_file_header {
	uint16_t major, minor;
	uint32_t header_bytes;
	uint64_t compat, incompat;
	uint8_t recording_id[16];
};

struct stint_block_header {
	uint8_t table;
	uint8_t codec;
	uint16_t flags;
	uint32_t stored_bytes;
	uint32_t raw_bytes;
	uint32_t seq;
	uint32_t n_rows;
	uint32_t first_id;
	uint64_t t_min_ns, t_max_ns;
	uint64_t payload_check;
};

void stint_file_header_encode(const struct stint_file_header *header, uint8_t bytes[STINT_FILE_HEADER_BYTES]);

/* NULL when the bytes are a whole file header, else what is wrong with them. */
const char *stint_file_header_decode(const uint8_t bytes[STINT_FILE_HEADER_BYTES], struct stint_file_header *header);

void stint_block_header_encode(const struct stint_block_header *header, uint8_t bytes[STINT_BLOCK_HEADER_BYTES]);

/* NULL when the header keeps every limit of its table, else which one it breaks. */
const char *stint_block_header_limits(const struct stint_block_header *header);

/*
 * NULL when the bytes are a valid block header within every limit, else what is wrong. The cheap
 * test of the magic comes first, so that it may be called at every place of a damaged file.
 */
const char *stint_block_header_decode(const uint8_t bytes[STINT_BLOCK_HEADER_BYTES], struct stint_block_header *header);

#endif
