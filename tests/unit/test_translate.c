/* SPDX-License-Identifier: MIT */
/* Events as BPF sends them, through real processes' tables and a real writer, and the rows read
 * back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "format/reader.h"
#include "record/translate.h"

#define START_NS  1000000u
#define LISTED_NS 1100000u
#define END_NS	  9000000u

struct fixture {
	struct stint_buf file;
	struct stint_writer *writer;
	struct kernel_syms *kernel;
	struct windows *windows;
	struct translate tr;
	bool finished;
};

static int to_buffer(void *context, const void *data, size_t size, struct stint_err *err)
{
	struct stint_buf *buf = context;

	stint_buf_bytes(buf, data, size);
	return stint_buf_status(buf) ? stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory") : 0;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct stint_writer_options options = {.compression_level = 0};

	assert_non_null(f);
	stint_buf_init(&f->file, 64 << 20);
	assert_int_equal(stint_writer_new(&f->writer, &options, (struct stint_sink){to_buffer, &f->file}, NULL), 0);
	assert_int_equal(tasks_new(&f->tr.tasks, f->writer, NULL), 0);
	assert_int_equal(kernel_syms_new(&f->kernel, f->writer, true, NULL), 0);
	assert_int_equal(windows_new(&f->windows, f->writer, f->tr.tasks, NULL), 0);
	assert_int_equal(stacks_new(&f->tr.stacks, f->writer, f->tr.tasks, f->kernel, f->windows, NULL), 0);
	assert_int_equal(asleep_new(&f->tr.asleep, NULL), 0);
	f->tr.writer = f->writer;
	f->tr.start_ns = START_NS;
	f->tr.listed_ns = LISTED_NS;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	translate_done(&f->tr);
	asleep_free(f->tr.asleep);
	stacks_free(f->tr.stacks);
	windows_free(f->windows);
	kernel_syms_free(f->kernel);
	tasks_free(f->tr.tasks);
	stint_writer_free(f->writer);
	stint_buf_done(&f->file);
	free(f);
	return 0;
}

/* Every row of a table that was written; the caller frees them. */
static void *read_rows(struct fixture *f, uint32_t table, size_t row_bytes, size_t *ret_n)
{
	struct stint_rows rows = {0};
	struct stint_reader *reader;
	uint8_t *all = NULL;
	size_t i;

	*ret_n = 0;
	if (!f->finished)
		assert_int_equal(stint_writer_finish(f->writer, NULL), 0);
	f->finished = true;
	assert_int_equal(stint_reader_open_memory(&reader, f->file.data, f->file.len, NULL), 0);
	for (i = 0; i < stint_reader_info(reader)->n_blocks; i++) {
		if (stint_reader_block(reader, i)->table != table)
			continue;
		assert_int_equal(stint_reader_decode(reader, i, &rows, NULL), 0);
		all = realloc(all, (*ret_n + rows.n_rows) * row_bytes);
		assert_non_null(all);
		memcpy(all + *ret_n * row_bytes, rows.rows, rows.n_rows * row_bytes);
		*ret_n += rows.n_rows;
	}
	stint_rows_done(&rows);
	stint_reader_free(reader);
	return all;
}

static void send_stack_as(struct fixture *f, uint64_t hash, const uint64_t *frames, uint16_t n, uint8_t flags,
			  uint8_t end)
{
	struct {
		struct event_stack stack;
		uint64_t frames[EVENT_MAX_FRAMES];
	} message = {.stack = {.h = {.type = EVENT_STACK, .flags = flags}, .hash = hash, .n_frames = n}};

	message.stack.pid = (uint32_t)getpid();
	message.stack.end = end;
	memcpy(message.frames, frames, n * sizeof(*frames));
	assert_int_equal(stacks_add(f->tr.stacks, &message.stack, sizeof(message.stack) + n * sizeof(*frames), NULL),
			 0);
}

static void send_stack(struct fixture *f, uint64_t hash, const uint64_t *frames, uint16_t n)
{
	send_stack_as(f, hash, frames, n, EVENT_STACK_EXACT, STINT_USER_FP_END);
}

static void send_sample(struct fixture *f, uint64_t time_ns, uint64_t user_stack)
{
	struct event_sample event = {.h = {.type = EVENT_SAMPLE, .time_ns = time_ns}, .period = 7};

	event.pid = event.h.tid = (uint32_t)getpid();
	event.user_stack = user_stack;
	assert_int_equal(translate_event(&f->tr, &event.h, NULL), 0);
}

static struct event_offcpu interval(uint64_t start_ns, uint64_t wake_ns, uint64_t end_ns, uint8_t flags)
{
	struct event_offcpu event = {
		.h = {.type = EVENT_OFFCPU, .flags = flags, .cpu = 3, .time_ns = end_ns},
		.start_ns = start_ns,
		.wake_ns = wake_ns,
		.state = 0x2001, /* asleep and freezable */
		.syscall = 230,
		.cpu_out = EVENT_NO_CPU,
		.kernel_end = STINT_KERNEL_NOT_TAKEN,
		.user_end = STINT_USER_NOT_TAKEN,
	};

	event.pid = event.h.tid = (uint32_t)getpid();
	return event;
}

static void send_interval(struct fixture *f, struct event_offcpu event)
{
	assert_int_equal(translate_event(&f->tr, &event.h, NULL), 0);
}

/* A stack is sent once; what never arrived is counted, and the event stays. */
static void test_stacks(void **state)
{
	struct fixture *f = *state;
	const uint64_t frames[] = {(uintptr_t)test_stacks, (uintptr_t)setup};
	struct stint_sample *samples;
	struct stint_stack *stacks;
	size_t n;

	send_stack(f, 11, frames, 2);
	send_sample(f, 1, 11);
	send_sample(f, 2, 11);
	send_sample(f, 3, 13);
	assert_int_equal(f->tr.samples_without_stack, 1);
	samples = read_rows(f, STINT_SAMPLE, sizeof(*samples), &n);
	assert_int_equal(n, 3);
	assert_int_equal(samples[0].stack, samples[1].stack);
	assert_int_not_equal(samples[0].stack, samples[2].stack);
	assert_int_equal(samples[0].value, 7);
	assert_int_equal(samples[0].weight, 1);
	stacks = read_rows(f, STINT_STACK, sizeof(*stacks), &n);
	assert_int_equal(n, 2);
	assert_int_equal(stacks[samples[0].stack - 1].user_end, STINT_USER_FP_END);
	assert_int_equal(stacks[samples[2].stack - 1].user_end, STINT_USER_NOT_TAKEN);
	assert_int_equal(stacks[samples[2].stack - 1].leaf, 0);
	free(samples);
	free(stacks);
}

/* A walk that was made up for takes the place of the one that its sample was sent with, unless that is used already. */
static void test_late_stacks(void **state)
{
	const uint8_t late = EVENT_STACK_EXACT | EVENT_STACK_LATE;
	struct fixture *f = *state;
	const uint64_t frames[] = {(uintptr_t)test_late_stacks, (uintptr_t)setup, (uintptr_t)send_stack};
	struct stint_sample *samples;
	struct stint_stack *stacks;
	size_t n, i;

	send_stack_as(f, 21, frames, 1, EVENT_STACK_EXACT, STINT_USER_UNREADABLE);
	send_stack_as(f, 23, frames, 1, EVENT_STACK_EXACT, STINT_USER_UNREADABLE);
	stacks_rotate(f->tr.stacks);
	send_stack_as(f, 25, frames, 1, EVENT_STACK_EXACT, STINT_USER_UNREADABLE);
	send_stack_as(f, 21, frames, 3, late, STINT_USER_COMPLETE);
	send_stack_as(f, 25, frames, 3, late, STINT_USER_COMPLETE);
	send_stack_as(f, 27, frames, 3, late, STINT_USER_COMPLETE); /* nobody waits for it */
	for (i = 0; i < 4; i++)
		send_sample(f, i, 21 + 2 * i);
	send_stack_as(f, 23, frames, 3, late, STINT_USER_COMPLETE);
	send_sample(f, 4, 23);
	assert_int_equal(f->tr.samples_without_stack, 1);
	samples = read_rows(f, STINT_SAMPLE, sizeof(*samples), &n);
	assert_int_equal(n, 5);
	stacks = read_rows(f, STINT_STACK, sizeof(*stacks), &n);
	assert_int_equal(stacks[samples[0].stack - 1].user_end, STINT_USER_COMPLETE);
	assert_int_equal(stacks[samples[1].stack - 1].user_end, STINT_USER_UNREADABLE);
	assert_int_equal(samples[2].stack, samples[0].stack);
	assert_int_equal(stacks[samples[3].stack - 1].user_end, STINT_USER_NOT_TAKEN);
	assert_int_equal(samples[4].stack, samples[1].stack);
	free(samples);
	free(stacks);
}

/* When the kernel's memory of sent stacks is emptied, events on their way still find theirs. */
static void test_generations(void **state)
{
	struct fixture *f = *state;
	const uint64_t frame = (uintptr_t)test_generations;

	send_stack(f, 21, &frame, 1);
	stacks_rotate(f->tr.stacks);
	send_sample(f, 1, 21);
	assert_int_equal(f->tr.samples_without_stack, 0);
	stacks_rotate(f->tr.stacks);
	stacks_rotate(f->tr.stacks);
	send_sample(f, 2, 21);
	assert_int_equal(f->tr.samples_without_stack, 1);
	send_stack(f, 21, &frame, 1);
	send_sample(f, 3, 21);
	assert_int_equal(f->tr.samples_without_stack, 1);
}

/* A window's first chunk: its words count from word on. */
static void send_window(struct fixture *f, uint64_t hash, uint16_t n_words, uint64_t word)
{
	struct {
		struct event_window window;
		uint64_t words[EVENT_CHUNK_BYTES / 8];
	} chunk = {0};
	uint16_t i;

	chunk.window.stack.h.type = EVENT_STACK;
	chunk.window.stack.h.flags = EVENT_STACK_EXACT | EVENT_STACK_WINDOW;
	chunk.window.stack.h.time_ns = 5;
	chunk.window.stack.hash = hash;
	chunk.window.stack.pid = (uint32_t)getpid();
	chunk.window.stack.n_frames = n_words;
	chunk.window.ip = (uintptr_t)send_window;
	chunk.window.regs[STINT_WINDOW_SP] = 4096;
	for (i = 0; i < n_words; i++)
		chunk.words[i] = word + i;
	assert_int_equal(stacks_add(f->tr.stacks, &chunk.window.stack, sizeof(chunk.window) + n_words * 8u, NULL), 0);
}

static void send_more(struct fixture *f, uint64_t hash, uint8_t number, uint16_t n_words, uint64_t word)
{
	struct {
		struct event_stack more;
		uint64_t words[EVENT_CHUNK_BYTES / 8];
	} chunk = {0};
	uint16_t i;

	chunk.more.h.type = EVENT_STACK;
	chunk.more.h.flags = EVENT_STACK_MORE;
	chunk.more.hash = hash;
	chunk.more.chunk = number;
	chunk.more.n_frames = n_words;
	for (i = 0; i < n_words; i++)
		chunk.words[i] = word + i;
	assert_int_equal(stacks_add(f->tr.stacks, &chunk.more, sizeof(chunk.more) + n_words * 8u, NULL), 0);
}

/*
 * A copied stack has a node like no other, which every stack that names it stands on, and one window.
 * Its chunks are put together; those behind a lost one are of no use.
 */
static void test_windows(void **state)
{
	const uint16_t full = EVENT_CHUNK_BYTES / 8;
	struct fixture *f = *state;
	struct stint_window *windows;
	struct stint_sample *samples;
	struct stint_stack *stacks;
	struct event_stack marker = {.h = {.type = EVENT_STACK, .time_ns = 5}, .hash = 35};
	struct event_sample event = {.h = {.type = EVENT_SAMPLE, .time_ns = 6}, .user_stack = 31};
	uint64_t word;
	size_t n;

	send_window(f, 31, full, 100);
	send_more(f, 31, 1, 2, 100 + full);
	send_window(f, 33, full, 100);
	send_more(f, 33, 2, 2, 100 + 2 * full);
	send_window(f, 35, 1, 7); /* nobody has named it by its time */
	assert_true(stacks_window_bytes(f->tr.stacks) > 2 * EVENT_CHUNK_BYTES);
	send_sample(f, 6, 31);
	send_sample(f, 7, 33);
	assert_int_equal(translate_event(&f->tr, &marker.h, NULL), 0);
	event.pid = event.h.tid = (uint32_t)getpid();
	event.kernel_stack = 2; /* lost: another stack on the same window */
	assert_int_equal(translate_event(&f->tr, &event.h, NULL), 0);
	assert_int_equal(stacks_window_bytes(f->tr.stacks), 0);
	windows = read_rows(f, STINT_WINDOW, sizeof(*windows), &n);
	assert_int_equal(n, 3);
	/* Their bytes are gone with the reader: sizes are left. */
	assert_int_equal(windows[0].bytes.size, (full + 2) * 8);
	assert_int_equal(windows[1].bytes.size, full * 8);
	assert_int_equal(windows[2].bytes.size, 8);
	assert_int_equal(windows[0].time_ns, 5);
	assert_int_equal(windows[0].ip, (uintptr_t)send_window);
	assert_int_equal(windows[0].regs[STINT_WINDOW_SP], 4096);
	samples = read_rows(f, STINT_SAMPLE, sizeof(*samples), &n);
	assert_int_equal(n, 3);
	stacks = read_rows(f, STINT_STACK, sizeof(*stacks), &n);
	for (word = 0; word < 3; word++) {
		assert_int_equal(stacks[samples[word].stack - 1].user_end, STINT_USER_WINDOW);
		assert_int_equal(stacks[windows[word].stack - 1].user_end, STINT_USER_WINDOW);
	}
	assert_int_equal(stacks[samples[0].stack - 1].leaf, stacks[windows[0].stack - 1].leaf);
	assert_int_equal(stacks[samples[1].stack - 1].leaf, stacks[windows[1].stack - 1].leaf);
	assert_int_equal(stacks[samples[2].stack - 1].leaf, stacks[windows[0].stack - 1].leaf);
	assert_int_not_equal(stacks[windows[0].stack - 1].leaf, stacks[windows[1].stack - 1].leaf);
	free(windows);
	free(samples);
	free(stacks);
}

/* A thread may sleep through any number of generations: its stack is kept, and others aren't. */
static void test_kept_stacks(void **state)
{
	struct fixture *f = *state;
	const uint64_t frame = (uintptr_t)test_kept_stacks;
	struct stint_sample *samples;
	size_t n;
	int i;

	send_stack(f, 31, &frame, 1);
	send_stack(f, 33, &frame, 1);
	for (i = 0; i < 5; i++) {
		stacks_rotate(f->tr.stacks);
		assert_int_equal(stacks_keep(f->tr.stacks, 31, NULL), 0);
		assert_int_equal(stacks_keep(f->tr.stacks, 31, NULL), 0);
		assert_int_equal(stacks_keep(f->tr.stacks, 35, NULL), 0);
		assert_int_equal(stacks_keep(f->tr.stacks, 0, NULL), 0);
	}
	send_stack(f, 31, &frame, 1);
	send_sample(f, 1, 31);
	assert_int_equal(f->tr.samples_without_stack, 0);
	send_sample(f, 2, 33);
	assert_int_equal(f->tr.samples_without_stack, 1);
	samples = read_rows(f, STINT_SAMPLE, sizeof(*samples), &n);
	assert_int_equal(n, 2);
	assert_int_not_equal(samples[0].stack, samples[1].stack);
	free(samples);
}

static void test_intervals(void **state)
{
	struct fixture *f = *state;
	struct stint_offcpu *rows;
	size_t n;

	send_interval(f, interval(2000000, 2500000, 3000000, EVENT_WOKEN));
	/* Clocks of two CPUs that differ a little must not make a wake-up outside its interval. */
	send_interval(f, interval(4000000, 3999990, 5000000, EVENT_WOKEN));
	send_interval(f, interval(4000000, 5000010, 5000000, EVENT_WOKEN));
	send_interval(f, interval(6000000, 0, 7000000, EVENT_PREEMPTED));
	rows = read_rows(f, STINT_OFFCPU, sizeof(*rows), &n);
	assert_int_equal(n, 4);
	assert_int_equal(rows[0].start_ns, 2000000);
	assert_int_equal(rows[0].wake_ns, 2500000);
	assert_int_equal(rows[0].end_ns, 3000000);
	assert_int_equal(rows[0].state, 1);
	assert_int_equal(rows[0].syscall, 231);
	assert_int_equal(rows[0].cpu, 3);
	assert_int_equal(rows[0].cpu_out, STINT_NO_CPU);
	assert_int_equal(rows[1].wake_ns, 4000000);
	assert_int_equal(rows[2].wake_ns, 5000000);
	assert_int_equal(rows[3].wake_ns, 0);
	assert_int_equal(rows[3].flags, STINT_OFFCPU_PREEMPTED);
	free(rows);
}

/* A thread that BPF first sees when it comes back. */
static void test_open_start(void **state)
{
	struct fixture *f = *state;
	struct event_offcpu early = interval(0, 0, LISTED_NS - 1, EVENT_OPEN_START | EVENT_WAKE_UNSEEN);
	struct event_offcpu late = interval(0, 0, LISTED_NS + 1, EVENT_OPEN_START | EVENT_WAKE_UNSEEN);
	struct stint_offcpu *rows;
	size_t n;

	/* Back before it could be listed: no stack, but an interval. */
	send_interval(f, early);
	assert_int_equal(f->tr.cut_off, 1);
	/* Not listed, and back later: it became a target in its sleep. */
	send_interval(f, late);
	assert_int_equal(f->tr.offcpu_ignored, 1);
	rows = read_rows(f, STINT_OFFCPU, sizeof(*rows), &n);
	assert_int_equal(n, 1);
	assert_int_equal(rows[0].start_ns, START_NS);
	assert_int_equal(rows[0].flags, STINT_OFFCPU_OPEN_START | STINT_OFFCPU_WAKE_UNSEEN);
	free(rows);
}

static struct event_task listed(uint32_t tid, uint64_t n_switches, uint16_t task_state)
{
	struct event_task task = {
		.size_bytes = sizeof(task),
		.tid = tid,
		.flags = EVENT_KTHREAD,
		.state = task_state,
		.syscall = EVENT_NO_SYSCALL,
		.cpu_out = EVENT_NO_CPU,
		.n_switches = n_switches,
		.kernel_end = STINT_KERNEL_FAILED,
	};

	task.pid = (uint32_t)getpid();
	return task;
}

static void test_asleep(void **state)
{
	struct fixture *f = *state;
	struct event_offcpu event = interval(5, 0, 2000000, EVENT_OPEN_START | EVENT_WAKE_UNSEEN | EVENT_KTHREAD);
	struct event_task task;
	struct stint_offcpu *rows;
	size_t n;

	task = listed(event.h.tid, 5, 0);
	assert_int_equal(translate_asleep(&f->tr, &task, NULL), 0);
	event.state = 0;
	/* It was runnable then, and nobody needed to wake it. */
	send_interval(f, event);
	/* It had run since it was listed: not this recording's. */
	event.start_ns = 6;
	send_interval(f, event);
	assert_int_equal(f->tr.offcpu_ignored, 1);
	rows = read_rows(f, STINT_OFFCPU, sizeof(*rows), &n);
	assert_int_equal(n, 1);
	assert_int_equal(rows[0].flags, STINT_OFFCPU_OPEN_START | STINT_OFFCPU_PREEMPTED);
	free(rows);
}

/* What is open at the end comes from the list, or from the thread that comes back meanwhile: never
 * from both. */
static void test_open_end(void **state)
{
	struct fixture *f = *state;
	uint32_t tid = (uint32_t)getpid();
	struct event_offcpu event = interval(3000000, 0, END_NS + 5, EVENT_OPEN_END | EVENT_WAKE_UNSEEN);
	struct event_task task = listed(tid, 9, 1), slept = listed(tid + 1, 4, 1), ran;
	struct stint_offcpu *rows;
	size_t n;

	assert_int_equal(translate_asleep(&f->tr, &slept, NULL), 0);
	f->tr.end_ns = END_NS;
	task.tracked = 1;
	task.start_ns = 3000000;
	assert_int_equal(translate_open_end(&f->tr, &task, NULL), 0);
	send_interval(f, event);
	assert_int_equal(translate_open_end(&f->tr, &slept, NULL), 0);
	ran = listed(tid + 2, 4, 1);
	assert_int_equal(translate_open_end(&f->tr, &ran, NULL), 0);
	assert_int_equal(f->tr.offcpu_open, 2);
	assert_int_equal(f->tr.offcpu_listed, 1);
	assert_int_equal(f->tr.offcpu_ignored, 0);
	rows = read_rows(f, STINT_OFFCPU, sizeof(*rows), &n);
	assert_int_equal(n, 2);
	assert_int_equal(rows[0].end_ns, END_NS);
	assert_int_equal(rows[1].end_ns, END_NS);
	assert_int_equal(rows[0].cpu, STINT_NO_CPU);
	free(rows);
}

static void test_malformed(void **state)
{
	struct fixture *f = *state;
	struct event_stack stack = {.h = {.type = EVENT_STACK}, .hash = 1, .n_frames = 3};

	assert_int_not_equal(stacks_add(f->tr.stacks, &stack, sizeof(stack), NULL), 0);
	assert_int_not_equal(stacks_add(f->tr.stacks, &stack, sizeof(stack) - 1, NULL), 0);
	stack.n_frames = EVENT_MAX_FRAMES + 1;
	assert_int_not_equal(stacks_add(f->tr.stacks, &stack, 1 << 20, NULL), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_stacks),    TEST(test_late_stacks), TEST(test_generations), TEST(test_kept_stacks),
		TEST(test_intervals), TEST(test_open_start),  TEST(test_asleep),      TEST(test_open_end),
		TEST(test_malformed), TEST(test_windows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
