/* SPDX-License-Identifier: MIT */
/* Events in time order: whatever the order in the file, however blocks overlap, and without holding all of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "analyze/replay.h"
#include "base/buf.h"
#include "format/writer.h"

#define START_NS 1000000000u

struct recording {
	struct stint_buf bytes;
	struct stint_writer *writer;
	uint32_t thread;
};

static int append(void *context, const void *data, size_t size, struct stint_err *err)
{
	struct stint_buf *buf = context;

	(void)err;
	stint_buf_bytes(buf, data, size);
	return stint_buf_status(buf);
}

static void begin(struct recording *rec)
{
	const struct stint_writer_options options = {.recording_id = {1}};
	struct stint_process process = {.pid = 10};
	struct stint_thread thread = {.tid = 10};
	struct stint_sink sink = {.write = append, .context = &rec->bytes};

	stint_buf_init(&rec->bytes, 1 << 28);
	assert_int_equal(stint_writer_new(&rec->writer, &options, sink, NULL), 0);
	assert_int_equal(stint_writer_intern(rec->writer, STINT_PROCESS, &process, &thread.process, NULL), 0);
	assert_int_equal(stint_writer_intern(rec->writer, STINT_THREAD, &thread, &rec->thread, NULL), 0);
}

static void add_sample(struct recording *rec, uint64_t time_ns)
{
	struct stint_sample row = {.time_ns = START_NS + time_ns, .weight = 1, .thread = rec->thread};

	assert_int_equal(stint_writer_add(rec->writer, STINT_SAMPLE, &row, NULL), 0);
}

static void add_offcpu(struct recording *rec, uint64_t start_ns, uint64_t end_ns)
{
	struct stint_offcpu row = {.start_ns = START_NS + start_ns, .end_ns = START_NS + end_ns, .thread = rec->thread};

	assert_int_equal(stint_writer_add(rec->writer, STINT_OFFCPU, &row, NULL), 0);
}

static void add_task(struct recording *rec, uint64_t time_ns)
{
	struct stint_task row = {.time_ns = START_NS + time_ns, .kind = STINT_TASK_COMM, .thread = rec->thread};

	assert_int_equal(stint_writer_add(rec->writer, STINT_TASK, &row, NULL), 0);
}

static void add_loss(struct recording *rec, uint64_t from_ns, uint64_t to_ns)
{
	struct stint_loss row = {
		.from_ns = START_NS + from_ns, .to_ns = START_NS + to_ns, .count = 1, .cause = STINT_LOSS_RING_FULL};

	assert_int_equal(stint_writer_add(rec->writer, STINT_LOSS, &row, NULL), 0);
}

static void flush(struct recording *rec)
{
	assert_int_equal(stint_writer_flush(rec->writer, NULL), 0);
}

static struct model *finish(struct recording *rec)
{
	struct model *m;

	assert_int_equal(stint_writer_finish(rec->writer, NULL), 0);
	stint_writer_free(rec->writer);
	assert_int_equal(stint_buf_status(&rec->bytes), 0);
	assert_int_equal(model_open_memory(&m, rec->bytes.data, rec->bytes.len, NULL), 0);
	return m;
}

static void done(struct recording *rec, struct model *m)
{
	model_free(m);
	stint_buf_done(&rec->bytes);
}

/* Reads all events; checks their order; counts them by kind. */
static void drain(struct model *m, uint64_t counts[4], size_t *ret_max_open)
{
	struct replay_event event;
	uint64_t last_ns = 0;
	struct replay *r;
	int code;

	memset(counts, 0, 4 * sizeof(*counts));
	assert_int_equal(replay_new(&r, m, NULL, NULL), 0);
	while ((code = replay_next(r, &event, NULL)) == 1) {
		assert_true(event.time_ns >= last_ns);
		last_ns = event.time_ns;
		counts[event.kind]++;
	}
	assert_int_equal(code, 0);
	assert_int_equal(replay_next(r, &event, NULL), 0); /* the end stays the end */
	*ret_max_open = replay_max_open_blocks(r);
	replay_free(r);
}

static void empty(void **state)
{
	struct recording rec;
	uint64_t counts[4];
	size_t max_open;
	struct model *m;

	(void)state;
	begin(&rec);
	m = finish(&rec);
	drain(m, counts, &max_open);
	assert_int_equal(max_open, 0);
	done(&rec, m);
}

static void kinds_at_the_same_time(void **state)
{
	static const enum replay_kind want[] = {REPLAY_TASK, REPLAY_SAMPLE, REPLAY_OFFCPU, REPLAY_LOSS};
	struct replay_event event;
	struct recording rec;
	struct replay *r;
	struct model *m;
	size_t i;

	(void)state;
	begin(&rec);
	add_loss(&rec, 0, 50);
	add_offcpu(&rec, 10, 50);
	add_sample(&rec, 50);
	add_task(&rec, 50);
	m = finish(&rec);
	assert_int_equal(replay_new(&r, m, NULL, NULL), 0);
	for (i = 0; i < 4; i++) {
		assert_int_equal(replay_next(r, &event, NULL), 1);
		assert_int_equal(event.kind, want[i]);
		assert_int_equal(event.time_ns, START_NS + 50);
	}
	assert_int_equal(replay_next(r, &event, NULL), 0);
	replay_free(r);
	done(&rec, m);
}

/* Blocks that overlap a little, and sleeps as long as the whole recording: only a few blocks at a time. */
static void holds_few_blocks(void **state)
{
	uint64_t seed = 3, counts[4], t, n = 0;
	struct recording rec;
	size_t max_open;
	struct model *m;

	(void)state;
	begin(&rec);
	for (t = 0; t < 200; t++) {
		for (int i = 0; i < 100; i++) {
			seed = seed * 6364136223846793005u + 1442695040888963407u;
			add_sample(&rec, t * 1000 + (seed >> 33) % 1500);
			add_offcpu(&rec, t * 1000 - (t ? (seed >> 40) % 1000 : 0), t * 1000 + (seed >> 33) % 1500);
			n++;
		}
		/* Off the CPU since the beginning. */
		add_offcpu(&rec, 0, t * 1000 + 500);
		add_task(&rec, t * 1000);
		if (t % 50 == 0)
			add_loss(&rec, t * 1000, t * 1000 + 1000);
		flush(&rec);
	}
	m = finish(&rec);
	drain(m, counts, &max_open);
	assert_int_equal(counts[REPLAY_SAMPLE], n);
	assert_int_equal(counts[REPLAY_OFFCPU], n + 200);
	assert_int_equal(counts[REPLAY_TASK], 200);
	assert_int_equal(counts[REPLAY_LOSS], 4);
	assert_in_range(max_open, 1, 9);
	done(&rec, m);
}

/* Blocks in no order at all: still sorted. */
static void any_order(void **state)
{
	uint64_t seed = 5, counts[4];
	struct recording rec;
	size_t max_open;
	struct model *m;

	(void)state;
	begin(&rec);
	for (int i = 0; i < 2000; i++) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		add_sample(&rec, (seed >> 33) % 1000000);
		if (i % 50 == 0)
			flush(&rec);
	}
	m = finish(&rec);
	drain(m, counts, &max_open);
	assert_int_equal(counts[REPLAY_SAMPLE], 2000);
	done(&rec, m);
}

/* A damaged block costs its own events and is counted once, though off-CPU blocks are read twice. */
static void damage(void **state)
{
	const struct stint_block_info *block;
	struct recording rec;
	uint64_t counts[4];
	size_t max_open, i;
	struct model *m;

	(void)state;
	begin(&rec);
	for (uint64_t t = 0; t < 3; t++) {
		add_offcpu(&rec, t * 100, t * 100 + 50);
		add_sample(&rec, t * 100);
		flush(&rec);
	}
	m = finish(&rec);
	for (i = 0;; i++) {
		block = stint_reader_block(m->reader, i);
		if (block->table == STINT_OFFCPU && block->t_min_ns >= START_NS + 100)
			break;
	}
	rec.bytes.data[block->file_off + STINT_BLOCK_HEADER_BYTES] ^= 1;
	drain(m, counts, &max_open);
	assert_int_equal(counts[REPLAY_OFFCPU], 2);
	assert_int_equal(counts[REPLAY_SAMPLE], 3);
	assert_int_equal(m->n_damaged_blocks, 1);
	done(&rec, m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(empty),
		cmocka_unit_test(kinds_at_the_same_time),
		cmocka_unit_test(holds_few_blocks),
		cmocka_unit_test(any_order),
		cmocka_unit_test(damage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
