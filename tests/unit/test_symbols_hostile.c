/* SPDX-License-Identifier: MIT */
/*
 * ELF files and DWARF made to hurt: this test's own program, with bytes of its headers, symbols and debug sections
 * changed, or cut off. Every mutant is read as a whole, in bounded time. STINT_MUTANTS and STINT_SEED make it a fuzzer;
 * STINT_MUTANT_FILE takes another program than this one.
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
#include <time.h>

#include "analyze/demangle.h"
#include "analyze/dwarf.h"
#include "analyze/elf_file.h"
#include "analyze/elf_symtab.h"

#define N_LOOKUPS   300
#define MAX_SECONDS 20.0

struct seed {
	uint8_t *data;
	size_t size;
	struct elf_file *ef; /* of the file as it is: where to hit */
};

static uint64_t random_next(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static int load_seed(void **state)
{
	static struct seed seed;
	const char *path = getenv("STINT_MUTANT_FILE");
	struct stint_err err = STINT_ERR_INIT;
	FILE *f;

	if (!path)
		path = "/proc/self/exe";
	f = fopen(path, "rb");
	if (!f || fseek(f, 0, SEEK_END) || elf_file_open(&seed.ef, path, &err))
		return -1;
	seed.size = (size_t)ftell(f);
	seed.data = malloc(seed.size);
	rewind(f);
	if (!seed.data || fread(seed.data, 1, seed.size, f) != seed.size)
		return -1;
	fclose(f);
	*state = &seed;
	return 0;
}

static int free_seed(void **state)
{
	struct seed *seed = *state;

	elf_file_close(seed->ef);
	free(seed->data);
	return 0;
}

static struct elf_file *no_split(void *context, const char *comp_dir, const char *name)
{
	(void)context;
	(void)comp_dir;
	(void)name;
	return NULL;
}

static struct elf_file *no_package(void *context)
{
	(void)context;
	return NULL;
}

/* Reads every byte of what is found, so that a sanitizer sees what is wrong with it. */
static void look_up(struct elf_file *ef, struct elf_symtab *st, struct dwarf *dw, uint64_t *state)
{
	static char text[DEMANGLE_MAX_BYTES];
	static struct dwarf_frame frames[DWARF_MAX_CHAIN];
	const struct elf_symbol *symbol;
	uint64_t addr, sum = 0;
	uint32_t i, k, n;

	for (i = 0; i < N_LOOKUPS && ef->n_segments; i++) {
		const struct elf_segment *seg = &ef->segments[random_next(state) % ef->n_segments];

		addr = seg->vaddr + random_next(state) % (seg->mem_size | 1);
		symbol = elf_symtab_find(st, addr);
		if (symbol)
			sum += strlen(symbol->name) + demangle(symbol->name, DEMANGLE_FULL, text);
		n = dw ? dwarf_lookup(dw, addr, true, frames) : 0;
		assert_true(n <= DWARF_MAX_CHAIN);
		for (k = 0; k < n; k++)
			sum += (frames[k].linkage ? strlen(frames[k].linkage) : 0) +
			       (frames[k].name ? strlen(frames[k].name) : 0) +
			       (frames[k].file ? strlen(frames[k].file) : 0);
	}
	assert_true(sum != 1);
}

/* Takes over data. */
static void read_all(void *data, size_t size, uint64_t *state)
{
	struct dwarf_sources sources = {.open_split = no_split, .open_package = no_package};
	struct stint_err err = STINT_ERR_INIT;
	struct elf_symtab st = {0};
	struct dwarf *dw = NULL;
	struct elf_file *ef;

	if (elf_file_open_memory(&ef, "mutant", data, size, &err))
		return;
	if (!elf_symtab_add(&st, ef, &err) && !elf_symtab_add_plt(&st, ef, &err) && !elf_symtab_add_go(&st, ef, &err))
		elf_symtab_build(&st, &err);
	sources.elf = ef;
	sources.alt = ef;
	if (dwarf_open(&dw, &sources, &err))
		dw = NULL;
	look_up(ef, &st, dw, state);
	dwarf_close(dw);
	elf_symtab_done(&st);
	elf_file_close(ef);
}

static void hit(uint8_t *at, size_t size, uint64_t *state)
{
	static const uint64_t extremes[] = {0, 1, 0x7f, 0x80, 0xff, 0x7fffffff, 0xfffffff0, 0xffffffff, UINT64_MAX};
	uint64_t value = extremes[random_next(state) % (sizeof(extremes) / sizeof(*extremes))];
	size_t width = (size_t)1 << random_next(state) % 4, off = random_next(state) % size;

	if (random_next(state) % 2)
		value = random_next(state);
	memcpy(at + off, &value, width < size - off ? width : size - off);
}

static void mutate(const struct seed *seed, uint8_t *copy, uint64_t *state)
{
	uint64_t n = 1 + random_next(state) % 24;

	while (n--) {
		const struct elf_section *section = &seed->ef->sections[random_next(state) % seed->ef->n_sections];
		bool wanted = !strncmp(section->name, ".debug", 6) || section->type == SHT_SYMTAB ||
			      section->type == SHT_DYNSYM || section->type == SHT_STRTAB || section->type == SHT_RELA ||
			      strstr(section->name, "gopclntab");
		size_t headers = seed->ef->n_sections * sizeof(Elf64_Shdr);

		if (random_next(state) % 16 == 0)
			hit(copy, 64 + sizeof(Elf64_Phdr) * 12, state);
		else if (random_next(state) % 16 == 0 && headers < seed->size)
			hit(copy + (elf_u64(seed->data + 40) < seed->size - headers ? elf_u64(seed->data + 40) : 0),
			    headers, state);
		else if (wanted && elf_section_raw(seed->ef, section).size)
			/* Half of the hits near the start, where the headers of tables are. */
			hit(copy + section->file_off,
			    random_next(state) % 2 && section->size > 256 ? 256 : section->size, state);
		else
			n++;
	}
}

static double seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void test_mutants(void **state)
{
	const struct seed *seed = *state;
	const char *n_text = getenv("STINT_MUTANTS"), *seed_text = getenv("STINT_SEED");
	uint64_t n = n_text ? strtoull(n_text, NULL, 0) : 100, first = seed_text ? strtoull(seed_text, NULL, 0) : 1, i;
	double before, worst = 0;

	for (i = first; i < first + n; i++) {
		uint64_t random = i * 0x9e3779b97f4a7c15u | 1;
		uint8_t *copy = malloc(seed->size);

		assert_non_null(copy);
		memcpy(copy, seed->data, seed->size);
		mutate(seed, copy, &random);
		before = seconds();
		read_all(copy, seed->size, &random);
		if (seconds() - before > worst) {
			worst = seconds() - before;
			if (n_text)
				printf("seed %llu takes %.3f s\n", (unsigned long long)i, worst);
		}
	}
	assert_true(worst < MAX_SECONDS);
}

static void test_cut_off(void **state)
{
	const struct seed *seed = *state;
	uint64_t random = 7;
	size_t size, step = seed->size / 50 + 1;

	for (size = 0; size < seed->size; size += size < 4096 ? 61 : step) {
		uint8_t *copy = malloc(size + 1);

		assert_non_null(copy);
		memcpy(copy, seed->data, size);
		read_all(copy, size, &random);
	}
}

/* A unit whose abbreviations would be behind the end costs its own functions, and none of the others'. */
static void test_abbreviations_nowhere(void **state)
{
	const struct seed *seed = *state;
	const struct elf_section *info = elf_file_section(seed->ef, ".debug_info");
	struct dwarf_frame frames[DWARF_MAX_CHAIN];
	struct dwarf_sources sources = {0};
	struct stint_err err = STINT_ERR_INIT;
	struct elf_symtab st = {0};
	uint8_t *copy = malloc(seed->size), *unit;
	struct elf_file *ef;
	struct dwarf *dw;
	uint64_t addr = 0;
	size_t i;

	assert_non_null(copy);
	if (!info || info->flags & SHF_COMPRESSED) {
		free(copy);
		skip();
	}
	memcpy(copy, seed->data, seed->size);
	unit = copy + info->file_off;
	memset(unit + (elf_u16(unit + 4) >= 5 ? 8 : 6), 0xee, 4);
	assert_int_equal(elf_file_open_memory(&ef, "mutant", copy, seed->size, &err), 0);
	sources.elf = ef;
	assert_int_equal(dwarf_open(&dw, &sources, &err), 0);
	assert_int_equal(elf_symtab_add(&st, ef, &err), 0);
	for (i = 0; i < st.n; i++)
		if (!strcmp(st.symbols[i].name, "dwarf_open"))
			addr = st.symbols[i].addr;
	assert_int_not_equal(addr, 0);
	assert_int_equal(dwarf_lookup(dw, addr, true, frames), 1);
	assert_string_equal(frames[0].name, "dwarf_open");
	elf_symtab_done(&st);
	dwarf_close(dw);
	elf_file_close(ef);
}

/* A few hundred bytes that stand for gigabytes. */
static void test_exponential_name(void **state)
{
	static char text[DEMANGLE_MAX_BYTES];
	char name[512] = "_Z1fI1aIiEE";
	size_t len, i;

	(void)state;
	assert_true(demangle(name, DEMANGLE_FULL, text) > 0);
	memcpy(name, "_Z1f", 5);
	len = 4;
	for (i = 0; i < 30; i++) {
		memcpy(name + len, "1aI", 3);
		len += 3;
	}
	name[len++] = 'i';
	for (i = 0; i < 30; i++)
		len += (size_t)snprintf(name + len, sizeof(name) - len, "S%c_E", (char)('0' + i % 10));
	name[len] = 0;
	assert_true(demangle(name, DEMANGLE_FULL, text) < DEMANGLE_MAX_BYTES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mutants),
		cmocka_unit_test(test_cut_off),
		cmocka_unit_test(test_abbreviations_nowhere),
		cmocka_unit_test(test_exponential_name),
	};

	return cmocka_run_group_tests(tests, load_seed, free_seed);
}
