/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "record/batch.h"

static void add(struct batch *batch, uint64_t time_ns, uint32_t tid)
{
	struct event_sample event = {.h = {.type = EVENT_SAMPLE, .tid = tid, .time_ns = time_ns}};

	assert_int_equal(batch_add(batch, &event, sizeof(event), NULL), 0);
}

static void check_sorted(const struct batch *batch)
{
	size_t i;

	for (i = 1; i < batch->n; i++) {
		assert_true(batch->events[i - 1].h.time_ns <= batch->events[i].h.time_ns);
	}
}

/* A little disorder, and as much as there can be. */
static void test_sort(void **state)
{
	struct batch batch;
	uint32_t i;

	(void)state;
	assert_int_equal(batch_init(&batch, NULL), 0);
	for (i = 0; i < 1000; i++)
		add(&batch, i ^ 3, i);
	batch_sort(&batch);
	check_sorted(&batch);
	batch_remove(&batch, 998);
	assert_int_equal(batch.n, 2);
	assert_int_equal(batch.events[0].h.time_ns, 998);
	for (i = 0; i < 10000; i++)
		add(&batch, 20000 - i, i);
	batch_sort(&batch);
	check_sorted(&batch);
	assert_int_equal(batch.n, 10002);
	batch_done(&batch);
}

static void test_malformed(void **state)
{
	struct event_offcpu event = {.h = {.type = EVENT_OFFCPU}};
	struct batch batch;

	(void)state;
	assert_int_equal(batch_init(&batch, NULL), 0);
	assert_int_not_equal(batch_add(&batch, &event, sizeof(event) - 1, NULL), 0);
	assert_int_not_equal(batch_add(&batch, &event, 3, NULL), 0);
	event.h.type = 99;
	assert_int_not_equal(batch_add(&batch, &event, sizeof(event), NULL), 0);
	assert_int_equal(batch.n, 0);
	batch_done(&batch);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_sort), cmocka_unit_test(test_malformed)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
