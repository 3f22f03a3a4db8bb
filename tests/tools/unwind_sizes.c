/* SPDX-License-Identifier: MIT */
/*
 * How large the unwind tables of ELF files are, and how long they take to make. usage: unwind_sizes RUNS FILE...
 * Prints a line for each: rows, bytes, entries they come of, rows that no walker can use, milliseconds of CPU time (the
 * best of the runs), path; then the sum, and the memory that it took.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "record/unwind_prepare.h"

static double cpu_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

static int take_rows(void *context, const struct unwind_row *rows, uint32_t n)
{
	static struct unwind_row to[UNWIND_ROWS_AT_ONCE];
	uint32_t *n_rows = context, done, now;

	for (done = 0; done < n; done += now) {
		now = n - done < UNWIND_ROWS_AT_ONCE ? n - done : UNWIND_ROWS_AT_ONCE;
		memcpy(to, rows + done, now * sizeof(*rows));
	}
	*n_rows += n;
	return 0;
}

/* What the recorder does with a file: its rows are counted, and then handed on. */
static int prepare(int fd, uint32_t *ret_rows, struct unwind_counts *ret, struct stint_err *err)
{
	struct unwind_prepared prepared = {0};
	struct unwind_source source;
	int rc = unwind_source_of(&source, fd, err);

	*ret_rows = 0;
	if (!rc)
		rc = unwind_prepare(&prepared, &source, err);
	*ret = prepared.counts;
	if (!rc)
		rc = unwind_prepared_rows(&prepared, take_rows, ret_rows);
	unwind_prepared_done(&prepared);
	return rc;
}

/* The table's size, and the least time that it took. False with a message when the file can't be used. */
static bool measure(const char *path, long n_runs, struct unwind_counts *ret, double *ret_ms)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stint_err err = STINT_ERR_INIT;
	uint32_t n_rows = 0;
	int rc = 0;
	long i;

	*ret = (struct unwind_counts){0};
	*ret_ms = 0;
	for (i = 0; rc == 0 && fd >= 0 && i < n_runs; i++) {
		double start = cpu_ms(), took;

		rc = prepare(fd, &n_rows, ret, &err);
		took = cpu_ms() - start;
		if (i == 0 || took < *ret_ms)
			*ret_ms = took;
	}
	if (fd < 0)
		perror(path);
	else if (rc || n_rows != ret->n_rows)
		fprintf(stderr, "%s: %s\n", path, rc ? err.msg : "other rows the second time");
	if (fd >= 0)
		close(fd);
	return fd >= 0 && rc == 0 && n_rows == ret->n_rows;
}

/* The most that was ever resident, in KiB. */
static long peak_kib(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_maxrss;
}

int main(int argc, char **argv)
{
	long n_runs = argc > 2 ? strtol(argv[1], NULL, 10) : 0;
	uint64_t n_rows = 0;
	unsigned n_files = 0;
	double total_ms = 0;
	long before_kib = peak_kib();
	int i;

	if (n_runs < 1) {
		fprintf(stderr, "usage: unwind_sizes RUNS FILE...\n");
		return 2;
	}
	printf("%9s %9s %9s %6s %8s\n", "rows", "bytes", "entries", "unused", "ms");
	for (i = 2; i < argc; i++) {
		struct unwind_counts table;
		double ms;

		if (measure(argv[i], n_runs, &table, &ms)) {
			printf("%9" PRIu32 " %9zu %9" PRIu32 " %6" PRIu32 " %8.2f %s\n", table.n_rows,
			       table.n_rows * sizeof(struct unwind_row), table.n_fdes, table.n_unsupported, ms,
			       argv[i]);
			n_rows += table.n_rows;
			total_ms += ms;
			n_files++;
		}
	}
	printf("%9" PRIu64 " %9" PRIu64 " %9s %6s %8.2f %u files\n", n_rows, n_rows * sizeof(struct unwind_row), "", "",
	       total_ms, n_files);
	printf("memory: %ld KiB before, %ld KiB at most\n", before_kib, peak_kib());
	return 0;
}
