/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "format/checksum.h"
#include "format/codec.h"
#include "format/columns.h"
#include "format/offcpu.h"
#include "format/reader_internal.h"

/* What the pieces of stint_rows' private memory are for. The last one is the decompressor. */
enum {
	MEMORY_STORED,
	MEMORY_RAW,
	MEMORY_ROWS,
	MEMORY_STATE,
};

/* Makes room for one more item in an array that doubles. Returns the array, NULL without memory. */
static void *enlarge(void *items, size_t n, size_t *cap, size_t item_bytes)
{
	size_t larger = *cap ? *cap * 2 : 16;

	if (n < *cap)
		return items;
	items = reallocarray(items, larger, item_bytes);
	if (items)
		*cap = larger;
	return items;
}

int stint_reader_add_block(struct stint_reader *reader, const struct stint_block_info *block)
{
	bool is_index = block->table == STINT_INDEX;
	struct stint_block_info **blocks = is_index ? &reader->indexes : &reader->blocks;
	size_t *n = is_index ? &reader->n_indexes : &reader->info.n_blocks;
	size_t *cap = is_index ? &reader->cap_indexes : &reader->cap_blocks;
	struct stint_block_info *larger = enlarge(*blocks, *n, cap, sizeof(*larger));

	if (!larger)
		return STINT_ERR_NOMEM;
	*blocks = larger;
	larger[(*n)++] = *block;
	return 0;
}

int stint_reader_add_damage(struct stint_reader *reader, uint64_t file_off, uint64_t size_bytes, const char *why)
{
	struct stint_damage *damage =
		enlarge(reader->damage, reader->info.n_damage, &reader->cap_damage, sizeof(*damage));

	if (!damage)
		return STINT_ERR_NOMEM;
	reader->damage = damage;
	damage = &reader->damage[reader->info.n_damage++];
	*damage = (struct stint_damage){.file_off = file_off, .size_bytes = size_bytes};
	snprintf(damage->why, sizeof(damage->why), "%s", why);
	return 0;
}

struct stint_block_info stint_reader_info_of(uint64_t file_off, const struct stint_block_header *header)
{
	return (struct stint_block_info){
		.file_off = file_off,
		.t_min_ns = header->t_min_ns,
		.t_max_ns = header->t_max_ns,
		.stored_bytes = header->stored_bytes,
		.raw_bytes = header->raw_bytes,
		.n_rows = header->n_rows,
		.first_id = header->first_id,
		.seq = header->seq,
		.table = header->table,
		.codec = header->codec,
		.flags = header->flags,
	};
}

const char *stint_reader_header_at(const struct stint_reader *reader, uint64_t file_off,
				   struct stint_block_header *header)
{
	uint64_t size = reader->info.size_bytes;
	uint8_t buffer[STINT_BLOCK_HEADER_BYTES];
	const uint8_t *bytes;
	const char *why;

	if (file_off > size || size - file_off < STINT_BLOCK_HEADER_BYTES)
		return "the file ends within a block's header";
	bytes = stint_input_at(&reader->input, file_off, STINT_BLOCK_HEADER_BYTES, buffer, NULL);
	if (!bytes)
		return "a block's header can't be read";
	why = stint_block_header_decode(bytes, header);
	if (why)
		return why;
	if (header->stored_bytes > size - file_off - STINT_BLOCK_HEADER_BYTES)
		return "the file ends within a block";
	return NULL;
}

/* Makes *memory at least size bytes large. Its content is lost. Returns 0 or STINT_ERR_NOMEM. */
static int make_room(void **memory, size_t *memory_bytes, size_t size, struct stint_err *err)
{
	if (size <= *memory_bytes && *memory)
		return 0;
	free(*memory);
	*memory = malloc(size ? size : 1);
	*memory_bytes = *memory ? size : 0;
	if (*memory)
		return 0;
	return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory for a block of %zu bytes", size);
}

int stint_reader_payload(const struct stint_reader *reader, uint64_t file_off, const struct stint_block_header *header,
			 void **memory, size_t *memory_bytes, const uint8_t **ret_payload, struct stint_err *err)
{
	struct stint_err why = STINT_ERR_INIT;
	const uint8_t *payload;
	int code;

	*ret_payload = NULL;
	code = make_room(memory, memory_bytes, header->stored_bytes, err);
	if (code)
		return code;
	payload = stint_input_at(&reader->input, file_off + STINT_BLOCK_HEADER_BYTES, header->stored_bytes, *memory,
				 &why);
	if (!payload) {
		if (err)
			*err = why;
		return why.code;
	}
	if (stint_checksum(payload, header->stored_bytes) != header->payload_check)
		return stint_err_set(err, STINT_ERR_FORMAT, 0, -1, "payload is damaged (checksum)");
	*ret_payload = payload;
	return 0;
}

/* A damaged header is remembered, not refused: the blocks may be fine. */
static int read_file_header(struct stint_reader *reader, struct stint_err *err)
{
	struct stint_file_info *info = &reader->info;
	struct stint_file_header header = {0};
	uint8_t buffer[STINT_FILE_HEADER_BYTES];
	const uint8_t *bytes = NULL;
	const char *why = "file header is cut off";

	if (info->size_bytes >= STINT_FILE_HEADER_BYTES) {
		bytes = stint_input_at(&reader->input, 0, sizeof(buffer), buffer, err);
		if (!bytes)
			return STINT_ERR_IO;
		why = stint_file_header_decode(bytes, &header);
	}
	reader->header_bytes = STINT_FILE_HEADER_BYTES;
	if (why)
		return stint_reader_add_damage(reader, 0, STINT_FILE_HEADER_BYTES, why);
	if (header.major != STINT_FORMAT_MAJOR)
		return stint_err_set(err, STINT_ERR_UNSUPPORTED, 0, -1,
				     "recording has format version %u.%u, this stint reads %u.x", header.major,
				     header.minor, STINT_FORMAT_MAJOR);
	if (header.incompat & ~(uint64_t)STINT_INCOMPAT_KNOWN)
		return stint_err_set(err, STINT_ERR_UNSUPPORTED, 0, -1,
				     "recording uses features that this stint doesn't know (bits 0x%" PRIx64 ")",
				     header.incompat & ~(uint64_t)STINT_INCOMPAT_KNOWN);
	reader->header_bytes = header.header_bytes;
	info->major = header.major;
	info->minor = header.minor;
	info->compat = header.compat;
	info->incompat = header.incompat;
	memcpy(info->recording_id, header.recording_id, sizeof(info->recording_id));
	return 0;
}

/* Whether the last thing in the file is a whole header of an index block that ends with the file.
 */
static bool ends_with_index(const struct stint_reader *reader)
{
	uint64_t size = reader->info.size_bytes, file_off;
	struct stint_block_header header;
	uint8_t buffer[STINT_TRAILER_BYTES];
	const uint8_t *bytes;
	struct stint_cursor cur;

	if (size < STINT_TRAILER_BYTES)
		return false;
	bytes = stint_input_at(&reader->input, size - STINT_TRAILER_BYTES, STINT_TRAILER_BYTES, buffer, NULL);
	if (!bytes || memcmp(bytes + 8, STINT_TRAILER_MAGIC, 8) != 0)
		return false;
	cur = stint_cursor_of(bytes, STINT_TRAILER_BYTES);
	file_off = stint_cursor_u64(&cur);
	return !stint_reader_header_at(reader, file_off, &header) && header.table == STINT_INDEX &&
	       file_off + STINT_BLOCK_HEADER_BYTES + header.stored_bytes == size;
}

static int find_blocks(struct stint_reader *reader, struct stint_err *err)
{
	struct stint_err why = STINT_ERR_INIT;
	bool header_is_whole = reader->info.n_damage == 0;
	int code = stint_reader_load_index(reader, &why);

	reader->info.complete = code == 0 || ends_with_index(reader);
	if (code == STINT_ERR_FORMAT || code == STINT_ERR_NOTFOUND || code == STINT_ERR_LIMIT) {
		reader->info.scanned = true;
		code = stint_reader_scan(reader);
		/* Where its header is damaged as well, the scan has said so. */
		if (!code && why.code && reader->info.complete)
			code = stint_reader_add_damage(reader, (uint64_t)why.file_off, 0, why.msg);
	}
	if (code == STINT_ERR_IO)
		return stint_err_set(err, code, why.sys_errno, why.file_off, "cannot read");
	if (code)
		return stint_err_set(err, code, 0, -1, "no memory for the list of blocks");
	if (!header_is_whole && !reader->info.n_blocks)
		return stint_err_set(err, STINT_ERR_FORMAT, 0, -1, "%s",
				     reader->info.size_bytes ? "not a stint recording"
							     : "not a stint recording: the file is empty");
	return 0;
}

static int refuse_critical(const struct stint_reader *reader, struct stint_err *err)
{
	size_t i;

	for (i = 0; i < reader->info.n_blocks; i++) {
		const struct stint_block_info *block = &reader->blocks[i];

		if (block->flags & STINT_BLOCK_CRITICAL && !stint_schema_of(block->table))
			return stint_err_set(err, STINT_ERR_UNSUPPORTED, 0, (int64_t)block->file_off,
					     "recording can't be read without blocks of type %u, which this "
					     "stint doesn't know",
					     block->table);
	}
	return 0;
}

/* Takes the input over, also on failure. */
static int open_input(struct stint_reader **ret, const struct stint_input *input, struct stint_err *err)
{
	struct stint_reader *reader = calloc(1, sizeof(*reader));
	struct stint_input in = *input;
	int code;

	*ret = NULL;
	if (!reader) {
		stint_input_done(&in);
		return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory to open a recording");
	}
	reader->input = in;
	reader->info.size_bytes = in.size;
	code = read_file_header(reader, err);
	if (!code)
		code = find_blocks(reader, err);
	if (!code)
		code = refuse_critical(reader, err);
	if (code) {
		stint_reader_free(reader);
		return code;
	}
	*ret = reader;
	return 0;
}

int stint_reader_open(struct stint_reader **ret, const char *path, struct stint_err *err)
{
	struct stint_input input;
	int code = stint_input_open(&input, path, err);

	*ret = NULL;
	return code ? code : open_input(ret, &input, err);
}

int stint_reader_open_memory(struct stint_reader **ret, const void *data, size_t size, struct stint_err *err)
{
	struct stint_input input;

	stint_input_open_memory(&input, data, size);
	return open_input(ret, &input, err);
}

void stint_reader_free(struct stint_reader *reader)
{
	if (!reader)
		return;
	stint_input_done(&reader->input);
	free(reader->blocks);
	free(reader->indexes);
	free(reader->damage);
	free(reader);
}

const struct stint_file_info *stint_reader_info(const struct stint_reader *reader)
{
	return &reader->info;
}

const struct stint_block_info *stint_reader_block(const struct stint_reader *reader, size_t i)
{
	return &reader->blocks[i];
}

const struct stint_damage *stint_reader_damage(const struct stint_reader *reader, size_t i)
{
	return &reader->damage[i];
}

/* Says in front of the message which block it is about; where that is stands in file_off alone. */
static int explain(const struct stint_block_info *block, size_t i, const struct stint_err *why, struct stint_err *err)
{
	const char *name = stint_table_name(block->table);

	stint_err_set(err, why->code, 0, -1, "block %zu (%s): %s", i, name ? name : "unknown type", why->msg);
	if (err) {
		err->sys_errno = why->sys_errno;
		err->file_off = (int64_t)block->file_off;
	}
	return why->code;
}

static bool is_same_block(const struct stint_block_info *block, const struct stint_block_header *header)
{
	return header->table == block->table && header->codec == block->codec && header->flags == block->flags &&
	       header->stored_bytes == block->stored_bytes && header->raw_bytes == block->raw_bytes &&
	       header->n_rows == block->n_rows && header->first_id == block->first_id && header->seq == block->seq &&
	       header->t_min_ns == block->t_min_ns && header->t_max_ns == block->t_max_ns;
}

/* The header of block i, read again from the file. It must still be what the list of blocks says.
 */
static int read_header(const struct stint_reader *reader, size_t i, struct stint_block_header *header,
		       struct stint_err *err)
{
	const struct stint_block_info *block = &reader->blocks[i];
	const char *why = stint_reader_header_at(reader, block->file_off, header);

	if (!why && !is_same_block(block, header))
		why = "its header isn't the one in the index";
	return why ? stint_err_set(err, STINT_ERR_FORMAT, 0, -1, "%s", why) : 0;
}

/* The payload as the writer encoded it. */
static int decompress(const struct stint_block_header *header, const uint8_t *payload, struct stint_rows *rows,
		      const uint8_t **ret_raw, struct stint_err *err)
{
	int code;

	*ret_raw = payload;
	if (header->codec == STINT_CODEC_NONE && header->stored_bytes != header->raw_bytes)
		return stint_err_set(err, STINT_ERR_FORMAT, 0, -1, "raw and stored sizes differ without a codec");
	if (header->codec == STINT_CODEC_NONE)
		return 0;
	if (header->codec != STINT_CODEC_ZSTD)
		return stint_err_set(err, STINT_ERR_FORMAT, 0, -1, "unknown codec %u", header->codec);
	code = make_room(&rows->memory[MEMORY_RAW], &rows->memory_bytes[MEMORY_RAW], header->raw_bytes, err);
	if (code)
		return code;
	*ret_raw = rows->memory[MEMORY_RAW];
	return stint_decompress(&rows->memory[MEMORY_STATE], payload, header->stored_bytes, rows->memory[MEMORY_RAW],
				header->raw_bytes, err);
}

static int decode(const struct stint_reader *reader, size_t i, const struct stint_schema *schema,
		  struct stint_rows *rows, struct stint_err *err)
{
	struct stint_block_header header;
	const uint8_t *payload, *raw;
	struct stint_cursor cur;
	void *decoded;
	int code = read_header(reader, i, &header, err);

	if (!code)
		code = stint_reader_payload(reader, reader->blocks[i].file_off, &header, &rows->memory[MEMORY_STORED],
					    &rows->memory_bytes[MEMORY_STORED], &payload, err);
	if (!code)
		code = decompress(&header, payload, rows, &raw, err);
	if (!code)
		code = make_room(&rows->memory[MEMORY_ROWS], &rows->memory_bytes[MEMORY_ROWS],
				 (size_t)header.n_rows * schema->row_bytes, err);
	if (code)
		return code;
	decoded = rows->memory[MEMORY_ROWS];
	cur = stint_cursor_of(raw, header.raw_bytes);
	code = stint_decode(schema, &cur, decoded, header.n_rows, err);
	if (!code && stint_cursor_left(&cur))
		code = stint_err_set(err, STINT_ERR_FORMAT, 0, -1, "bytes behind the last column");
	if (!code && header.table == STINT_OFFCPU)
		code = stint_offcpu_from_stored(decoded, header.n_rows, err);
	if (code)
		return code;
	rows->first_id = header.first_id;
	rows->n_rows = header.n_rows;
	rows->rows = decoded;
	return 0;
}

int stint_reader_decode(const struct stint_reader *reader, size_t i, struct stint_rows *rows, struct stint_err *err)
{
	const struct stint_block_info *block = &reader->blocks[i];
	const struct stint_schema *schema = stint_schema_of(block->table);
	struct stint_err why = STINT_ERR_INIT;
	int code;

	rows->table = block->table;
	rows->first_id = 0;
	rows->n_rows = 0;
	rows->rows = NULL;
	if (!schema)
		return stint_err_set(err, STINT_ERR_NOTFOUND, 0, (int64_t)block->file_off,
				     "block %zu is of type %u, which this stint doesn't know", i, block->table);
	code = decode(reader, i, schema, rows, &why);
	return code ? explain(block, i, &why, err) : 0;
}

void stint_rows_done(struct stint_rows *rows)
{
	if (!rows)
		return;
	free(rows->memory[MEMORY_STORED]);
	free(rows->memory[MEMORY_RAW]);
	free(rows->memory[MEMORY_ROWS]);
	stint_decompressor_free(rows->memory[MEMORY_STATE]);
	memset(rows, 0, sizeof(*rows));
}

int stint_reader_raw(const struct stint_reader *reader, size_t i, struct stint_rows *rows, const uint8_t **ret_data,
		     size_t *ret_size, struct stint_err *err)
{
	const struct stint_block_info *block = &reader->blocks[i];
	size_t size = STINT_BLOCK_HEADER_BYTES + (size_t)block->stored_bytes;
	struct stint_err why = STINT_ERR_INIT;
	struct stint_block_header header;
	const uint8_t *data = NULL;
	int code = read_header(reader, i, &header, &why);

	rows->n_rows = 0;
	rows->rows = NULL;
	if (!code)
		code = make_room(&rows->memory[MEMORY_STORED], &rows->memory_bytes[MEMORY_STORED], size, &why);
	if (!code) {
		data = stint_input_at(&reader->input, block->file_off, size, rows->memory[MEMORY_STORED], &why);
		code = why.code;
	}
	if (!code && stint_checksum(data + STINT_BLOCK_HEADER_BYTES, header.stored_bytes) != header.payload_check)
		code = stint_err_set(&why, STINT_ERR_FORMAT, 0, -1, "payload is damaged (checksum)");
	if (code)
		return explain(block, i, &why, err);
	*ret_data = data;
	*ret_size = size;
	return 0;
}
