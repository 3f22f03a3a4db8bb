/* SPDX-License-Identifier: MIT */
/*
 * Reads a recording, whole or cut off or damaged. A reader is immutable once open: stint_reader_decode
 * may be called from several threads, each with its own struct stint_rows.
 */
#ifndef STINT_FORMAT_READER_H
#define STINT_FORMAT_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "format/layout.h"
#include "format/rows.h"

struct stint_reader;

struct stint_file_info {
	uint8_t recording_id[16];
	uint16_t major, minor;
	uint64_t compat, incompat; /* feature bits */
	uint64_t size_bytes;
	bool complete;	 /* it ends with an index, if a damaged one: the recorder finished it */
	bool scanned;	 /* the index was missing or damaged, so the headers were scanned */
	size_t n_blocks; /* whole headers found, unknown types included, index blocks not */
	size_t n_damage; /* places known to be damaged after opening */
};

struct stint_block_info {
	uint64_t file_off;	     /* of the header */
	uint64_t t_min_ns, t_max_ns; /* of its events; 0 and 0 where rows have no time */
	uint32_t stored_bytes, raw_bytes;
	uint32_t n_rows;
	uint32_t first_id; /* of a dictionary's rows */
	uint32_t seq;	   /* counts the file's blocks from 0 */
	uint8_t table;	   /* enum stint_table, or a type that this reader doesn't know */
	uint8_t codec;
	uint16_t flags;
};

/*
 * A run of bytes that belongs to no whole, valid block. One of 0 bytes is at an index block that is of no
 * use: the headers were scanned instead, and no row is lost by that.
 */
struct stint_damage {
	uint64_t file_off;
	uint64_t size_bytes;
	char why[96];
};

/*
 * Opens a file by path ("-" is standard input), or bytes in memory that must outlive the reader. A pipe
 * is copied to a temporary file without a name first. Files are read, not mapped: one that is cut short
 * while it is open gives errors, not signals.
 *
 * Fails with STINT_ERR_IO, _FORMAT (not a recording at all), _UNSUPPORTED (an incompatible feature, a newer
 * major version or an unknown critical block), _NOMEM. A cut or damaged file is no failure: see the info.
 */
int stint_reader_open(struct stint_reader **ret, const char *path, struct stint_err *err);
int stint_reader_open_memory(struct stint_reader **ret, const void *data, size_t size, struct stint_err *err);
void stint_reader_free(struct stint_reader *reader); /* NULL is fine */

const struct stint_file_info *stint_reader_info(const struct stint_reader *reader);
const struct stint_block_info *stint_reader_block(const struct stint_reader *reader, size_t i); /* i < n_blocks */
const struct stint_damage *stint_reader_damage(const struct stint_reader *reader, size_t i);	/* i < n_damage */

/* The rows of one block. Zeroed is ready; reuse it for the next block; stint_rows_done frees it. */
struct stint_rows {
	uint32_t table;
	uint32_t first_id;
	size_t n_rows;
	const void *rows; /* n_rows structs of the table (rows.h); strings point into this struct's memory */
	void *memory[4];  /* private */
	size_t memory_bytes[4];
};

/*
 * Reads, checks and decodes block i. Fails with STINT_ERR_FORMAT or _LIMIT when the block is damaged (err says
 * how), STINT_ERR_NOTFOUND when its type is unknown here (skip it), _NOMEM, _IO. *rows is then empty.
 */
int stint_reader_decode(const struct stint_reader *reader, size_t i, struct stint_rows *rows, struct stint_err *err);
void stint_rows_done(struct stint_rows *rows);

/*
 * The stored bytes of block i, header included, with both checksums checked; for copying blocks whole.
 * They stand in the rows' memory, valid until it is used again. Fails as stint_reader_decode does, but
 * never for the content of the payload.
 */
int stint_reader_raw(const struct stint_reader *reader, size_t i, struct stint_rows *rows, const uint8_t **ret_data,
		     size_t *ret_size, struct stint_err *err);

/* "sample", "off-cpu", "string" …; NULL for an unknown type. */
const char *stint_table_name(uint32_t table);

/* The size of a table's struct in rows.h; 0 for an unknown type. */
size_t stint_row_bytes(uint32_t table);

/*
 * Walks the columns of a table by name, for dumps: calls each(context, name, value) for every number of the
 * row, in the order and by the names of FORMAT.md, "Tables". Bytes and reserved fields are not visited.
 */
void stint_row_visit(uint32_t table, const void *row, void (*each)(void *context, const char *name, uint64_t value),
		     void *context);

/* The same for the columns of bytes, which are behind all others. A string's own has no name (""). */
void stint_row_visit_bytes(uint32_t table, const void *row,
			   void (*each)(void *context, const char *name, struct stint_string bytes), void *context);

#endif
