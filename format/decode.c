/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include "format/columns.h"
#include "format/rows.h"

/* Values are decoded this many at a time, so that they stay in the first-level cache. */
#define CHUNK 1024

struct directory_entry {
	uint64_t id;
	uint64_t size_bytes;
	uint8_t transform;
	uint8_t packing;
	uint8_t width; /* in bytes, of planes */
};

static int bad(struct stint_err *err, const struct directory_entry *entry, const char *what)
{
	return stint_err_set(err, STINT_ERR_FORMAT, 0, -1, "column %" PRIu64 ": %s", entry->id, what);
}

static int read_directory(struct stint_cursor *cur, struct directory_entry *entries, size_t *ret_n,
			  struct stint_err *err)
{
	uint64_t n = stint_cursor_varint(cur), total = 0;
	size_t i;

	if (n > STINT_MAX_COLUMNS)
		return stint_err_set(err, STINT_ERR_LIMIT, 0, -1, "%" PRIu64 " columns are over STINT_MAX_COLUMNS", n);
	for (i = 0; i < n; i++) {
		struct directory_entry *entry = &entries[i];
		uint8_t encoding;

		entry->id = stint_cursor_varint(cur);
		encoding = stint_cursor_u8(cur);
		entry->transform = encoding & 15;
		entry->packing = encoding >> 4;
		entry->width = entry->packing == STINT_PLANES ? stint_cursor_u8(cur) : 0;
		entry->size_bytes = stint_cursor_varint(cur);
		if (cur->bad || entry->size_bytes > STINT_MAX_BLOCK_BYTES)
			return bad(err, entry, "the directory of columns is damaged");
		total += entry->size_bytes;
	}
	if (cur->bad || total > stint_cursor_left(cur))
		return stint_err_set(err, STINT_ERR_FORMAT, 0, -1, "columns end behind the payload's end");
	*ret_n = (size_t)n;
	return 0;
}

static uint64_t unzigzag(uint64_t value)
{
	return (value >> 1) ^ (0 - (value & 1));
}

/* Puts n decoded values into the rows' fields. Returns false when one doesn't fit. */
static bool scatter(const uint64_t *values, size_t n, const struct stint_column *column, uint8_t *field,
		    size_t row_bytes)
{
	uint64_t all = 0;
	size_t i;

	if (column->width == sizeof(uint64_t)) {
		for (i = 0; i < n; i++, field += row_bytes)
			memcpy(field, &values[i], sizeof(uint64_t));
		return true;
	}
	for (i = 0; i < n; i++, field += row_bytes) {
		uint32_t narrow = (uint32_t)values[i];

		all |= values[i];
		memcpy(field, &narrow, sizeof(narrow));
	}
	return all <= UINT32_MAX;
}

/* Reads n values whose planes are n_rows bytes long, from row first on. */
static void read_planes(uint64_t *values, const uint8_t *planes, uint8_t width, size_t n_rows, size_t first, size_t n)
{
	const uint8_t *plane = planes + first;
	uint8_t b;
	size_t i;

	for (i = 0; i < n; i++)
		values[i] = plane[i];
	for (b = 1; b < width; b++) {
		plane += n_rows;
		for (i = 0; i < n; i++)
			values[i] |= (uint64_t)plane[i] << (8 * b);
	}
}

static int decode_numbers(const struct directory_entry *entry, const struct stint_column *column, size_t row_bytes,
			  struct stint_cursor *bytes, uint8_t *rows, size_t n_rows, struct stint_err *err)
{
	const uint8_t *planes = bytes->at;
	uint64_t values[CHUNK], constant = 0, sum = 0;
	size_t first, n, i;

	if (entry->packing == STINT_PLANES) {
		if (entry->width < 1 || entry->width > 8 || entry->size_bytes != n_rows * entry->width)
			return bad(err, entry, "its planes don't have one byte for each row");
		stint_cursor_bytes(bytes, (size_t)entry->size_bytes);
	} else if (entry->packing == STINT_CONSTANT) {
		constant = stint_cursor_varint(bytes);
	}
	for (first = 0; first < n_rows; first += n) {
		n = n_rows - first < CHUNK ? n_rows - first : CHUNK;
		if (entry->packing == STINT_PLANES)
			read_planes(values, planes, entry->width, n_rows, first, n);
		else if (entry->packing == STINT_CONSTANT)
			for (i = 0; i < n; i++)
				values[i] = constant;
		else
			for (i = 0; i < n; i++)
				values[i] = stint_cursor_varint(bytes);
		for (i = 0; i < n && entry->transform == STINT_DELTA; i++)
			values[i] = sum += unzigzag(values[i]);
		if (!scatter(values, n, column, rows + first * row_bytes + column->offset, row_bytes))
			return bad(err, entry, "a value is wider than its field");
	}
	if (bytes->bad || stint_cursor_left(bytes))
		return bad(err, entry, "its size doesn't fit the number of rows");
	return 0;
}

static int decode_bytes(const struct directory_entry *entry, const struct stint_column *column, size_t row_bytes,
			struct stint_cursor *bytes, uint8_t *rows, size_t n_rows, struct stint_err *err)
{
	uint8_t *field = rows + column->offset;
	struct stint_string *string;
	size_t i;

	for (i = 0; i < n_rows; i++) {
		string = (struct stint_string *)(field + i * row_bytes);
		string->size = stint_cursor_varint(bytes);
		if (string->size > column->max_bytes)
			return stint_err_set(err, STINT_ERR_LIMIT, 0, -1,
					     "column %" PRIu64 ": %" PRIu64 " bytes are over %s", entry->id,
					     string->size, column->limit);
	}
	for (i = 0; i < n_rows; i++) {
		string = (struct stint_string *)(field + i * row_bytes);
		string->data = stint_cursor_bytes(bytes, (size_t)string->size);
	}
	if (bytes->bad || stint_cursor_left(bytes))
		return bad(err, entry, "its size doesn't fit the strings' lengths");
	return 0;
}

static const struct stint_column *column_by_id(const struct stint_schema *schema, uint64_t id)
{
	size_t i;

	for (i = 0; i < schema->n_columns; i++)
		if (schema->columns[i].id == id)
			return &schema->columns[i];
	return NULL;
}

/* Decodes one column into the rows. *seen has a bit for each column that was there already. */
static int decode_column(const struct directory_entry *entry, const struct stint_schema *schema,
			 struct stint_cursor *bytes, void *rows, size_t n_rows, uint64_t *seen, struct stint_err *err)
{
	const struct stint_column *column = column_by_id(schema, entry->id);
	uint64_t bit;

	if (!column) /* of a newer version */
		return 0;
	bit = UINT64_C(1) << column->id;
	if (*seen & bit)
		return bad(err, entry, "is there twice");
	*seen |= bit;
	if (entry->transform > STINT_DELTA || entry->packing > STINT_BLOB)
		return bad(err, entry, "unknown encoding");
	if ((entry->packing == STINT_BLOB) != !column->width)
		return bad(err, entry, "numbers where strings belong, or strings where numbers belong");
	if (!column->width)
		return entry->transform ? bad(err, entry, "strings have no differences")
					: decode_bytes(entry, column, schema->row_bytes, bytes, rows, n_rows, err);
	return decode_numbers(entry, column, schema->row_bytes, bytes, rows, n_rows, err);
}

int stint_decode(const struct stint_schema *schema, struct stint_cursor *cur, void *rows, size_t n_rows,
		 struct stint_err *err)
{
	struct directory_entry entries[STINT_MAX_COLUMNS];
	uint64_t seen = 0;
	size_t n = 0, i;
	int code = read_directory(cur, entries, &n, err);

	if (code)
		return code;
	/* Columns that an older writer didn't know read 0. */
	memset(rows, 0, n_rows * schema->row_bytes);
	for (i = 0; i < n && !code; i++) {
		size_t size = (size_t)entries[i].size_bytes;
		struct stint_cursor bytes = stint_cursor_of(stint_cursor_bytes(cur, size), size);

		code = decode_column(&entries[i], schema, &bytes, rows, n_rows, &seen, err);
	}
	return code;
}
