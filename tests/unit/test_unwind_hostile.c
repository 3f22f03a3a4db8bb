/* SPDX-License-Identifier: MIT */
/*
 * Unwind tables of files made to hurt: cut at every length, bits flipped at random, and counts that
 * claim too much. Whatever comes out is an error or a sorted table; time and memory stay in
 * proportion to the file.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "record/unwind_cfi.h"
#include "record/unwind_elf.h"
#include "record/unwind_table.h"

#define N_MUTANTS 4000
#define SUBJECT	  "/lib64/ld-linux-x86-64.so.2"

struct image {
	uint8_t *data;
	size_t size;
};

static struct image subject;

static int load_subject(void **state)
{
	FILE *file = fopen(SUBJECT, "r");

	(void)state;
	if (!file || fseek(file, 0, SEEK_END))
		return -1;
	subject.size = (size_t)ftell(file);
	rewind(file);
	subject.data = malloc(subject.size);
	if (!subject.data || fread(subject.data, 1, subject.size, file) != subject.size)
		return -1;
	return fclose(file);
}

static int free_subject(void **state)
{
	(void)state;
	free(subject.data);
	return 0;
}

/* Reads the table from a copy of exactly that size, so that a sanitizer sees every step beyond it.
 */
static int read_copy(const uint8_t *data, size_t size, struct unwind_table *ret, struct stint_err *err)
{
	uint8_t *copy = malloc(size + !size);
	uint32_t i;
	int rc;

	assert_non_null(copy);
	memcpy(copy, data, size);
	*err = (struct stint_err)STINT_ERR_INIT;
	rc = unwind_table_read_memory(ret, copy, size, err);
	free(copy);
	assert_int_equal(rc, err->code);
	if (rc)
		assert_true(err->msg[0] && !ret->rows && !ret->n_rows);
	for (i = 1; i < ret->n_rows; i++)
		assert_true(ret->rows[i - 1].pc < ret->rows[i].pc);
	assert_true(ret->n_rows <= size + 2);
	return rc;
}

static void test_cut(void **state)
{
	struct unwind_table table;
	struct stint_err err;
	size_t size, n_whole = 0;

	(void)state;
	for (size = 0; size < subject.size; size += size < 2048 ? 1 : 997) {
		if (!read_copy(subject.data, size, &table, &err))
			n_whole++;
		unwind_table_done(&table);
	}
	/* Without its tail a file has no section headers any more, and is read by its segments. */
	assert_true(n_whole > 0);
}

/* Where bytes matter: the headers, the section headers, .eh_frame. */
static size_t pick_place(unsigned short *seed, const struct image *image)
{
	const Elf64_Ehdr *ehdr = (const Elf64_Ehdr *)image->data;
	const Elf64_Shdr *sh = (const Elf64_Shdr *)(image->data + ehdr->e_shoff);
	uint32_t i;

	switch (nrand48(seed) % 4) {
	case 0:
		return (size_t)nrand48(seed) % (sizeof(*ehdr) + ehdr->e_phnum * sizeof(Elf64_Phdr));
	case 1:
		return ehdr->e_shoff + (size_t)nrand48(seed) % (ehdr->e_shnum * sizeof(*sh));
	default:
		for (i = 0; i < ehdr->e_shnum; i++)
			if (!strcmp((const char *)image->data + sh[ehdr->e_shstrndx].sh_offset + sh[i].sh_name,
				    ".eh_frame"))
				return sh[i].sh_offset + (size_t)nrand48(seed) % sh[i].sh_size;
		return (size_t)nrand48(seed) % image->size;
	}
}

static void mutate(unsigned short *seed, uint8_t *data)
{
	static const uint64_t numbers[] = {0,	   1,	       0x7f,	   0x80,       0xff,
					   0xffff, 0x7fffffff, 0xffffffff, UINT64_MAX, INT64_MAX};
	int n = 1 + (int)(nrand48(seed) % 12);

	while (n--) {
		size_t at = pick_place(seed, &subject);
		uint64_t number = numbers[(size_t)nrand48(seed) % (sizeof(numbers) / sizeof(numbers[0]))];
		size_t width = (size_t)1 << nrand48(seed) % 4;

		if (at + 8 > subject.size)
			continue;
		switch (nrand48(seed) % 3) {
		case 0:
			data[at] ^= (uint8_t)(1 << nrand48(seed) % 8);
			break;
		case 1:
			data[at] = (uint8_t)nrand48(seed);
			break;
		default:
			memcpy(data + at, &number, width);
		}
	}
}

static void test_mutants(void **state)
{
	unsigned short seed[3] = {11, 22, 33};
	const char *more = getenv("STINT_MUTANTS");
	long n = more ? strtol(more, NULL, 10) : N_MUTANTS, i, n_errors = 0, n_rows = 0, n_bad = 0;
	uint8_t *data = malloc(subject.size);

	(void)state;
	assert_non_null(data);
	for (i = 0; i < n; i++) {
		struct unwind_table table;
		struct stint_err err;

		memcpy(data, subject.data, subject.size);
		mutate(seed, data);
		if (read_copy(data, subject.size, &table, &err))
			n_errors++;
		n_rows += table.n_rows;
		n_bad += table.counts.n_bad;
		unwind_table_done(&table);
	}
	print_message("%ld mutants: %ld errors, %ld rows and %ld bad entries in the others\n", n, n_errors, n_rows,
		      n_bad);
	assert_true(n_errors > 0 && n_errors < n && n_bad > 0);
	free(data);
}

/* A file of one executable segment and one .eh_frame that the caller fills. */
struct made {
	Elf64_Ehdr ehdr;
	Elf64_Phdr load, eh;
	uint8_t header[8]; /* .eh_frame_hdr */
	uint8_t eh_frame[];
};

static struct made *make(size_t eh_frame_bytes, size_t *ret_size)
{
	size_t size = sizeof(struct made) + eh_frame_bytes;
	struct made *m = calloc(1, size);
	int32_t to = sizeof(struct made) - offsetof(struct made, header) - 4;

	assert_non_null(m);
	memcpy(m->ehdr.e_ident, ELFMAG, SELFMAG);
	m->ehdr.e_ident[EI_CLASS] = ELFCLASS64;
	m->ehdr.e_ident[EI_DATA] = ELFDATA2LSB;
	m->ehdr.e_machine = EM_X86_64;
	m->ehdr.e_phoff = offsetof(struct made, load);
	m->ehdr.e_phnum = 2;
	m->ehdr.e_phentsize = sizeof(Elf64_Phdr);
	m->load = (Elf64_Phdr){.p_type = PT_LOAD, .p_flags = PF_X, .p_filesz = size, .p_memsz = size};
	m->eh = (Elf64_Phdr){.p_type = PT_GNU_EH_FRAME,
			     .p_offset = offsetof(struct made, header),
			     .p_vaddr = offsetof(struct made, header)};
	m->header[0] = 1;
	m->header[1] = 0x1b;
	memcpy(m->header + 4, &to, sizeof(to));
	*ret_size = size;
	return m;
}

static size_t put_entry(uint8_t *at, uint32_t length, uint32_t id)
{
	memcpy(at, &length, 4);
	memcpy(at + 4, &id, 4);
	return 8;
}

/* A CIE with absolute addresses of 2 bytes: version 1, "zR", factors 1 and -8, return address 16.
 */
static size_t put_cie(uint8_t *at, const uint8_t *program, uint32_t program_bytes)
{
	static const uint8_t fixed[] = {1, 'z', 'R', 0, 1, 0x78, 16, 1, 0x02};
	size_t n = put_entry(at, 4 + sizeof(fixed) + program_bytes, 0);

	memcpy(at + n, fixed, sizeof(fixed));
	memcpy(at + n + sizeof(fixed), program, program_bytes);
	return n + sizeof(fixed) + program_bytes;
}

static double cpu_seconds(void)
{
	struct rusage use;

	getrusage(RUSAGE_SELF, &use);
	return (double)use.ru_utime.tv_sec + (double)use.ru_utime.tv_usec / 1e6 + (double)use.ru_stime.tv_sec;
}

/* Many FDEs, each of which names another, overlapping CIE with a long program: read at most once
 * each, and bounded. */
static void test_overlapping_cies(void **state)
{
	static uint8_t nops[CFI_MAX_CIE_BYTES];
	const uint32_t n_fdes = 600000;
	double start = cpu_seconds();
	struct unwind_table table;
	struct stint_err err;
	size_t size, at = 0;
	struct made *m = make(n_fdes * 13 + sizeof(nops) + 64, &size);
	uint32_t i;

	(void)state;
	at = put_cie(m->eh_frame, nops, 4000);
	for (i = 0; i < n_fdes; i++) {
		size_t here = at + 4, cie = (size_t)i * 7 % here;

		at += put_entry(m->eh_frame + at, 9, (uint32_t)(here - cie));
		m->eh_frame[at] = 1;
		m->eh_frame[at + 2] = 1;
		at += 5;
	}
	assert_int_equal(read_copy((uint8_t *)m, size, &table, &err), STINT_ERR_LIMIT);
	assert_true(cpu_seconds() - start < 20);
	unwind_table_done(&table);
	free(m);
}

/* States that are remembered forever, lengths that lie, programs that run off their end: bad
 * entries, not errors. */
static void test_bad_programs(void **state)
{
	static const uint8_t programs[][6] = {
		{0x0a, 0x0a, 0x0a, 0x0a, 0x0a, 0x0a}, /* remember_state, which alone is fine */
		{0x0b},				      /* restore_state of nothing */
		{0x3f},				      /* no such opcode */
		{0x0f, 0xff, 0xff, 0xff, 0xff, 0x0f}, /* an expression of 4 GB */
		{0x0c, 0x80, 0x80, 0x80, 0x80, 0x80}, /* a number without an end */
		{0x00, 0x00, 0x00, 0x00, 0x04, 0xff}, /* an advance of 4 bytes, cut */
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
		struct unwind_table table;
		struct stint_err err;
		size_t size, at;
		struct made *m = make(128, &size);

		at = put_cie(m->eh_frame, (const uint8_t *)"\x0c\x07\x08\x90\x01", 5);
		put_entry(m->eh_frame + at, 15, (uint32_t)at + 4);
		memcpy(m->eh_frame + at + 8, "\x40\x00\x20\x00\x00", 5);
		memcpy(m->eh_frame + at + 13, programs[i], 6);
		assert_int_equal(read_copy((uint8_t *)m, size, &table, &err), 0);
		assert_int_equal(table.counts.n_fdes, 1);
		assert_int_equal(table.counts.n_unsupported, i ? 1 : 0);
		unwind_table_done(&table);
		free(m);
	}
}

/* One byte of program for each row is the most that a file can ask for. */
static void test_many_rows(void **state)
{
	struct unwind_table table;
	struct stint_err err;
	size_t size, at, i, n = 40000;
	struct made *m = make(n * 3 + 128, &size);

	(void)state;
	at = put_cie(m->eh_frame, (const uint8_t *)"\x0c\x07\x08\x90\x01", 5);
	put_entry(m->eh_frame + at, (uint32_t)(9 + n * 3), (uint32_t)at + 4);
	memcpy(m->eh_frame + at + 8, "\x01\x00\xff\xff\x00", 5);
	for (i = 0; i < n; i++)
		memcpy(m->eh_frame + at + 13 + i * 3, i & 1 ? "\x41\x0e\x08" : "\x41\x0e\x10", 3);
	assert_int_equal(read_copy((uint8_t *)m, size, &table, &err), 0);
	assert_true(table.n_rows > n - 10 && table.n_rows < n + 10);
	unwind_table_done(&table);
	free(m);
}

static void test_not_elf(void **state)
{
	struct unwind_table table;
	struct stint_err err = STINT_ERR_INIT;
	uint8_t other[64] = {0};
	int ends[2];

	(void)state;
	assert_int_equal(read_copy((const uint8_t *)"#!/bin/sh\n", 10, &table, &err), STINT_ERR_FORMAT);
	memcpy(other, subject.data, sizeof(other));
	other[EI_CLASS] = ELFCLASS32;
	assert_int_equal(read_copy(other, sizeof(other), &table, &err), STINT_ERR_UNSUPPORTED);
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(unwind_table_read(&table, ends[0], &err), STINT_ERR_FORMAT);
	assert_string_equal(err.msg, "not a regular file");
	close(ends[0]);
	close(ends[1]);
	unwind_table_done(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_mutants),
		cmocka_unit_test(test_overlapping_cies),
		cmocka_unit_test(test_bad_programs),
		cmocka_unit_test(test_many_rows),
		cmocka_unit_test(test_not_elf),
	};

	return cmocka_run_group_tests(tests, load_subject, free_subject);
}
