/* SPDX-License-Identifier: MIT */
/* JSON output: structure, numbers, and any bytes into valid UTF-8. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <math.h>

#include <cmocka.h>

#include "analyze/json.h"

struct fixture {
	char *text;
	size_t size;
	FILE *out;
	struct json *j;
};

static void start(struct fixture *f)
{
	f->out = open_memstream(&f->text, &f->size);
	assert_non_null(f->out);
	f->j = json_new(f->out);
	assert_non_null(f->j);
}

static void expect(struct fixture *f, const char *want)
{
	json_free(f->j);
	assert_int_equal(fclose(f->out), 0);
	assert_string_equal(f->text, want);
	assert_int_equal(f->size, strlen(want));
	free(f->text);
}

static void structure(void **state)
{
	struct fixture f;

	(void)state;
	start(&f);
	json_object_begin(f.j);
	json_key(f.j, "a");
	json_array_begin(f.j);
	json_array_end(f.j);
	json_key(f.j, "b");
	json_array_begin(f.j);
	json_u64(f.j, 1);
	json_object_begin(f.j);
	json_object_end(f.j);
	json_null(f.j);
	json_array_end(f.j);
	json_key_bool(f.j, "c", true);
	json_key_string(f.j, "d", NULL);
	json_object_end(f.j);
	json_u64(f.j, 2);
	json_bool(f.j, false);
	expect(&f, "{\"a\":[],\"b\":[1,{},null],\"c\":true,\"d\":null}\n2\nfalse\n");
}

static void numbers(void **state)
{
	struct fixture f;

	(void)state;
	start(&f);
	json_array_begin(f.j);
	json_u64(f.j, UINT64_MAX);
	json_i64(f.j, INT64_MIN);
	json_double(f.j, 0.1);
	json_double(f.j, 1.0 / 3);
	json_double(f.j, 100);
	json_double(f.j, NAN);
	json_double(f.j, -INFINITY);
	json_hex(f.j, 0);
	json_hex(f.j, UINT64_MAX);
	json_hex_bytes(f.j, "\x00\xff\x1a", 3);
	json_array_end(f.j);
	expect(&f, "[18446744073709551615,-9223372036854775808,0.1,0.3333333333333333,100,null,null,"
		   "\"0x0\",\"0xffffffffffffffff\",\"00ff1a\"]\n");
}

static void doubles_read_back(void **state)
{
	uint64_t bits = 88172645463325252u;
	int i;

	(void)state;
	for (i = 0; i < 10000; i++) {
		struct fixture f;
		double value, back;

		bits ^= bits << 13;
		bits ^= bits >> 7;
		bits ^= bits << 17;
		memcpy(&value, &bits, sizeof(value));
		if (!isfinite(value))
			continue;
		start(&f);
		json_double(f.j, value);
		json_free(f.j);
		fclose(f.out);
		back = strtod(f.text, NULL);
		assert_memory_equal(&back, &value, sizeof(value));
		free(f.text);
	}
}

static void check_string(const void *data, size_t size, const char *want)
{
	struct fixture f;

	start(&f);
	json_string_n(f.j, data, size);
	expect(&f, want);
}

static void escapes(void **state)
{
	(void)state;
	check_string("\xc2\x80\xc2\x9b\xc2\xa0", 6, "\"\\u0080\\u009b\xc2\xa0\"\n");
	check_string("a\"b\\c/\b\f\n\r\t\x1b\x7f", 13, "\"a\\\"b\\\\c/\\b\\f\\n\\r\\t\\u001b\\u007f\"\n");
	check_string("nul\0in", 6, "\"nul\\u0000in\"\n");
	check_string("\xe2\x80\xa8\xe2\x80\xa9", 6, "\"\\u2028\\u2029\"\n");
	check_string("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", 9, "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"\n");
	check_string("<b>&", 4, "\"<b>&\"\n");
}

#define BAD "\xef\xbf\xbd"

static void broken_utf8(void **state)
{
	(void)state;
	check_string("\xff\xfe", 2, "\"" BAD BAD "\"\n");
	check_string("\x80z", 2, "\"" BAD "z\"\n");
	check_string("\xc0\xaf", 2, "\"" BAD BAD "\"\n");		  /* overlong */
	check_string("\xed\xa0\x80", 3, "\"" BAD BAD BAD "\"\n");	  /* a surrogate */
	check_string("\xf4\x90\x80\x80", 4, "\"" BAD BAD BAD BAD "\"\n"); /* past U+10FFFF */
	check_string("\xe2\x82", 2, "\"" BAD "\"\n");			  /* cut off */
	check_string("\xf0\x9f\x98"
		     "a",
		     4, "\"" BAD "a\"\n");
	check_string("\xe2\"", 2, "\"" BAD "\\\"\"\n"); /* may not swallow the quote */
	check_string(BAD, 3, "\"" BAD "\"\n");		/* the real character stays */
}

static void html_safe(void **state)
{
	struct fixture f;

	(void)state;
	start(&f);
	json_html_safe(f.j);
	json_string(f.j, "</script><!--&");
	expect(&f, "\"\\u003c/script\\u003e\\u003c!--\\u0026\"\n");
}

/* Whatever goes in, what comes out is UTF-8 without control characters, between two quotes. */
static void random_bytes(void **state)
{
	uint64_t seed = 42;
	int round;

	(void)state;
	for (round = 0; round < 20000; round++) {
		uint8_t data[24];
		struct fixture f;
		size_t i, at = 0;

		for (i = 0; i < sizeof(data); i++) {
			seed = seed * 6364136223846793005u + 1442695040888963407u;
			data[i] = (uint8_t)(seed >> 56);
			if (round & 1)
				data[i] |= 0x80;
		}
		start(&f);
		json_string_n(f.j, data, sizeof(data));
		json_free(f.j);
		fclose(f.out);
		assert_int_equal(f.text[f.size - 1], '\n');
		while (at < f.size - 1) {
			uint32_t rune;
			size_t len = utf8_next((uint8_t *)f.text + at, f.size - at, &rune);

			assert_true(rune >= 0x20);
			assert_true(rune != 0xfffd || (len == 3 && (uint8_t)f.text[at] == 0xef));
			if (rune == '\\') {
				assert_non_null(strchr("\"\\bfnrtu", f.text[at + 1]));
				len = 2;
			} else if (rune == '"') {
				assert_true(at == 0 || at == f.size - 2);
			}
			at += len;
		}
		free(f.text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(structure),	cmocka_unit_test(numbers),     cmocka_unit_test(doubles_read_back),
		cmocka_unit_test(escapes),	cmocka_unit_test(broken_utf8), cmocka_unit_test(html_safe),
		cmocka_unit_test(random_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
