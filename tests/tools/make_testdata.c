/* SPDX-License-Identifier: MIT */
/*
 * Writes the recordings of testdata/ into a directory: make_testdata DIR. Everything is computed,
 * so each run makes the same rows; bytes may differ with the version of zstd. testdata/README.md
 * says what each file is for.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "format/block_writer.h"
#include "format/checksum.h"
#include "format/header.h"
#include "format/reader.h"
#include "format/schema.h"
#include "format/writer.h"
#include "tests/unit/format_util.h"

#define START UINT64_C(5000000000)

static const char *directory;
static const uint8_t recording_id[16] = {0x10, 0x32, 0x54, 0x76, 0x98, 0xba, 0x4c, 0xde,
                                         0x81, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef};

static void check(int code, const char *what)
{
	if (!code)
		return;
	fprintf(stderr, "make_testdata: %s fails with %d\n", what, code);
	exit(1);
}

static void save(const char *name, const struct stint_buf *buf)
{
	char path[4096];
	FILE *file;

	check(stint_buf_status(buf), name);
	snprintf(path, sizeof(path), "%s/%s.stint", directory, name);
	file = fopen(path, "wb");
	if (!file || fwrite(buf->data, 1, buf->len, file) != buf->len || fclose(file)) {
		perror(path);
		exit(1);
	}
}

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
	                              .build_id_str =
	                                      string(w, "\x01\x23\x45\x67\x89\xab\xcd\xef")};
	struct stint_module kernel = {.kind = STINT_MODULE_KERNEL,
	                              .path_str = string(w, "[kernel]")};
	uint32_t module[2], node = 0, i;
	struct stint_mapping mapping = {
	        .start = 0x555555555000, .size_bytes = 0x2000, .file_off = 0x1000, .process = 1};

	module[0] = intern(w, STINT_MODULE, &server);
	module[1] = intern(w, STINT_MODULE, &kernel);
	mapping.module = module[0];
	intern(w, STINT_MAPPING, &mapping);
	for (i = 0; i < 5; i++) {
		struct stint_frame frame = {
		        .addr = addrs[i], .module = module[i >= 3], .flags = i == 4};
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
	struct stint_source source = {
	        .name_str = string(w, "cpu-clock"), .unit_str = string(w, "ns"), .freq_hz = 99};
	struct stint_clock clock = {.monotonic_ns = START,
	                            .realtime_ns = UINT64_C(1700000000000000000)};
	struct stint_symbol symbol = {.addr = 0x2a1b00,
	                              .size_bytes = 0x80,
	                              .module = 2,
	                              .name_str = string(w, "schedule")};

	h->source = intern(w, STINT_SOURCE, &source);
	add(w, STINT_CLOCK, &clock);
	add(w, STINT_SYMBOL, &symbol);
	meta(w, "host", "example");
	meta(w, "kernel", "6.1.0");
	meta(w, "arch", "x86_64");
}

/* n intervals of two threads that take turns, and a sample now and then. Returns when it ends. */
static uint64_t host_events(struct stint_writer *w, const struct host *h, uint64_t time, uint32_t n,
                            uint64_t *state)
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

static void host_end(struct stint_writer *w, const struct host *h, uint64_t time, uint64_t n_offcpu,
                     uint64_t n_samples)
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
	struct stint_task exit_row = {
	        .time_ns = time, .kind = STINT_TASK_EXIT, .thread = h->thread[1]};
	struct stint_loss loss = {.from_ns = START,
	                          .to_ns = time,
	                          .count = 7,
	                          .cause = STINT_LOSS_RING_FULL,
	                          .table = STINT_OFFCPU};
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

	check(stint_reader_open_memory(&reader, buf->data, buf->len, NULL),
	      "stint_reader_open_memory");
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

/* Files built block by block, as a writer never would. */
struct raw {
	struct stint_buf buf;
	struct stint_buf payload;
	struct stint_block_header block;
};

static void raw_start(struct raw *raw, uint16_t major, uint16_t minor, uint64_t incompat)
{
	struct stint_file_header header = {.major = major,
	                                   .minor = minor,
	                                   .header_bytes = minor ? 80 : 64,
	                                   .incompat = incompat};
	uint8_t bytes[STINT_FILE_HEADER_BYTES];

	memset(raw, 0, sizeof(*raw));
	stint_buf_init(&raw->buf, 1u << 25);
	stint_buf_init(&raw->payload, 1u << 25);
	memcpy(header.recording_id, recording_id, sizeof(recording_id));
	stint_file_header_encode(&header, bytes);
	stint_buf_bytes(&raw->buf, bytes, sizeof(bytes));
	stint_buf_bytes(&raw->buf, "newer header....", header.header_bytes - 64);
}

/* Appends a block with raw->payload as it is; raw->block says the rest. */
static void raw_block(struct raw *raw, uint8_t table, uint32_t n_rows)
{
	struct stint_block_header *block = &raw->block;
	uint8_t bytes[STINT_BLOCK_HEADER_BYTES];

	block->table = table;
	block->n_rows = n_rows;
	if (table < STINT_FIRST_EVENT_TABLE && !block->first_id)
		block->first_id = 1;
	block->stored_bytes = (uint32_t)raw->payload.len;
	if (!block->raw_bytes)
		block->raw_bytes = block->stored_bytes;
	block->payload_check = stint_checksum(raw->payload.data, raw->payload.len);
	stint_block_header_encode(block, bytes);
	stint_buf_bytes(&raw->buf, bytes, sizeof(bytes));
	stint_buf_bytes(&raw->buf, raw->payload.data, raw->payload.len);
	*block = (struct stint_block_header){.seq = block->seq + 1};
	stint_buf_reset(&raw->payload);
}

static void raw_save(struct raw *raw, const char *name)
{
	save(name, &raw->buf);
	stint_buf_done(&raw->buf);
	stint_buf_done(&raw->payload);
}

static void raw_bytes(struct raw *raw, const char *bytes, size_t size)
{
	stint_buf_bytes(&raw->payload, bytes, size);
}

#define BYTES(raw, literal) raw_bytes(raw, literal, sizeof(literal) - 1)

/* One good block of strings, so that the file has something to read. */
static void raw_good(struct raw *raw)
{
	BYTES(raw, "\x01\x01\x30\x05\x01\x02"
	           "abc");
	raw_block(raw, STINT_STRING, 2);
}

/* What a newer writer may do, and this reader skips. */
static void make_newer(void)
{
	struct raw raw;

	raw_start(&raw, 1, 7, 0);
	raw_good(&raw);
	BYTES(&raw, "anything at all");
	raw_block(&raw, 50, 999999);
	/* A clock row with an unknown column in the middle, in an unknown encoding; and an unknown
	 * flag. */
	BYTES(&raw, "\x03"
	            "\x01\x00\x01"
	            "\x3f\x70\x04"
	            "\x02\x00\x02"
	            "\x05"
	            "????"
	            "\x80\x01");
	raw.block.flags = 0x8000;
	raw.block.t_min_ns = 5;
	raw.block.t_max_ns = 5;
	raw_block(&raw, STINT_CLOCK, 1);
	raw_save(&raw, "newer");

	raw_start(&raw, 1, 7, 0);
	raw_good(&raw);
	raw.block.flags = STINT_BLOCK_CRITICAL;
	raw_block(&raw, 50, 1);
	raw_save(&raw, "refused-critical");

	raw_start(&raw, 2, 0, 0);
	raw_good(&raw);
	raw_save(&raw, "refused-major");

	raw_start(&raw, 1, 0, 4);
	raw_good(&raw);
	raw_save(&raw, "refused-feature");
}

/* Encodings that stint's writer doesn't choose; FORMAT.md explains these very bytes. */
static void make_encodings(void)
{
	struct raw raw;

	raw_start(&raw, 1, 0, 0);
	/* monotonic_ns: delta over varints, 1000, 1500, 1499; realtime_ns: delta over a constant,
	 * 10, 20, 30. */
	BYTES(&raw, "\x02\x01\x01\x05\x02\x21\x01"
	            "\xd0\x0f\xe8\x07\x01"
	            "\x14");
	raw.block.t_min_ns = 1000;
	raw.block.t_max_ns = 1500;
	raw_block(&raw, STINT_CLOCK, 3);
	/* monotonic_ns: planes of two bytes, 256, 513, 2; realtime_ns isn't there. */
	BYTES(&raw, "\x01\x01\x10\x02\x06"
	            "\x00\x01\x02\x01\x02\x00");
	raw.block.t_min_ns = 2;
	raw.block.t_max_ns = 513;
	raw_block(&raw, STINT_CLOCK, 3);
	/* Two off-cpu rows: end_ns 1000 and 3000; off_ns 400 and 0; start_ref 0 and 1; runq_ns 50
	 * with WOKEN. */
	BYTES(&raw, "\x05"
	            "\x01\x00\x03"
	            "\x02\x00\x02"
	            "\x03\x01\x04"
	            "\x04\x00\x02"
	            "\x0d\x00\x02"
	            "\x90\x03\x00"
	            "\x00\x32"
	            "\xd0\x0f\xa0\x1f"
	            "\x00\x10"
	            "\x00\x01");
	raw.block.t_min_ns = 600;
	raw.block.t_max_ns = 3000;
	raw_block(&raw, STINT_OFFCPU, 2);
	/* No rows at all. */
	BYTES(&raw, "\x00");
	raw_block(&raw, STINT_META, 0);
	raw_save(&raw, "encodings");
}

/* One broken block behind a good one. */
static void broken(const char *name, uint8_t table, uint32_t n_rows, const char *bytes, size_t size)
{
	struct raw raw;

	raw_start(&raw, 1, 0, 0);
	raw_good(&raw);
	raw_bytes(&raw, bytes, size);
	raw_block(&raw, table, n_rows);
	raw_save(&raw, name);
}

#define BROKEN(name, table, n_rows, literal)                                                       \
	broken(name, table, n_rows, literal, sizeof(literal) - 1)

static void make_broken(void)
{
	BROKEN("bad-columns", STINT_CLOCK, 1, "\x41\x01\x00\x01\x05");
	BROKEN("bad-directory", STINT_CLOCK, 1, "\x02\x01\x00");
	BROKEN("bad-column-size", STINT_CLOCK, 1, "\x01\x01\x00\x7f\x05");
	BROKEN("bad-column-twice", STINT_CLOCK, 1, "\x02\x01\x00\x01\x01\x00\x01\x05\x06");
	BROKEN("bad-packing", STINT_CLOCK, 1, "\x01\x01\x40\x01\x05");
	BROKEN("bad-transform", STINT_CLOCK, 1, "\x01\x01\x02\x01\x05");
	BROKEN("bad-plane-width", STINT_CLOCK, 1,
	       "\x01\x01\x10\x09\x09\x01\x02\x03\x04\x05\x06\x07\x08\x09");
	BROKEN("bad-plane-size", STINT_CLOCK, 2, "\x01\x01\x10\x01\x03\x01\x02\x03");
	BROKEN("bad-varint", STINT_CLOCK, 1,
	       "\x01\x01\x00\x0b\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01");
	BROKEN("bad-too-wide", STINT_TASK, 1, "\x01\x02\x00\x05\x80\x80\x80\x80\x10");
	BROKEN("bad-rest", STINT_CLOCK, 1, "\x01\x01\x00\x01\x05\x06");
	BROKEN("bad-start-ref", STINT_OFFCPU, 1, "\x01\x0d\x00\x01\x01");
	BROKEN("bad-blob", STINT_CLOCK, 1, "\x01\x01\x30\x02\x01\x61");
	BROKEN("bad-string-length", STINT_STRING, 1, "\x01\x01\x30\x02\x05\x61");
	BROKEN("bad-long-string", STINT_STRING, 1, "\x01\x01\x30\x04\x81\x80\x04\x61");
	BROKEN("bad-row-count", STINT_META, 65537, "\x00");
	BROKEN("rule-reference", STINT_META, 1, "\x01\x01\x00\x01\x09");
	BROKEN("rule-tree", STINT_NODE, 2, "\x01\x01\x00\x02\x00\x02");
	BROKEN("rule-time-range", STINT_CLOCK, 1, "\x01\x01\x00\x01\x05");
}

/* Blocks whose header is at fault. */
static void make_broken_headers(void)
{
	struct raw raw;

	raw_start(&raw, 1, 0, 0);
	raw_good(&raw);
	BYTES(&raw, "\x00");
	raw.block.codec = 9;
	raw_block(&raw, STINT_META, 1);
	BYTES(&raw, "\x00");
	raw.block.raw_bytes = 2;
	raw_block(&raw, STINT_META, 1);
	BYTES(&raw, "\x00");
	raw.block.codec = STINT_CODEC_ZSTD;
	raw_block(&raw, STINT_META, 1);
	BYTES(&raw, "\x00");
	raw.block.raw_bytes = STINT_MAX_BLOCK_BYTES + 1;
	raw_block(&raw, STINT_META, 1);
	/* Again an id that was there. */
	raw_good(&raw);
	raw_save(&raw, "bad-headers");

	raw_start(&raw, 1, 0, 0);
	raw_good(&raw);
	BYTES(&raw, "\x00");
	raw.block.first_id = STINT_MAX_DICTIONARY_ROWS;
	raw_block(&raw, STINT_NODE, 2);
	raw_save(&raw, "bad-ids");

	raw_start(&raw, 1, 0, 0);
	raw_good(&raw);
	BYTES(&raw, "\x00");
	raw.block.first_id = 1;
	raw_block(&raw, STINT_META, 1);
	raw_save(&raw, "bad-event-ids");
}

/* zstd frames that aren't what the header says. */
static void make_broken_frames(void)
{
	static const char container[] = "\x01\x01\x00\x05\xff\xff\xff\xff\x0f";
	struct stint_compressor *c = stint_compressor_new(0);
	struct raw raw;
	int i;

	raw_start(&raw, 1, 0, 0);
	raw_good(&raw);
	for (i = 0; i < 4; i++) {
		check(stint_compress(c, container, sizeof(container) - 1, NULL, 0, &raw.payload),
		      "stint_compress");
		if (i == 1) /* a second frame */
			check(stint_compress(c, container, sizeof(container) - 1, NULL, 0,
			                     &raw.payload),
			      "stint_compress");
		if (i == 3) /* a frame that is cut off */
			raw.payload.len--;
		raw.block.codec = STINT_CODEC_ZSTD;
		raw.block.raw_bytes = (uint32_t)sizeof(container) - 1 + (i == 2);
		raw.block.t_max_ns = UINT64_MAX;
		raw_block(&raw, STINT_TASK, 1);
	}
	raw_save(&raw, "bad-frames");
	stint_compressor_free(c);
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
	struct stint_string strings[2] = {{(const uint8_t *)"more", 4},
	                                  {(const uint8_t *)"strings", 7}};
	struct stint_buf buf;

	stint_buf_init(&buf, 1u << 20);
	check(stint_block_writer_init(w, &header, 0, util_sink(&buf), NULL),
	      "stint_block_writer_init");
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
	make_newer();
	make_encodings();
	make_broken();
	make_broken_headers();
	make_broken_frames();
	make_rules();
	make_appended();
	return 0;
}
