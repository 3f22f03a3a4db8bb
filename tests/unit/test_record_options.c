/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "bpf/event.h"
#include "record/options.h"

#define MAX_WORDS 16

static struct record_options opt;
static struct stint_err err;

/* Parses "stint-record" and these words, up to NULL. argv must outlive opt, and be writable. */
static int parse(const char *first, ...)
{
	static char copies[MAX_WORDS][256];
	static char *argv[MAX_WORDS + 1];
	enum options_result result;
	const char *word = first;
	va_list args;
	int argc = 0;

	argv[argc++] = (char *)"stint-record";
	va_start(args, first);
	for (; word; word = va_arg(args, const char *)) {
		snprintf(copies[argc], sizeof(copies[argc]), "%s", word);
		argv[argc] = copies[argc];
		argc++;
	}
	va_end(args);
	argv[argc] = NULL;
	err = (struct stint_err)STINT_ERR_INIT;
	return record_options_parse(&opt, argc, argv, &result, &err);
}

static void refused(const char *needle)
{
	assert_int_equal(err.code, STINT_ERR_USAGE);
	if (!strstr(err.msg, needle))
		fail_msg("'%s' is not in '%s'", needle, err.msg);
}

static void test_defaults(void **state)
{
	(void)state;
	assert_int_equal(parse(NULL), 0);
	assert_true(opt.all);
	assert_true(opt.off_cpu);
	assert_int_equal(opt.freq_hz, 99);
	assert_int_equal(opt.off_cpu_min_ns, 0);
	assert_int_equal(opt.kernel_stack_min_ns, 100000);
	assert_int_equal(opt.wakers, WAKERS_TASK);
	assert_int_equal(opt.duration_ns, 0);
	assert_int_equal(opt.embed, EMBED_KERNEL | EMBED_JIT);
	assert_null(opt.command);
	assert_null(opt.output);
}

static void test_targets(void **state)
{
	(void)state;
	assert_int_equal(parse("-p", "1,22", "--pid=333", "--tid=4", "--comm=nginx,a_name_that_is_too_long", NULL), 0);
	assert_false(opt.all);
	assert_int_equal(opt.n_pids, 3);
	assert_int_equal(opt.pids[1], 22);
	assert_int_equal(opt.pids[2], 333);
	assert_int_equal(opt.n_tids, 1);
	assert_int_equal(opt.n_comms, 2);
	assert_string_equal(opt.comms[1], "a_name_that_is_");
	assert_int_not_equal(parse("-p", "1,", NULL), 0);
	refused("--pid");
	assert_int_not_equal(parse("-p", "x", NULL), 0);
	refused("'x'");
	assert_int_not_equal(parse("-p", "0", NULL), 0);
	refused("--pid");
	assert_int_not_equal(parse("-a", "-p", "1", NULL), 0);
	refused("--all");
}

static void test_command(void **state)
{
	(void)state;
	assert_int_equal(parse("-F", "10", "--", "sleep", "-x", "--help", NULL), 0);
	assert_false(opt.all);
	assert_string_equal(opt.command[0], "sleep");
	assert_string_equal(opt.command[1], "-x");
	assert_string_equal(opt.command[2], "--help");
	assert_null(opt.command[3]);
	assert_int_not_equal(parse("sleep", "5", NULL), 0);
	refused("--");
	assert_int_not_equal(parse("--", NULL), 0);
	refused("no command");
}

static void test_amounts(void **state)
{
	(void)state;
	assert_int_equal(parse("--off-cpu=50us", "-d", "2.5", "--kernel-stack=none", "--max-size=10M", NULL), 0);
	assert_int_equal(opt.off_cpu_min_ns, 50000);
	assert_int_equal(opt.duration_ns, 2500000000u);
	assert_true(opt.kernel_stack_min_ns == OPTIONS_NEVER);
	assert_int_equal(opt.max_bytes, 10 << 20);
	assert_int_equal(parse("--off-cpu=none", NULL), 0);
	assert_false(opt.off_cpu);
	assert_int_not_equal(parse("--off-cpu=none", "-F0", NULL), 0);
	refused("nothing to record");
	assert_int_not_equal(parse("--off-cpu=5parsecs", NULL), 0);
	refused("--off-cpu");
	assert_int_not_equal(parse("--off-cpu=5", NULL), 0);
	refused("--off-cpu: not all, none, or a time with its unit (ns, us, ms, s, m or h), as 50us: '5'");
	assert_int_equal(parse("--off-cpu=0", "--kernel-stack=1.5ms", "-d", "2m", "--flush=250ms", NULL), 0);
	assert_int_equal(opt.off_cpu_min_ns, 0);
	assert_true(opt.off_cpu);
	assert_int_equal(opt.kernel_stack_min_ns, 1500000);
	assert_int_equal(opt.duration_ns, 120000000000);
	assert_int_equal(opt.flush_ns, 250000000);
	assert_int_not_equal(parse("--kernel-stack=100", NULL), 0);
	refused("--kernel-stack: not all, none, or a time");
	assert_int_not_equal(parse("--flush=2", NULL), 0);
	refused("--flush: not a time with its unit (ns, us, ms, s, m or h), as 1s: '2'");
	assert_int_not_equal(parse("--flush=9ms", NULL), 0);
	refused("--flush: too short a time: '9ms'");
	assert_int_not_equal(parse("-d", "9000h", NULL), 0);
	refused("--duration: longer than a year: '9000h'");
	assert_int_not_equal(parse("-d", "0", NULL), 0);
	refused("--duration");
	assert_int_not_equal(parse("-d", "nan", NULL), 0);
	refused("--duration");
	assert_int_not_equal(parse("-F", "-1", NULL), 0);
	refused("--freq");
	assert_int_not_equal(parse("--max-size=1", NULL), 0);
	refused("--max-size");
	assert_int_not_equal(parse("--max-size=127K", NULL), 0);
	refused("128K");
	assert_int_not_equal(parse("--max-size=10X", NULL), 0);
	refused("--max-size: not a number of bytes, or of K, M, G or T: '10X'");
}

static void test_words(void **state)
{
	(void)state;
	assert_int_equal(parse("--wakers=stack", "--embed=none", "--unwind=fp", NULL), 0);
	assert_int_equal(opt.wakers, WAKERS_STACK);
	assert_int_equal(opt.embed, 0);
	assert_int_not_equal(parse("--wakers=all", NULL), 0);
	refused("--wakers");
	assert_int_not_equal(parse("--embed=kernel,x", NULL), 0);
	refused("--embed");
	assert_int_not_equal(parse("--embed=", NULL), 0);
	refused("--embed");
	assert_int_not_equal(parse("--nonsense", NULL), 0);
	refused("unknown option '--nonsense'");
	assert_int_not_equal(parse("-F", "10", "-ax", NULL), 0);
	refused("unknown option '-x'");
	assert_int_not_equal(parse("-o", NULL), 0);
	refused("-o needs a value");
	assert_int_not_equal(parse("-a", "--pid", NULL), 0);
	refused("--pid needs a value");
	assert_int_not_equal(parse("--all=yes", NULL), 0);
	refused("--all takes no value");
	assert_int_not_equal(parse("--un=fp", NULL), 0);
	refused("'--un' may mean more than one option");
	assert_int_not_equal(parse("-o", "", NULL), 0);
	refused("--output");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults), cmocka_unit_test(test_targets), cmocka_unit_test(test_command),
		cmocka_unit_test(test_amounts),	 cmocka_unit_test(test_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
