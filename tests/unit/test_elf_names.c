/* SPDX-License-Identifier: MIT */
/*
 * The recorder's reader of symbol tables against that of the offline tools: the same name at any address, of this
 * program, of what it runs on, and of the files named in STINT_ELF_FILES. Then hostile files.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "analyze/elf_symtab.h"
#include "analyze/elf_unpack.h"
#include "record/elf_names.h"

#define N_ADDRESSES 4000

static int by_off(const void *a_void, const void *b_void)
{
	const struct elf_name *a = a_void, *b = b_void;

	return a->file_off < b->file_off ? -1 : a->file_off > b->file_off;
}

/* Addresses of code, half of them where symbols begin or end. */
static void pick(const struct elf_file *ef, const struct elf_symtab *st, struct elf_name *names)
{
	const struct elf_segment *code = NULL;
	size_t i;

	for (i = 0; i < ef->n_segments; i++)
		if (ef->segments[i].flags & PF_X)
			code = &ef->segments[i];
	assert_non_null(code);
	for (i = 0; i < N_ADDRESSES; i++) {
		uint64_t off = code->file_off + (uint64_t)random() % code->file_size;

		if (i % 2 && st->n) {
			const struct elf_symbol *symbol = &st->symbols[(size_t)random() % st->n];
			uint64_t at = (i % 4 == 1 ? symbol->addr : symbol->end) - (uint64_t)(random() % 2);

			if (at >= code->vaddr && at - code->vaddr < code->file_size)
				off = code->file_off + (at - code->vaddr);
		}
		names[i] = (struct elf_name){.file_off = off};
	}
	qsort(names, N_ADDRESSES, sizeof(*names), by_off);
}

static void compare(const struct elf_file *ef, const struct elf_symtab *st, const struct elf_name *name,
		    unsigned *n_named)
{
	const struct elf_symbol *symbol;
	uint64_t vaddr, start;

	assert_true(elf_file_vaddr(ef, name->file_off, &vaddr));
	symbol = elf_symtab_find(st, vaddr);
	if (!symbol != !name->name || (symbol && strcmp(symbol->name, name->name)))
		fail_msg("%s at 0x%lx: \"%s\", and the offline tools say \"%s\"", ef->path, (long)vaddr,
			 name->name ? name->name : "(none)", symbol ? symbol->name : "(none)");
	if (!symbol)
		return;
	++*n_named;
	assert_true(elf_file_vaddr(ef, name->start_off, &start));
	assert_int_equal(start, symbol->addr);
	assert_true(vaddr - start < name->size_bytes);
}

static unsigned agree_on(const char *path)
{
	struct elf_name *names = calloc(N_ADDRESSES, sizeof(*names));
	struct stint_err err = STINT_ERR_INIT;
	struct elf_symtab st = {0};
	struct elf_file *ef, *mini = NULL;
	struct elf_bytes packed;
	unsigned n_named = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t i, size;
	void *data;

	if (elf_file_open(&ef, path, &err)) {
		print_message("%s isn't here\n", path);
		free(names);
		return 0;
	}
	assert_int_equal(elf_symtab_add(&st, ef, &err), 0);
	if (!elf_file_section(ef, ".symtab")) {
		assert_int_equal(elf_symtab_add_go(&st, ef, &err), 0);
		if (!elf_file_contents(ef, ".gnu_debugdata", &packed, &err) && packed.size) {
			assert_int_equal(elf_unpack_xz(packed, &data, &size, &err), 0);
			assert_int_equal(elf_file_open_memory(&mini, path, data, size, &err), 0);
			assert_int_equal(elf_symtab_add(&st, mini, &err), 0);
		}
	}
	assert_int_equal(elf_symtab_build(&st, &err), 0);
	pick(ef, &st, names);
	assert_int_equal(elf_names_find(fd, names, N_ADDRESSES, &err), 0);
	for (i = 0; i < N_ADDRESSES; i++)
		compare(ef, &st, &names[i], &n_named);
	print_message("%s: %u of %u addresses have a name\n", path, n_named, N_ADDRESSES);
	elf_names_done(names, N_ADDRESSES);
	free(names);
	elf_symtab_done(&st);
	elf_file_close(mini);
	elf_file_close(ef);
	close(fd);
	return n_named;
}

static void the_same_names(void **state)
{
	static const char *const paths[] = {"/lib/x86_64-linux-gnu/libc.so.6", "/usr/sbin/nginx", "/bin/bash",
					    "/lib64/ld-linux-x86-64.so.2"};
	size_t i;

	(void)state;
	srandom(7);
	assert_true(agree_on("/proc/self/exe") > N_ADDRESSES / 2);
	for (i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		agree_on(paths[i]);
}

static void files_of_the_environment(void **state)
{
	char *list = getenv("STINT_ELF_FILES"), *save = NULL, *path;

	(void)state;
	if (!list)
		return;
	list = strdup(list);
	for (path = strtok_r(list, " ", &save); path; path = strtok_r(NULL, " ", &save))
		assert_true(agree_on(path) > 0);
	free(list);
}

/* Headers, symbols and names with any bits flipped: no crash, no endless loop. */
static void hostile_files(void **state)
{
	struct elf_name names[64];
	struct stint_err err = STINT_ERR_INIT;
	struct elf_file *ef;
	int round, fd = memfd_create("hostile", MFD_CLOEXEC);
	uint8_t *image;
	size_t i;

	(void)state;
	srandom(11);
	assert_int_equal(elf_file_open(&ef, "/proc/self/exe", &err), 0);
	image = malloc(ef->image.size);
	for (round = 0; round < 60; round++) {
		const struct elf_section *symtab = elf_file_section(ef, ".symtab");

		memcpy(image, ef->image.at, ef->image.size);
		for (i = 0; i < 1 + (size_t)random() % 40; i++) {
			uint64_t headers = ef->image.size - ef->n_sections * sizeof(Elf64_Shdr);
			uint64_t at = i % 3 == 0   ? (uint64_t)random() % 64
				      : i % 3 == 1 ? headers + (uint64_t)random() % (ef->image.size - headers)
						   : symtab->file_off + (uint64_t)random() % symtab->size;

			image[at] = (uint8_t)random();
		}
		assert_int_equal(ftruncate(fd, 0), 0);
		assert_int_equal(pwrite(fd, image, ef->image.size - (size_t)random() % 3 * 1000, 0) > 0, 1);
		for (i = 0; i < 64; i++)
			names[i] = (struct elf_name){.file_off = 0x1000 * i};
		assert_int_equal(elf_names_find(fd, names, 64, &err), 0);
		elf_names_done(names, 64);
	}
	free(image);
	close(fd);
	elf_file_close(ef);
}

#define N_LONG	   1000000u
#define LONG_BYTES 70000u

/* Each of a million symbols of one function has a name of 64 KiB: that isn't read a million times. */
static void long_names(void **state)
{
	enum { TEXT = 0x1000, NAMES = 0x2000, SYMBOLS = 0x20000 };
	const Elf64_Ehdr header = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
				   .e_phoff = sizeof(header),
				   .e_phentsize = sizeof(Elf64_Phdr),
				   .e_phnum = 1,
				   .e_shoff = 0x200,
				   .e_shentsize = sizeof(Elf64_Shdr),
				   .e_shnum = 4,
				   .e_shstrndx = 1};
	const Elf64_Phdr code = {
		.p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_offset = TEXT, .p_vaddr = TEXT, .p_filesz = 0x1000};
	const Elf64_Shdr sections[4] = {
		[1] = {.sh_type = SHT_STRTAB, .sh_offset = TEXT, .sh_size = 1},
		[2] = {.sh_type = SHT_STRTAB, .sh_offset = NAMES, .sh_size = LONG_BYTES},
		[3] = {.sh_type = SHT_SYMTAB,
		       .sh_offset = SYMBOLS,
		       .sh_size = N_LONG * sizeof(Elf64_Sym),
		       .sh_link = 2},
	};
	struct elf_name name = {.file_off = TEXT + 1};
	struct stint_err err = STINT_ERR_INIT;
	size_t size = SYMBOLS + N_LONG * sizeof(Elf64_Sym), i;
	uint8_t *image = calloc(1, size);
	int fd = memfd_create("long", MFD_CLOEXEC);
	clock_t began = clock();

	(void)state;
	assert_non_null(image);
	memcpy(image, &header, sizeof(header));
	memcpy(image + header.e_phoff, &code, sizeof(code));
	memcpy(image + header.e_shoff, sections, sizeof(sections));
	memset(image + NAMES, 'a', LONG_BYTES);
	for (i = 0; i < N_LONG; i++)
		((Elf64_Sym *)(void *)(image + SYMBOLS))[i] =
			(Elf64_Sym){.st_name = 1 + i % 64,
				    .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC),
				    .st_shndx = 1,
				    .st_value = TEXT,
				    .st_size = 0x100};
	assert_int_equal(write(fd, image, size), size);
	assert_int_equal(elf_names_find(fd, &name, 1, &err), 0);
	assert_non_null(name.name);
	assert_int_equal(strlen(name.name), ELF_NAMES_MAX_NAME);
	elf_names_done(&name, 1);
	assert_true(clock() - began < 10 * CLOCKS_PER_SEC);
	free(image);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_names),
		cmocka_unit_test(files_of_the_environment),
		cmocka_unit_test(hostile_files),
		cmocka_unit_test(long_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
