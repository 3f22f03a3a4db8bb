/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "format/columns.h"
#include "format/rows.h"

/* Shorter runs aren't worth a zstd block of their own. */
#define MIN_CUT_BYTES 512

void stint_encoder_init(struct stint_encoder *enc)
{
	memset(enc, 0, sizeof(*enc));
	stint_buf_init(&enc->container, STINT_MAX_BLOCK_BYTES);
	stint_buf_init(&enc->body, STINT_MAX_BLOCK_BYTES);
}

void stint_encoder_done(struct stint_encoder *enc)
{
	stint_buf_done(&enc->container);
	stint_buf_done(&enc->body);
	free(enc->values);
	enc->values = NULL;
	enc->cap_values = 0;
}

size_t stint_encoder_memory_bytes(const struct stint_encoder *enc)
{
	return enc->container.cap + enc->body.cap + enc->cap_values * sizeof(*enc->values);
}

static void cut(struct stint_encoder *enc)
{
	size_t at = enc->body.len, last = enc->n_cuts ? enc->cuts[enc->n_cuts - 1] : 0;

	if (at - last >= MIN_CUT_BYTES && enc->n_cuts < STINT_MAX_CUTS)
		enc->cuts[enc->n_cuts++] = (uint32_t)at;
}

static uint64_t zigzag(uint64_t difference)
{
	return (difference << 1) ^ (0 - (difference >> 63));
}

/* Collects a column's values from the rows and transforms them. */
static void gather(uint64_t *values, const struct stint_column *column, size_t row_bytes, const uint8_t *rows,
		   size_t n_rows)
{
	const uint8_t *field = rows + column->offset;
	uint64_t value, previous = 0;
	uint32_t narrow;
	size_t i;

	for (i = 0; i < n_rows; i++, field += row_bytes) {
		if (column->width == sizeof(value)) {
			memcpy(&value, field, sizeof(value));
		} else {
			memcpy(&narrow, field, sizeof(narrow));
			value = narrow;
		}
		values[i] = column->transform == STINT_DELTA ? zigzag(value - previous) : value;
		previous = value;
	}
}

/* Appends the values as byte planes of as few bytes as they need, or as a constant. Returns the
 * width. */
static uint8_t pack(struct stint_encoder *enc, size_t n_rows)
{
	const uint64_t *values = enc->values;
	uint64_t all = 0, differ = 0;
	uint8_t width = 1, plane;
	size_t i;

	for (i = 0; i < n_rows; i++) {
		all |= values[i];
		differ |= values[i] ^ values[0];
	}
	if (!differ) {
		stint_buf_varint(&enc->body, values[0]);
		return 0;
	}
	while (width < 8 && all >> (8 * width))
		width++;
	for (plane = 0; plane < width; plane++) {
		uint8_t *at = stint_buf_grow(&enc->body, n_rows);

		for (i = 0; at && i < n_rows; i++)
			at[i] = (uint8_t)(values[i] >> (8 * plane));
		cut(enc);
	}
	return width;
}

static void encode_numbers(struct stint_encoder *enc, const struct stint_schema *schema,
			   const struct stint_column *column, const void *rows, size_t n_rows)
{
	size_t before = enc->body.len;
	uint8_t width;

	gather(enc->values, column, schema->row_bytes, rows, n_rows);
	width = pack(enc, n_rows);
	stint_buf_varint(&enc->container, column->id);
	if (width) {
		stint_buf_u8(&enc->container, column->transform | STINT_PLANES << 4);
		stint_buf_u8(&enc->container, width);
	} else {
		stint_buf_u8(&enc->container, column->transform | STINT_CONSTANT << 4);
	}
	stint_buf_varint(&enc->container, enc->body.len - before);
}

static void encode_bytes(struct stint_encoder *enc, const struct stint_schema *schema,
			 const struct stint_column *column, const uint8_t *rows, size_t n_rows)
{
	const uint8_t *field = rows + column->offset;
	size_t before = enc->body.len, i;

	for (i = 0; i < n_rows; i++) {
		const struct stint_string *bytes = (const void *)(field + i * schema->row_bytes);

		stint_buf_varint(&enc->body, bytes->size);
	}
	cut(enc);
	for (i = 0; i < n_rows; i++) {
		const struct stint_string *bytes = (const void *)(field + i * schema->row_bytes);

		stint_buf_bytes(&enc->body, bytes->data, (size_t)bytes->size);
	}
	cut(enc);
	stint_buf_varint(&enc->container, column->id);
	stint_buf_u8(&enc->container, STINT_PLAIN | STINT_BLOB << 4);
	stint_buf_varint(&enc->container, enc->body.len - before);
}

int stint_encode(struct stint_encoder *enc, const struct stint_schema *schema, const void *rows, size_t n_rows)
{
	size_t i, directory;

	if (n_rows > enc->cap_values) {
		uint64_t *values = realloc(enc->values, n_rows * sizeof(*values));

		if (!values)
			return STINT_ERR_NOMEM;
		enc->values = values;
		enc->cap_values = n_rows;
	}
	stint_buf_reset(&enc->container);
	stint_buf_reset(&enc->body);
	enc->n_cuts = 0;
	stint_buf_varint(&enc->container, schema->n_columns);
	for (i = 0; i < schema->n_columns; i++) {
		if (schema->columns[i].width)
			encode_numbers(enc, schema, &schema->columns[i], rows, n_rows);
		else
			encode_bytes(enc, schema, &schema->columns[i], rows, n_rows);
	}
	if (stint_buf_status(&enc->body))
		return stint_buf_status(&enc->body);
	directory = enc->container.len;
	for (i = 0; i < enc->n_cuts; i++)
		enc->cuts[i] += (uint32_t)directory;
	stint_buf_bytes(&enc->container, enc->body.data, enc->body.len);
	return stint_buf_status(&enc->container);
}
