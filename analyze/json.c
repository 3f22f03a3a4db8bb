/* SPDX-License-Identifier: MIT */
#include "analyze/json.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum json_place {
	JSON_TOP,
	JSON_ARRAY,
	JSON_OBJECT, /* a key is due */
	JSON_VALUE,  /* in an object, behind a key */
};

struct json {
	FILE *out;
	unsigned int depth;
	bool html_safe;
	struct {
		enum json_place place;
		bool filled; /* something stands before: a comma is due */
	} levels[JSON_MAX_DEPTH + 1];
};

struct json *json_new(FILE *out)
{
	struct json *j = calloc(1, sizeof(*j));

	if (j)
		j->out = out;
	return j;
}

void json_free(struct json *j)
{
	free(j);
}

void json_html_safe(struct json *j)
{
	j->html_safe = true;
}

static void put(struct json *j, const void *data, size_t size)
{
	fwrite_unlocked(data, 1, size, j->out);
}

static void put_char(struct json *j, char c)
{
	putc_unlocked(c, j->out);
}

/* Before a value: the comma, where one is due. */
static void value_begin(struct json *j)
{
	assert(j->levels[j->depth].place != JSON_OBJECT);
	if (j->levels[j->depth].place == JSON_ARRAY && j->levels[j->depth].filled)
		put_char(j, ',');
}

/* Behind a value. */
static void value_end(struct json *j)
{
	j->levels[j->depth].filled = true;
	if (j->levels[j->depth].place == JSON_VALUE)
		j->levels[j->depth].place = JSON_OBJECT;
	else if (j->levels[j->depth].place == JSON_TOP)
		put_char(j, '\n');
}

static void level_begin(struct json *j, enum json_place place, char bracket)
{
	value_begin(j);
	assert(j->depth < JSON_MAX_DEPTH);
	j->depth++;
	j->levels[j->depth].place = place;
	j->levels[j->depth].filled = false;
	put_char(j, bracket);
}

static void level_end(struct json *j, enum json_place place, char bracket)
{
	assert(j->depth > 0 && j->levels[j->depth].place == place);
	j->depth--;
	put_char(j, bracket);
	value_end(j);
}

void json_object_begin(struct json *j)
{
	level_begin(j, JSON_OBJECT, '{');
}

void json_object_end(struct json *j)
{
	level_end(j, JSON_OBJECT, '}');
}

void json_array_begin(struct json *j)
{
	level_begin(j, JSON_ARRAY, '[');
}

void json_array_end(struct json *j)
{
	level_end(j, JSON_ARRAY, ']');
}

/* The smallest and largest second byte and the length of a sequence by its first byte (Unicode, table 3-7). */
static size_t utf8_lead(uint8_t lead, uint8_t *ret_low, uint8_t *ret_high)
{
	*ret_low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
	*ret_high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
	if (lead < 0x80)
		return 1;
	if (lead < 0xc2)
		return 0;
	if (lead < 0xe0)
		return 2;
	if (lead < 0xf0)
		return 3;
	return lead < 0xf5 ? 4 : 0;
}

size_t utf8_next(const uint8_t *data, size_t size, uint32_t *ret_rune)
{
	uint8_t low, high;
	size_t len, i;
	uint32_t rune;

	*ret_rune = 0xfffd;
	if (!size)
		return 0;
	len = utf8_lead(data[0], &low, &high);
	if (!len)
		return 1;
	rune = len == 1 ? data[0] : data[0] & (0x7fu >> len);
	for (i = 1; i < len; i++) {
		if (i == size || data[i] < low || data[i] > high)
			return i;
		rune = rune << 6 | (data[i] & 0x3fu);
		low = 0x80;
		high = 0xbf;
	}
	*ret_rune = rune;
	return len;
}

static void put_escaped(struct json *j, uint32_t rune)
{
	static const char plain[] = "\"\\\b\f\n\r\t";
	static const char letter[] = "\"\\bfnrt";
	const char *at = rune < 0x80 && rune ? strchr(plain, (int)rune) : NULL;
	char text[8];

	if (at) {
		put_char(j, '\\');
		put_char(j, letter[at - plain]);
		return;
	}
	put(j, text, (size_t)snprintf(text, sizeof(text), "\\u%04x", (unsigned int)rune));
}

static bool must_escape(const struct json *j, uint32_t rune)
{
	if (utf8_is_control(rune) || rune == '"' || rune == '\\' || rune == 0x2028 || rune == 0x2029)
		return true;
	return j->html_safe && (rune == '<' || rune == '>' || rune == '&');
}

static void put_string(struct json *j, const uint8_t *data, size_t size)
{
	size_t at = 0, start = 0;

	put_char(j, '"');
	while (at < size) {
		uint32_t rune;
		size_t len = utf8_next(data + at, size - at, &rune);
		bool broken = rune == 0xfffd && !(len == 3 && data[at] == 0xef);

		if (broken || must_escape(j, rune)) {
			put(j, data + start, at - start);
			if (broken)
				put(j, "\xef\xbf\xbd", 3);
			else
				put_escaped(j, rune);
			start = at + len;
		}
		at += len;
	}
	put(j, data + start, size - start);
	put_char(j, '"');
}

void json_key(struct json *j, const char *key)
{
	assert(j->levels[j->depth].place == JSON_OBJECT);
	if (j->levels[j->depth].filled)
		put_char(j, ',');
	put_string(j, (const uint8_t *)key, strlen(key));
	put_char(j, ':');
	j->levels[j->depth].place = JSON_VALUE;
}

/* A value whose text is ready and needs no escaping. */
static void put_value(struct json *j, const char *text, int len)
{
	value_begin(j);
	put(j, text, (size_t)len);
	value_end(j);
}

void json_u64(struct json *j, uint64_t value)
{
	char text[24];

	put_value(j, text, snprintf(text, sizeof(text), "%" PRIu64, value));
}

void json_i64(struct json *j, int64_t value)
{
	char text[24];

	put_value(j, text, snprintf(text, sizeof(text), "%" PRId64, value));
}

void json_double(struct json *j, double value)
{
	char text[32];
	int precision, len = 0;

	if (!isfinite(value)) {
		json_null(j);
		return;
	}
	for (precision = 15; precision <= 17; precision++) {
		len = snprintf(text, sizeof(text), "%.*g", precision, value);
		if (strtod(text, NULL) == value)
			break;
	}
	put_value(j, text, len);
}

void json_string_n(struct json *j, const void *data, size_t size)
{
	value_begin(j);
	put_string(j, data, size);
	value_end(j);
}

void json_string(struct json *j, const char *text)
{
	if (text)
		json_string_n(j, text, strlen(text));
	else
		json_null(j);
}

void json_bool(struct json *j, bool value)
{
	put_value(j, value ? "true" : "false", value ? 4 : 5);
}

void json_null(struct json *j)
{
	put_value(j, "null", 4);
}

void json_hex(struct json *j, uint64_t value)
{
	char text[24];

	put_value(j, text, snprintf(text, sizeof(text), "\"0x%" PRIx64 "\"", value));
}

void json_hex_bytes(struct json *j, const void *data, size_t size)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *bytes = data;
	size_t i;

	value_begin(j);
	put_char(j, '"');
	for (i = 0; i < size; i++) {
		put_char(j, digits[bytes[i] >> 4]);
		put_char(j, digits[bytes[i] & 15]);
	}
	put_char(j, '"');
	value_end(j);
}

void json_key_percent(struct json *j, const char *key, uint64_t part, uint64_t whole)
{
	json_key(j, key);
	if (whole)
		json_double(j, 100.0 * (double)part / (double)whole);
	else
		json_null(j);
}
