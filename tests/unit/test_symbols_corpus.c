/* SPDX-License-Identifier: MIT */
/*
 * The kept hostile ELF files of testdata/elf (or of STINT_ELF_CORPUS), each a module of one recording together with
 * this very program: every file is asked for addresses all over it, in bounded time and memory, and this program's
 * functions still have their names.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "analyze/elf_file.h"
#include "analyze/elf_symtab.h"
#include "analyze/symbolize.h"

#define MAX_SECONDS  20.0
#define MAX_RSS_KB   (1024L * 1024)
#define SPAN	     0x4000u /* of file offsets that are asked for, and a few beyond */
#define SELF	     1u
#define FIRST_MODULE 2u

static double seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* As the recorder would name it: by what the file says of itself, if it says anything. */
static void add_module(struct symbolizer *s, uint32_t number, const char *path)
{
	struct symbol_module module = {.kind = STINT_MODULE_FILE, .path = path};
	struct stint_err err = STINT_ERR_INIT;
	struct elf_file *ef;

	if (elf_file_open(&ef, path, &err))
		ef = NULL;
	if (ef) {
		module.build_id = ef->build_id;
		module.build_id_size = ef->build_id_size;
	}
	assert_int_equal(symbolizer_add_module(s, number, &module, NULL), 0);
	elf_file_close(ef);
}

static uint64_t own_offset(const char *path, const char *name)
{
	struct elf_file *ef;
	uint64_t addr = 0, off = 0;
	size_t i;

	assert_int_equal(elf_file_open(&ef, path, NULL), 0);
	assert_true(elf_symbol_value(ef, name, &addr));
	for (i = 0; i < ef->n_segments; i++)
		if (addr >= ef->segments[i].vaddr && addr - ef->segments[i].vaddr < ef->segments[i].file_size)
			off = addr - ef->segments[i].vaddr + ef->segments[i].file_off;
	elf_file_close(ef);
	return off;
}

static void check_self(struct symbolizer *s, uint64_t off)
{
	struct symbol_chain chain;

	assert_int_equal(symbolizer_lookup(s, SELF, off, true, &chain, NULL), 0);
	assert_string_equal(chain.symbols[0].name, "main");
	assert_non_null(strstr(chain.symbols[0].file, "test_symbols_corpus.c"));
}

/* Reads every byte of the answers, so that a sanitizer sees what is wrong with them. */
static void ask(struct symbolizer *s, uint32_t number, const char *path)
{
	double before = seconds();
	struct symbol_source source;
	struct symbol_chain chain;
	uint64_t off, sum = 0;
	uint32_t i;

	for (off = 0; off < SPAN; off += 8) {
		assert_int_equal(symbolizer_lookup(s, number, off, off % 16, &chain, NULL), 0);
		assert_true(chain.n > 0);
		for (i = 0; i < chain.n; i++)
			sum += strlen(chain.symbols[i].name) +
			       (chain.symbols[i].file ? strlen(chain.symbols[i].file) : 0);
	}
	source = symbolizer_source(s, number);
	assert_true(source.from || source.why);
	assert_true(sum > 0);
	if (seconds() - before > MAX_SECONDS)
		fail_msg("%s takes %.1f s", path, seconds() - before);
}

static const char *corpus(void)
{
	const char *dir = getenv("STINT_ELF_CORPUS");

	return dir ? dir : "testdata/elf";
}

static void test_corpus(void **state)
{
	struct symbolizer_options options = {.local = true, .lines = true, .inlines = true};
	char self[4096], path[4096];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	uint32_t number = FIRST_MODULE;
	struct rusage usage;
	struct symbolizer *s;
	struct dirent *entry;
	uint64_t off;
	DIR *dir;

	(void)state;
	assert_true(len > 0);
	self[len] = 0;
	off = own_offset(self, "main");
	dir = opendir(corpus());
	assert_non_null(dir);
	assert_int_equal(symbolizer_new(&s, &options, NULL), 0);
	add_module(s, SELF, self);
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s/program", corpus(), entry->d_name);
		add_module(s, number, path);
		ask(s, number++, path);
	}
	closedir(dir);
	assert_true(number > FIRST_MODULE + 20);
	check_self(s, off);
	symbolizer_free(s);
	assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
	assert_true(usage.ru_maxrss < MAX_RSS_KB);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_corpus),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
