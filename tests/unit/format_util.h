/* SPDX-License-Identifier: MIT */
/* What the tests of the trace file share: random rows, and a writer into memory. */
#ifndef STINT_TESTS_FORMAT_UTIL_H
#define STINT_TESTS_FORMAT_UTIL_H

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "format/reader.h"
#include "format/schema.h"
#include "format/writer.h"

/* xorshift64*: the same rows on every run and every machine. */
static inline uint64_t util_random(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * UINT64_C(2685821657736338717);
}

static int util_sink_write(void *context, const void *data, size_t size, struct stint_err *err)
{
	struct stint_buf *buf = context;

	stint_buf_bytes(buf, data, size);
	if (stint_buf_status(buf))
		return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory");
	return 0;
}

static inline struct stint_sink util_sink(struct stint_buf *buf)
{
	return (struct stint_sink){util_sink_write, buf};
}

/* Numbers as recordings have them, and every now and then an extreme one. */
static inline uint64_t util_random_value(uint64_t *state, unsigned int width)
{
	uint64_t value = util_random(state);
	uint64_t max = width == 4 ? UINT32_MAX : UINT64_MAX;

	switch (util_random(state) % 8) {
	case 0:
		return 0;
	case 1:
		return max;
	case 2:
		return value & max;
	default:
		return value % 5000;
	}
}

/* Bytes for a column of bytes: a few of those that never change, so that rows needn't own them. */
static inline struct stint_string util_random_bytes(uint64_t *state)
{
	static uint8_t bytes[3000];
	uint64_t fill = 5;
	size_t i, from = util_random(state) % 2000;

	for (i = 0; i < sizeof(bytes) && !bytes[0]; i++)
		bytes[sizeof(bytes) - 1 - i] = (uint8_t)(util_random(&fill) | 1);
	return (struct stint_string){bytes + from, util_random(state) % 4 ? util_random(state) % 900 : 0};
}

/* Fills a row of any table but strings with random values; fields without a column stay 0. */
static inline void util_random_row(uint64_t *state, uint32_t table, void *row)
{
	const struct stint_schema *schema = stint_schema_of(table);
	size_t i;

	memset(row, 0, schema->row_bytes);
	for (i = 0; i < schema->n_columns; i++) {
		const struct stint_column *column = &schema->columns[i];
		uint64_t value = util_random_value(state, column->width);
		uint32_t narrow = (uint32_t)value;

		if (!column->name)
			continue;
		if (!column->width) {
			struct stint_string bytes = util_random_bytes(state);

			memcpy((uint8_t *)row + column->offset, &bytes, sizeof(bytes));
			continue;
		}
		if (column->width == 8)
			memcpy((uint8_t *)row + column->offset, &value, 8);
		else
			memcpy((uint8_t *)row + column->offset, &narrow, 4);
	}
	if (table == STINT_OFFCPU) {
		struct stint_offcpu *offcpu = row;

		if (!(offcpu->flags & STINT_OFFCPU_WOKEN))
			offcpu->wake_ns = 0;
	}
}

#endif
