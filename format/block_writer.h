/* SPDX-License-Identifier: MIT */
/*
 * Blocks on their way to the sink: file header, encoding, compression, numbering and the index. The
 * first failure is for good: nothing can be written behind a block that may be torn.
 */
#ifndef STINT_FORMAT_BLOCK_WRITER_H
#define STINT_FORMAT_BLOCK_WRITER_H

#include <stdbool.h>

#include "format/codec.h"
#include "format/columns.h"
#include "format/header.h"
#include "format/writer.h"

/* Blocks between two index blocks, which bounds the memory for what the next one lists. */
#define STINT_INDEX_ENTRIES 4096u

struct stint_block_writer {
	struct stint_sink sink;
	struct stint_compressor *compressor; /* NULL: blocks are stored as they are */
	struct stint_encoder encoder;
	struct stint_buf block; /* header and payload of the block at hand */
	struct stint_index_entry index[STINT_INDEX_ENTRIES];
	uint32_t n_index;
	uint32_t seq;
	uint64_t size_bytes; /* given to the sink */
	struct stint_err failure;
};

/* Sends the file header; a negative level means no compression. On failure there is nothing to free but by _done. */
int stint_block_writer_init(struct stint_block_writer *w, const struct stint_file_header *header, int compression_level,
			    struct stint_sink sink, struct stint_err *err);
void stint_block_writer_done(struct stint_block_writer *w);

/* The failure that stopped it, 0 if none did. */
int stint_block_writer_status(const struct stint_block_writer *w, struct stint_err *err);

/*
 * Writes rows (at most STINT_MAX_BLOCK_ROWS) as one block. Off-CPU rows are sorted and changed on
 * the way: the caller's rows are used up. first_id is 0 for what is no dictionary.
 */
int stint_block_writer_rows(struct stint_block_writer *w, enum stint_table table, void *rows, uint32_t n_rows,
			    uint32_t first_id, struct stint_err *err);

/* Writes a payload as it is under a new number; header is the one it had. */
int stint_block_writer_copy(struct stint_block_writer *w, const struct stint_block_header *header, const void *payload,
			    struct stint_err *err);

/* Writes an index block for everything since the last one. */
int stint_block_writer_index(struct stint_block_writer *w, struct stint_err *err);

size_t stint_block_writer_memory_bytes(const struct stint_block_writer *w);

#endif
