/* SPDX-License-Identifier: MIT */
/*
 * A growable run of bytes with a mandatory maximum. Appending never fails in the caller's face: the
 * first failure (no memory, or past the maximum) sticks, later appends do nothing, and
 * stint_buf_status() tells at the end. All integers are little-endian.
 */
#ifndef STINT_BASE_BUF_H
#define STINT_BASE_BUF_H

#include <stddef.h>
#include <stdint.h>

struct stint_buf {
	uint8_t *data;
	size_t len;
	size_t cap;
	size_t max; /* len never passes this */
	int failed; /* 0, STINT_ERR_NOMEM or STINT_ERR_LIMIT */
};

void stint_buf_init(struct stint_buf *buf, size_t max);
void stint_buf_done(struct stint_buf *buf);  /* NULL and zeroed buffers are fine; the maximum stays */
void stint_buf_reset(struct stint_buf *buf); /* empties it, keeps the memory, forgives a failure */

/* 0, or the code of the first append that failed since the last reset. */
int stint_buf_status(const struct stint_buf *buf);

/* Makes room for size more bytes and returns where they start; len has grown. NULL on failure. */
uint8_t *stint_buf_grow(struct stint_buf *buf, size_t size);

void stint_buf_bytes(struct stint_buf *buf, const void *data, size_t size);
void stint_buf_u8(struct stint_buf *buf, uint8_t value);
void stint_buf_u16(struct stint_buf *buf, uint16_t value);
void stint_buf_u32(struct stint_buf *buf, uint32_t value);
void stint_buf_u64(struct stint_buf *buf, uint64_t value);
void stint_buf_varint(struct stint_buf *buf, uint64_t value); /* ULEB128, 1 to 10 bytes */
void stint_buf_printf(struct stint_buf *buf, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
