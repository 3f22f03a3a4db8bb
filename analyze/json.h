/* SPDX-License-Identifier: MIT */
/*
 * Writes JSON, compact and as it goes: nothing is kept in memory but how deep it is. Whatever bytes go in,
 * the output is valid UTF-8 JSON (RFC 8259).
 *
 * The rules:
 * - A value stands at the top, in an array, or after json_key in an object; commas are written where they belong.
 *   Breaking this is the caller's bug (assert), as is nesting deeper than JSON_MAX_DEPTH.
 * - Each value at the top ends with a newline: one value is a document, several are JSON lines.
 * - In strings, bytes that are no UTF-8 become U+FFFD, one for each maximal part of a sequence (Unicode, 3.9);
 *   control characters (C1 too), DEL, U+2028 and U+2029 are escaped. With json_html_safe also <, > and &.
 * - Integers are written in full. Readers that keep numbers as doubles are exact up to 2^53: ns of monotonic
 *   time pass that after 104 days, so such times are best given from the recording's start.
 * - A double that is no finite number becomes null. Others are the shortest text that reads back as the same.
 * - Output errors stay in the FILE: check ferror() at the end, and fflush() first.
 */
#ifndef STINT_ANALYZE_JSON_H
#define STINT_ANALYZE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define JSON_MAX_DEPTH 64

struct json;

/* A writer to out, which stays the caller's and must live longer. NULL when there is no memory. */
struct json *json_new(FILE *out);

/* Frees the writer; NULL is fine. What was opened stays open in the output: close it first. */
void json_free(struct json *j);

/* From here on, strings may stand in an HTML script element: "</script>" and "<!--" can't appear. */
void json_html_safe(struct json *j);

void json_object_begin(struct json *j);
void json_object_end(struct json *j);
void json_array_begin(struct json *j);
void json_array_end(struct json *j);
void json_key(struct json *j, const char *key); /* NUL-terminated, any bytes */

void json_u64(struct json *j, uint64_t value);
void json_i64(struct json *j, int64_t value);
void json_double(struct json *j, double value);
void json_string(struct json *j, const char *text);		   /* NUL-terminated; NULL writes null */
void json_string_n(struct json *j, const void *data, size_t size); /* any bytes, NULs included */
void json_bool(struct json *j, bool value);
void json_null(struct json *j);
void json_hex(struct json *j, uint64_t value);			    /* an address: "0x1f" */
void json_hex_bytes(struct json *j, const void *data, size_t size); /* raw bytes, as a build ID: "00ff" */

/* json_key and a value, for the most common ones. */
static inline void json_key_u64(struct json *j, const char *key, uint64_t value)
{
	json_key(j, key);
	json_u64(j, value);
}

static inline void json_key_string(struct json *j, const char *key, const char *text)
{
	json_key(j, key);
	json_string(j, text);
}

static inline void json_key_bool(struct json *j, const char *key, bool value)
{
	json_key(j, key);
	json_bool(j, value);
}

static inline void json_key_double(struct json *j, const char *key, double value)
{
	json_key(j, key);
	json_double(j, value);
}

/* part in percent of whole; null where that is 0. */
void json_key_percent(struct json *j, const char *key, uint64_t part, uint64_t whole);

/*
 * How many bytes at data belong together: a whole UTF-8 character (*ret_rune is it), or the maximal part of a
 * broken one (*ret_rune is U+FFFD). 0 only if size is 0. For others who must make text of bytes.
 */
size_t utf8_next(const uint8_t *data, size_t size, uint32_t *ret_rune);

/* C0, DEL and C1, which terminals act on, the latter in UTF-8 too. */
static inline bool utf8_is_control(uint32_t rune)
{
	return rune < 0x20 || (rune >= 0x7f && rune < 0xa0);
}

#endif
