/* SPDX-License-Identifier: MIT */
#include "format/header.h"

#include <string.h>

#include "base/cursor.h"
#include "format/checksum.h"
#include "format/schema.h"

static uint8_t *put(uint8_t *at, uint64_t value, size_t size)
{
	size_t i;

	for (i = 0; i < size; i++)
		at[i] = (uint8_t)(value >> (8 * i));
	return at + size;
}

void stint_file_header_encode(const struct stint_file_header *header, uint8_t bytes[STINT_FILE_HEADER_BYTES])
{
	uint8_t *at = bytes;

	memcpy(at, STINT_FILE_MAGIC, 8);
	at = put(at + 8, header->major, 2);
	at = put(at, header->minor, 2);
	at = put(at, header->header_bytes, 4);
	at = put(at, header->compat, 8);
	at = put(at, header->incompat, 8);
	memcpy(at, header->recording_id, 16);
	at = put(at + 16, 0, 8);
	put(at, stint_checksum(bytes, 56), 8);
}

const char *stint_file_header_decode(const uint8_t bytes[STINT_FILE_HEADER_BYTES], struct stint_file_header *header)
{
	struct stint_cursor cur = stint_cursor_of(bytes, STINT_FILE_HEADER_BYTES);

	if (memcmp(stint_cursor_bytes(&cur, 8), STINT_FILE_MAGIC, 8) != 0)
		return "file header has no magic";
	header->major = stint_cursor_u16(&cur);
	header->minor = stint_cursor_u16(&cur);
	header->header_bytes = stint_cursor_u32(&cur);
	header->compat = stint_cursor_u64(&cur);
	header->incompat = stint_cursor_u64(&cur);
	memcpy(header->recording_id, stint_cursor_bytes(&cur, 16), 16);
	stint_cursor_u64(&cur);
	if (stint_cursor_u64(&cur) != stint_checksum(bytes, 56))
		return "file header is damaged (checksum)";
	if (header->header_bytes < STINT_FILE_HEADER_BYTES || header->header_bytes > STINT_MAX_FILE_HEADER_BYTES)
		return "file header has an impossible size";
	return NULL;
}

void stint_block_header_encode(const struct stint_block_header *header, uint8_t bytes[STINT_BLOCK_HEADER_BYTES])
{
	uint8_t *at = bytes;

	at = put(at, STINT_BLOCK_MAGIC, 4);
	at = put(at, header->table, 1);
	at = put(at, header->codec, 1);
	at = put(at, header->flags, 2);
	at = put(at, header->stored_bytes, 4);
	at = put(at, header->raw_bytes, 4);
	at = put(at, header->seq, 4);
	at = put(at, header->n_rows, 4);
	at = put(at, header->t_min_ns, 8);
	at = put(at, header->t_max_ns, 8);
	at = put(at, header->payload_check, 8);
	at = put(at, header->first_id, 4);
	put(at, stint_checksum(bytes, 52), 4);
}

/* Blocks of unknown types only have the sizes' limits. */
const char *stint_block_header_limits(const struct stint_block_header *header)
{
	if (header->stored_bytes > STINT_MAX_BLOCK_BYTES)
		return "stored size is over STINT_MAX_BLOCK_BYTES";
	if (header->raw_bytes > STINT_MAX_BLOCK_BYTES)
		return "raw size is over STINT_MAX_BLOCK_BYTES";
	if (!stint_schema_of(header->table))
		return NULL;
	if (header->n_rows > STINT_MAX_BLOCK_ROWS)
		return "row count is over STINT_MAX_BLOCK_ROWS";
	if (!stint_is_dictionary(header->table))
		return header->first_id ? "events with ids" : NULL;
	if (!header->first_id)
		return "dictionary that defines id 0";
	if ((uint64_t)header->first_id + header->n_rows > (uint64_t)STINT_MAX_DICTIONARY_ROWS + 1)
		return "ids are over STINT_MAX_DICTIONARY_ROWS";
	return NULL;
}

const char *stint_block_header_decode(const uint8_t bytes[STINT_BLOCK_HEADER_BYTES], struct stint_block_header *header)
{
	struct stint_cursor cur = stint_cursor_of(bytes, STINT_BLOCK_HEADER_BYTES);

	if (stint_cursor_u32(&cur) != STINT_BLOCK_MAGIC)
		return "block header has no magic";
	header->table = stint_cursor_u8(&cur);
	header->codec = stint_cursor_u8(&cur);
	header->flags = stint_cursor_u16(&cur);
	header->stored_bytes = stint_cursor_u32(&cur);
	header->raw_bytes = stint_cursor_u32(&cur);
	header->seq = stint_cursor_u32(&cur);
	header->n_rows = stint_cursor_u32(&cur);
	header->t_min_ns = stint_cursor_u64(&cur);
	header->t_max_ns = stint_cursor_u64(&cur);
	header->payload_check = stint_cursor_u64(&cur);
	header->first_id = stint_cursor_u32(&cur);
	if (stint_cursor_u32(&cur) != (uint32_t)stint_checksum(bytes, 52))
		return "block header is damaged (checksum)";
	return stint_block_header_limits(header);
}
