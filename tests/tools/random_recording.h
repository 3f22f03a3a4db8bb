/* SPDX-License-Identifier: MIT */
/* A recording of made-up events, the same for the same seed: for property tests and for measuring.
 */
#ifndef STINT_TESTS_RANDOM_RECORDING_H
#define STINT_TESTS_RANDOM_RECORDING_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "format/writer.h"

struct random_recording {
	uint64_t seed;
	size_t n_samples, n_offcpu;
	uint32_t n_stacks, n_threads;
};

#define RANDOM_START_NS	 UINT64_C(1000000000000)
#define RANDOM_MODULES	 6
#define RANDOM_FUNCTIONS 40 /* of each module */

/* The writer calls can only fail for want of memory or disk: a test has no answer to that. */
#define RANDOM_MUST(call)                                                                                              \
	do {                                                                                                           \
		struct stint_err must_err = STINT_ERR_INIT;                                                            \
		struct stint_err *err = &must_err;                                                                     \
		if (call) {                                                                                            \
			fprintf(stderr, "%s\n", must_err.msg);                                                         \
			exit(4);                                                                                       \
		}                                                                                                      \
	} while (0)

static inline uint64_t random_next(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * UINT64_C(2685821657736338717);
}

static inline uint32_t random_string(struct stint_writer *w, const char *text)
{
	uint32_t id = 0;

	RANDOM_MUST(stint_writer_string(w, text, strlen(text), &id, err));
	return id;
}

static inline void random_meta(struct stint_writer *w, const char *key, const char *value)
{
	struct stint_meta row = {random_string(w, key), random_string(w, value)};

	RANDOM_MUST(stint_writer_add(w, STINT_META, &row, err));
}

static inline void random_modules(struct stint_writer *w, uint32_t *modules)
{
	static const char *const paths[RANDOM_MODULES] = {"[kernel]",	   "/usr/bin/demo",	 "/usr/lib/libc.so.6",
							  "/usr/lib/a.so", "/opt/b/libother.so", "[anon]"};
	uint32_t i, k;

	for (i = 0; i < RANDOM_MODULES; i++) {
		struct stint_module row = {.kind = i ? STINT_MODULE_FILE : STINT_MODULE_KERNEL,
					   .path_str = random_string(w, paths[i])};

		RANDOM_MUST(stint_writer_intern(w, STINT_MODULE, &row, &modules[i], err));
		/* The last module has no symbols. */
		for (k = 0; k < RANDOM_FUNCTIONS && i < RANDOM_MODULES - 1; k++) {
			struct stint_symbol symbol = {
				.addr = 0x1000 + k * 0x100, .size_bytes = 0x100, .module = modules[i]};
			char name[32];

			/* The same names in two modules: they must stay apart. */
			snprintf(name, sizeof(name), "f%u_%u", i < 4 ? i : 3, k);
			symbol.name_str = random_string(w, name);
			RANDOM_MUST(stint_writer_add(w, STINT_SYMBOL, &symbol, err));
		}
	}
}

static inline uint32_t random_node(struct stint_writer *w, uint64_t *state, uint32_t parent, uint32_t module, bool leaf)
{
	struct stint_frame frame = {.addr = 0x1000 + random_next(state) % (RANDOM_FUNCTIONS * 0x100),
				    .module = module,
				    .flags = leaf ? STINT_FRAME_EXACT : 0};
	struct stint_node node = {.parent = parent};
	uint32_t id = 0;

	RANDOM_MUST(stint_writer_intern(w, STINT_FRAME, &frame, &node.frame, err));
	RANDOM_MUST(stint_writer_intern(w, STINT_NODE, &node, &id, err));
	return id;
}

/* A few deep trunks with many branches, as in real programs; one stack in 16 has no frame at all.
 */
static inline uint32_t random_stack(struct stint_writer *w, uint64_t *state, const uint32_t *modules, uint32_t trunk)
{
	struct stint_stack row = {.leaf = trunk, .user_end = 1 + random_next(state) % 8, .kernel_end = 1};
	uint32_t i, depth = random_next(state) % 20, id = 0;

	row.n_kernel = random_next(state) % 3 ? 0 : random_next(state) % 6;
	for (i = 0; i < depth; i++)
		row.leaf =
			random_node(w, state, row.leaf, modules[1 + random_next(state) % (RANDOM_MODULES - 1)], false);
	for (i = 0; i < row.n_kernel; i++)
		row.leaf = random_node(w, state, row.leaf, modules[0], i + 1 == row.n_kernel);
	if (random_next(state) % 16 == 0) {
		row.leaf = 0;
		row.n_kernel = 0;
	}
	RANDOM_MUST(stint_writer_intern(w, STINT_STACK, &row, &id, err));
	return id;
}

static inline void random_threads(struct stint_writer *w, uint64_t *state, uint32_t *threads, uint32_t n)
{
	uint32_t i;

	for (i = 0; i < n; i++) {
		struct stint_process process = {.start_ns = 5 + i / 4, .pid = 100 + i / 4 * 4, .ppid = 1};
		struct stint_thread thread = {.start_ns = 5, .tid = 100 + i};
		char comm[16];

		process.exe_str = random_string(w, "/usr/bin/demo");
		RANDOM_MUST(stint_writer_intern(w, STINT_PROCESS, &process, &thread.process, err));
		snprintf(comm, sizeof(comm), "comm%u", (unsigned)(random_next(state) % 5));
		thread.comm_str = random_string(w, comm);
		RANDOM_MUST(stint_writer_intern(w, STINT_THREAD, &thread, &threads[i], err));
	}
}

static inline struct stint_offcpu random_offcpu(uint64_t *state, uint64_t start_ns)
{
	struct stint_offcpu row = {.start_ns = start_ns, .state = 1};
	uint64_t length = random_next(state) % (UINT64_C(1) << (random_next(state) % 24));

	row.end_ns = start_ns + length;
	row.cpu = random_next(state) % 4;
	row.cpu_out = random_next(state) % 4;
	row.syscall = random_next(state) % 4 ? 1 + random_next(state) % 300 : 0;
	switch (random_next(state) % 8) {
	case 0:
		row.flags = STINT_OFFCPU_PREEMPTED;
		row.state = 0;
		row.syscall = 0;
		break;
	case 1:
		row.flags = STINT_OFFCPU_WAKE_UNSEEN;
		row.state = 2;
		break;
	default:
		row.flags = STINT_OFFCPU_WOKEN;
		row.wake_ns = start_ns + random_next(state) % (length + 1);
		break;
	}
	if (random_next(state) % 64 == 0) {
		row.flags = (row.flags & ~STINT_OFFCPU_WAKE_UNSEEN) | STINT_OFFCPU_OPEN_END;
		row.cpu = STINT_NO_CPU;
	}
	return row;
}

static inline void random_events(struct stint_writer *w, uint64_t *state, const struct random_recording *r,
				 const uint32_t *stacks, const uint32_t *threads, uint32_t source)
{
	size_t i;

	for (i = 0; i < r->n_samples; i++) {
		struct stint_sample row = {.time_ns = RANDOM_START_NS + i * 1000, .weight = 1, .source = source};

		/* The square makes some stacks hot. */
		row.stack =
			stacks[(random_next(state) % r->n_stacks) * (random_next(state) % r->n_stacks) / r->n_stacks];
		row.thread = threads[random_next(state) % r->n_threads];
		row.cpu = random_next(state) % 4;
		row.weight = random_next(state) % 100 ? 1 : 3;
		RANDOM_MUST(stint_writer_add(w, STINT_SAMPLE, &row, err));
	}
	for (i = 0; i < r->n_offcpu; i++) {
		struct stint_offcpu row = random_offcpu(state, RANDOM_START_NS + i * 1000);

		row.stack = stacks[random_next(state) % r->n_stacks];
		row.thread = threads[random_next(state) % r->n_threads];
		if (row.flags & STINT_OFFCPU_WOKEN)
			row.waker = threads[random_next(state) % r->n_threads];
		RANDOM_MUST(stint_writer_add(w, STINT_OFFCPU, &row, err));
	}
}

static inline void random_recording_write(const struct random_recording *r, struct stint_sink sink)
{
	struct stint_writer_options options = {.max_dictionary_bytes = (size_t)256 << 20};
	uint32_t *stacks = calloc(r->n_stacks, sizeof(*stacks)), *threads = calloc(r->n_threads, sizeof(*threads));
	uint32_t modules[RANDOM_MODULES], source, trunk = 0, i;
	uint64_t state = r->seed * 2 + 1;
	struct stint_source cpu_clock = {.freq_hz = 99};
	struct stint_clock clock = {RANDOM_START_NS, UINT64_C(1700000000000000000)};
	struct stint_writer *w;
	char end[32];

	if (!stacks || !threads)
		exit(4);
	RANDOM_MUST(stint_writer_new(&w, &options, sink, err));
	random_meta(w, "host", "testhost");
	random_meta(w, "kernel", "6.1.0-test");
	random_meta(w, "arch", "x86_64");
	random_meta(w, "start_ns", "1000000000000");
	RANDOM_MUST(stint_writer_add(w, STINT_CLOCK, &clock, err));
	cpu_clock.name_str = random_string(w, "cpu-clock");
	RANDOM_MUST(stint_writer_intern(w, STINT_SOURCE, &cpu_clock, &source, err));
	random_modules(w, modules);
	random_threads(w, &state, threads, r->n_threads);
	for (i = 0; i < r->n_stacks; i++) {
		if (i % 64 == 0)
			trunk = random_node(w, &state, random_next(&state) % 4 ? trunk : 0, modules[1], false);
		stacks[i] = random_stack(w, &state, modules, trunk);
	}
	random_events(w, &state, r, stacks, threads, source);
	snprintf(end, sizeof(end), "%llu",
		 (unsigned long long)(RANDOM_START_NS + 1 +
				      1000 * (r->n_samples > r->n_offcpu ? r->n_samples : r->n_offcpu)));
	random_meta(w, "end_ns", end);
	RANDOM_MUST(stint_writer_finish(w, err));
	stint_writer_free(w);
	free(stacks);
	free(threads);
}

#endif
