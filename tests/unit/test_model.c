/* SPDX-License-Identifier: MIT */
/* The model keeps within bounds whatever a file says, and counts what it had to leave out. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "analyze/aggregate.h"
#include "tests/unit/analyze_util.h"

static const struct random_recording small = {
	.seed = 7, .n_samples = 300, .n_offcpu = 300, .n_stacks = 20, .n_threads = 5};

/* Uses everything that a model offers. */
static void use(const void *data, size_t size)
{
	struct symbolizer_options options = {.inlines = true};
	struct stint_err e = STINT_ERR_INIT;
	struct symbolizer *symbolizer;
	struct functions functions;
	struct labels labels;
	struct model *m;
	int view, group;

	if (model_open_memory(&m, data, size, &e))
		return;
	assert_int_equal(model_symbolizer(m, &options, &symbolizer, &e), 0);
	assert_int_equal(functions_init(&functions, m, symbolizer, &e), 0);
	assert_int_equal(labels_init(&labels, m, &e), 0);
	for (view = 0; view < 2; view++) {
		for (group = 0; group < N_GROUPS; group++) {
			struct tally tally;
			struct table table;

			assert_int_equal(tally_collect(&tally, m, NULL, (enum view)view,
						       group_tally_key((enum group_by)group), &e),
					 0);
			assert_int_equal(table_make(&table, &tally, (enum group_by)group, &labels, &functions, &e), 0);
			table_done(&table);
			tally_done(&tally);
		}
	}
	labels_done(&labels);
	functions_done(&functions);
	symbolizer_free(symbolizer);
	model_free(m);
}

static void cut_anywhere(void **state)
{
	struct stint_buf bytes = util_recording(&small);
	size_t size;

	(void)state;
	for (size = 0; size < bytes.len; size += size < 2000 ? 1 : 97) {
		/* A copy of just that size, so that reading beyond it is seen. */
		uint8_t *copy = malloc(size + 1);

		assert_non_null(copy);
		memcpy(copy, bytes.data, size);
		use(copy, size);
		free(copy);
	}
	stint_buf_done(&bytes);
}

static void flipped_anywhere(void **state)
{
	struct stint_buf bytes = util_recording(&small);
	size_t at;

	(void)state;
	for (at = 0; at < bytes.len; at += 53) {
		bytes.data[at] ^= 1u << (at % 8);
		use(bytes.data, bytes.len);
		bytes.data[at] ^= 1u << (at % 8);
	}
	stint_buf_done(&bytes);
}

/* Rows that are well-formed and refer to what isn't there. */
static struct stint_buf hostile_recording(void)
{
	struct stint_module module = {.kind = 99, .path_str = 77777, .build_id_str = 88888, .process = 99999};
	struct stint_process process = {.pid = 1, .exe_str = UINT32_MAX, .cmdline_str = 55555, .cgroup_str = 44444};
	struct stint_thread thread = {.process = 123456, .tid = 1, .comm_str = 654321};
	struct stint_frame frame = {.module = 31337, .addr = UINT64_MAX};
	struct stint_node self_parent = {.parent = 1, .frame = 1}, later_parent = {.parent = 4000000, .frame = 2};
	struct stint_stack stack = {.leaf = 1, .n_kernel = UINT32_MAX, .user_end = 200, .kernel_end = 200};
	struct stint_sample sample = {
		.weight = UINT64_MAX, .cpu = UINT32_MAX, .thread = UINT32_MAX, .stack = 99, .source = 9};
	struct stint_offcpu offcpu = {.start_ns = 10,
				      .end_ns = 5,
				      .wake_ns = 50,
				      .flags = STINT_OFFCPU_WOKEN,
				      .thread = 7,
				      .stack = UINT32_MAX,
				      .waker = UINT32_MAX,
				      .syscall = UINT32_MAX,
				      .state = UINT32_MAX};
	struct stint_loss loss = {.cause = UINT32_MAX, .count = UINT64_MAX, .table = 1000};
	struct stint_meta meta = {.key_str = 4242, .value_str = 2424};
	struct stint_symbol symbol = {.module = 5, .name_str = 1000, .addr = UINT64_MAX, .size_bytes = UINT64_MAX};
	struct stint_writer_options options = {.compression_level = -1};
	struct stint_writer *w;
	struct stint_buf buf;
	uint32_t id;
	int i;

	stint_buf_init(&buf, 1 << 20);
	RANDOM_MUST(stint_writer_new(&w, &options, (struct stint_sink){util_write, &buf}, err));
	RANDOM_MUST(stint_writer_intern(w, STINT_MODULE, &module, &id, err));
	RANDOM_MUST(stint_writer_intern(w, STINT_PROCESS, &process, &id, err));
	RANDOM_MUST(stint_writer_intern(w, STINT_THREAD, &thread, &id, err));
	RANDOM_MUST(stint_writer_intern(w, STINT_FRAME, &frame, &id, err));
	RANDOM_MUST(stint_writer_intern(w, STINT_NODE, &self_parent, &id, err));
	RANDOM_MUST(stint_writer_intern(w, STINT_NODE, &later_parent, &id, err));
	RANDOM_MUST(stint_writer_intern(w, STINT_STACK, &stack, &id, err));
	RANDOM_MUST(stint_writer_add(w, STINT_META, &meta, err));
	RANDOM_MUST(stint_writer_add(w, STINT_SYMBOL, &symbol, err));
	for (i = 0; i < 2; i++) {
		RANDOM_MUST(stint_writer_add(w, STINT_SAMPLE, &sample, err));
		RANDOM_MUST(stint_writer_add(w, STINT_OFFCPU, &offcpu, err));
		RANDOM_MUST(stint_writer_add(w, STINT_LOSS, &loss, err));
	}
	sample.stack = 1;
	RANDOM_MUST(stint_writer_add(w, STINT_SAMPLE, &sample, err));
	RANDOM_MUST(stint_writer_finish(w, err));
	stint_writer_free(w);
	return buf;
}

static void ids_stay_within_bounds(void **state)
{
	struct stint_buf bytes = hostile_recording();
	struct stint_err e = STINT_ERR_INIT;
	uint32_t frames[STINT_MAX_STACK_DEPTH];
	struct model *m;

	(void)state;
	assert_int_equal(model_open_memory(&m, bytes.data, bytes.len, &e), 0);
	assert_true(m->lost_ids > 0);
	assert_int_equal(m->modules.rows[1].path_str, 0);
	assert_int_equal(m->threads.rows[1].process, 0);
	assert_int_equal(m->nodes.rows[1].parent, 0);
	assert_int_equal(m->nodes.rows[2].parent, 0);
	assert_int_equal(m->loss[0], UINT64_MAX);
	assert_int_equal(model_stack_frames(m, 1, frames), 1);
	assert_int_equal(model_stack_frames(m, UINT32_MAX, frames), 0);
	assert_string_equal(model_str(m, UINT32_MAX), "");
	assert_null(model_meta(m, "host"));
	model_free(m);
	use(bytes.data, bytes.len);
	stint_buf_done(&bytes);
}

static int check_ids(void *context, const struct stint_rows *rows, struct stint_err *err)
{
	const struct model *m = context;
	const struct stint_sample *sample = rows->rows;
	size_t i;

	(void)err;
	for (i = 0; i < rows->n_rows; i++) {
		assert_true(sample[i].thread < m->threads.n);
		assert_true(sample[i].stack < m->stacks.n);
		assert_true(sample[i].source < m->sources.n);
	}
	return 0;
}

/* However often events are read, what was lost is counted once. */
static void losses_count_once(void **state)
{
	struct stint_buf bytes = hostile_recording();
	struct stint_err e = STINT_ERR_INIT;
	uint64_t lost;
	struct model *m;

	(void)state;
	assert_int_equal(model_open_memory(&m, bytes.data, bytes.len, &e), 0);
	assert_int_equal(model_each_block(m, STINT_SAMPLE, check_ids, m, &e), 0);
	lost = m->lost_ids;
	assert_int_equal(model_each_block(m, STINT_SAMPLE, check_ids, m, &e), 0);
	assert_int_equal(m->lost_ids, lost);
	model_free(m);
	stint_buf_done(&bytes);
}

static int count_rows(void *context, const struct stint_rows *rows, struct stint_err *err)
{
	(void)err;
	*(uint64_t *)context += rows->n_rows;
	return 0;
}

static int fail_late(void *context, const struct stint_rows *rows, struct stint_err *err)
{
	(void)rows;
	return ++*(int *)context == 1 ? stint_err_set(err, STINT_ERR_LIMIT, 0, -1, "enough") : 0;
}

static void workers_see_every_block_once(void **state)
{
	const struct random_recording r = {.seed = 4, .n_samples = 200000, .n_stacks = 10, .n_threads = 2};
	struct stint_buf bytes = util_recording(&r);
	struct stint_err e = STINT_ERR_INIT;
	uint64_t counts[MODEL_MAX_WORKERS] = {0}, sum = 0;
	void *contexts[MODEL_MAX_WORKERS];
	int calls = 0;
	struct model *m;
	size_t i;

	(void)state;
	assert_int_equal(model_open_memory(&m, bytes.data, bytes.len, &e), 0);
	for (i = 0; i < MODEL_MAX_WORKERS; i++)
		contexts[i] = &counts[i];
	assert_int_equal(model_each_block_parallel(m, STINT_SAMPLE, NULL, count_rows, contexts, MODEL_MAX_WORKERS, &e),
			 0);
	for (i = 0; i < MODEL_MAX_WORKERS; i++)
		sum += counts[i];
	assert_int_equal(sum, r.n_samples);
	/* What a callback returns ends the walk and comes out. */
	assert_int_equal(model_each_block(m, STINT_SAMPLE, fail_late, &calls, &e), STINT_ERR_LIMIT);
	assert_int_equal(calls, 1);
	assert_string_equal(e.msg, "enough");
	model_free(m);
	stint_buf_done(&bytes);
}

/* Deep stacks of code that was replaced again and again: some are left out, and the rest is done in a moment. */
static void replaced_without_end(void **state)
{
	enum { N_STACKS = 600, DEPTH = 1000, N_VERSIONS = 200 };
	struct stint_writer_options options = {.recording_id = {1}};
	struct stint_module module = {.kind = STINT_MODULE_ANON};
	struct stint_symbol symbol = {.addr = 0x1000, .size_bytes = 0x100};
	struct stint_frame frame = {.addr = 0x1010, .flags = STINT_FRAME_EXACT};
	struct stint_stack stack = {0};
	struct stint_node node = {0};
	struct stint_err e = STINT_ERR_INIT;
	struct stint_writer *w;
	struct stint_buf bytes;
	struct model *m;
	char name[16];
	uint32_t i, id;

	(void)state;
	stint_buf_init(&bytes, (size_t)1 << 30);
	RANDOM_MUST(stint_writer_new(&w, &options, (struct stint_sink){util_write, &bytes}, err));
	RANDOM_MUST(stint_writer_intern(w, STINT_MODULE, &module, &symbol.module, err));
	frame.module = symbol.module;
	RANDOM_MUST(stint_writer_intern(w, STINT_FRAME, &frame, &node.frame, err));
	for (i = 0; i < N_VERSIONS; i++) {
		snprintf(name, sizeof(name), "f%u", i);
		symbol.from_ns = i;
		RANDOM_MUST(stint_writer_string(w, name, strlen(name), &symbol.name_str, err));
		RANDOM_MUST(stint_writer_add(w, STINT_SYMBOL, &symbol, err));
	}
	for (i = 0; i < DEPTH; i++)
		RANDOM_MUST(stint_writer_intern(w, STINT_NODE, &node, &node.parent, err));
	stack.leaf = node.parent;
	for (i = 0; i < N_STACKS; i++) {
		stack.n_kernel = i;
		RANDOM_MUST(stint_writer_intern(w, STINT_STACK, &stack, &id, err));
	}
	RANDOM_MUST(stint_writer_finish(w, err));
	stint_writer_free(w);
	assert_int_equal(model_open_memory(&m, bytes.data, bytes.len, &e), 0);
	assert_int_equal(reused_code_left_out(m->reused_code),
			 N_STACKS - REUSED_CODE_MAX_WORK / (DEPTH * (2 * N_VERSIONS - 1)));
	/* The first stack has all its names, the last one only the first. */
	assert_int_not_equal(reused_code_stack(m->reused_code, 1, 7), reused_code_stack(m->reused_code, 1, 8));
	assert_int_equal(reused_code_stack(m->reused_code, id, N_VERSIONS), id);
	model_free(m);
	stint_buf_done(&bytes);
}

/* A recording of one module of code made at run time, for what the caller adds. */
static struct stint_writer *jit_recording(struct stint_buf *bytes, uint32_t *ret_module)
{
	struct stint_writer_options options = {.recording_id = {1}};
	struct stint_module module = {.kind = STINT_MODULE_ANON};
	struct stint_writer *w;

	stint_buf_init(bytes, (size_t)1 << 30);
	RANDOM_MUST(stint_writer_new(&w, &options, (struct stint_sink){util_write, bytes}, err));
	RANDOM_MUST(stint_writer_intern(w, STINT_MODULE, &module, ret_module, err));
	return w;
}

static void add_function(struct stint_writer *w, uint32_t module, uint64_t addr, uint64_t size_bytes, uint64_t from_ns)
{
	struct stint_symbol symbol = {.module = module, .addr = addr, .size_bytes = size_bytes, .from_ns = from_ns};
	char name[24];

	snprintf(name, sizeof(name), "f%llu", (unsigned long long)from_ns);
	RANDOM_MUST(stint_writer_string(w, name, strlen(name), &symbol.name_str, err));
	RANDOM_MUST(stint_writer_add(w, STINT_SYMBOL, &symbol, err));
}

static void add_frames(struct stint_writer *w, uint32_t module, uint64_t addr, uint32_t n)
{
	struct stint_frame frame = {.module = module, .flags = STINT_FRAME_EXACT};
	uint32_t id;

	for (frame.addr = addr; frame.addr < addr + n; frame.addr++)
		RANDOM_MUST(stint_writer_intern(w, STINT_FRAME, &frame, &id, err));
}

static uint64_t left_out_of(struct stint_writer *w, struct stint_buf *bytes)
{
	struct stint_err e = STINT_ERR_INIT;
	struct model *m;
	uint64_t n;

	RANDOM_MUST(stint_writer_finish(w, err));
	stint_writer_free(w);
	assert_int_equal(model_open_memory(&m, bytes->data, bytes->len, &e), 0);
	n = reused_code_left_out(m->reused_code);
	model_free(m);
	stint_buf_done(bytes);
	return n;
}

/* Whatever might reach over an address has to be looked at, and here that is thousands of functions each time. */
static void functions_to_look_through_without_end(void **state)
{
	enum { LOOKS = 4096, N_SMALL = LOOKS - 1, N_FRAMES = 20000 };
	struct stint_buf bytes;
	uint32_t module, i;
	struct stint_writer *w = jit_recording(&bytes, &module);

	(void)state;
	add_function(w, module, 0x1000, (uint64_t)1 << 40, 1);
	for (i = 0; i < N_SMALL; i++)
		add_function(w, module, 0x1001 + i, 1, 2 + i);
	add_frames(w, module, 0x10000, N_FRAMES);
	assert_int_equal(left_out_of(w, &bytes), N_FRAMES - REUSED_CODE_MAX_LOOKS / LOOKS);
}

/* Every address may have many names, and there may be many addresses. */
static void versions_without_end(void **state)
{
	enum { N_FRAMES = 4200 };
	struct stint_buf bytes;
	uint32_t module, i;
	struct stint_writer *w = jit_recording(&bytes, &module);

	(void)state;
	for (i = 0; i < REUSED_CODE_MAX_VERSIONS; i++)
		add_function(w, module, 0x10000, 2 * N_FRAMES, 1 + i);
	add_frames(w, module, 0x10000, N_FRAMES);
	assert_int_equal(left_out_of(w, &bytes), N_FRAMES - REUSED_CODE_MAX_FRAMES / REUSED_CODE_MAX_VERSIONS);
}

/* The functions that a limit leaves out are told of, and nothing is where none is left out. */
static void functions_left_out_are_counted(void **state)
{
	enum { WALK = 4096 };
	uint32_t n[] = {REUSED_CODE_MAX_VERSIONS, REUSED_CODE_MAX_VERSIONS + 1, WALK - 1, WALK};
	struct stint_buf bytes;
	uint32_t module, i, k;

	(void)state;
	for (k = 0; k < 4; k++) {
		struct stint_writer *w = jit_recording(&bytes, &module);

		if (k >= 2) /* the only one that reaches to the frame; the others only have to be looked at */
			add_function(w, module, 0x1000, 0x100000, 1);
		for (i = 0; i < n[k]; i++)
			add_function(w, module, k < 2 ? 0x10000 : 0x1001 + i, k < 2 ? 0x10 : 1, 2 + i);
		add_frames(w, module, 0x10000, 1);
		assert_int_equal(left_out_of(w, &bytes), k % 2);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cut_anywhere),
		cmocka_unit_test(replaced_without_end),
		cmocka_unit_test(flipped_anywhere),
		cmocka_unit_test(ids_stay_within_bounds),
		cmocka_unit_test(losses_count_once),
		cmocka_unit_test(workers_see_every_block_once),
		cmocka_unit_test(functions_to_look_through_without_end),
		cmocka_unit_test(versions_without_end),
		cmocka_unit_test(functions_left_out_are_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
