/* SPDX-License-Identifier: MIT */
/* Mappings that overlap in every way, against a model that remembers each page on its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "record/exec_maps.h"

#define PAGE	 4096u
#define N_PAGES	 64u
#define N_ROUNDS 400
#define N_STEPS	 60

struct page {
	uint32_t module; /* 0: not mapped */
	uint64_t file_off;
};

static uint64_t seed = 0x5717b4a1;

static uint32_t random_below(uint32_t n)
{
	seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return (uint32_t)(seed >> 33) % n;
}

/* Odd modules are files, even ones anonymous. */
static struct exec_map random_map(void)
{
	uint32_t first = random_below(N_PAGES);
	uint32_t n = 1 + random_below(random_below(4) ? 6 : N_PAGES - first);
	uint32_t module = 1 + random_below(4);
	struct exec_map map = {.start = first * PAGE, .module = module, .linear = module & 1};

	if (first + n > N_PAGES)
		n = N_PAGES - first;
	map.end = map.start + n * PAGE;
	/* Often the file is mapped as it was before, so that pieces join again. */
	if (map.linear)
		map.file_off = random_below(2) ? map.start : random_below(8) * PAGE;
	return map;
}

static void model_add(struct page *pages, const struct exec_map *map)
{
	uint64_t addr;

	for (addr = map->start; addr < map->end; addr += PAGE)
		pages[addr / PAGE] = (struct page){map->module, map->linear ? map->file_off + (addr - map->start) : 0};
}

static void compare(const struct exec_maps *em, const struct page *pages)
{
	uint32_t i;

	for (i = 0; i < N_PAGES * 2; i++) { /* also behind the last one, and in the middle of each page */
		uint64_t addr = i * (uint64_t)PAGE + (i % 2 ? PAGE / 2 : 0);
		const struct exec_map *map = exec_maps_find(em, addr);
		const struct page *page = i < N_PAGES ? &pages[i] : NULL;

		assert_int_equal(map ? map->module : 0, page ? page->module : 0);
		if (map && map->linear)
			assert_int_equal(map->file_off + (addr - map->start), page->file_off + addr % PAGE);
	}
	for (i = 0; i < em->n; i++) {
		assert_true(em->maps[i].start < em->maps[i].end);
		if (i)
			assert_true(em->maps[i - 1].end <= em->maps[i].start);
	}
	assert_true(em->n <= em->cap);
}

static void overlaps_agree_with_a_model(void **state)
{
	int round, step;

	(void)state;
	for (round = 0; round < N_ROUNDS; round++) {
		struct exec_maps *em = exec_maps_new();
		struct page pages[N_PAGES] = {{0, 0}};

		assert_non_null(em);
		for (step = 0; step < N_STEPS; step++) {
			struct exec_map map = random_map();
			struct page before[N_PAGES];
			bool changed;

			memcpy(before, pages, sizeof(pages));
			model_add(pages, &map);
			assert_int_equal(exec_maps_add(&em, &map, &changed), 0);
			assert_int_equal(changed, memcmp(before, pages, sizeof(pages)) != 0);
			compare(em, pages);
		}
		exec_maps_put(em);
	}
}

static void a_fork_keeps_what_it_had(void **state)
{
	struct exec_map map = {.start = PAGE, .end = 9 * PAGE, .file_off = 0, .module = 1, .linear = 1};
	struct exec_map over = {.start = 3 * PAGE, .end = 4 * PAGE, .module = 2};
	struct exec_maps *parent = exec_maps_new();
	struct exec_maps *child;

	(void)state;
	assert_int_equal(exec_maps_add(&parent, &map, NULL), 0);
	child = exec_maps_share(parent);
	assert_ptr_equal(child, parent);
	assert_int_equal(exec_maps_add(&child, &over, NULL), 0);
	assert_ptr_not_equal(child, parent);
	assert_int_equal(exec_maps_find(parent, 3 * PAGE)->module, 1);
	assert_int_equal(exec_maps_find(child, 3 * PAGE)->module, 2);
	assert_int_equal(exec_maps_find(child, 4 * PAGE)->module, 1);
	assert_int_equal(exec_maps_find(child, 4 * PAGE)->file_off, 3 * PAGE);
	exec_maps_put(parent);
	exec_maps_put(child);
}

static void repeated_and_adjoining_ones_need_no_room(void **state)
{
	struct exec_maps *em = exec_maps_new();
	bool changed = false;
	uint32_t i;

	(void)state;
	for (i = 0; i < 4 * EXEC_MAPS_MAX; i++) { /* a JIT compiler that asks for page after page */
		struct exec_map map = {.start = i * (uint64_t)PAGE, .end = (i + 1) * (uint64_t)PAGE, .module = 2};

		assert_int_equal(exec_maps_add(&em, &map, &changed), 0);
		assert_true(changed);
		assert_int_equal(exec_maps_add(&em, &map, &changed), 0);
		assert_false(changed);
	}
	assert_int_equal(em->n, 1);
	exec_maps_put(em);
}

static void what_replaces_other_code_is_told(void **state)
{
	struct exec_maps *em = exec_maps_new();
	struct exec_map map = {.start = 8 * PAGE, .end = 12 * PAGE, .file_off = 2 * PAGE, .module = 1, .linear = true};
	struct exec_map part = {.start = 9 * PAGE, .end = 10 * PAGE, .file_off = 3 * PAGE, .module = 1, .linear = true};

	(void)state;
	assert_false(exec_maps_replaces(em, &map));
	assert_int_equal(exec_maps_add(&em, &map, NULL), 0);
	assert_false(exec_maps_replaces(em, &map));
	assert_false(exec_maps_replaces(em, &part));
	part.file_off = 0;
	assert_true(exec_maps_replaces(em, &part));
	map.module = 2;
	assert_true(exec_maps_replaces(em, &map));
	map.start = 12 * PAGE;
	map.end = 13 * PAGE;
	assert_false(exec_maps_replaces(em, &map)); /* behind it */
	map.start = 11 * PAGE;
	assert_true(exec_maps_replaces(em, &map));
	exec_maps_put(em);
}

static void there_is_a_limit(void **state)
{
	struct exec_maps *em = exec_maps_new();
	struct exec_map map = {.module = 2};
	uint32_t i;
	int ret = 0;

	(void)state;
	for (i = 0; !ret && i <= EXEC_MAPS_MAX; i++) {
		map.start = 2 * i * (uint64_t)PAGE;
		map.end = map.start + PAGE;
		ret = exec_maps_add(&em, &map, NULL);
	}
	assert_int_equal(ret, STINT_ERR_LIMIT);
	assert_int_equal(em->n, EXEC_MAPS_MAX);
	assert_null(exec_maps_find(em, map.start));
	assert_non_null(exec_maps_find(em, map.start - 2 * PAGE));
	exec_maps_put(em);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(overlaps_agree_with_a_model),
		cmocka_unit_test(a_fork_keeps_what_it_had),
		cmocka_unit_test(repeated_and_adjoining_ones_need_no_room),
		cmocka_unit_test(what_replaces_other_code_is_told),
		cmocka_unit_test(there_is_a_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
