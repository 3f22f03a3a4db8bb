/* SPDX-License-Identifier: MIT */
#include "analyze/text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "analyze/json.h"
#include "base/err.h"

struct text_short text_count(uint64_t n)
{
	char digits[24];
	struct text_short out;
	size_t len = (size_t)snprintf(digits, sizeof(digits), "%" PRIu64, n);
	size_t i, at = 0;

	for (i = 0; i < len; i++) {
		if (i && (len - i) % 3 == 0)
			out.s[at++] = ',';
		out.s[at++] = digits[i];
	}
	out.s[at] = '\0';
	return out;
}

/* Three significant digits of value / unit, as far as they say something. */
static struct text_short three_digits(uint64_t value, uint64_t unit, const char *name)
{
	double scaled = (double)value / (double)unit;
	struct text_short out;

	if (unit == 1 || scaled >= 99.95)
		snprintf(out.s, sizeof(out.s), "%.0f %s", scaled, name);
	else
		snprintf(out.s, sizeof(out.s), "%.*f %s", scaled >= 9.995 ? 1 : 2, scaled, name);
	return out;
}

struct text_short text_duration(uint64_t ns)
{
	if (!ns)
		return (struct text_short){"0"};
	/* A unit begins where three digits of the smaller one would round up to 1000. */
	if (ns < 1000)
		return three_digits(ns, 1, "ns");
	if (ns < 999500)
		return three_digits(ns, 1000, "us");
	if (ns < 999500000)
		return three_digits(ns, 1000000, "ms");
	return three_digits(ns, 1000000000, "s");
}

struct text_short text_size(uint64_t bytes)
{
	if (bytes < 1000)
		return three_digits(bytes, 1, "B");
	if (bytes < 999500)
		return three_digits(bytes, 1000, "kB");
	if (bytes < 999500000)
		return three_digits(bytes, 1000000, "MB");
	return three_digits(bytes, 1000000000, "GB");
}

struct text_short metric_text(enum metric metric, uint64_t value)
{
	return metric_is_time(metric) ? text_duration(value) : text_count(value);
}

struct text_short text_percent(uint64_t part, uint64_t whole)
{
	struct text_short out;

	if (!whole)
		return (struct text_short){"-"};
	snprintf(out.s, sizeof(out.s), "%.1f%%", 100.0 * (double)part / (double)whole);
	return out;
}

/* Left-to-right and right-to-left marks, embeddings and isolates: they make names look like other
 * names. */
static bool is_directional(uint32_t rune)
{
	return rune == 0x061c || (rune >= 0x200e && rune <= 0x200f) || (rune >= 0x2028 && rune <= 0x202e) ||
	       (rune >= 0x2066 && rune <= 0x2069);
}

size_t text_escape_next(const char *name, size_t size, char out[TEXT_ESCAPED_BYTES])
{
	const uint8_t *at = (const uint8_t *)name;
	uint32_t rune;
	size_t i, n = utf8_next(at, size, &rune);
	/* U+FFFD may stand in the text itself; then it is three bytes that begin with 0xef 0xbf. */
	bool broken = rune == 0xfffd && !(n == 3 && at[0] == 0xef);

	out[0] = '\0';
	if (broken || utf8_is_control(rune)) {
		for (i = 0; i < n; i++)
			snprintf(out + 4 * i, TEXT_ESCAPED_BYTES - 4 * i, "\\x%02x", at[i]);
	} else if (is_directional(rune)) {
		snprintf(out, TEXT_ESCAPED_BYTES, "\\u{%x}", rune);
	} else {
		memcpy(out, at, n);
		out[n] = '\0';
	}
	return n;
}

void text_escape(struct stint_buf *out, const char *name)
{
	size_t n, left = strlen(name);
	char text[TEXT_ESCAPED_BYTES];

	for (; left; name += n, left -= n) {
		n = text_escape_next(name, left, text);
		stint_buf_bytes(out, text, strlen(text));
	}
}

/* Whether the '<' behind the n bytes of a name begins template arguments, and isn't of an operator's name. */
static bool begins_arguments(const char *name, size_t n)
{
	static const char word[] = "operator";
	size_t len = sizeof(word) - 1;

	return n && !strchr(":<& ", name[n - 1]) && strncmp(name + (n > len ? n - len : 0), word, len) &&
	       strchr(name + n, '>');
}

void text_short_name(struct stint_buf *out, const char *name)
{
	size_t size = strlen(name) + 1, i, n = 0, depth = 0;
	char *copy = (char *)stint_buf_grow(out, size);

	if (!copy)
		return;
	for (i = 0; name[i]; i++) {
		if (depth) {
			depth += (name[i] == '<') - (name[i] == '>' && name[i - 1] != '-');
		} else if (name[i] == '<' && begins_arguments(name, i)) {
			copy[n++] = '<';
			depth = 1;
		}
		if (!depth)
			copy[n++] = name[i];
	}
	copy[n] = '\0';
	copy = strdup(depth ? name : copy);
	out->len -= size;
	if (copy)
		text_escape(out, copy);
	else
		out->failed = STINT_ERR_NOMEM;
	free(copy);
}

const char *text_file_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}

size_t text_width(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += ((uint8_t)*s & 0xc0) != 0x80;
	return n;
}

void text_cell(struct text_table *t, const char *text)
{
	size_t *widest = &t->widths[t->n_cells % (size_t)t->n_columns];
	size_t width = text_width(text);

	if (width > *widest)
		*widest = width;
	if (t->n_cells == t->cap_cells) {
		size_t cap = t->cap_cells ? t->cap_cells * 2 : 256;
		const char **cells = realloc(t->cells, cap * sizeof(*cells));

		if (!cells) {
			t->failed = true;
			return;
		}
		t->cells = cells;
		t->cap_cells = cap;
	}
	t->cells[t->n_cells] = stint_arena_strndup(&t->arena, text, strlen(text));
	if (t->cells[t->n_cells])
		t->n_cells++;
	else
		t->failed = true;
}

void text_cell_name(struct text_table *t, const char *name)
{
	struct stint_buf buf;

	stint_buf_init(&buf, INT32_MAX);
	text_escape(&buf, name);
	stint_buf_u8(&buf, 0);
	if (stint_buf_status(&buf))
		t->failed = true;
	else
		text_cell(t, (const char *)buf.data);
	stint_buf_done(&buf);
}

/* Long names don't push the columns behind them off the screen for every other row. */
#define MAX_PADDING 60

void text_table_print_row(const struct text_table *t, size_t index, FILE *out)
{
	const char **cells = t->cells + index * (size_t)t->n_columns;
	int c, n = t->n_columns;

	while (n > 1 && !cells[n - 1][0])
		n--;
	for (c = 0; c < n; c++) {
		const char *cell = cells[c];
		size_t wide = t->widths[c] < MAX_PADDING ? t->widths[c] : MAX_PADDING;
		size_t width = text_width(cell);
		int padding = width < wide ? (int)(wide - width) : 0;
		bool last = c == n - 1;

		fprintf(out, "%s%*s%s%*s", c ? "  " : "", t->right[c] ? padding : 0, "", cell,
			t->right[c] || last ? 0 : padding, "");
	}
	fputc('\n', out);
}

void text_table_print(const struct text_table *t, FILE *out)
{
	size_t i;

	for (i = 0; i < t->n_cells / (size_t)t->n_columns; i++)
		text_table_print_row(t, i, out);
}

void text_table_done(struct text_table *t)
{
	if (!t)
		return;
	free(t->cells);
	stint_arena_done(&t->arena);
	t->cells = NULL;
	t->n_cells = t->cap_cells = 0;
}

void text_print_name(FILE *out, const char *name)
{
	size_t n, left = strlen(name);
	char text[TEXT_ESCAPED_BYTES];

	for (; left; name += n, left -= n) {
		n = text_escape_next(name, left, text);
		fputs_unlocked(text, out);
	}
}
