/* SPDX-License-Identifier: MIT */
/*
 * A reading position in bytes that nobody vouches for. Every read is checked; the first read past the
 * end (or malformed varint) makes the cursor bad, and bad cursors read zeros. Check once, at the end.
 */
#ifndef STINT_BASE_CURSOR_H
#define STINT_BASE_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct stint_cursor {
	const uint8_t *at;
	const uint8_t *end;
	bool bad;
};

static inline struct stint_cursor stint_cursor_of(const void *data, size_t size)
{
	const uint8_t *at = data;

	return (struct stint_cursor){.at = at, .end = at + size, .bad = false};
}

static inline size_t stint_cursor_left(const struct stint_cursor *cur)
{
	return (size_t)(cur->end - cur->at);
}

/* The next size bytes, which stay in the underlying memory; NULL (and bad) if there are fewer. */
static inline const uint8_t *stint_cursor_bytes(struct stint_cursor *cur, size_t size)
{
	const uint8_t *at = cur->at;

	if (cur->bad || size > stint_cursor_left(cur)) {
		cur->bad = true;
		return NULL;
	}
	cur->at += size;
	return at;
}

static inline uint8_t stint_cursor_u8(struct stint_cursor *cur)
{
	const uint8_t *at = stint_cursor_bytes(cur, 1);

	return at ? *at : 0;
}

uint16_t stint_cursor_u16(struct stint_cursor *cur);
uint32_t stint_cursor_u32(struct stint_cursor *cur);
uint64_t stint_cursor_u64(struct stint_cursor *cur);
uint64_t stint_cursor_long_varint(struct stint_cursor *cur);

/* ULEB128; over 64 bits is bad. Most are one byte. */
static inline uint64_t stint_cursor_varint(struct stint_cursor *cur)
{
	if (!cur->bad && cur->at < cur->end && *cur->at < 0x80)
		return *cur->at++;
	return stint_cursor_long_varint(cur);
}

#endif
