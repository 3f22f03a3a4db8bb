/* SPDX-License-Identifier: MIT */
/*
 * Stacks that were copied instead of walked: this program copies its own, deep in functions whose frames are hard to
 * leave, and what they are unwound to is what libgcc's unwinder says; then windows that were made to hurt.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <execinfo.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/uio.h>
#include <ucontext.h>
#include <unistd.h>

#include <cmocka.h>

#include "analyze/elf_file.h"
#include "analyze/unwind.h"
#include "tests/unit/format_util.h"

#define MAX_FRAMES 127

/* A copy of a stack, and what it is. */
struct copied {
	struct stint_window window;
	uint8_t bytes[STINT_MAX_WINDOW_BYTES];
	void *truth[MAX_FRAMES];
	int n_truth;
};

struct recording {
	struct stint_buf bytes;
	struct stint_writer *w;
	uint32_t process, module; /* the last file's */
	uint32_t stacks[2];	  /* the window alone, and under two kernel frames */
};

static uint32_t intern(struct recording *rec, enum stint_table table, const void *row)
{
	uint32_t id;

	assert_int_equal(stint_writer_intern(rec->w, table, row, &id, NULL), 0);
	return id;
}

static uint32_t string(struct recording *rec, const void *data, size_t size)
{
	uint32_t id;

	assert_int_equal(stint_writer_string(rec->w, data, size, &id, NULL), 0);
	return id;
}

static void start(struct recording *rec)
{
	struct stint_writer_options options = {0};
	struct stint_process process = {.pid = 1};

	memset(rec, 0, sizeof(*rec));
	stint_buf_init(&rec->bytes, SIZE_MAX);
	assert_int_equal(stint_writer_new(&rec->w, &options, util_sink(&rec->bytes), NULL), 0);
	rec->process = intern(rec, STINT_PROCESS, &process);
}

/* Other build IDs than the files have, with differ. */
static void add_own_maps(struct recording *rec, bool differ)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	char line[4352], path[4096], x;
	uint64_t first, end, off;

	assert_non_null(maps);
	while (fgets(line, sizeof(line), maps)) {
		struct stint_module module = {.kind = STINT_MODULE_FILE};
		struct stint_mapping map = {.process = rec->process};
		struct elf_file *ef;

		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %*2c%c%*c %" SCNx64 " %*s %*s %4095s", &first, &end, &x, &off,
			   path) != 5 ||
		    x != 'x' || elf_file_open(&ef, path, NULL))
			continue;
		ef->build_id[0] ^= differ;
		module.path_str = string(rec, path, strlen(path));
		module.build_id_str = string(rec, ef->build_id, ef->build_id_size);
		map.start = first;
		map.size_bytes = end - first;
		map.file_off = off;
		map.module = rec->module = intern(rec, STINT_MODULE, &module);
		intern(rec, STINT_MAPPING, &map);
		elf_file_close(ef);
	}
	fclose(maps);
}

/* A window, and an event for each of its two stacks. The leaf is in the last module. */
static void add_window(struct recording *rec, struct stint_window *window)
{
	struct stint_frame frame = {.addr = window->ip, .module = rec->module, .flags = STINT_FRAME_EXACT};
	struct stint_frame kernel = {.addr = 0x100};
	struct stint_node node = {0};
	struct stint_stack stack = {.user_end = STINT_USER_WINDOW};
	struct stint_sample sample = {.weight = 1};
	uint32_t i;

	node.frame = intern(rec, STINT_FRAME, &frame);
	assert_int_equal(stint_writer_append(rec->w, STINT_NODE, &node, &stack.leaf, NULL), 0);
	rec->stacks[0] = window->stack = intern(rec, STINT_STACK, &stack);
	for (i = 0; i < 2; i++) {
		kernel.addr += i;
		node = (struct stint_node){.parent = stack.leaf, .frame = intern(rec, STINT_FRAME, &kernel)};
		stack.leaf = intern(rec, STINT_NODE, &node);
	}
	stack.n_kernel = 2;
	rec->stacks[1] = intern(rec, STINT_STACK, &stack);
	window->process = rec->process;
	assert_int_equal(stint_writer_add(rec->w, STINT_WINDOW, window, NULL), 0);
	for (i = 0; i < 2; i++) {
		sample.stack = rec->stacks[i];
		assert_int_equal(stint_writer_add(rec->w, STINT_SAMPLE, &sample, NULL), 0);
	}
}

static struct model *finish(struct recording *rec)
{
	struct model *m;

	assert_int_equal(stint_writer_finish(rec->w, NULL), 0);
	stint_writer_free(rec->w);
	assert_int_equal(model_open_memory(&m, rec->bytes.data, rec->bytes.len, NULL), 0);
	return m;
}

static void unwind(struct model *m)
{
	struct symbolizer_options options = {.local = true};
	struct stint_err err = STINT_ERR_INIT;
	int code = unwind_windows(m, &options, &err);

	if (code)
		fail_msg("%s", err.msg);
}

static int take_stacks(void *context, const struct stint_rows *rows, struct stint_err *err)
{
	const struct stint_sample *samples = rows->rows;

	(void)err;
	memcpy(context, (uint32_t[]){samples[0].stack, samples[1].stack}, 2 * sizeof(uint32_t));
	return 0;
}

/* The stacks that the events name once they are unwound. */
static void read_stacks(struct model *m, uint32_t *stacks)
{
	assert_int_equal(model_each_block(m, STINT_SAMPLE, take_stacks, stacks, NULL), 0);
}

/* ---- this program's own stacks ---- */

static void copy_window(struct copied *to, const ucontext_t *here)
{
	static const int by_number[STINT_WINDOW_REGS] = {REG_RAX, REG_RDX, REG_RCX, REG_RBX, REG_RSI, REG_RDI,
							 REG_RBP, REG_RSP, REG_R8,  REG_R9,  REG_R10, REG_R11,
							 REG_R12, REG_R13, REG_R14, REG_R15};
	const greg_t *r = here->uc_mcontext.gregs;
	struct stint_window *window = &to->window;
	uint64_t size = 0, n, i;

	*window = (struct stint_window){.ip = (uint64_t)r[REG_RIP]};
	for (i = 0; i < STINT_WINDOW_REGS; i++)
		window->regs[i] = (uint64_t)r[by_number[i]];
	/* Not by memcpy: a sanitizer would rightly ask what it is doing there. */
	for (; size < sizeof(to->bytes); size += n) {
		uint64_t at = window->regs[STINT_WINDOW_SP] + size;
		struct iovec from, there;

		n = 4096 - at % 4096 < sizeof(to->bytes) - size ? 4096 - at % 4096 : sizeof(to->bytes) - size;
		from = (struct iovec){(void *)(uintptr_t)at, n};
		there = (struct iovec){to->bytes + size, n};
		if (process_vm_readv(getpid(), &there, 1, &from, 1, 0) != (ssize_t)n)
			break;
	}
	window->bytes = (struct stint_string){to->bytes, size};
}

static __attribute__((noinline)) void copy_here(struct copied *to)
{
	ucontext_t here;

	getcontext(&here);
	copy_window(to, &here);
	to->n_truth = backtrace(to->truth, MAX_FRAMES);
#ifdef __SANITIZE_ADDRESS__
	/* Its own backtrace() is between here and the real one. */
	memmove(to->truth, to->truth + 1, (size_t)--to->n_truth * sizeof(to->truth[0]));
#endif
}

static struct copied *current;
static volatile int sink;

static int compare(const void *a, const void *b)
{
	if (current && !current->n_truth)
		copy_here(current);
	return *(const int *)a - *(const int *)b;
}

/* Recursion through qsort, with frames whose size isn't known before. */
static __attribute__((noinline)) void deep(int n)
{
	char *room = __builtin_alloca((size_t)(16 + 40 * (n % 7)));
	int numbers[3] = {3, n, 1};

	room[0] = (char)n;
	if (n)
		deep(n - 1);
	else
		qsort(numbers, 3, sizeof(numbers[0]), compare);
	sink = room[0] + numbers[0];
}

static void on_signal(int number)
{
	(void)number;
	deep(3);
}

/* Unwinds it, and compares both stacks with the truth. Behind the first frame, which is another place in copy_here. */
static void check(struct copied *copied)
{
	uint32_t stacks[2], ids[STINT_MAX_STACK_DEPTH], n, i, s;
	struct recording rec;
	struct model *m;

	start(&rec);
	add_own_maps(&rec, false);
	add_window(&rec, &copied->window);
	m = finish(&rec);
	unwind(m);
	read_stacks(m, stacks);
	assert_int_not_equal(stacks[0], stacks[1]);
	for (s = 0; s < 2; s++) {
		const struct stint_stack *row = &m->stacks.rows[stacks[s]];

		assert_int_equal(row->user_end, STINT_USER_COMPLETE);
		assert_int_equal(row->n_kernel, 2 * s);
		n = model_stack_frames(m, stacks[s], ids);
		assert_int_equal(n, (uint32_t)copied->n_truth + row->n_kernel);
		for (i = row->n_kernel + 1; i < n; i++) {
			const struct stint_frame *frame = &m->frames.rows[ids[i]];
			uint64_t address = (uint64_t)(uintptr_t)copied->truth[i - row->n_kernel];
			const struct stint_mapping *map = NULL;
			uint32_t k;

			for (k = 1; k < m->mappings.n; k++)
				if (address - m->mappings.rows[k].start < m->mappings.rows[k].size_bytes)
					map = &m->mappings.rows[k];
			assert_non_null(map);
			assert_int_equal(frame->module, map->module);
			assert_int_equal(frame->addr, address - map->start + map->file_off);
		}
	}
	model_free(m);
	stint_buf_done(&rec.bytes);
}

static void test_own_stack(void **state)
{
	current = calloc(1, sizeof(*current));
	(void)state;
	deep(40);
	assert_true(current->n_truth > 45);
	check(current);
	free(current);
	current = NULL;
}

static void test_under_a_signal(void **state)
{
	uint32_t n_exact = 0, stacks[2], ids[STINT_MAX_STACK_DEPTH], n;
	struct recording rec;
	struct model *m;

	(void)state;
	current = calloc(1, sizeof(*current));
	signal(SIGUSR1, on_signal);
	raise(SIGUSR1);
	signal(SIGUSR1, SIG_DFL);
	check(current);
	/* The leaf ran where it is, and so did what the signal interrupted. */
	start(&rec);
	add_own_maps(&rec, false);
	add_window(&rec, &current->window);
	m = finish(&rec);
	unwind(m);
	read_stacks(m, stacks);
	n = model_stack_frames(m, stacks[0], ids);
	while (n-- > 0)
		n_exact += m->frames.rows[ids[n]].flags & STINT_FRAME_EXACT;
	assert_int_equal(n_exact, 2);
	model_free(m);
	stint_buf_done(&rec.bytes);
	free(current);
	current = NULL;
}

/* A file of another build is never used: the frames so far stay. */
static void test_other_build(void **state)
{
	struct copied *copied = calloc(1, sizeof(*copied));
	uint32_t stacks[2], ids[STINT_MAX_STACK_DEPTH], i, n_whys = 0;
	struct recording rec;
	struct model *m;

	(void)state;
	copy_here(copied);
	start(&rec);
	add_own_maps(&rec, true);
	add_window(&rec, &copied->window);
	m = finish(&rec);
	unwind(m);
	read_stacks(m, stacks);
	assert_int_equal(m->stacks.rows[stacks[0]].user_end, STINT_USER_WINDOW);
	assert_int_equal(model_stack_frames(m, stacks[0], ids), 1);
	for (i = 1; i < m->modules.n; i++)
		n_whys += m->unwind_whys[i] && strstr(m->unwind_whys[i], "build ID differs");
	assert_int_equal(n_whys, 1);
	model_free(m);
	stint_buf_done(&rec.bytes);
	free(copied);
}

/* What the recording says itself is used for every stack with that user part, and no file is looked for. */
static void test_as_recorded(void **state)
{
	struct stint_frame frames[2] = {{.addr = 1, .flags = STINT_FRAME_EXACT}, {.addr = 2}};
	struct stint_window window = {.ip = 5};
	struct stint_stack stack = {.user_end = STINT_USER_FP_END};
	struct stint_unwound unwound;
	struct stint_node node = {0};
	uint32_t stacks[2], ids[STINT_MAX_STACK_DEPTH], i;
	struct recording rec;
	struct model *m;

	(void)state;
	start(&rec);
	add_window(&rec, &window);
	for (i = 0; i < 2; i++) {
		node = (struct stint_node){.parent = stack.leaf, .frame = intern(&rec, STINT_FRAME, &frames[1 - i])};
		stack.leaf = intern(&rec, STINT_NODE, &node);
	}
	unwound = (struct stint_unwound){rec.stacks[0], intern(&rec, STINT_STACK, &stack)};
	assert_int_equal(stint_writer_add(rec.w, STINT_UNWOUND, &unwound, NULL), 0);
	m = finish(&rec);
	unwind(m);
	read_stacks(m, stacks);
	for (i = 0; i < 2; i++) {
		assert_int_equal(m->stacks.rows[stacks[i]].user_end, STINT_USER_FP_END);
		assert_int_equal(model_stack_frames(m, stacks[i], ids), 2 + 2 * i);
		assert_int_equal(m->frames.rows[ids[2 * i]].addr, 1);
		assert_int_equal(m->frames.rows[ids[2 * i + 1]].addr, 2);
	}
	/* The stack that is there already isn't added again. */
	assert_int_equal(stacks[0], unwound.as_stack);
	assert_int_equal(m->n_unwound, 0);
	model_free(m);
	stint_buf_done(&rec.bytes);
}

/* ---- windows made to hurt ---- */

static void survive(struct stint_window *window, uint32_t *ret_n, uint32_t *ret_end)
{
	uint32_t stacks[2], ids[STINT_MAX_STACK_DEPTH];
	struct recording rec;
	struct model *m;

	start(&rec);
	add_own_maps(&rec, false);
	add_window(&rec, window);
	m = finish(&rec);
	unwind(m);
	read_stacks(m, stacks);
	*ret_n = model_stack_frames(m, stacks[0], ids);
	*ret_end = m->stacks.rows[stacks[0]].user_end;
	assert_true(*ret_n >= 1 && *ret_n <= MAX_FRAMES);
	model_free(m);
	stint_buf_done(&rec.bytes);
}

static void test_hostile(void **state)
{
	static uint64_t words[STINT_MAX_WINDOW_BYTES / 8];
	static const uint64_t stranges[] = {
		0, 1, 8, UINT64_MAX, UINT64_MAX - 7, INT64_MAX, 1ull << 63, UINT64_MAX - STINT_MAX_WINDOW_BYTES};
	uint64_t random = 11, i, round, code = (uint64_t)(uintptr_t)test_own_stack;
	uint32_t n, end;

	(void)state;
	for (round = 0; round < 60; round++) {
		struct stint_window window = {.ip = code + util_random(&random) % 4096};

		for (i = 0; i < 16; i++)
			window.regs[i] = stranges[util_random(&random) % 8];
		for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
			words[i] = round % 2 ? code + util_random(&random) % 65536
					     : window.regs[STINT_WINDOW_SP] + util_random(&random) % sizeof(words);
		window.bytes = (struct stint_string){(const uint8_t *)words, util_random(&random) % sizeof(words)};
		survive(&window, &n, &end);
	}
}

/* Frame pointers in code without rules: each leads to the next one, and more of them than a walk takes. */
static void test_endless_chain(void **state)
{
	static uint64_t words[STINT_MAX_WINDOW_BYTES / 8];
	const uint64_t sp = 0x7ffff0000000;
	struct stint_window window = {.ip = 0x600000001000,
				      .bytes = {(const uint8_t *)words, sizeof(words)},
				      .regs = {[STINT_WINDOW_SP] = sp, [STINT_WINDOW_FP] = sp}};
	struct stint_module anon = {.kind = STINT_MODULE_ANON};
	struct stint_mapping map = {.start = 0x600000000000, .size_bytes = 0x100000};
	uint32_t stacks[2], ids[STINT_MAX_STACK_DEPTH], round;
	struct recording rec;
	struct model *m;
	size_t i;

	(void)state;
	for (round = 0; round < 3; round++) {
		for (i = 0; i < sizeof(words) / 16; i++) {
			words[2 * i] = sp + 16 * (i + 1);
			words[2 * i + 1] = 0x600000001000 + 5 * i;
		}
		if (round == 1)
			words[20] = sp; /* goes back, and would go round */
		if (round == 2)
			words[20] = 0; /* the outermost frame's mark */
		start(&rec);
		anon.process = map.process = rec.process;
		map.module = rec.module = intern(&rec, STINT_MODULE, &anon);
		intern(&rec, STINT_MAPPING, &map);
		add_window(&rec, &window);
		m = finish(&rec);
		unwind(m);
		read_stacks(m, stacks);
		assert_int_equal(model_stack_frames(m, stacks[0], ids), round ? 12 : MAX_FRAMES);
		assert_int_equal(m->stacks.rows[stacks[0]].user_end, round == 0	  ? STINT_USER_DEPTH
								     : round == 1 ? STINT_USER_NO_ROWS
										  : STINT_USER_COMPLETE);
		model_free(m);
		stint_buf_done(&rec.bytes);
	}
}

/* A copy that ends in the middle of the stack is one that is deeper than the recorder's limit. */
static void test_short_window(void **state)
{
	struct copied *copied = calloc(1, sizeof(*copied));
	uint32_t n, end;

	(void)state;
	current = copied;
	deep(30);
	current = NULL;
	copied->window.bytes.size = 3072;
	survive(&copied->window, &n, &end);
	assert_true(n > 2 && n < (uint32_t)copied->n_truth);
	assert_int_equal(end, STINT_USER_DEPTH);
	copied->window.bytes.size = 0;
	survive(&copied->window, &n, &end);
	assert_int_equal(n, 1);
	assert_int_equal(end, STINT_USER_DEPTH);
	free(copied);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_own_stack),    cmocka_unit_test(test_under_a_signal),
		cmocka_unit_test(test_other_build),  cmocka_unit_test(test_as_recorded),
		cmocka_unit_test(test_short_window), cmocka_unit_test(test_endless_chain),
		cmocka_unit_test(test_hostile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
