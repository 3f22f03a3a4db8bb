/* SPDX-License-Identifier: MIT */
/* Text for people: numbers as they read them, names that can't harm a terminal, aligned columns. */
#ifndef STINT_ANALYZE_TEXT_H
#define STINT_ANALYZE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "analyze/metrics.h"
#include "base/arena.h"
#include "base/buf.h"

/* Short texts by value, so that several fit one printf. */
struct text_short {
	char s[32];
};

struct text_short text_count(uint64_t n);     /* "1,234,567" */
struct text_short text_duration(uint64_t ns); /* three digits and a unit: "1.23 s", "45.6 ms", "7 us", "0" */
struct text_short text_size(uint64_t bytes);  /* "1.23 MB" */
struct text_short metric_text(enum metric metric, uint64_t value); /* a time, or a count */
struct text_short text_percent(uint64_t part, uint64_t whole);	   /* "12.3%", "-" of nothing */

/*
 * Appends the name with control characters, bytes that are no UTF-8, and characters that change the
 * direction of text written as \xNN or \u{N}.
 */
void text_escape(struct stint_buf *out, const char *name);

/* The same for the first character of size bytes: it stands in out, and its bytes are returned. */
#define TEXT_ESCAPED_BYTES 20
size_t text_escape_next(const char *name, size_t size, char out[TEXT_ESCAPED_BYTES]);

/*
 * Appends the name, escaped, without template arguments: "std::map<>::find". Those in front of which there is no name,
 * as of Rust's impls, stay.
 */
void text_short_name(struct stint_buf *out, const char *name);

/* The last part of a path; all of it where that is empty. */
const char *text_file_name(const char *path);

/* The columns that valid text takes, counting each character as one. */
size_t text_width(const char *s);

/* Cells are added row by row; printing aligns them. Zeroed but for the columns is ready. */
#define TEXT_MAX_COLUMNS 12

struct text_table {
	int n_columns;
	bool right[TEXT_MAX_COLUMNS]; /* aligned to the right */
	size_t widths[TEXT_MAX_COLUMNS];
	struct stint_arena arena;
	const char **cells;
	size_t n_cells, cap_cells;
	bool failed; /* there was no memory */
};

void text_cell(struct text_table *t, const char *text);	     /* as it is */
void text_cell_name(struct text_table *t, const char *name); /* escaped */

/* Prints one row, the index-th from 0, or all; the widths are those of all cells so far. */
void text_table_print_row(const struct text_table *t, size_t index, FILE *out);
void text_table_print(const struct text_table *t, FILE *out);
void text_table_done(struct text_table *t);

/* Prints the name escaped. */
void text_print_name(FILE *out, const char *name);

#endif
