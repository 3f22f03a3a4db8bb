/* SPDX-License-Identifier: MIT */
/* Properties of sums: they are the same whichever way they are grouped, selected or cut into
 * windows. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "analyze/aggregate.h"
#include "analyze/call_tree.h"
#include "analyze/select.h"
#include "tests/unit/analyze_util.h"

static const struct random_recording recordings[] = {
	{.seed = 1, .n_samples = 3000, .n_offcpu = 3000, .n_stacks = 80, .n_threads = 12},
	{.seed = 2, .n_samples = 70000, .n_offcpu = 70000, .n_stacks = 500, .n_threads = 3},
	{.seed = 3, .n_samples = 1, .n_offcpu = 1, .n_stacks = 1, .n_threads = 1},
};

#define N_RECORDINGS (sizeof(recordings) / sizeof(recordings[0]))

static void assert_sums_equal(const struct metrics *a, const struct metrics *b)
{
	int i;

	for (i = 0; i < N_METRICS; i++)
		assert_int_equal(a->v[i], b->v[i]);
}

/* The totals by another way: row by row, in order, by one thread. */
static int add_samples(void *context, const struct stint_rows *rows, struct stint_err *err)
{
	const struct stint_sample *row = rows->rows;
	struct metrics *sums = context;
	size_t i;

	(void)err;
	for (i = 0; i < rows->n_rows; i++)
		sums->v[METRIC_SAMPLES] += row[i].weight;
	return 0;
}

static int add_intervals(void *context, const struct stint_rows *rows, struct stint_err *err)
{
	const struct stint_offcpu *row = rows->rows;
	struct metrics *sums = context;
	size_t i;

	(void)err;
	for (i = 0; i < rows->n_rows; i++) {
		uint64_t duration = row[i].end_ns - row[i].start_ns, blocked = duration;

		if (row[i].flags & STINT_OFFCPU_PREEMPTED)
			blocked = 0;
		else if (row[i].flags & STINT_OFFCPU_WOKEN)
			blocked = row[i].wake_ns - row[i].start_ns;
		sums->v[row[i].flags & STINT_OFFCPU_OPEN_END ? METRIC_OPEN : METRIC_COUNT]++;
		sums->v[METRIC_DURATION] += duration;
		sums->v[METRIC_BLOCKED] += blocked;
		sums->v[METRIC_RUNQUEUE] += duration - blocked;
		if (duration > sums->v[METRIC_MAX])
			sums->v[METRIC_MAX] = duration;
	}
	return 0;
}

static void check_group(struct util_model *u, enum view view, enum group_by group, const struct metrics *expected)
{
	struct metrics sum = {0};
	struct tally tally;
	struct table table;
	size_t i;
	int k;

	RANDOM_MUST(tally_collect(&tally, u->m, NULL, view, group_tally_key(group), err));
	assert_sums_equal(&tally.total, expected);
	RANDOM_MUST(table_make(&table, &tally, group, &u->labels, &u->functions, err));
	table_sort(&table, view == VIEW_ON_CPU ? METRIC_SAMPLES : METRIC_DURATION, false);
	for (i = 0; i < table.n; i++) {
		metrics_add(&sum, &table.rows[i].self);
		for (k = 0; k < N_METRICS; k++) {
			/* What is in a row is in its total, and no total is more than there is. */
			assert_true(table.rows[i].self.v[k] <= table.rows[i].total.v[k]);
			assert_true(table.rows[i].total.v[k] <= expected->v[k]);
		}
	}
	assert_sums_equal(&sum, expected);
	table_done(&table);
	tally_done(&tally);
}

static void sums_are_the_same_over_any_grouping(void **state)
{
	size_t r;
	int group;

	(void)state;
	for (r = 0; r < N_RECORDINGS; r++) {
		struct metrics on_cpu = {0}, off_cpu = {0};
		struct util_model u;

		util_model_init(&u, &recordings[r]);
		RANDOM_MUST(model_each_block(u.m, STINT_SAMPLE, add_samples, &on_cpu, err));
		RANDOM_MUST(model_each_block(u.m, STINT_OFFCPU, add_intervals, &off_cpu, err));
		assert_true(on_cpu.v[METRIC_SAMPLES] >= recordings[r].n_samples);
		assert_int_equal(off_cpu.v[METRIC_COUNT] + off_cpu.v[METRIC_OPEN], recordings[r].n_offcpu);
		for (group = 0; group < N_GROUPS; group++) {
			if (!group_is_of_offcpu((enum group_by)group))
				check_group(&u, VIEW_ON_CPU, (enum group_by)group, &on_cpu);
			check_group(&u, VIEW_OFF_CPU, (enum group_by)group, &off_cpu);
		}
		util_model_done(&u);
	}
}

/* A function's row has in total what the tree of its callers, and that of its callees, have at
 * their root. */
static void trees_agree_with_totals(void **state)
{
	struct util_model u;
	struct tally tally;
	struct table table;
	size_t i, k;
	int callers;

	(void)state;
	util_model_init(&u, &recordings[0]);
	RANDOM_MUST(tally_collect(&tally, u.m, NULL, VIEW_OFF_CPU, TALLY_STACK, err));
	RANDOM_MUST(table_make(&table, &tally, GROUP_SYMBOL, &u.labels, &u.functions, err));
	for (i = 0; i < table.n; i++) {
		/* f3_* are in two modules; a tree is of both. */
		if (!strncmp(table.rows[i].name, "f3_", 3))
			continue;
		for (callers = 0; callers < 2; callers++) {
			struct metrics selfs = {0};
			struct call_tree tree;

			RANDOM_MUST(call_tree_make(&tree, &tally, &u.functions, table.rows[i].name, callers,
						   METRIC_DURATION, err));
			assert_sums_equal(&tree.nodes[0].total, &table.rows[i].total);
			for (k = 0; k < tree.n; k++) {
				metrics_add(&selfs, &tree.nodes[k].self);
				if (k)
					assert_int_equal(tree.nodes[k].depth,
							 tree.nodes[tree.nodes[k].parent].depth + 1);
				assert_true(tree.nodes[k].parent <= k);
			}
			assert_sums_equal(&selfs, &table.rows[i].total);
			call_tree_done(&tree);
		}
	}
	table_done(&table);
	tally_done(&tally);
	util_model_done(&u);
}

static struct metrics sums_of(struct util_model *u, enum view view, const struct select_spec *spec)
{
	struct stint_err e = STINT_ERR_INIT;
	struct selection *sel = NULL;
	struct metrics total;
	struct tally tally;

	assert_int_equal(selection_new(&sel, spec, u->m, u->symbolizer, &e), 0);
	assert_int_equal(tally_collect(&tally, u->m, sel, view, TALLY_CPU, &e), 0);
	total = tally.total;
	tally_done(&tally);
	selection_free(sel);
	return total;
}

/* Windows side by side add up to the whole: nothing counts twice, and time is cut where a window
 * ends. */
static void windows_add_up(void **state)
{
	static const char *const cuts[] = {"0", "7%", "7.5%", "500us", "1.7ms", "83%", "100%"};
	struct select_spec all = {0};
	struct metrics whole[2], sum[2] = {{{0}}};
	struct util_model u;
	size_t i;
	int view, k;

	(void)state;
	util_model_init(&u, &recordings[0]);
	for (view = 0; view < 2; view++) {
		whole[view] = sums_of(&u, (enum view)view, &all);
		for (i = 0; i + 1 < sizeof(cuts) / sizeof(cuts[0]); i++) {
			struct select_spec spec = {0};
			struct metrics part;

			assert_true(parse_time_point(cuts[i], &spec.from));
			assert_true(parse_time_point(cuts[i + 1], &spec.to));
			part = sums_of(&u, (enum view)view, &spec);
			assert_true(part.v[METRIC_DURATION] == part.v[METRIC_BLOCKED] + part.v[METRIC_RUNQUEUE]);
			for (k = 0; k < N_METRICS; k++)
				sum[view].v[k] += part.v[k];
		}
	}
	assert_int_equal(sum[0].v[METRIC_SAMPLES], whole[0].v[METRIC_SAMPLES]);
	assert_int_equal(sum[1].v[METRIC_COUNT], whole[1].v[METRIC_COUNT]);
	assert_int_equal(sum[1].v[METRIC_DURATION], whole[1].v[METRIC_DURATION]);
	assert_int_equal(sum[1].v[METRIC_BLOCKED], whole[1].v[METRIC_BLOCKED]);
	assert_int_equal(sum[1].v[METRIC_RUNQUEUE], whole[1].v[METRIC_RUNQUEUE]);
	util_model_done(&u);
}

/* What an option selects and what its opposite selects are everything. */
static void selections_partition(void **state)
{
	const char *states[] = {"R", "SD"}, *cpus[] = {"0", "1-3"}, *tids[] = {"100,101", "102-200"};
	struct select_spec all = {0};
	struct metrics whole;
	struct util_model u;
	size_t i, k;

	(void)state;
	util_model_init(&u, &recordings[0]);
	whole = sums_of(&u, VIEW_OFF_CPU, &all);
	for (k = 0; k < 4; k++) {
		struct metrics sum = {0};

		for (i = 0; i < 2; i++) {
			struct select_spec spec = {0};
			struct metrics part;

			if (k == 0)
				assert_int_equal(string_list_add(&spec.states, states[i]), 0);
			else if (k == 1)
				assert_int_equal(string_list_add(&spec.cpus, cpus[i]), 0);
			else if (k == 2)
				assert_int_equal(string_list_add(&spec.tids, tids[i]), 0);
			else if (i == 0)
				spec.has_min = true, spec.min_ns = 10000;
			else
				spec.has_max = true, spec.max_ns = 9999;
			part = sums_of(&u, VIEW_OFF_CPU, &spec);
			assert_true(part.v[METRIC_COUNT] > 0);
			metrics_add(&sum, &part);
			select_spec_done(&spec);
		}
		assert_sums_equal(&sum, &whole);
	}
	util_model_done(&u);
}

struct brute {
	const struct selection *sel;
	uint64_t n_seen, n_events;
};

static int count_samples(void *context, const struct stint_rows *rows, struct stint_err *err)
{
	struct brute *b = context;
	size_t i;

	(void)err;
	for (i = 0; i < rows->n_rows; i++)
		b->n_events += selection_sample(b->sel, (const struct stint_sample *)rows->rows + i);
	b->n_seen += rows->n_rows;
	return 0;
}

static int count_intervals(void *context, const struct stint_rows *rows, struct stint_err *err)
{
	struct brute *b = context;
	size_t i;

	(void)err;
	for (i = 0; i < rows->n_rows; i++)
		b->n_events += selection_offcpu(b->sel, (const struct stint_offcpu *)rows->rows + i);
	b->n_seen += rows->n_rows;
	return 0;
}

static size_t blocks_decoded(const struct model *m, uint32_t table)
{
	size_t i, n = 0;

	for (i = 0; i < stint_reader_info(m->reader)->n_blocks; i++)
		n += stint_reader_block(m->reader, i)->table == table && m->block_seen[i];
	return n;
}

/* Blocks outside of a window aren't decoded, and nothing else is different for it. */
static void windows_skip_blocks(void **state)
{
	static const uint64_t windows[][2] = {{0, 1}, {0, 50}, {30, 31}, {49, 51}, {99, 100}};
	const struct random_recording r = {12, 300000, 300000, 20, 4};
	size_t i, k;

	(void)state;
	for (i = 0; i < 2 * sizeof(windows) / sizeof(windows[0]); i++) {
		enum view view = i % 2 ? VIEW_OFF_CPU : VIEW_ON_CPU;
		uint32_t table = view == VIEW_ON_CPU ? STINT_SAMPLE : STINT_OFFCPU;
		struct select_spec spec = {0};
		struct selection *sel;
		struct brute brute = {0};
		struct util_model u;
		struct tally tally;
		size_t n_decoded;

		util_model_init(&u, &r);
		for (k = 0; k < 2; k++) {
			struct time_point *point = k ? &spec.to : &spec.from;

			point->given = point->relative = true;
			point->value = windows[i / 2][k] * 10000000;
		}
		RANDOM_MUST(selection_new(&sel, &spec, u.m, NULL, err));
		RANDOM_MUST(tally_collect(&tally, u.m, sel, view, TALLY_STACK, err));
		n_decoded = blocks_decoded(u.m, table);
		brute.sel = sel;
		RANDOM_MUST(model_each_block(u.m, table, i % 2 ? count_intervals : count_samples, &brute, err));
		assert_true(tally.n_events > 0);
		assert_int_equal(tally.n_events, brute.n_events);
		assert_int_equal(tally.n_seen, brute.n_seen);
		assert_true(n_decoded < blocks_decoded(u.m, table));
		tally_done(&tally);
		selection_free(sel);
		util_model_done(&u);
	}
}

/* Selecting by a function's name leaves what that function has in total. */
static void symbols_select_totals(void **state)
{
	struct util_model u;
	struct tally tally;
	struct table table;
	size_t i;

	(void)state;
	util_model_init(&u, &recordings[0]);
	RANDOM_MUST(tally_collect(&tally, u.m, NULL, VIEW_ON_CPU, TALLY_STACK, err));
	RANDOM_MUST(table_make(&table, &tally, GROUP_SYMBOL, &u.labels, &u.functions, err));
	for (i = 0; i < table.n; i++) {
		struct select_spec spec = {0};
		struct metrics part;
		char re[64];

		if (strncmp(table.rows[i].name, "f1_", 3))
			continue;
		snprintf(re, sizeof(re), "^%s$", table.rows[i].name);
		assert_int_equal(string_list_add(&spec.symbols, re), 0);
		part = sums_of(&u, VIEW_ON_CPU, &spec);
		assert_sums_equal(&part, &table.rows[i].total);
		select_spec_done(&spec);
	}
	table_done(&table);
	tally_done(&tally);
	util_model_done(&u);
}

/* The file may have one name under several ids: it is one name all the same. */
static void equal_names_are_one_thread(void **state)
{
	const struct random_recording r = {9, 300, 0, 20, 4};
	struct util_model u;
	struct tally tally;
	struct table table;
	uint32_t i;

	(void)state;
	util_model_init(&u, &r);
	u.m->strings.rows[2] = u.m->strings.rows[1];
	for (i = 1; i < u.m->threads.n; i++) {
		u.m->threads.rows[i] = u.m->threads.rows[1];
		u.m->threads.rows[i].comm_str = 1 + i % 2;
	}
	assert_int_equal(tally_collect(&tally, u.m, NULL, VIEW_ON_CPU, TALLY_THREAD, NULL), 0);
	assert_true(tally.n > 1);
	assert_int_equal(table_make(&table, &tally, GROUP_THREAD, &u.labels, &u.functions, NULL), 0);
	assert_int_equal(table.n, 1);
	table_done(&table);
	tally_done(&tally);
	util_model_done(&u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sums_are_the_same_over_any_grouping),
		cmocka_unit_test(trees_agree_with_totals),
		cmocka_unit_test(windows_add_up),
		cmocka_unit_test(selections_partition),
		cmocka_unit_test(windows_skip_blocks),
		cmocka_unit_test(symbols_select_totals),
		cmocka_unit_test(equal_names_are_one_thread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
