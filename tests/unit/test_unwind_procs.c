/* SPDX-License-Identifier: MIT */
/* The bookkeeping behind the unwind tables, against simple models of it: runs of a space, mappings of a process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "record/unwind_extents.h"
#include "record/unwind_procs.h"

#define SPACE 1000u
#define STEPS 20000

struct run {
	uint32_t first, n;
};

/* What is taken never overlaps what is taken, nor what was given back a moment ago. */
static void test_extents(void **state)
{
	static uint64_t blocked_until[SPACE];
	struct unwind_extents e;
	struct run runs[64];
	uint32_t n_runs = 0, step, i;
	unsigned short seed[3] = {5, 6, 7};
	uint64_t now = 1;

	(void)state;
	memset(blocked_until, 0, sizeof(blocked_until));
	assert_int_equal(unwind_extents_init(&e, SPACE), 0);
	for (step = 0; step < STEPS; step++) {
		uint32_t n = 1 + (uint32_t)nrand48(seed) % 60, first;

		now += (uint64_t)nrand48(seed) % (UNWIND_QUARANTINE_NS / 10);
		if (nrand48(seed) % 2 && n_runs < 64 && unwind_extents_take(&e, n, now, &first)) {
			assert_true(first + n <= SPACE);
			for (i = first; i < first + n; i++) {
				assert_true(blocked_until[i] <= now);
				blocked_until[i] = UINT64_MAX;
			}
			runs[n_runs++] = (struct run){first, n};
		} else if (n_runs) {
			struct run run = runs[(uint32_t)nrand48(seed) % n_runs];

			for (i = 0; i < n_runs && runs[i].first != run.first; i++)
				;
			runs[i] = runs[--n_runs];
			unwind_extents_give(&e, run.first, run.n, now);
			for (i = run.first; i < run.first + run.n; i++)
				blocked_until[i] = now + UNWIND_QUARANTINE_NS;
		}
	}
	while (n_runs--)
		unwind_extents_give(&e, runs[n_runs].first, runs[n_runs].n, now);
	assert_int_equal(unwind_extents_largest(&e, now + UNWIND_QUARANTINE_NS), SPACE);
	assert_int_equal(e.n_used, 0);
	unwind_extents_done(&e);
	unwind_extents_done(NULL);
}

/* Mappings over mappings, in pages: each page shows the last one put over it, at the right offset. */
static void test_maps(void **state)
{
	enum { PAGES = 200 };
	static struct {
		struct unwind_file *file;
		uint64_t off, since;
	} pages[PAGES];
	struct unwind_file files[4] = {0};
	struct unwind_proc proc = {.pid = 1};
	unsigned short seed[3] = {8, 9, 10};
	uint32_t step, i, n_maps = 0;

	(void)state;
	memset(pages, 0, sizeof(pages));
	for (step = 0; step < 3000; step++) {
		uint64_t start = (uint64_t)nrand48(seed) % PAGES;
		uint64_t n = 1 + (uint64_t)nrand48(seed) % 20;
		uint64_t off = (uint64_t)nrand48(seed) % 1000;
		struct unwind_file *file = &files[nrand48(seed) % 4];
		bool replaces = false;

		if (start + n > PAGES)
			n = PAGES - start;
		assert_true(unwind_proc_map(
			&proc,
			&(struct unwind_map){
				.start = start << 12, .end = (start + n) << 12, .file_off = off << 12, .file = file},
			step + 1));
		assert_int_equal(proc.as_of_ns, step + 1);
		for (i = 0; i < n; i++)
			replaces |= pages[start + i].file != NULL;
		for (i = 0; i < n; i++) {
			pages[start + i].since = replaces ? step + 1 : 0;
			pages[start + i].file = file;
			pages[start + i].off = off + i;
		}
	}
	for (i = 0; i < PAGES; i++) {
		uint64_t addr = ((uint64_t)i << 12) + 5;
		const struct unwind_map *map = unwind_proc_find(&proc, addr);

		if (!pages[i].file) {
			assert_null(map);
			continue;
		}
		assert_non_null(map);
		assert_ptr_equal(map->file, pages[i].file);
		assert_int_equal(map->since_ns, pages[i].since);
		assert_int_equal(map->file_off + (addr - map->start), (pages[i].off << 12) + 5);
	}
	for (i = 0; i < 4; i++)
		n_maps += files[i].n_maps;
	assert_int_equal(n_maps, proc.n_maps);
	for (i = 1; i < proc.n_maps; i++)
		assert_true(proc.maps[i - 1].end <= proc.maps[i].start);
	unwind_proc_clear(&proc);
	for (i = 0; i < 4; i++)
		assert_int_equal(files[i].n_maps, 0);
	free(proc.maps);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_extents),
		cmocka_unit_test(test_maps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
