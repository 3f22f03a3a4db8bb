/* SPDX-License-Identifier: MIT */
#include "base/cursor.h"

static inline uint64_t get_le(struct stint_cursor *cur, size_t size)
{
	const uint8_t *at = stint_cursor_bytes(cur, size);
	uint64_t value = 0;
	size_t i;

	for (i = 0; at && i < size; i++)
		value |= (uint64_t)at[i] << (8 * i);
	return value;
}

uint16_t stint_cursor_u16(struct stint_cursor *cur)
{
	return (uint16_t)get_le(cur, 2);
}

uint32_t stint_cursor_u32(struct stint_cursor *cur)
{
	return (uint32_t)get_le(cur, 4);
}

uint64_t stint_cursor_u64(struct stint_cursor *cur)
{
	return get_le(cur, 8);
}

uint64_t stint_cursor_long_varint(struct stint_cursor *cur)
{
	uint64_t value = 0;
	unsigned shift;

	if (cur->bad)
		return 0;
	for (shift = 0; shift < 64; shift += 7) {
		uint8_t byte;

		if (cur->at == cur->end)
			break;
		byte = *cur->at++;
		if (shift == 63 && byte > 1)
			break;
		value |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80))
			return value;
	}
	cur->bad = true;
	return 0;
}
