/* SPDX-License-Identifier: MIT */
/*
 * Writes the recordings of testdata/ that a writer makes, and what damage makes of them, into a
 * directory: make_testdata DIRECTORY. Everything is computed, so each run makes the same rows; bytes may
 * differ with the version of zstd. testdata/README.md says what each file is for.
 */
#include "format/block_writer.h"
#include "format/reader.h"
#include "format/schema.h"
#include "format/writer.h"
#include "tests/tools/testdata.h"

#define START UINT64_C(5000000000)

static void save_cut(const char *name, const struct stint_buf *buf, size_t size)
{
	struct stint_buf cut = *buf;

	cut.len = size;
	save(name, &cut);
}

/* Saves a copy in which one bit is another one. */
static void save_flipped(const char *name, const struct stint_buf *buf, size_t off)
{
	buf->data[off] ^= 0x10;
	save(name, buf);
	buf->data[off] ^= 0x10;
}

static struct stint_writer *start(struct stint_buf *buf, int level)
{
	struct stint_writer_options options = {.compression_level = level};
	struct stint_writer *w;

	memcpy(options.recording_id, recording_id, sizeof(recording_id));
	stint_buf_init(buf, 1u << 24);
	check(stint_writer_new(&w, &options, util_sink(buf), NULL), "stint_writer_new");
	return w;
}

static uint32_t string(struct stint_writer *w, const char *text)
{
	uint32_t id;

	check(stint_writer_string(w, text, strlen(text), &id, NULL), "stint_writer_string");
	return id;
}

static uint32_t intern(struct stint_writer *w, enum stint_table table, const void *row)
{
	uint32_t id;

	check(stint_writer_intern(w, table, row, &id, NULL), "stint_writer_intern");
	return id;
}

static void add(struct stint_writer *w, enum stint_table table, const void *row)
{
	check(stint_writer_add(w, table, row, NULL), "stint_writer_add");
}

static void flush(struct stint_writer *w)
{
	check(stint_writer_flush(w, NULL), "stint_writer_flush");
}

static void finish(struct stint_writer *w)
{
	check(stint_writer_finish(w, NULL), "stint_writer_finish");
	stint_writer_free(w);
}

static void meta(struct stint_writer *w, const char *key, const char *value)
{
	struct stint_meta row = {.key_str = string(w, key), .value_str = string(w, value)};

	add(w, STINT_META, &row);
}

/* A small host: two processes, kernel and user frames, every kind of row. Rows agree with each
 * other. */
struct host {
	uint32_t thread[2];
	uint32_t stack[4];
	uint32_t source;
};

static void host_tasks(struct stint_writer *w, struct host *h)
{
	struct stint_process server = {
		.start_ns = START - 900000000,
		.pid = 100,
		.ppid = 1,
		.exe_str = string(w, "/usr/sbin/server"),
		.cmdline_str = string(w, "server"),
		.cgroup_str = string(w, "/system.slice/server.service"),
	};
	struct stint_process client = {
		.start_ns = START + 1000,
		.image_ns = START + 2000,
		.pid = 101,
		.ppid = 100,
		.image = 1,
		.exe_str = string(w, "/usr/bin/client"),
		.cmdline_str = string(w, "client"),
		.cgroup_str = string(w, "/"),
	};
	struct stint_thread threads[2] = {
		{.start_ns = START - 900000000,
		 .process = intern(w, STINT_PROCESS, &server),
		 .tid = 100,
		 .comm_str = string(w, "server")},
		{.start_ns = START + 1000,
		 .name_ns = START + 2000,
		 .process = intern(w, STINT_PROCESS, &client),
		 .tid = 101,
		 /* Not UTF-8: a comm is any bytes. */
		 .comm_str = string(w, "cli\xff\xfe")},
	};

	h->thread[0] = intern(w, STINT_THREAD, &threads[0]);
	h->thread[1] = intern(w, STINT_THREAD, &threads[1]);
}

static void host_stacks(struct stint_writer *w, struct host *h)
{
	static const uint64_t addrs[5] = {0x1139, 0x1188, 0x11f0, 0x2a1b40, 0x9f0020};
	struct stint_module server = {.kind = STINT_MODULE_FILE,
				      .path_str = string(w, "/usr/sbin/server"),
				      .build_id_str = string(w, "\x01\x23\x45\x67\x89\xab\xcd\xef")};
	struct stint_module kernel = {.kind = STINT_MODULE_KERNEL, .path_str = string(w, "[kernel]")};
	uint32_t module[2], node = 0, i;
	struct stint_mapping mapping = {
		.start = 0x555555555000, .size_bytes = 0x2000, .file_off = 0x1000, .process = 1};

	module[0] = intern(w, STINT_MODULE, &server);
	module[1] = intern(w, STINT_MODULE, &kernel);
	mapping.module = module[0];
	intern(w, STINT_MAPPING, &mapping);
	for (i = 0; i < 5; i++) {
		struct stint_frame frame = {.addr = addrs[i], .module = module[i >= 3], .flags = i == 4};
		struct stint_node next = {.parent = node, .frame = intern(w, STINT_FRAME, &frame)};
		struct stint_stack stack = {.n_kernel = i > 2 ? i - 2 : 0,
					    .user_end = STINT_USER_COMPLETE,
					    .kernel_end = i > 2 ? STINT_KERNEL_COMPLETE : 0};

		node = intern(w, STINT_NODE, &next);
		stack.leaf = node;
		if (i)
			h->stack[i - 1] = intern(w, STINT_STACK, &stack);
	}
}

static void host_facts(struct stint_writer *w, struct host *h)
{
	struct stint_source source = {.name_str = string(w, "cpu-clock"), .unit_str = string(w, "ns"), .freq_hz = 99};
	struct stint_clock clock = {.monotonic_ns = START, .realtime_ns = UINT64_C(1700000000000000000)};
	struct stint_symbol symbol = {
		.addr = 0x2a1b00, .size_bytes = 0x80, .module = 2, .name_str = string(w, "schedule")};

	h->source = intern(w, STINT_SOURCE, &source);
	add(w, STINT_CLOCK, &clock);
	add(w, STINT_SYMBOL, &symbol);
	meta(w, "host", "example");
	meta(w, "kernel", "6.1.0");
	meta(w, "arch", "x86_64");
}

/* n intervals of two threads that take turns, and a sample now and then. Returns when it ends. */
static uint64_t host_events(struct stint_writer *w, const struct host *h, uint64_t time, uint32_t n, uint64_t *state)
{
	uint64_t left[2] = {time, time};
	uint32_t i;

	time += 3000;
	for (i = 0; i < n; i++) {
		uint32_t me = i & 1;
		struct stint_offcpu row = {
			.start_ns = left[me],
			.wake_ns = time - 400 - util_random(state) % 300,
			.end_ns = time,
			.flags = STINT_OFFCPU_WOKEN,
			.thread = h->thread[me],
			.state = 1,
			.syscall = 1,
			.stack = h->stack[2 + me],
			.waker = h->thread[!me],
		};
		struct stint_sample sample = {
			.time_ns = time + 100,
			.weight = 1 + i % 3,
			.value = 10101010,
			.thread = h->thread[me],
			.stack = h->stack[i % 2],
			.source = h->source,
		};

		add(w, STINT_OFFCPU, &row);
		if (i % 8 == 0)
			add(w, STINT_SAMPLE, &sample);
		left[!me] = time;
		time += 2000 + util_random(state) % 500;
	}
	return time;
}

static void host_end(struct stint_writer *w, const struct host *h, uint64_t time, uint64_t n_offcpu, uint64_t n_samples)
{
	struct stint_offcpu open = {
		.start_ns = START,
		.end_ns = time,
		.flags = STINT_OFFCPU_OPEN_START | STINT_OFFCPU_OPEN_END,
		.cpu = STINT_NO_CPU,
		.cpu_out = STINT_NO_CPU,
		.thread = h->thread[0],
		.state = 2,
		.stack = h->stack[3],
	};
	struct stint_task exit_row = {.time_ns = time, .kind = STINT_TASK_EXIT, .thread = h->thread[1]};
	struct stint_loss loss = {
		.from_ns = START, .to_ns = time, .count = 7, .cause = STINT_LOSS_RING_FULL, .table = STINT_OFFCPU};
	struct stint_total totals[2] = {
		{.time_ns = time, .seen = n_offcpu + 7, .table = STINT_OFFCPU, .final = 1},
		{.time_ns = time, .seen = n_samples, .table = STINT_SAMPLE, .final = 1},
	};

	add(w, STINT_OFFCPU, &open);
	add(w, STINT_TASK, &exit_row);
	add(w, STINT_LOSS, &loss);
	add(w, STINT_TOTAL, &totals[0]);
	add(w, STINT_TOTAL, &totals[1]);
}

/* rounds flushes of n intervals each. */
static void write_host(struct stint_writer *w, uint32_t rounds, uint32_t n)
{
	struct stint_task fork_row = {.time_ns = START + 1000, .kind = STINT_TASK_FORK};
	uint64_t time = START + 5000, state = 4711, n_samples = 0, i;
	struct host h;
	uint32_t r;

	host_tasks(w, &h);
	host_stacks(w, &h);
	host_facts(w, &h);
	fork_row.thread = h.thread[0];
	fork_row.other = h.thread[1];
	add(w, STINT_TASK, &fork_row);
	for (r = 0; r < rounds; r++) {
		time = host_events(w, &h, time, n, &state);
		for (i = 0; i < n; i += 8)
			n_samples += 1 + i % 3;
		flush(w);
	}
	host_end(w, &h, time, (uint64_t)rounds * n, n_samples);
}

/* The smallest file that shows everything; it stands in FORMAT.md byte by byte. */
static void make_example(void)
{
	struct stint_clock clock = {.monotonic_ns = 1000, .realtime_ns = 1700000000};
	struct stint_buf buf;
	struct stint_writer *w = start(&buf, -1);

	string(w, "cpu");
	string(w, "ns");
	add(w, STINT_CLOCK, &clock);
	clock = (struct stint_clock){.monotonic_ns = 1500, .realtime_ns = 1700000502};
	add(w, STINT_CLOCK, &clock);
	finish(w);
	save("example", &buf);
	stint_buf_done(&buf);
}

static size_t block_offset(const struct stint_buf *buf, size_t i)
{
	struct stint_reader *reader;
	size_t off;

	check(stint_reader_open_memory(&reader, buf->data, buf->len, NULL), "stint_reader_open_memory");
	off = (size_t)stint_reader_block(reader, i)->file_off;
	stint_reader_free(reader);
	return off;
}

/* The host, and everything that can happen to its file. */
static void make_host(void)
{
	struct stint_buf buf;
	struct stint_writer *w = start(&buf, 0);
	size_t off;

	finish(w);
	save("empty", &buf);
	stint_buf_done(&buf);

	w = start(&buf, 0);
	write_host(w, 4, 300);
	finish(w);
	save("host", &buf);
	save_cut("cut", &buf, block_offset(&buf, 16) + 80);
	save_cut("killed", &buf, block_offset(&buf, 16));
	save_flipped("flipped-file-header", &buf, 9);
	save_flipped("flipped-block-header", &buf, block_offset(&buf, 16) + 24);
	save_flipped("flipped-payload", &buf, block_offset(&buf, 16) + 70);
	/* Block 3 holds the threads. */
	save_flipped("flipped-dictionary", &buf, block_offset(&buf, 3) + 60);
	save_flipped("flipped-index", &buf, buf.len - 30);
	/* Ten bytes are missing from the middle of a payload. */
	off = block_offset(&buf, 16) + 200;
	memmove(buf.data + off, buf.data + off + 10, buf.len - off - 10);
	save_cut("hole", &buf, buf.len - 10);
	stint_buf_done(&buf);
}

/* Every table with random rows, which agree with nothing. */
static void make_tables(void)
{
	struct stint_buf buf;
	struct stint_writer *w = start(&buf, 0);
	uint64_t state = 99;
	uint32_t table, i, id;
	uint8_t row[256];

	for (i = 0; i < 40; i++)
		check(stint_writer_string(w, &state, i % 9, &id, NULL), "stint_writer_string");
	for (table = STINT_STRING + 1; table < STINT_INDEX; table++) {
		for (i = 0; stint_schema_of(table) && i < 40; i++) {
			util_random_row(&state, table, row);
			if (stint_is_dictionary(table))
				intern(w, table, row);
			else
				add(w, table, row);
			if (i == 25)
				flush(w);
		}
	}
	finish(w);
	save("tables", &buf);
	stint_buf_done(&buf);
}

/* Two stacks that were copied instead of walked, one of them unwound since. */
static void make_windows(void)
{
	static const uint8_t bytes[] = "the bytes of a stack, from its stack pointer on";
	struct stint_process process = {.start_ns = START, .pid = 100};
	struct stint_module module = {.kind = STINT_MODULE_FILE};
	struct stint_frame frame = {.addr = 0x1139, .flags = STINT_FRAME_EXACT};
	struct stint_node node = {0};
	struct stint_stack stack = {.user_end = STINT_USER_WINDOW};
	struct stint_window window = {.time_ns = START, .ip = 0x555555555139};
	struct stint_unwound unwound;
	struct stint_buf buf;
	struct stint_writer *w = start(&buf, -1);
	uint32_t i;

	window.process = intern(w, STINT_PROCESS, &process);
	module.path_str = string(w, "/usr/bin/program");
	frame.module = intern(w, STINT_MODULE, &module);
	for (i = 0; i < 2; i++) {
		frame.addr += i;
		node.frame = intern(w, STINT_FRAME, &frame);
		stack.leaf = intern(w, STINT_NODE, &node);
		window.stack = intern(w, STINT_STACK, &stack);
		window.time_ns += 1000 * i;
		window.ip += i;
		window.regs[STINT_WINDOW_FP] = 0x7ffffffe0030;
		window.regs[STINT_WINDOW_SP] = 0x7ffffffe0000;
		window.bytes = (struct stint_string){bytes, sizeof(bytes) >> i};
		add(w, STINT_WINDOW, &window);
	}
	unwound.stack = window.stack;
	stack.user_end = STINT_USER_COMPLETE;
	unwound.as_stack = intern(w, STINT_STACK, &stack);
	add(w, STINT_UNWOUND, &unwound);
	finish(w);
	save("windows", &buf);
	stint_buf_done(&buf);
}

/* Rows that decode well but can't be true. */
static void make_rules(void)
{
	struct stint_offcpu backwards = {.start_ns = 20, .end_ns = 10};
	struct stint_total total = {.seen = 5, .table = STINT_OFFCPU, .final = 1};
	struct stint_buf buf;
	struct stint_writer *w = start(&buf, 0);

	add(w, STINT_OFFCPU, &backwards);
	add(w, STINT_TOTAL, &total);
	finish(w);
	save("rule-order-and-sum", &buf);
	stint_buf_done(&buf);
}

/* A finished recording to which more blocks and a second index were appended. */
static void make_appended(void)
{
	struct stint_file_header header = {.major = 1, .header_bytes = 64};
	struct stint_block_writer *w = malloc(sizeof(*w));
	struct stint_string strings[2] = {{(const uint8_t *)"more", 4}, {(const uint8_t *)"strings", 7}};
	struct stint_buf buf;

	stint_buf_init(&buf, 1u << 20);
	check(stint_block_writer_init(w, &header, 0, util_sink(&buf), NULL), "stint_block_writer_init");
	check(stint_block_writer_rows(w, STINT_STRING, &strings[0], 1, 1, NULL), "rows");
	check(stint_block_writer_index(w, NULL), "index");
	check(stint_block_writer_rows(w, STINT_STRING, &strings[1], 1, 2, NULL), "rows");
	check(stint_block_writer_index(w, NULL), "index");
	check(stint_block_writer_index(w, NULL), "index");
	stint_block_writer_done(w);
	free(w);
	save("appended", &buf);
	save_cut("appended-cut", &buf, buf.len - 20);
	stint_buf_done(&buf);

	/* An index that says something else about a block than its header does. */
	w = malloc(sizeof(*w));
	stint_buf_init(&buf, 1u << 20);
	check(stint_block_writer_init(w, &header, 0, util_sink(&buf), NULL), "init");
	check(stint_block_writer_rows(w, STINT_STRING, &strings[0], 1, 1, NULL), "rows");
	check(stint_block_writer_rows(w, STINT_STRING, &strings[1], 1, 2, NULL), "rows");
	w->index[1].t_max_ns = 1;
	check(stint_block_writer_index(w, NULL), "index");
	stint_block_writer_done(w);
	free(w);
	save("bad-index-entry", &buf);
	stint_buf_done(&buf);
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: make_testdata DIRECTORY\n");
		return 2;
	}
	directory = argv[1];
	make_example();
	make_host();
	make_tables();
	make_windows();
	make_rules();
	make_appended();
	return 0;
}
