/* SPDX-License-Identifier: MIT */
/*
 * Which columns each table has: the one place in C that knows FORMAT.md's section "Tables". Writer,
 * reader, verifier and dump all run off it.
 */
#ifndef STINT_FORMAT_SCHEMA_H
#define STINT_FORMAT_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "format/layout.h"

/* The encoding byte of a column: how values are transformed (low nibble), then packed (high
 * nibble). */
enum stint_transform {
	STINT_PLAIN = 0,
	STINT_DELTA = 1, /* zigzag of the difference to the previous row, the first row's to 0 */
};

enum stint_packing {
	STINT_VARINTS = 0,
	STINT_PLANES = 1,
	STINT_CONSTANT = 2,
	STINT_BLOB = 3,
};

struct stint_column {
	uint8_t id;	    /* in the file */
	uint8_t transform;  /* what the writer uses; a reader takes any */
	uint8_t width;	    /* of the field: 4 or 8 bytes; 0 for bytes, whose field is a struct stint_string */
	uint8_t table;	    /* the dictionary that its values are ids of; 0 when they are no ids */
	uint16_t offset;    /* of the field in the row's struct */
	const char *name;   /* of the field; NULL when it exists in the file only, "" when it has none */
	uint32_t max_bytes; /* of bytes: the most that a row may have, and what that limit is called */
	const char *limit;
};

struct stint_schema {
	const char *name;
	uint16_t row_bytes;
	uint8_t n_columns;
	/* The fields that t_min and t_max of the block are taken from; both -1 where rows have no
	 * time. */
	int16_t time_from, time_to;
	const struct stint_column *columns;
};

/* The schema of a table; NULL when this version doesn't know the type. */
const struct stint_schema *stint_schema_of(uint32_t table);

static inline bool stint_is_dictionary(uint32_t table)
{
	return table < STINT_FIRST_EVENT_TABLE;
}

#endif
