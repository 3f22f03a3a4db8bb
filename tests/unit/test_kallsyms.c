/* SPDX-License-Identifier: MIT */
/* The kernel's functions by address: made-up lists, and this kernel's own against a linear search. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "record/kallsyms.h"

#define N_LOOKUPS 300

static void read_text(struct kallsyms *syms, const char *text)
{
	char path[] = "/tmp/stint-kallsyms-XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	assert_int_equal(kallsyms_read(syms, fd), 0);
	close(fd);
	unlink(path);
}

static void expect(const struct kallsyms *syms, uint64_t addr, const char *name, const char *module)
{
	ssize_t i = kallsyms_find(syms, addr);

	if (!name) {
		assert_int_equal(i, -1);
		return;
	}
	assert_true(i >= 0);
	assert_string_equal(kallsyms_name(syms, (size_t)i), name);
	assert_string_equal(kallsyms_module(syms, (size_t)i), module);
}

static void functions_in_any_order(void **state)
{
	struct kallsyms syms = {0};

	(void)state;
	read_text(&syms, "ffffffff81000000 T _text\n"
			 "ffffffff81000000 T _stext\n"
			 "ffffffff81000000 T startup_64\n"
			 "ffffffff81000200 t b_local\n"
			 "ffffffff81000100 T a_function\n"
			 "ffffffff810001f0 t __pfx_b_local\n"
			 "ffffffff81000150 D some_data\n"
			 "ffffffff81000300 W weak\n"
			 "ffffffff81001000 T _etext\n"
			 "ffffffffc0001000 t mod_init\t[nf_tables]\n"
			 "ffffffffc0000000 T mod_text\t[nf_tables]\n"
			 "ffffffffc0100000 t bpf_prog_0123456789abcdef_x\t[bpf]\n"
			 "not a line\n"
			 "ffffffff81000400 T\n"
			 "0000000000000000 A fixed_percpu_data\n");
	assert_int_equal(syms.text, 0xffffffff81000000);
	assert_int_equal(syms.text_end, 0xffffffff81001000);
	assert_false(syms.hidden);
	assert_int_equal(syms.n_symbols, 7);
	expect(&syms, 0xffffffff80ffffff, NULL, NULL);
	expect(&syms, 0xffffffff81000000, "startup_64", "");
	expect(&syms, 0xffffffff810000ff, "startup_64", "");
	expect(&syms, 0xffffffff81000100, "a_function", "");
	expect(&syms, 0xffffffff810001ff, "a_function", "");
	expect(&syms, 0xffffffff81000200, "b_local", "");
	expect(&syms, 0xffffffff81000300, "weak", "");
	expect(&syms, 0xffffffffc0000fff, "mod_text", "nf_tables");
	expect(&syms, 0xffffffffc0001000, "mod_init", "nf_tables");
	expect(&syms, UINT64_MAX, "bpf_prog_0123456789abcdef_x", "bpf");
	kallsyms_done(&syms);
}

static void one_name_an_address(void **state)
{
	struct kallsyms syms = {0};

	(void)state;
	read_text(&syms, "ffffffff81000000 T _text\n"
			 "ffffffff81000100 t __se_sys_read\n"
			 "ffffffff81000100 T __x64_sys_read\n"
			 "ffffffff81000200 T __do_softirq\n"
			 "ffffffff81000200 T do_softirq\n"
			 "ffffffff81000300 t bb\n"
			 "ffffffff81000300 t aa\n");
	assert_int_equal(syms.n_symbols, 3);
	expect(&syms, 0xffffffff81000100, "__x64_sys_read", "");
	expect(&syms, 0xffffffff81000200, "do_softirq", "");
	expect(&syms, 0xffffffff81000300, "aa", "");
	kallsyms_done(&syms);
}

static void hidden_addresses_are_noticed(void **state)
{
	struct kallsyms syms = {0};

	(void)state;
	read_text(&syms, "0000000000000000 T _text\n0000000000000000 T startup_64\n");
	assert_true(syms.hidden);
	assert_int_equal(syms.n_symbols, 0);
	assert_int_equal(syms.n_lines, 2);
	expect(&syms, 0xffffffff81000100, NULL, NULL);
	kallsyms_done(&syms);
}

static void failure_keeps_what_was_read(void **state)
{
	struct kallsyms syms = {0};

	(void)state;
	read_text(&syms, "ffffffff81000000 T startup_64\n");
	assert_int_equal(kallsyms_read(&syms, -1), STINT_ERR_IO);
	expect(&syms, 0xffffffff81000000, "startup_64", "");
	kallsyms_done(&syms);
}

struct listed {
	uint64_t addr;
	char name[128];
	char module[64];
};

/* The file as text, by a second, slow reader. */
static struct listed *list_kallsyms(size_t *ret_n)
{
	FILE *file = fopen("/proc/kallsyms", "r");
	struct listed *all = NULL;
	size_t n = 0, cap = 0;
	char line[1024], type;

	while (file && fgets(line, sizeof(line), file)) {
		if (n == cap) {
			cap = cap ? cap * 2 : 4096;
			all = realloc(all, cap * sizeof(*all));
			assert_non_null(all);
		}
		all[n].module[0] = 0;
		if (sscanf(line, "%" SCNx64 " %c %127s [%63[^]]", &all[n].addr, &type, all[n].name, all[n].module) < 3)
			continue;
		if (!strchr("tTwW", type) || !strncmp(all[n].name, "__pfx_", 6) || !strcmp(all[n].name, "_text") ||
		    !strcmp(all[n].name, "_stext") || !strcmp(all[n].name, "_etext") ||
		    !strcmp(all[n].name, "_sinittext") || !strcmp(all[n].name, "_einittext"))
			continue;
		n++;
	}
	if (file)
		fclose(file);
	*ret_n = n;
	return all;
}

static void check_lookup(const struct kallsyms *syms, const struct listed *all, size_t n, uint64_t addr)
{
	uint64_t best = 0;
	bool named = false;
	size_t j;
	ssize_t i = kallsyms_find(syms, addr);

	for (j = 0; j < n; j++)
		if (all[j].addr <= addr && all[j].addr > best)
			best = all[j].addr;
	if (!best) {
		assert_int_equal(i, -1);
		return;
	}
	assert_true(i >= 0);
	assert_int_equal(kallsyms_addr(syms, (size_t)i), best);
	for (j = 0; j < n; j++)
		named |= all[j].addr == best && !strcmp(all[j].name, kallsyms_name(syms, (size_t)i)) &&
			 !strcmp(all[j].module, kallsyms_module(syms, (size_t)i));
	assert_true(named);
}

static void this_kernel_agrees_with_a_linear_search(void **state)
{
	struct kallsyms syms = {0};
	struct listed *all;
	size_t n, i;
	int fd = open("/proc/kallsyms", O_RDONLY | O_CLOEXEC);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(kallsyms_read(&syms, fd), 0);
	close(fd);
	if (syms.hidden) {
		print_message("skipped: kernel addresses are hidden (needs root and kptr_restrict below 2)\n");
		kallsyms_done(&syms);
		skip();
	}
	all = list_kallsyms(&n);
	srand(7);
	for (i = 0; i < N_LOOKUPS; i++) {
		const struct listed *one = &all[(size_t)rand() % n];

		check_lookup(&syms, all, n, one->addr + (uint64_t)(rand() % 3) - 1);
		check_lookup(&syms, all, n, one->addr + (uint64_t)(rand() % 4096));
	}
	check_lookup(&syms, all, n, 0);
	check_lookup(&syms, all, n, UINT64_MAX);
	free(all);
	kallsyms_done(&syms);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(functions_in_any_order),
		cmocka_unit_test(one_name_an_address),
		cmocka_unit_test(hidden_addresses_are_noticed),
		cmocka_unit_test(failure_keeps_what_was_read),
		cmocka_unit_test(this_kernel_agrees_with_a_linear_search),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
