/* SPDX-License-Identifier: MIT */
#include "format/block_writer.h"

#include <string.h>

#include "format/checksum.h"
#include "format/offcpu.h"

/* Remembers the failure and reports it. */
static int fail(struct stint_block_writer *w, const struct stint_err *failure, struct stint_err *err)
{
	w->failure = *failure;
	if (err)
		*err = *failure;
	return failure->code;
}

static int fail_nomem(struct stint_block_writer *w, struct stint_err *err)
{
	struct stint_err failure = STINT_ERR_INIT;

	stint_err_set(&failure, STINT_ERR_NOMEM, 0, -1, "no memory to write a block");
	return fail(w, &failure, err);
}

int stint_block_writer_status(const struct stint_block_writer *w, struct stint_err *err)
{
	if (w->failure.code && err)
		*err = w->failure;
	return w->failure.code;
}

static int send(struct stint_block_writer *w, const void *data, size_t size, struct stint_err *err)
{
	struct stint_err failure = STINT_ERR_INIT;
	int code = w->sink.write(w->sink.context, data, size, &failure);

	if (code) {
		if (!failure.code)
			stint_err_set(&failure, code, 0, -1, "cannot write the recording");
		return fail(w, &failure, err);
	}
	w->size_bytes += size;
	return 0;
}

int stint_block_writer_init(struct stint_block_writer *w, const struct stint_file_header *header, int compression_level,
			    struct stint_sink sink, struct stint_err *err)
{
	uint8_t bytes[STINT_FILE_HEADER_BYTES];

	memset(w, 0, sizeof(*w));
	w->sink = sink;
	w->failure.file_off = -1;
	stint_encoder_init(&w->encoder);
	/* zstd wants room for data that doesn't shrink. */
	stint_buf_init(&w->block, 2 * STINT_MAX_BLOCK_BYTES);
	if (compression_level >= 0) {
		w->compressor = stint_compressor_new(compression_level);
		if (!w->compressor)
			return fail_nomem(w, err);
	}
	stint_file_header_encode(header, bytes);
	return send(w, bytes, sizeof(bytes), err);
}

void stint_block_writer_done(struct stint_block_writer *w)
{
	stint_compressor_free(w->compressor);
	w->compressor = NULL;
	stint_encoder_done(&w->encoder);
	stint_buf_done(&w->block);
}

size_t stint_block_writer_memory_bytes(const struct stint_block_writer *w)
{
	return sizeof(*w) + stint_compressor_memory_bytes(w->compressor) + stint_encoder_memory_bytes(&w->encoder) +
	       w->block.cap;
}

/* Puts the header in front of the payload that stands in w->block, and sends both. */
static int send_block(struct stint_block_writer *w, struct stint_block_header *header, struct stint_err *err)
{
	int code;

	header->seq = w->seq;
	header->stored_bytes = (uint32_t)(w->block.len - STINT_BLOCK_HEADER_BYTES);
	header->payload_check = stint_checksum(w->block.data + STINT_BLOCK_HEADER_BYTES, header->stored_bytes);
	stint_block_header_encode(header, w->block.data);
	/* The index lists at which offset the block begins. */
	w->index[w->n_index++] = (struct stint_index_entry){
		.file_off = w->size_bytes,
		.t_min_ns = header->t_min_ns,
		.t_max_ns = header->t_max_ns,
		.table = header->table,
		.n_rows = header->n_rows,
		.first_id = header->first_id,
		.stored_bytes = header->stored_bytes,
		.raw_bytes = header->raw_bytes,
		.seq = header->seq,
		.codec = header->codec,
		.flags = header->flags,
	};
	w->seq++;
	code = send(w, w->block.data, w->block.len, err);
	if (code || header->table == STINT_INDEX || w->n_index < STINT_INDEX_ENTRIES)
		return code;
	return stint_block_writer_index(w, err);
}

/* Empties w->block but for room for a header. */
static void start_block(struct stint_block_writer *w)
{
	stint_buf_reset(&w->block);
	stint_buf_grow(&w->block, STINT_BLOCK_HEADER_BYTES);
}

/* Appends the encoder's container to w->block, compressed where that makes it smaller. */
static int append_container(struct stint_block_writer *w, struct stint_block_header *header)
{
	const struct stint_encoder *enc = &w->encoder;
	size_t start = w->block.len;
	int code;

	header->raw_bytes = (uint32_t)enc->container.len;
	header->codec = STINT_CODEC_NONE;
	if (w->compressor) {
		code = stint_compress(w->compressor, enc->container.data, enc->container.len, enc->cuts, enc->n_cuts,
				      &w->block);
		if (code)
			return code;
		if (w->block.len - start < enc->container.len) {
			header->codec = STINT_CODEC_ZSTD;
			return 0;
		}
		w->block.len = start;
	}
	stint_buf_bytes(&w->block, enc->container.data, enc->container.len);
	return stint_buf_status(&w->block);
}

static uint64_t time_field(const uint8_t *row, int16_t offset)
{
	uint64_t value;

	memcpy(&value, row + offset, sizeof(value));
	return value;
}

static void set_time_range(const struct stint_schema *schema, const void *rows, struct stint_block_header *header)
{
	const uint8_t *row = rows;
	uint32_t i;

	if (schema->time_from < 0)
		return;
	header->t_min_ns = UINT64_MAX;
	for (i = 0; i < header->n_rows; i++, row += schema->row_bytes) {
		uint64_t from = time_field(row, schema->time_from), to = time_field(row, schema->time_to);

		header->t_min_ns = from < header->t_min_ns ? from : header->t_min_ns;
		header->t_max_ns = to > header->t_max_ns ? to : header->t_max_ns;
	}
}

int stint_block_writer_rows(struct stint_block_writer *w, enum stint_table table, void *rows, uint32_t n_rows,
			    uint32_t first_id, struct stint_err *err)
{
	const struct stint_schema *schema = stint_schema_of(table);
	struct stint_block_header header = {.table = (uint8_t)table, .n_rows = n_rows, .first_id = first_id};
	struct stint_err failure = STINT_ERR_INIT;
	int code = stint_block_writer_status(w, err);

	if (code)
		return code;
	set_time_range(schema, rows, &header);
	if (table == STINT_OFFCPU) {
		if (stint_offcpu_sort(rows, n_rows))
			return fail_nomem(w, err);
		stint_offcpu_to_stored(rows, n_rows);
	}
	start_block(w);
	code = stint_encode(&w->encoder, schema, rows, n_rows);
	if (!code)
		code = append_container(w, &header);
	if (code == STINT_ERR_LIMIT) {
		stint_err_set(&failure, code, 0, -1, "a block of %u %s rows is over STINT_MAX_BLOCK_BYTES", n_rows,
			      schema->name);
		return fail(w, &failure, err);
	}
	return code ? fail_nomem(w, err) : send_block(w, &header, err);
}

int stint_block_writer_copy(struct stint_block_writer *w, const struct stint_block_header *header, const void *payload,
			    struct stint_err *err)
{
	struct stint_block_header copy = *header;
	int code = stint_block_writer_status(w, err);

	if (code)
		return code;
	start_block(w);
	stint_buf_bytes(&w->block, payload, header->stored_bytes);
	return stint_buf_status(&w->block) ? fail_nomem(w, err) : send_block(w, &copy, err);
}

int stint_block_writer_index(struct stint_block_writer *w, struct stint_err *err)
{
	struct stint_block_header header = {.table = STINT_INDEX, .n_rows = w->n_index};
	uint64_t file_off = w->size_bytes;
	int code = stint_block_writer_status(w, err);

	if (code)
		return code;
	start_block(w);
	if (w->n_index && stint_encode(&w->encoder, stint_schema_of(STINT_INDEX), w->index, w->n_index))
		return fail_nomem(w, err);
	if (w->n_index)
		stint_buf_bytes(&w->block, w->encoder.container.data, w->encoder.container.len);
	else
		stint_buf_varint(&w->block, 0); /* no columns */
	stint_buf_u64(&w->block, file_off);
	stint_buf_bytes(&w->block, STINT_TRAILER_MAGIC, 8);
	if (stint_buf_status(&w->block))
		return fail_nomem(w, err);
	header.codec = STINT_CODEC_NONE;
	header.raw_bytes = (uint32_t)(w->block.len - STINT_BLOCK_HEADER_BYTES);
	/* What was listed is done with; the next index block begins with this one. */
	w->n_index = 0;
	return send_block(w, &header, err);
}
