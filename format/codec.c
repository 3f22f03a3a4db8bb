/* SPDX-License-Identifier: MIT */
#include "format/codec.h"

#include <stdlib.h>
#include <zstd.h>

struct stint_compressor {
	ZSTD_CCtx *ctx;
};

struct stint_compressor *stint_compressor_new(int level)
{
	struct stint_compressor *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->ctx = ZSTD_createCCtx();
	if (!c->ctx || ZSTD_isError(ZSTD_CCtx_setParameter(c->ctx, ZSTD_c_compressionLevel, level)) ||
	    ZSTD_isError(ZSTD_CCtx_setParameter(c->ctx, ZSTD_c_checksumFlag, 0))) {
		stint_compressor_free(c);
		return NULL;
	}
	return c;
}

void stint_compressor_free(struct stint_compressor *c)
{
	if (!c)
		return;
	ZSTD_freeCCtx(c->ctx);
	free(c);
}

size_t stint_compressor_memory_bytes(const struct stint_compressor *c)
{
	return c ? sizeof(*c) + ZSTD_sizeof_CCtx(c->ctx) : 0;
}

int stint_compress(struct stint_compressor *c, const void *data, size_t size, const uint32_t *cuts, size_t n_cuts,
		   struct stint_buf *out)
{
	size_t start = out->len, i, left;
	ZSTD_outBuffer dst = {.size = ZSTD_compressBound(size) + 32 * (n_cuts + 1)};
	ZSTD_inBuffer src = {.src = data};

	dst.dst = stint_buf_grow(out, dst.size);
	if (!dst.dst)
		return stint_buf_status(out);
	ZSTD_CCtx_reset(c->ctx, ZSTD_reset_session_only);
	if (ZSTD_isError(ZSTD_CCtx_setPledgedSrcSize(c->ctx, size)))
		return STINT_ERR_NOMEM;
	for (i = 0; i <= n_cuts; i++) {
		src.size = i < n_cuts ? cuts[i] : size;
		left = ZSTD_compressStream2(c->ctx, &dst, &src, i < n_cuts ? ZSTD_e_flush : ZSTD_e_end);
		/* The output has room for everything, so anything left over is an error of zstd's.
		 */
		if (ZSTD_isError(left) || left)
			return STINT_ERR_NOMEM;
	}
	out->len = start + dst.pos;
	return 0;
}

void stint_decompressor_free(void *state)
{
	ZSTD_freeDCtx(state);
}

int stint_decompress(void **state, const void *data, size_t size, void *out, size_t out_size, struct stint_err *err)
{
	size_t n;

	if (!*state)
		*state = ZSTD_createDCtx();
	if (!*state)
		return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory to decompress");
	n = ZSTD_findFrameCompressedSize(data, size);
	if (ZSTD_isError(n))
		return stint_err_set(err, STINT_ERR_FORMAT, 0, -1, "payload is no zstd frame: %s",
				     ZSTD_getErrorName(n));
	if (n != size)
		return stint_err_set(err, STINT_ERR_FORMAT, 0, -1, "zstd frame ends after %zu of %zu bytes", n, size);
	n = ZSTD_decompressDCtx(*state, out, out_size, data, size);
	if (ZSTD_isError(n))
		return stint_err_set(err, STINT_ERR_FORMAT, 0, -1, "zstd: %s", ZSTD_getErrorName(n));
	if (n != out_size)
		return stint_err_set(err, STINT_ERR_FORMAT, 0, -1,
				     "zstd frame holds %zu bytes, the block's header says %zu", n, out_size);
	return 0;
}
