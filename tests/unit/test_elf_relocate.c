/* SPDX-License-Identifier: MIT */
/*
 * Relocatable files, as kernel modules are: this program's own object file, read as a module, says the same of each of
 * its functions as the program that was linked of it. Then the object file with any bytes changed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "analyze/elf_relocate.h"
#include "analyze/elf_symtab.h"
#include "analyze/symbolize.h"

#define MODULE	1
#define PROGRAM 2

static char object_path[PATH_MAX], program_path[PATH_MAX];

static volatile int sink;

static inline __attribute__((always_inline)) int inner(int x)
{
	return x * sink + 7;
}

static __attribute__((noinline)) int outer(int x)
{
	int y = inner(x);

	sink = inner(y + 1);
	return y;
}

__attribute__((noinline, cold, section(".text.unlikely"))) static int rare(int x)
{
	return inner(x) - 3;
}

/* DIR/tests/test_elf_relocate and DIR/obj/tests/unit/test_elf_relocate.o. */
static int find_files(void **state)
{
	ssize_t n = readlink("/proc/self/exe", program_path, sizeof(program_path) - 1);
	char *slash;

	(void)state;
	assert_true(n > 0);
	snprintf(object_path, sizeof(object_path), "%.*s", (int)n, program_path);
	slash = strrchr(object_path, '/');
	*slash = 0;
	slash = strrchr(object_path, '/');
	snprintf(slash, sizeof(object_path) - (size_t)(slash - object_path), "/obj/tests/unit/test_elf_relocate.o");
	sink = outer(sink) + rare(sink);
	return access(object_path, R_OK);
}

static struct symbolizer *open_both(const char *object)
{
	const struct symbolizer_options options = {
		.dirs = NULL, .local = true, .lines = true, .inlines = true, .demangle = DEMANGLE_NONE};
	struct symbol_module program = {.kind = STINT_MODULE_FILE, .path = program_path};
	struct symbol_module module = {.kind = STINT_MODULE_KMOD, .path = "object"};
	static char dir[PATH_MAX];
	const char *dirs[] = {dir};
	struct symbolizer_options with_dir = options;
	struct symbolizer *s;
	struct elf_file *ef;
	struct stint_err err = STINT_ERR_INIT;

	snprintf(dir, sizeof(dir), "%s", object);
	*strrchr(dir, '/') = 0;
	with_dir.dirs = dirs;
	with_dir.n_dirs = 1;
	assert_int_equal(elf_file_open(&ef, program_path, &err), 0);
	program.build_id = ef->build_id;
	program.build_id_size = ef->build_id_size;
	assert_int_equal(symbolizer_new(&s, &with_dir, &err), 0);
	assert_int_equal(symbolizer_add_module(s, PROGRAM, &program, &err), 0);
	assert_int_equal(symbolizer_add_module(s, MODULE, &module, &err), 0);
	elf_file_close(ef);
	return s;
}

static void expect_same(const struct symbol_chain *a, const struct symbol_chain *b, const char *name, uint64_t at)
{
	uint32_t i;

	if (a->n != b->n)
		fail_msg("%s+%lu: %u functions in the module, %u in the program", name, (long)at, a->n, b->n);
	for (i = 0; i < a->n; i++) {
		assert_string_equal(a->symbols[i].name, b->symbols[i].name);
		assert_int_equal(a->symbols[i].line, b->symbols[i].line);
		assert_non_null(a->symbols[i].file);
		assert_string_equal(a->symbols[i].file, b->symbols[i].file);
		assert_int_equal(a->symbols[i].inlined, b->symbols[i].inlined);
	}
}

/* Where a section's code is, once laid out. */
static uint64_t address_of(const struct elf_symtab *st, const char *name, uint64_t *ret_size)
{
	size_t i;

	for (i = 0; i < st->n; i++)
		if (!strcmp(st->symbols[i].name, name)) {
			*ret_size = st->symbols[i].end - st->symbols[i].addr;
			return st->symbols[i].addr;
		}
	fail_msg("no symbol %s", name);
	return 0;
}

/* Frames of files are offsets. */
static uint64_t offset_of(const struct elf_file *ef, uint64_t vaddr)
{
	size_t i;

	for (i = 0; i < ef->n_segments; i++)
		if (vaddr >= ef->segments[i].vaddr && vaddr - ef->segments[i].vaddr < ef->segments[i].file_size)
			return vaddr - ef->segments[i].vaddr + ef->segments[i].file_off;
	fail_msg("no segment has 0x%lx", (long)vaddr);
	return 0;
}

static void as_the_linker_does(void **state)
{
	static const char *const names[] = {"outer", "rare", "find_files", "main", "open_both"};
	struct symbol_chain in_module, in_program;
	struct elf_symtab ours = {0}, linked = {0};
	struct elf_file *object, *program;
	struct stint_err err = STINT_ERR_INIT;
	char dir[] = "/tmp/stint-relocate-XXXXXX", path[64], command[2 * PATH_MAX];
	struct symbolizer *s;
	uint64_t at, size, a, b, off;
	size_t i;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/object.ko", dir);
	snprintf(command, sizeof(command), "cp '%s' '%s'", object_path, path);
	assert_int_equal(system(command), 0);
	assert_int_equal(elf_file_open(&object, path, &err), 0);
	assert_int_equal(elf_file_open(&program, program_path, &err), 0);
	assert_true(elf_is_relocatable(object));
	elf_relocate_layout(object);
	assert_int_equal(elf_symtab_add(&ours, object, &err), 0);
	assert_int_equal(elf_symtab_add(&linked, program, &err), 0);
	s = open_both(path);
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		a = address_of(&ours, names[i], &size);
		b = address_of(&linked, names[i], &size);
		for (at = 0; at < size; at++) {
			off = offset_of(program, b + at);
			assert_int_equal(symbolizer_lookup(s, MODULE, a + at, true, &in_module, &err), 0);
			assert_int_equal(symbolizer_lookup(s, PROGRAM, off, true, &in_program, &err), 0);
			expect_same(&in_module, &in_program, names[i], at);
		}
	}
	symbolizer_free(s);
	elf_symtab_done(&ours);
	elf_symtab_done(&linked);
	elf_file_close(object);
	elf_file_close(program);
	unlink(path);
	rmdir(dir);
}

static void hostile(void **state)
{
	char dir[] = "/tmp/stint-relocate-XXXXXX", path[64];
	struct stint_err err = STINT_ERR_INIT;
	struct symbol_chain chain;
	struct symbolizer *s;
	struct elf_file *ef;
	uint8_t *image;
	int round, fd;
	size_t i;

	(void)state;
	srandom(5);
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/object.ko", dir);
	assert_int_equal(elf_file_open(&ef, object_path, &err), 0);
	image = malloc(ef->image.size);
	for (round = 0; round < 150; round++) {
		memcpy(image, ef->image.at, ef->image.size);
		for (i = 0; i < 1 + (size_t)random() % 60; i++) {
			/* Anywhere, or in the section headers at the end. */
			size_t tail = ef->n_sections * 64, at = (size_t)random() % ef->image.size;

			if (i % 2 && tail < ef->image.size)
				at = ef->image.size - 1 - (size_t)random() % tail;
			image[at] = (uint8_t)(random() % 3 ? random() : 0xff);
		}
		fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
		assert_int_equal(write(fd, image, ef->image.size), (ssize_t)ef->image.size);
		close(fd);
		s = open_both(path);
		for (i = 0; i < 2000; i += 37)
			assert_int_equal(symbolizer_lookup(s, MODULE, i, true, &chain, &err), 0);
		symbolizer_free(s);
	}
	free(image);
	elf_file_close(ef);
	unlink(path);
	rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_the_linker_does),
		cmocka_unit_test(hostile),
	};

	return cmocka_run_group_tests(tests, find_files, NULL);
}
