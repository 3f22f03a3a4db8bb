/* SPDX-License-Identifier: MIT */
/* base/cursor.h's reading position with the reads that DWARF needs, inline: they are most of the work. */
#ifndef STINT_ANALYZE_DWARF_CURSOR_H
#define STINT_ANALYZE_DWARF_CURSOR_H

#include <string.h>

#include "analyze/elf_file.h"
#include "base/cursor.h"

/* Never at NULL, also where a section is missing: nothing may be added to that, not even 0. */
static inline struct stint_cursor dwarf_cursor(struct elf_bytes bytes, uint64_t off)
{
	static const uint8_t nothing[1];

	if (!bytes.at)
		bytes = (struct elf_bytes){nothing, 0};
	if (off > bytes.size)
		return (struct stint_cursor){.at = bytes.at, .end = bytes.at, .bad = true};
	return (struct stint_cursor){.at = bytes.at + off, .end = bytes.at + bytes.size};
}

static inline void dwarf_skip(struct stint_cursor *cur, uint64_t size)
{
	if (size > (uint64_t)(cur->end - cur->at)) {
		cur->bad = true;
		cur->at = cur->end;
	} else {
		cur->at += size;
	}
}

/* size is 1 to 8 bytes, little-endian. */
static inline uint64_t dwarf_uint(struct stint_cursor *cur, unsigned int size)
{
	const uint8_t *at = cur->at;
	uint64_t value = 0;

	if (size > (size_t)(cur->end - at)) {
		cur->bad = true;
		cur->at = cur->end;
		return 0;
	}
	cur->at += size;
	switch (size) { /* a copy of a size that isn't known would be a call */
	case 1:
		return at[0];
	case 2:
		return elf_u16(at);
	case 4:
		return elf_u32(at);
	case 8:
		return elf_u64(at);
	default:
		while (size)
			value = value << 8 | at[--size];
		return value;
	}
}

static inline uint64_t dwarf_uleb(struct stint_cursor *cur)
{
	uint64_t value = 0;
	unsigned int shift = 0;

	if (cur->at < cur->end && !(*cur->at & 0x80))
		return *cur->at++;
	while (cur->at < cur->end) {
		uint8_t byte = *cur->at++;

		if (shift < 64)
			value |= (uint64_t)(byte & 0x7f) << shift;
		shift += 7;
		if (!(byte & 0x80))
			return value;
	}
	cur->bad = true;
	return 0;
}

static inline int64_t dwarf_sleb(struct stint_cursor *cur)
{
	uint64_t value = 0;
	unsigned int shift = 0;

	while (cur->at < cur->end) {
		uint8_t byte = *cur->at++;

		if (shift < 64)
			value |= (uint64_t)(byte & 0x7f) << shift;
		shift += 7;
		if (byte & 0x80)
			continue;
		if (byte & 0x40 && shift < 64)
			value |= ~(uint64_t)0 << shift;
		return (int64_t)value;
	}
	cur->bad = true;
	return 0;
}

/* A string in the bytes themselves; "" when it doesn't end. */
static inline const char *dwarf_inline_string(struct stint_cursor *cur)
{
	const uint8_t *start = cur->at, *end = memchr(start, 0, (size_t)(cur->end - start));

	if (!end) {
		cur->bad = true;
		cur->at = cur->end;
		return "";
	}
	cur->at = end + 1;
	return (const char *)start;
}

#endif
