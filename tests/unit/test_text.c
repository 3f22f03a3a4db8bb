/* SPDX-License-Identifier: MIT */
/* Text for people: names that mean harm, names that are empty, numbers at the edges of their units. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "analyze/text.h"

static void check_name(const char *name, const char *want)
{
	char *got = NULL;
	size_t size;
	FILE *memory = open_memstream(&got, &size);

	assert_non_null(memory);
	text_print_name(memory, name);
	assert_int_equal(fclose(memory), 0);
	assert_string_equal(got, want);
	free(got);
}

static void check_short_name(const char *name, const char *want)
{
	struct stint_buf buf;

	stint_buf_init(&buf, 1 << 20);
	stint_buf_u8(&buf, '|');
	text_short_name(&buf, name);
	stint_buf_u8(&buf, 0);
	assert_int_equal(stint_buf_status(&buf), 0);
	assert_string_equal((const char *)buf.data + 1, want);
	stint_buf_done(&buf);
}

static void test_short_names(void **state)
{
	(void)state;
	check_short_name("", "");
	check_short_name("f", "f");
	check_short_name("std::map<int, std::less<int> >::find", "std::map<>::find");
	check_short_name("a<b>::c<d>(e)", "a<>::c<>(e)");
	check_short_name("operator<", "operator<");
	check_short_name("ns::operator<<", "ns::operator<<");
	check_short_name("ns::operator->", "ns::operator->");
	check_short_name("f<&(g()->h)>::i", "f<>::i");
	check_short_name("<alloc::vec::Vec<T> as core::Drop>::drop", "<alloc::vec::Vec<> as core::Drop>::drop");
	check_short_name("core::slice::<impl [T]>::sort", "core::slice::<impl [T]>::sort");
	/* What isn't closed is no template. */
	check_short_name("a<b", "a<b");
	check_short_name("a<b<c>", "a<b<c>");
	check_short_name("x<\033>", "x<>");
	check_short_name("\033<x>", "\\x1b<>");
}

static void test_names(void **state)
{
	(void)state;
	check_name("", "");
	check_name("plain name", "plain name");
	check_name("a\nb\x1b[31m\x7f", "a\\x0ab\\x1b[31m\\x7f");
	check_name("\xc3\xa4 \xff", "\xc3\xa4 \\xff");
	check_name("\xef\xbf\xbd", "\xef\xbf\xbd");
	check_name("\xe2\x80\xae", "\\u{202e}");
}

static void test_numbers(void **state)
{
	(void)state;
	assert_string_equal(text_count(0).s, "0");
	assert_string_equal(text_count(1234567).s, "1,234,567");
	assert_string_equal(text_count(UINT64_MAX).s, "18,446,744,073,709,551,615");
	assert_string_equal(text_duration(0).s, "0");
	assert_string_equal(text_duration(999).s, "999 ns");
	assert_string_equal(text_duration(999499).s, "999 us");
	assert_string_equal(text_duration(999500).s, "1.00 ms");
	assert_string_equal(text_duration(1500000000).s, "1.50 s");
	assert_string_equal(text_percent(1, 0).s, "-");
	assert_string_equal(text_percent(1, 3).s, "33.3%");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_short_names),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
