/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "record/cpus.h"

static void lists_with_gaps(void **state)
{
	static const struct {
		const char *text;
		int end;
	} cases[] = {{"", 0}, {"0", 1}, {"0-1", 2}, {"0-3,8", 9}, {"0,2,4-6,63-64,128", 129}, {"8191", 8192}};
	char text[CPUS_TEXT_BYTES];
	struct cpus cpus;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_true(cpus_parse(&cpus, cases[i].text));
		assert_int_equal(cpus_end(&cpus), cases[i].end);
		assert_int_equal(cpus_text(&cpus, text), cases[i].end != 0);
		assert_string_equal(text, cases[i].text);
	}
	assert_true(cpus_parse(&cpus, "0-1\n"));
	assert_int_equal(cpus_end(&cpus), 2);
}

static void what_is_no_list(void **state)
{
	static const char *const bad[] = {",",	 "0,", "-1",   "3-1",	 "0-",
					  "0 1", "x",  "8192", "0-8192", "99999999999999999999"};
	struct cpus cpus;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(cpus_parse(&cpus, bad[i]));
}

static void a_list_too_long_for_its_text(void **state)
{
	char text[CPUS_TEXT_BYTES];
	struct cpus cpus;

	(void)state;
	memset(&cpus, 0x55, sizeof(cpus));
	assert_true(cpus_text(&cpus, text));
	assert_true(strlen(text) < CPUS_TEXT_BYTES);
	assert_string_equal(text + strlen(text) - 4, ",...");
}

static void differences(void **state)
{
	char text[CPUS_TEXT_BYTES];
	struct cpus present, online, offline;

	(void)state;
	assert_true(cpus_parse(&present, "0-7,16"));
	assert_true(cpus_parse(&online, "0-3,5,16"));
	offline = cpus_without(&present, &online);
	assert_true(cpus_text(&offline, text));
	assert_string_equal(text, "4,6-7");
	offline = cpus_without(&online, &present);
	assert_false(cpus_text(&offline, text));
}

static void this_host(void **state)
{
	struct cpus online;

	(void)state;
	assert_true(cpus_read(&online, "online"));
	assert_in_range(cpus_end(&online), 1, cpus_n_ids());
	assert_false(cpus_read(&online, "no-such-list"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists_with_gaps),
		cmocka_unit_test(what_is_no_list),
		cmocka_unit_test(a_list_too_long_for_its_text),
		cmocka_unit_test(differences),
		cmocka_unit_test(this_host),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
