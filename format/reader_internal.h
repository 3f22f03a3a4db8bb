/* SPDX-License-Identifier: MIT */
/* What the reader's parts share: opening (reader.c), the index (index.c) and scanning (scan.c). */
#ifndef STINT_FORMAT_READER_INTERNAL_H
#define STINT_FORMAT_READER_INTERNAL_H

#include "format/header.h"
#include "format/input.h"
#include "format/reader.h"

struct stint_reader {
	struct stint_input input;
	struct stint_file_info info;
	uint32_t header_bytes;		 /* where the first block is */
	struct stint_block_info *blocks; /* info.n_blocks */
	size_t cap_blocks;
	struct stint_block_info *indexes; /* n_indexes, the old ones included; in no order */
	size_t n_indexes;
	size_t cap_indexes;
	struct stint_damage *damage; /* info.n_damage */
	size_t cap_damage;
};

/* Keep a block, or an index block apart from the others. Return 0 or STINT_ERR_NOMEM. */
int stint_reader_add_block(struct stint_reader *reader, const struct stint_block_info *block);
int stint_reader_add_damage(struct stint_reader *reader, uint64_t file_off, uint64_t size_bytes, const char *why);

/* The header at an offset. NULL when it is valid and its payload is within the file, else what is
 * wrong. */
const char *stint_reader_header_at(const struct stint_reader *reader, uint64_t file_off,
				   struct stint_block_header *header);

/* What the list of blocks says about one with this header. */
struct stint_block_info stint_reader_info_of(uint64_t file_off, const struct stint_block_header *header);

/*
 * Reads the payload behind a header at file_off and checks it, in *memory (*memory_bytes large,
 * grown as needed). It may also stand in the input itself. Returns 0, STINT_ERR_FORMAT, _IO or
 * _NOMEM.
 */
int stint_reader_payload(const struct stint_reader *reader, uint64_t file_off, const struct stint_block_header *header,
			 void **memory, size_t *memory_bytes, const uint8_t **ret_payload, struct stint_err *err);

/*
 * Fills in the blocks from the index at the file's end. Returns 0, STINT_ERR_NOTFOUND where there
 * is none, STINT_ERR_FORMAT where it is no good (err says why; there are no blocks then),
 * STINT_ERR_NOMEM.
 */
int stint_reader_load_index(struct stint_reader *reader, struct stint_err *err);

/* Checks the index block at an offset for itself. Returns 0, or what stint_reader_load_index may.
 */
int stint_reader_check_index(const struct stint_reader *reader, uint64_t file_off, struct stint_err *err);

/* Fills in the blocks from their headers, and the damage between them. Returns 0 or
 * STINT_ERR_NOMEM. */
int stint_reader_scan(struct stint_reader *reader);

#endif
