/* SPDX-License-Identifier: MIT */
/*
 * Loads the chain of index blocks, last one first. Each lists all blocks since the one before it,
 * which is its first entry, without a gap: so either every byte of the file is accounted for, or
 * the index is not believed.
 */
#include <stdlib.h>
#include <string.h>

#include "format/columns.h"
#include "format/reader_internal.h"

struct index_block {
	uint64_t file_off;
	struct stint_index_entry *entries;
	size_t n_entries;
};

/* The offset is for whoever lists the damage, so the message goes without it. */
static int unusable(struct stint_err *err, uint64_t file_off, const char *why)
{
	stint_err_set(err, STINT_ERR_FORMAT, 0, -1, "index: %s", why);
	if (err)
		err->file_off = (int64_t)file_off;
	return STINT_ERR_FORMAT;
}

/* Decodes an index block's payload: a container and a trailer that says where the block is. */
static int decode_index(struct index_block *block, const struct stint_block_header *header, const uint8_t *payload,
			struct stint_err *err)
{
	const struct stint_schema *schema = stint_schema_of(STINT_INDEX);
	struct stint_cursor cur = stint_cursor_of(payload, header->stored_bytes);
	const uint8_t *magic;
	int code;

	block->n_entries = header->n_rows;
	block->entries = calloc(block->n_entries + 1, sizeof(*block->entries));
	if (!block->entries)
		return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory for the index");
	code = stint_decode(schema, &cur, block->entries, block->n_entries, err);
	if (code)
		return code;
	if (stint_cursor_u64(&cur) != block->file_off)
		return stint_err_set(err, STINT_ERR_FORMAT, 0, -1, "its trailer names another place");
	magic = stint_cursor_bytes(&cur, 8);
	if (!magic || memcmp(magic, STINT_TRAILER_MAGIC, 8) != 0 || stint_cursor_left(&cur))
		return stint_err_set(err, STINT_ERR_FORMAT, 0, -1, "its trailer is damaged");
	return 0;
}

/* Reads the index block at block->file_off. *ret_info is what is known about it. */
static int read_index(const struct stint_reader *reader, struct index_block *block, struct stint_block_info *ret_info,
		      struct stint_err *err)
{
	struct stint_err why_not = STINT_ERR_INIT;
	struct stint_block_header header;
	const char *why = stint_reader_header_at(reader, block->file_off, &header);
	const uint8_t *payload;
	void *memory = NULL;
	size_t memory_bytes = 0;
	int code;

	if (why)
		return unusable(err, block->file_off, why);
	if (header.table != STINT_INDEX || header.codec != STINT_CODEC_NONE || header.stored_bytes != header.raw_bytes)
		return unusable(err, block->file_off, "its block is of another kind");
	*ret_info = stint_reader_info_of(block->file_off, &header);
	code = stint_reader_payload(reader, block->file_off, &header, &memory, &memory_bytes, &payload, &why_not);
	if (!code)
		code = decode_index(block, &header, payload, &why_not);
	free(memory);
	if (code == STINT_ERR_FORMAT || code == STINT_ERR_LIMIT)
		return unusable(err, block->file_off, why_not.msg);
	if (code && err)
		*err = why_not;
	return code;
}

int stint_reader_check_index(const struct stint_reader *reader, uint64_t file_off, struct stint_err *err)
{
	struct index_block block = {.file_off = file_off};
	struct stint_block_info info;
	int code = read_index(reader, &block, &info, err);

	free(block.entries);
	return code;
}

static struct stint_block_info info_of(const struct stint_index_entry *entry)
{
	return (struct stint_block_info){
		.file_off = entry->file_off,
		.t_min_ns = entry->t_min_ns,
		.t_max_ns = entry->t_max_ns,
		.stored_bytes = entry->stored_bytes,
		.raw_bytes = entry->raw_bytes,
		.n_rows = entry->n_rows,
		.first_id = entry->first_id,
		.seq = entry->seq,
		.table = (uint8_t)entry->table,
		.codec = (uint8_t)entry->codec,
		.flags = (uint16_t)entry->flags,
	};
}

static bool entry_is_sane(const struct stint_index_entry *entry)
{
	struct stint_block_header header = {
		.table = (uint8_t)entry->table,
		.stored_bytes = entry->stored_bytes,
		.raw_bytes = entry->raw_bytes,
		.n_rows = entry->n_rows,
		.first_id = entry->first_id,
	};

	return entry->table <= UINT8_MAX && entry->codec <= UINT8_MAX && entry->flags <= UINT16_MAX &&
	       !stint_block_header_limits(&header);
}

/* Adds an index block's entries to the reader, last one first. They must lie end to end. */
static int take_entries(struct stint_reader *reader, const struct index_block *block, struct stint_err *err)
{
	uint64_t end = block->file_off;
	size_t i;

	for (i = block->n_entries; i-- > 0;) {
		const struct stint_index_entry *entry = &block->entries[i];
		uint64_t size = STINT_BLOCK_HEADER_BYTES + (uint64_t)entry->stored_bytes;
		struct stint_block_info info = info_of(entry);

		if (!entry_is_sane(entry) || size > end || entry->file_off != end - size)
			return unusable(err, block->file_off, "its entries don't fit together");
		if (entry->table == STINT_INDEX && i > 0)
			return unusable(err, block->file_off, "it lists an index in its middle");
		if (stint_reader_add_block(reader, &info))
			return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory for the index");
		end = entry->file_off;
	}
	if (end != reader->header_bytes && (!block->n_entries || block->entries[0].table != STINT_INDEX))
		return unusable(err, block->file_off, "its entries don't begin where they should");
	return 0;
}

/* Where the last index block should be, by the file's last bytes. 0 when there is none. */
static uint64_t find_trailer(const struct stint_reader *reader)
{
	uint64_t size = reader->info.size_bytes;
	uint8_t buffer[STINT_TRAILER_BYTES];
	const uint8_t *bytes;
	struct stint_cursor cur;

	if (size < reader->header_bytes + STINT_BLOCK_HEADER_BYTES + STINT_TRAILER_BYTES)
		return 0;
	bytes = stint_input_at(&reader->input, size - STINT_TRAILER_BYTES, STINT_TRAILER_BYTES, buffer, NULL);
	if (!bytes || memcmp(bytes + 8, STINT_TRAILER_MAGIC, 8) != 0)
		return 0;
	cur = stint_cursor_of(bytes, STINT_TRAILER_BYTES);
	return stint_cursor_u64(&cur);
}

static void reverse_blocks(struct stint_reader *reader)
{
	size_t i, n = reader->info.n_blocks;

	for (i = 0; i < n / 2; i++) {
		struct stint_block_info block = reader->blocks[i];

		reader->blocks[i] = reader->blocks[n - 1 - i];
		reader->blocks[n - 1 - i] = block;
	}
}

int stint_reader_load_index(struct stint_reader *reader, struct stint_err *err)
{
	struct index_block block = {.file_off = find_trailer(reader)};
	uint64_t end = reader->info.size_bytes;
	struct stint_block_info info;
	int code = block.file_off ? 0 : STINT_ERR_NOTFOUND;

	/* Offsets strictly fall from one index block to the one before it, so this ends. */
	while (!code) {
		code = read_index(reader, &block, &info, err);
		if (!code && info.file_off + STINT_BLOCK_HEADER_BYTES + info.stored_bytes != end)
			code = unusable(err, block.file_off, "it doesn't end where it should");
		/* Each of the older ones is an entry of the one behind it. */
		if (!code && !reader->n_indexes && stint_reader_add_block(reader, &info))
			code = stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory for the index");
		if (!code)
			code = take_entries(reader, &block, err);
		if (code || !block.n_entries || block.entries[0].table != STINT_INDEX)
			break;
		end = block.entries[0].file_off + STINT_BLOCK_HEADER_BYTES + block.entries[0].stored_bytes;
		block.file_off = block.entries[0].file_off;
		free(block.entries);
		block.entries = NULL;
	}
	free(block.entries);
	if (code) {
		reader->info.n_blocks = 0;
		reader->n_indexes = 0;
	} else {
		reverse_blocks(reader);
	}
	return code;
}
