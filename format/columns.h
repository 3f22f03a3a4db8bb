/* SPDX-License-Identifier: MIT */
/*
 * The column container, which is what a block's payload decodes to: rows in, bytes out, and back
 * (FORMAT.md, "Payload"). Generic over tables: the schema says what a row looks like.
 */
#ifndef STINT_FORMAT_COLUMNS_H
#define STINT_FORMAT_COLUMNS_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/cursor.h"
#include "base/err.h"
#include "format/schema.h"

#define STINT_MAX_CUTS 512

/* Where a container is built. Zeroed is not ready: call _init. */
struct stint_encoder {
	struct stint_buf container; /* the result of the last encoding */
	struct stint_buf body;
	uint64_t *values; /* of the column at hand */
	size_t cap_values;
	/* Offsets in the container where another column or byte plane begins, for stint_compress.
	 */
	uint32_t cuts[STINT_MAX_CUTS];
	size_t n_cuts;
};

void stint_encoder_init(struct stint_encoder *enc);
void stint_encoder_done(struct stint_encoder *enc);
size_t stint_encoder_memory_bytes(const struct stint_encoder *enc);

/*
 * Encodes n_rows (1 to STINT_MAX_BLOCK_ROWS) structs of the table into enc->container. Returns 0,
 * STINT_ERR_NOMEM, or STINT_ERR_LIMIT when it would pass STINT_MAX_BLOCK_BYTES.
 */
int stint_encode(struct stint_encoder *enc, const struct stint_schema *schema, const void *rows, size_t n_rows);

/*
 * Decodes a container from cur, which is left behind its last column, into n_rows structs. Strings
 * point into the container's memory. Returns 0, STINT_ERR_FORMAT or STINT_ERR_LIMIT; rows are then
 * undefined, and err says what is wrong.
 */
int stint_decode(const struct stint_schema *schema, struct stint_cursor *cur, void *rows, size_t n_rows,
		 struct stint_err *err);

#endif
