/* SPDX-License-Identifier: MIT */
/* The flame graph's tree grows along the recording's; it must be the one that each stack alone would give. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "analyze/flame_plant.h"
#include "tests/unit/analyze_util.h"

static const char *const no_lines[] = {NULL};

static char *folded(const struct flame *f)
{
	const struct flame_text text = {
		.title = "", .facts = no_lines, .notes = no_lines, .unit = "samples", .folded_unit = 1};
	char *out = NULL;
	size_t size;
	FILE *memory = open_memstream(&out, &size);

	assert_non_null(memory);
	assert_int_equal(flame_folded.write(f, &text, memory, NULL), 0);
	assert_int_equal(fclose(memory), 0);
	return out;
}

/* Every thread and stack from the root on. */
static char *one_by_one(struct util_model *u, enum view view, enum metric by)
{
	struct tally tally;
	struct flame f;
	char *text;
	size_t i;

	assert_int_equal(tally_collect(&tally, u->m, NULL, view, TALLY_THREAD_STACK, NULL), 0);
	assert_int_equal(flame_init(&f, NULL), 0);
	for (i = 0; i < tally.n; i++) {
		struct flame_frame frame = {.module = "", .kind = FLAME_THREAD};
		const struct located *stack;
		uint32_t n, id, node = 0;

		frame.name = comm_label(u->m, (uint32_t)(tally.rows[i].key >> 32));
		assert_int_equal(flame_frame(&f, &frame, &id, NULL), 0);
		assert_int_equal(flame_child(&f, node, id, &node, NULL), 0);
		assert_int_equal(functions_of_stack(&u->functions, (uint32_t)tally.rows[i].key, &stack, &n, NULL), 0);
		while (n-- > 0) {
			frame.name = u->functions.all[stack[n].function].name;
			frame.module = u->functions.all[stack[n].function].module;
			frame.kernel = stack[n].kernel;
			frame.kind = stack[n].kernel ? FLAME_KERNEL : FLAME_USER;
			assert_int_equal(flame_frame(&f, &frame, &id, NULL), 0);
			assert_int_equal(flame_child(&f, node, id, &node, NULL), 0);
		}
		flame_add(&f, node, tally.rows[i].sums.v[by], 0);
	}
	assert_int_equal(flame_finish(&f, NULL), 0);
	text = folded(&f);
	flame_done(&f);
	tally_done(&tally);
	return text;
}

static char *planted(struct util_model *u, enum view view, enum metric by)
{
	struct tally tally;
	struct flame f;
	char *text;

	assert_int_equal(tally_collect(&tally, u->m, NULL, view, TALLY_COMM_STACK, NULL), 0);
	assert_int_equal(flame_plant(&f, &tally, &u->functions, by, NULL), 0);
	text = folded(&f);
	flame_done(&f);
	tally_done(&tally);
	return text;
}

static void check_same(struct util_model *u, enum view view, enum metric by)
{
	char *want = one_by_one(u, view, by), *got = planted(u, view, by);

	assert_true(strlen(want) > 0);
	assert_string_equal(got, want);
	free(want);
	free(got);
}

static void test_random(void **state)
{
	uint64_t seed;

	(void)state;
	for (seed = 1; seed <= 5; seed++) {
		const struct random_recording r = {seed, 3000, 2000, 400, 30};
		struct util_model u;

		util_model_init(&u, &r);
		check_same(&u, VIEW_ON_CPU, METRIC_SAMPLES);
		check_same(&u, VIEW_OFF_CPU, METRIC_COUNT);
		util_model_done(&u);
	}
}

/* Stacks of the same nodes that differ in which frames are the kernel's; one deeper than any may be. */
static void test_odd_stacks(void **state)
{
	static const uint32_t n_kernel[] = {0, 1, 2, 3, 0, 100};
	struct random_recording r = {7, 200, 0, 30, 3};
	struct util_model u;
	uint32_t i;

	(void)state;
	util_model_init(&u, &r);
	assert_true(u.m->stacks.n > 20);
	for (i = 1; i < u.m->nodes.n; i++)
		u.m->nodes.rows[i].parent = i - 1;
	for (i = 1; i < u.m->stacks.n; i++) {
		u.m->stacks.rows[i].leaf = 1 + i % (u.m->nodes.n - 1);
		u.m->stacks.rows[i].n_kernel = n_kernel[i % 6];
	}
	check_same(&u, VIEW_ON_CPU, METRIC_SAMPLES);
	for (i = 1; i < u.m->stacks.n; i++)
		u.m->stacks.rows[i].leaf = 1 + i / 2 % 3;
	check_same(&u, VIEW_ON_CPU, METRIC_SAMPLES);
	util_model_done(&u);
	r = (struct random_recording){8, 2000, 0, 1500, 3};
	util_model_init(&u, &r);
	assert_true(u.m->nodes.n > STINT_MAX_STACK_DEPTH + 100);
	for (i = 1; i < u.m->nodes.n; i++)
		u.m->nodes.rows[i].parent = i - 1;
	check_same(&u, VIEW_ON_CPU, METRIC_SAMPLES);
	util_model_done(&u);
}

/* One name under two ids is one thread's name. */
static void test_equal_names(void **state)
{
	const struct random_recording r = {9, 200, 0, 30, 6};
	struct util_model u;
	struct tally tally;
	size_t i, n_names = 1;
	uint32_t k;

	(void)state;
	util_model_init(&u, &r);
	for (k = 1; k < u.m->threads.n; k++)
		u.m->threads.rows[k].comm_str = 1 + k % 2;
	u.m->strings.rows[2] = u.m->strings.rows[1];
	assert_int_equal(tally_collect(&tally, u.m, NULL, VIEW_ON_CPU, TALLY_COMM_STACK, NULL), 0);
	for (i = 1; i < tally.n; i++)
		n_names += tally.rows[i].key >> 32 != tally.rows[i - 1].key >> 32;
	assert_int_equal(n_names, 1);
	assert_int_equal(tally.rows[0].key >> 32, 1);
	tally_done(&tally);
	check_same(&u, VIEW_ON_CPU, METRIC_SAMPLES);
	util_model_done(&u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_odd_stacks),
		cmocka_unit_test(test_equal_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
