/* SPDX-License-Identifier: MIT */
/* Compression of payloads. The only user of libzstd in format/. */
#ifndef STINT_FORMAT_CODEC_H
#define STINT_FORMAT_CODEC_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

struct stint_compressor;

/* Level is zstd's, 0 for its default. NULL when there is no memory. */
struct stint_compressor *stint_compressor_new(int level);
void stint_compressor_free(struct stint_compressor *c); /* NULL is fine */
size_t stint_compressor_memory_bytes(const struct stint_compressor *c);

/*
 * Appends one zstd frame holding data to out. cuts are n_cuts ascending offsets in data at which
 * the content changes its nature (another column, another byte plane): zstd starts a new block
 * there, with an entropy table of its own. Returns 0 or STINT_ERR_NOMEM, and STINT_ERR_LIMIT when
 * out is full.
 */
int stint_compress(struct stint_compressor *c, const void *data, size_t size, const uint32_t *cuts, size_t n_cuts,
		   struct stint_buf *out);

/* The decompressor's state is made when *state is NULL; free it with stint_decompressor_free. */
void stint_decompressor_free(void *state); /* NULL is fine */

/*
 * Decompresses the one frame that data must be, into exactly out_size bytes. Returns 0,
 * STINT_ERR_FORMAT (err says what is wrong with the frame) or STINT_ERR_NOMEM.
 */
int stint_decompress(void **state, const void *data, size_t size, void *out, size_t out_size, struct stint_err *err);

#endif
