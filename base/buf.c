/* SPDX-License-Identifier: MIT */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

void stint_buf_init(struct stint_buf *buf, size_t max)
{
	memset(buf, 0, sizeof(*buf));
	buf->max = max;
}

void stint_buf_done(struct stint_buf *buf)
{
	if (!buf)
		return;
	free(buf->data);
	stint_buf_init(buf, buf->max);
}

void stint_buf_reset(struct stint_buf *buf)
{
	buf->len = 0;
	buf->failed = 0;
}

int stint_buf_status(const struct stint_buf *buf)
{
	return buf->failed;
}

uint8_t *stint_buf_grow(struct stint_buf *buf, size_t size)
{
	uint8_t *start;

	if (buf->failed)
		return NULL;
	if (size > buf->max - buf->len) {
		buf->failed = STINT_ERR_LIMIT;
		return NULL;
	}
	if (size > buf->cap - buf->len) {
		size_t cap = buf->cap ? buf->cap : 256;
		uint8_t *data;

		while (cap < buf->len + size)
			cap = cap > buf->max / 2 ? buf->max : cap * 2;
		data = realloc(buf->data, cap);
		if (!data) {
			buf->failed = STINT_ERR_NOMEM;
			return NULL;
		}
		buf->data = data;
		buf->cap = cap;
	}
	start = buf->data + buf->len;
	buf->len += size;
	return start;
}

void stint_buf_bytes(struct stint_buf *buf, const void *data, size_t size)
{
	uint8_t *at = stint_buf_grow(buf, size);

	if (at && size)
		memcpy(at, data, size);
}

static void put_le(struct stint_buf *buf, uint64_t value, size_t size)
{
	uint8_t *at = stint_buf_grow(buf, size);
	size_t i;

	for (i = 0; at && i < size; i++)
		at[i] = (uint8_t)(value >> (8 * i));
}

void stint_buf_u8(struct stint_buf *buf, uint8_t value)
{
	put_le(buf, value, 1);
}

void stint_buf_u16(struct stint_buf *buf, uint16_t value)
{
	put_le(buf, value, 2);
}

void stint_buf_u32(struct stint_buf *buf, uint32_t value)
{
	put_le(buf, value, 4);
}

void stint_buf_u64(struct stint_buf *buf, uint64_t value)
{
	put_le(buf, value, 8);
}

void stint_buf_varint(struct stint_buf *buf, uint64_t value)
{
	uint8_t bytes[10];
	size_t n = 0;

	while (value >= 0x80) {
		bytes[n++] = (uint8_t)(value | 0x80);
		value >>= 7;
	}
	bytes[n++] = (uint8_t)value;
	stint_buf_bytes(buf, bytes, n);
}

void stint_buf_printf(struct stint_buf *buf, const char *fmt, ...)
{
	va_list ap, again;
	uint8_t *at;
	int len;

	va_start(ap, fmt);
	va_copy(again, ap);
	len = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	/* One byte more for the terminator that vsnprintf insists on; it isn't part of the content. */
	at = len < 0 ? NULL : stint_buf_grow(buf, (size_t)len + 1);
	if (at) {
		vsnprintf((char *)at, (size_t)len + 1, fmt, again);
		buf->len--;
	}
	va_end(again);
}
