/* SPDX-License-Identifier: MIT */
/*
 * How large the unwind tables of ELF files are, and how long they take to make. usage: unwind_sizes RUNS FILE...
 * Prints a line for each: rows, bytes, entries they come of, rows that no walker can use, milliseconds of CPU time (the
 * best of the runs), path; and the sum.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "record/unwind_table.h"

static double cpu_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

/* The table, and the least time that it took. False with a message when the file can't be used. */
static bool measure(const char *path, long n_runs, struct unwind_table *ret, double *ret_ms)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stint_err err = {0};
	int rc = 0;
	long i;

	*ret = (struct unwind_table){0};
	*ret_ms = 0;
	for (i = 0; rc == 0 && fd >= 0 && i < n_runs; i++) {
		double start = cpu_ms(), took;

		unwind_table_done(ret);
		rc = unwind_table_read(ret, fd, &err);
		took = cpu_ms() - start;
		if (i == 0 || took < *ret_ms)
			*ret_ms = took;
	}
	if (fd < 0)
		perror(path);
	else if (rc)
		fprintf(stderr, "%s: %s\n", path, err.msg);
	if (fd >= 0)
		close(fd);
	return fd >= 0 && rc == 0;
}

int main(int argc, char **argv)
{
	long n_runs = argc > 2 ? strtol(argv[1], NULL, 10) : 0;
	uint64_t n_rows = 0;
	unsigned n_files = 0;
	double total_ms = 0;
	int i;

	if (n_runs < 1) {
		fprintf(stderr, "usage: unwind_sizes RUNS FILE...\n");
		return 2;
	}
	printf("%9s %9s %9s %6s %8s\n", "rows", "bytes", "entries", "unused", "ms");
	for (i = 2; i < argc; i++) {
		struct unwind_table table;
		double ms;

		if (measure(argv[i], n_runs, &table, &ms)) {
			printf("%9" PRIu32 " %9zu %9" PRIu32 " %6" PRIu32 " %8.2f %s\n", table.n_rows,
			       table.n_rows * sizeof(struct unwind_row), table.n_fdes, table.n_unsupported, ms,
			       argv[i]);
			n_rows += table.n_rows;
			total_ms += ms;
			n_files++;
		}
		unwind_table_done(&table);
	}
	printf("%9" PRIu64 " %9" PRIu64 " %9s %6s %8.2f %u files\n", n_rows, n_rows * sizeof(struct unwind_row), "", "",
	       total_ms, n_files);
	return 0;
}
