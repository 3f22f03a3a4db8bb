/* SPDX-License-Identifier: MIT */
/* Address maps, symbol tables, names, and the symbolizer over this very program. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "analyze/addr_hits.h"
#include "analyze/addr_map.h"
#include "analyze/demangle.h"
#include "analyze/elf_file.h"
#include "analyze/elf_symtab.h"
#include "analyze/symbolize.h"

#define N_RANDOM 200
#define SPACE	 400u

/* The rule of addr_map.h, address by address. */
static uint32_t slow_find(const struct addr_range *ranges, size_t n, uint64_t addr)
{
	const struct addr_range *best = NULL;
	size_t i;

	for (i = 0; i < n; i++) {
		const struct addr_range *r = &ranges[i];
		bool better;

		if (addr < r->start || addr >= r->end)
			continue;
		if (!best)
			better = true;
		else if (r->priority != best->priority)
			better = r->priority > best->priority;
		else if (r->start != best->start)
			better = r->start > best->start;
		else if (r->end != best->end)
			better = r->end < best->end;
		else
			better = r->value > best->value;
		if (better)
			best = r;
	}
	return best ? best->value : ADDR_MAP_NONE;
}

/* The same rule, for some of the addresses, known beforehand; one of them twice. */
static void check_hits(struct addr_hits *hits, const struct addr_range *ranges, size_t n, uint64_t base)
{
	uint64_t addrs[SPACE];
	uint32_t n_addrs = 0, i, found;

	addrs[n_addrs++] = base + (uint64_t)rand() % 20;
	for (i = (uint32_t)(addrs[0] - base); i < SPACE; i++)
		if (i % 50 < 10 ? true : rand() % 8 == 0)
			addrs[n_addrs++] = base + i;
	n_addrs = 1 + (uint32_t)rand() % n_addrs;
	assert_int_equal(addr_hits_start(hits, addrs, n_addrs), 0);
	hits->budget = UINT64_MAX;
	for (i = 0; i < n; i++)
		assert_true(addr_hits_offer(hits, &ranges[i]));
	for (i = 0; i < n_addrs; i++) {
		found = hits->best[i].end ? hits->best[i].value : ADDR_MAP_NONE;
		assert_int_equal(found, slow_find(ranges, n, addrs[i]));
	}
	addr_hits_again(hits);
	for (i = 0; i < n_addrs; i++)
		assert_int_equal(hits->best[i].end, 0);
}

static void check_random_map(struct addr_hits *hits, uint64_t base)
{
	struct addr_range ranges[N_RANDOM], copy[N_RANDOM];
	struct addr_map_scratch scratch = {NULL, 0};
	struct addr_map map;
	size_t n = (size_t)rand() % N_RANDOM, i;
	uint64_t addr;

	for (i = 0; i < n; i++) {
		ranges[i].start = base + (uint64_t)rand() % SPACE;
		ranges[i].end = ranges[i].start + (uint64_t)rand() % 60;
		ranges[i].value = (uint32_t)i;
		ranges[i].priority = (uint32_t)rand() % 3;
	}
	memcpy(copy, ranges, sizeof(ranges));
	assert_int_equal(addr_map_build(&map, ranges, n, &scratch), 0);
	for (addr = base; addr < base + SPACE + 100; addr++)
		assert_int_equal(addr_map_find(&map, addr), slow_find(copy, n, addr));
	addr_map_done(&map);
	addr_map_scratch_done(&scratch);
	check_hits(hits, copy, n, base);
}

static void test_addr_map(void **state)
{
	struct addr_hits hits = {.n = 0};
	int i;

	(void)state;
	srand(1);
	for (i = 0; i < 300; i++)
		check_random_map(&hits, i % 2 ? 0 : UINT64_C(0xffffffff81000000));
	check_random_map(&hits, UINT64_MAX - 2000);
	addr_hits_done(&hits);
}

static void put(struct elf_symtab *st, const char *name, uint64_t addr, uint64_t size, uint32_t rank)
{
	struct elf_symbol symbol = {
		.name = name, .addr = addr, .end = addr + size, .limit = 0x2000, .rank = rank, .sized = size != 0};

	assert_int_equal(elf_symtab_put(st, &symbol, NULL), 0);
}

static const char *name_at(const struct elf_symtab *st, uint64_t addr)
{
	const struct elf_symbol *symbol = elf_symtab_find(st, addr);

	return symbol ? symbol->name : "-";
}

static void test_symtab(void **state)
{
	struct elf_symtab st = {0};

	(void)state;
	put(&st, "label_in_outer", 0x1020, 0, 0);
	put(&st, "outer", 0x1000, 0x100, 1);
	put(&st, "__alias", 0x1000, 0x100, 2);
	put(&st, "inner", 0x1040, 0x10, 0);
	put(&st, "label", 0x1200, 0, 0);
	put(&st, "behind", 0x1300, 0x10, 0);
	put(&st, "last_label", 0x1f00, 0, 0);
	assert_int_equal(elf_symtab_build(&st, NULL), 0);
	assert_string_equal(name_at(&st, 0xfff), "-");
	assert_string_equal(name_at(&st, 0x1000), "outer");
	assert_string_equal(name_at(&st, 0x1020), "outer"); /* a label gives way to a function with a size */
	assert_string_equal(name_at(&st, 0x103f), "outer");
	assert_string_equal(name_at(&st, 0x1040), "inner");
	assert_string_equal(name_at(&st, 0x1050), "outer");
	assert_string_equal(name_at(&st, 0x1100), "-"); /* padding */
	assert_string_equal(name_at(&st, 0x12ff), "label");
	assert_string_equal(name_at(&st, 0x130f), "behind");
	assert_string_equal(name_at(&st, 0x1310), "-");
	assert_string_equal(name_at(&st, 0x1fff), "last_label");
	assert_string_equal(name_at(&st, 0x2000), "-"); /* the section ends */
	elf_symtab_done(&st);
}

static const char *shown(const char *linkage, enum demangle_mode mode)
{
	static char text[DEMANGLE_MAX_BYTES];

	return demangle(linkage, mode, text) ? text : linkage;
}

static void test_demangle(void **state)
{
	(void)state;
	assert_string_equal(shown("_ZN3app5countERKSt6vectorIiSaIiEE", DEMANGLE_SHORT), "app::count");
	assert_string_equal(shown("_ZN3app5countEi", DEMANGLE_FULL), "app::count(int)");
	assert_string_equal(shown("_ZN3app5countEi", DEMANGLE_NONE), "_ZN3app5countEi");
	assert_string_equal(shown("_ZN3app5countEi.isra.0", DEMANGLE_SHORT), "app::count");
	assert_string_equal(shown("main", DEMANGLE_SHORT), "main");
	assert_string_equal(shown("read@plt", DEMANGLE_SHORT), "read@plt");
	assert_string_equal(shown("_ZN3app5countEi@plt", DEMANGLE_SHORT), "app::count@plt");
	assert_string_equal(shown("memcpy@@GLIBC_2.14", DEMANGLE_SHORT), "memcpy");
	assert_string_equal(shown("work.constprop.0.cold", DEMANGLE_SHORT), "work");
	assert_string_equal(shown("work.constprop.0.cold", DEMANGLE_FULL), "work.constprop.0.cold");
	assert_string_equal(shown("my.participant", DEMANGLE_SHORT), "my.participant");
	assert_string_equal(shown("_ZN4core3fmt5write17h0123456789abcdefE", DEMANGLE_SHORT), "core::fmt::write");
	assert_string_equal(shown("_RNvC6_123foo3bar", DEMANGLE_SHORT), "123foo::bar");
	assert_string_equal(shown("_D3std5stdio7writelnFZv", DEMANGLE_FULL), "std.stdio.writeln()");
	assert_string_equal(shown("_Zbogus", DEMANGLE_SHORT), "_Zbogus");
	assert_string_equal(shown("", DEMANGLE_SHORT), "");
	assert_string_equal(shown("@", DEMANGLE_SHORT), "@");
}

/* Where in its file a function of this program is. */
static uint64_t file_off_of(const struct elf_file *ef, const char *name)
{
	uint64_t addr = 0;
	size_t i;

	assert_true(elf_symbol_value(ef, name, &addr));
	for (i = 0; i < ef->n_segments; i++)
		if (addr >= ef->segments[i].vaddr && addr - ef->segments[i].vaddr < ef->segments[i].file_size)
			return addr - ef->segments[i].vaddr + ef->segments[i].file_off;
	fail();
	return 0;
}

static void test_symbolizer(void **state)
{
	struct symbolizer_options options = {.local = true, .lines = true, .inlines = true};
	struct symbol_module module = {.kind = STINT_MODULE_FILE};
	struct symbol packed = {.linkage = "_ZN3app5countEi", .file = "a.cc", .line = 7, .resolved = true};
	struct symbol_chain chain;
	struct symbolizer *s;
	struct elf_file *ef;
	char path[4096];
	ssize_t len = readlink("/proc/self/exe", path, sizeof(path) - 1);
	uint64_t off;

	(void)state;
	assert_true(len > 0);
	path[len] = 0;
	assert_int_equal(elf_file_open(&ef, path, NULL), 0);
	module.path = path;
	module.build_id = ef->build_id;
	module.build_id_size = ef->build_id_size;
	off = file_off_of(ef, "test_symbolizer");
	assert_int_equal(symbolizer_new(&s, &options, NULL), 0);
	assert_int_equal(symbolizer_add_module(s, 3, &module, NULL), 0);
	assert_int_equal(symbolizer_lookup(s, 3, off, true, &chain, NULL), 0);
	assert_int_equal(chain.n, 1);
	assert_string_equal(chain.symbols[0].name, "test_symbolizer");
	assert_non_null(strstr(chain.symbols[0].file, "test_symbols.c"));
	assert_true(chain.symbols[0].line > 0);
	/* As a return address it means the byte in front, which is no longer this function. */
	assert_int_equal(symbolizer_lookup(s, 3, off, false, &chain, NULL), 0);
	assert_string_not_equal(chain.symbols[0].name, "test_symbolizer");
	/* What the recording says goes first. */
	assert_int_equal(symbolizer_add_chain(s, 3, off + 4, true, &(struct symbol_chain){&packed, 1}, NULL), 0);
	assert_int_equal(symbolizer_lookup(s, 3, off + 4, true, &chain, NULL), 0);
	assert_string_equal(chain.symbols[0].name, "app::count");
	assert_int_equal(chain.symbols[0].line, 7);
	/* A module that nobody told of. */
	assert_int_equal(symbolizer_lookup(s, 99, 0x10, true, &chain, NULL), 0);
	assert_false(chain.symbols[0].resolved);
	assert_string_equal(symbolizer_source(s, 3).from + strlen("elf: "), path);
	symbolizer_free(s);
	elf_file_close(ef);
}

static void expect_same_chain(const struct symbol_chain *a, const struct symbol_chain *b)
{
	uint32_t i;

	assert_int_equal(a->n, b->n);
	for (i = 0; i < a->n; i++) {
		assert_string_equal(a->symbols[i].name, b->symbols[i].name);
		assert_string_equal(a->symbols[i].file ? a->symbols[i].file : "",
				    b->symbols[i].file ? b->symbols[i].file : "");
		assert_int_equal(a->symbols[i].line, b->symbols[i].line);
		assert_int_equal(a->symbols[i].elf_addr, b->symbols[i].elf_addr);
		assert_int_equal(a->symbols[i].start, b->symbols[i].start);
		assert_int_equal(a->symbols[i].inlined, b->symbols[i].inlined);
		assert_int_equal(a->symbols[i].resolved, b->symbols[i].resolved);
	}
}

/* A symbolizer with this program as module 3, and something that a recording says of it. */
static struct symbolizer *of_this_program(const struct elf_file *ef, uint64_t packed_at)
{
	struct symbolizer_options options = {.local = true, .lines = true, .inlines = true};
	struct symbol packed = {.linkage = "_ZN3app5countEi", .file = "a.cc", .line = 7, .resolved = true};
	struct symbol_module module = {.kind = STINT_MODULE_FILE,
				       .path = "/proc/self/exe",
				       .build_id = ef->build_id,
				       .build_id_size = ef->build_id_size};
	struct symbolizer *s;

	assert_int_equal(symbolizer_new(&s, &options, NULL), 0);
	assert_int_equal(symbolizer_add_module(s, 3, &module, NULL), 0);
	assert_int_equal(symbolizer_add_chain(s, 3, packed_at, true, &(struct symbol_chain){&packed, 1}, NULL), 0);
	return s;
}

#define N_AT_ONCE 5000u

/* All at once gives what one by one gives: for this program, for no module, twice over, and where units are kept. */
static void test_lookup_all(void **state)
{
	static struct symbol_request requests[N_AT_ONCE];
	struct symbolizer *at_once, *singly;
	struct symbol_chain chain;
	struct elf_file *ef;
	uint64_t off;
	size_t i, round, n_lines = 0;

	(void)state;
	assert_int_equal(elf_file_open(&ef, "/proc/self/exe", NULL), 0);
	off = file_off_of(ef, "test_lookup_all") & ~UINT64_C(0xfff);
	at_once = of_this_program(ef, off + 4);
	singly = of_this_program(ef, off + 4);
	elf_file_close(ef);
	for (i = 0; i < N_AT_ONCE; i++)
		requests[i] = (struct symbol_request){
			.addr = off - 0x1000 + i * 7919 % 0x4000, .module = i % 17 ? 3 : 99, .exact = i % 3 != 0};
	requests[1].addr = requests[2].addr = requests[4].addr = off + 4; /* packed */
	requests[7] = requests[8];
	assert_int_equal(symbolizer_lookup_all(at_once, NULL, 0, NULL), 0);
	for (round = 0; round < 3; round++) { /* read once, kept, kept */
		assert_int_equal(symbolizer_lookup_all(at_once, requests, N_AT_ONCE, NULL), 0);
		for (i = 0; i < N_AT_ONCE; i++) {
			assert_int_equal(symbolizer_lookup(singly, requests[i].module, requests[i].addr,
							   requests[i].exact, &chain, NULL),
					 0);
			expect_same_chain(requests[i].chain, &chain);
			n_lines += chain.symbols[0].line != 0;
		}
	}
	assert_true(n_lines > N_AT_ONCE / 10);
	assert_string_equal(requests[1].chain->symbols[0].name, "app::count");
	symbolizer_free(at_once);
	symbolizer_free(singly);
}

static void test_other_build(void **state)
{
	struct symbolizer_options options = {.local = true, .lines = true, .inlines = true};
	struct symbol_module module = {.kind = STINT_MODULE_FILE,
				       .path = "/proc/self/exe",
				       .build_id = (const uint8_t *)"another build's id..",
				       .build_id_size = 20};
	struct symbol_source source;
	struct symbol_chain chain;
	struct symbolizer *s;

	(void)state;
	assert_int_equal(symbolizer_new(&s, &options, NULL), 0);
	assert_int_equal(symbolizer_add_module(s, 1, &module, NULL), 0);
	assert_int_equal(symbolizer_lookup(s, 1, 0x1234, true, &chain, NULL), 0);
	assert_string_equal(chain.symbols[0].name, "exe+0x1234");
	source = symbolizer_source(s, 1);
	assert_null(source.from);
	assert_string_equal(source.why, "build ID differs: /proc/self/exe");
	symbolizer_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addr_map),    cmocka_unit_test(test_symtab),
		cmocka_unit_test(test_demangle),    cmocka_unit_test(test_symbolizer),
		cmocka_unit_test(test_other_build), cmocka_unit_test(test_lookup_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
