/* SPDX-License-Identifier: MIT */
/*
 * What a row costs in the file, and how fast rows are written and read. The streams are synthetic
 * and the same on every run: threads that hand each other one CPU, a crowd of messaging threads,
 * and samples. Prints one line of "name value unit" per figure. Usage: format_bench [LEVEL]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "format/reader.h"
#include "format/writer.h"

#define N_ROWS 1000000u

static uint64_t seed = 88172645463325252u;

static uint64_t next(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

/* Roughly normal, with that standard deviation: the sum of twelve uniform numbers. */
static int64_t noise(int64_t deviation)
{
	int64_t sum = 0;
	int i;

	for (i = 0; i < 12; i++)
		sum += (int64_t)(next() % 2001) - 1000;
	return sum * deviation / 2000;
}

/* CPU time, which other load on the machine disturbs least. */
static double now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + 1e-9 * (double)ts.tv_nsec;
}

static int append(void *context, const void *data, size_t size, struct stint_err *err)
{
	stint_buf_bytes(context, data, size);
	return stint_buf_status(context) ? stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory") : 0;
}

static void check(int code, const struct stint_err *err)
{
	if (!code)
		return;
	fprintf(stderr, "format_bench: %s\n", err->msg);
	exit(1);
}

/* Two threads on one CPU wake each other through a pipe: a switch every 2.2 us, +-150 ns. */
static void pingpong(void *rows)
{
	struct stint_offcpu *out = rows;
	uint64_t time = 1000000000000u, left[2] = {time - 2000, time - 2000};
	uint32_t i;

	for (i = 0; i < N_ROWS; i++) {
		uint32_t me = i & 1;
		struct stint_offcpu row = {
			.start_ns = left[me],
			.end_ns = time,
			.wake_ns = time - (uint64_t)(1000 + noise(100)),
			.flags = STINT_OFFCPU_WOKEN,
			.thread = 10 + me,
			.state = 1,
			.syscall = 1,
			.stack = 1 + me,
			.waker = 11 - me,
		};

		out[i] = row;
		left[!me] = time;
		time += (uint64_t)(2200 + noise(150));
	}
}

#define CROWD 80u

/* 40 pairs of threads on two CPUs, in bursts; half of the senders are preempted, with several
 * stacks. */
static void messaging(void *rows)
{
	struct stint_offcpu *out = rows;
	uint64_t time[2] = {1000000000000u, 1000000000300u};
	uint64_t left[CROWD], woken[CROWD];
	uint32_t cpu_out[CROWD], waker[CROWD], why[CROWD], queue[2][CROWD], n_queue[2] = {0, 0}, i, k;

	for (i = 0; i < CROWD; i++) {
		left[i] = time[i & 1] - 100000 - i * 1000;
		woken[i] = time[i & 1] - 50000 - i * 500;
		cpu_out[i] = i & 1;
		why[i] = 0;
		waker[i] = (i + 1) % CROWD;
		queue[i & 1][n_queue[i & 1]++] = i;
	}
	for (i = 0; i < N_ROWS; i++) {
		uint32_t cpu = time[0] <= time[1] ? 0 : 1, me;
		struct stint_offcpu row;

		if (!n_queue[cpu]) {
			/* Steals from the other CPU. */
			queue[cpu][n_queue[cpu]++] = queue[!cpu][--n_queue[!cpu]];
		}
		me = queue[cpu][0];
		memmove(queue[cpu], queue[cpu] + 1, --n_queue[cpu] * sizeof(queue[0][0]));
		row = (struct stint_offcpu){
			.start_ns = left[me],
			.end_ns = time[cpu],
			.wake_ns = why[me] == 2 ? 0 : woken[me],
			.flags = why[me] == 2 ? STINT_OFFCPU_PREEMPTED : STINT_OFFCPU_WOKEN,
			.cpu = cpu,
			.cpu_out = cpu_out[me],
			.thread = 10 + me,
			.state = why[me] == 2 ? 0 : 1,
			.syscall = why[me] == 2 ? 0 : 1 + why[me],
			.stack = why[me] == 2 ? 5 + (uint32_t)(next() % 6) : 1 + why[me] + 2 * (me % 2),
			.waker = why[me] == 2 ? 0 : 10 + waker[me],
		};
		out[i] = row;
		/* It runs for a while, wakes a few that sleep, and leaves for one reason or
		 * another. */
		time[cpu] += (uint64_t)(3000 + noise(600));
		left[me] = time[cpu];
		cpu_out[me] = cpu;
		k = (uint32_t)(next() % 10);
		why[me] = k < 5 ? 0 : k < 8 ? 1 : 2;
		woken[me] = time[cpu] + 20000 + next() % 60000;
		waker[me] = me ^ 1;
		if (next() % 4 == 0)
			waker[me] = (me + 2 * (uint32_t)(next() % 4)) % CROWD;
		queue[cpu][n_queue[cpu]++] = me;
		/* Wake-ups can't be later than the switch. */
		if (woken[queue[cpu][0]] > time[cpu])
			woken[queue[cpu][0]] = time[cpu] - 300 - next() % 200;
	}
}

/* 999 Hz on four CPUs, 300 stacks of which a few are hot. */
static void samples(void *rows)
{
	struct stint_sample *out = rows;
	uint64_t time = 1000000000000u;
	uint32_t i;

	for (i = 0; i < N_ROWS; i++) {
		uint32_t cpu = i & 3, r = (uint32_t)(next() % 300);
		struct stint_sample row = {
			.time_ns = time + cpu * 1000 + (uint64_t)(2000 + noise(500)),
			.weight = 1,
			.value = 1001001,
			.cpu = cpu,
			.thread = 10 + cpu + (r > 250),
			.stack = 1 + r * r / 300,
			.source = 1,
		};

		out[i] = row;
		if (cpu == 3)
			time += 1001001;
	}
}

static void dictionaries(struct stint_writer *w)
{
	struct stint_err err = STINT_ERR_INIT;
	uint32_t i, id;

	for (i = 0; i < 400; i++) {
		struct stint_thread thread = {.tid = 1000 + i, .process = 0};
		struct stint_stack stack = {.n_kernel = 0, .user_end = i};

		check(stint_writer_intern(w, STINT_THREAD, &thread, &id, &err), &err);
		check(stint_writer_intern(w, STINT_STACK, &stack, &id, &err), &err);
	}
}

static void measure(const char *name, int level, enum stint_table table, size_t row_bytes, void (*make)(void *))
{
	struct stint_writer_options options = {.compression_level = level};
	struct stint_err err = STINT_ERR_INIT;
	struct stint_rows rows = {0};
	struct stint_reader *reader;
	struct stint_writer *w;
	struct stint_buf buf;
	uint8_t *made = malloc(N_ROWS * row_bytes);
	double start, written, read;
	size_t i, n = 0, round;

	if (!made)
		exit(1);
	make(made);

	stint_buf_init(&buf, SIZE_MAX / 4);
	check(stint_writer_new(&w, &options, (struct stint_sink){append, &buf}, &err), &err);
	dictionaries(w);
	start = now_s();
	for (i = 0; i < N_ROWS; i++) {
		check(stint_writer_add(w, table, made + i * row_bytes, &err), &err);
		/* As a recorder does once a second. */
		if (i % 300000 == 299999)
			check(stint_writer_flush(w, &err), &err);
	}
	check(stint_writer_finish(w, &err), &err);
	written = now_s() - start;
	printf("%s_bytes_per_row %.3f bytes\n", name, (double)buf.len / N_ROWS);
	printf("%s_written %.2f Mrows/s\n", name, N_ROWS / written / 1e6);
	printf("%s_writer_memory %zu bytes\n", name, stint_writer_memory_bytes(w));
	stint_writer_free(w);
	start = now_s();
	for (round = 0; round < 5; round++) {
		check(stint_reader_open_memory(&reader, buf.data, buf.len, &err), &err);
		for (i = 0; i < stint_reader_info(reader)->n_blocks; i++) {
			check(stint_reader_decode(reader, i, &rows, &err), &err);
			n += rows.n_rows;
		}
		stint_reader_free(reader);
	}
	read = now_s() - start;
	printf("%s_read %.1f Mrows/s\n", name, (double)n / read / 1e6);
	stint_rows_done(&rows);
	stint_buf_done(&buf);
	free(made);
}

int main(int argc, char **argv)
{
	int level = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 0;

	measure("pingpong", level, STINT_OFFCPU, sizeof(struct stint_offcpu), pingpong);
	measure("messaging", level, STINT_OFFCPU, sizeof(struct stint_offcpu), messaging);
	measure("samples", level, STINT_SAMPLE, sizeof(struct stint_sample), samples);
	return 0;
}
