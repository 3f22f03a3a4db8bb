/* SPDX-License-Identifier: MIT */
#include "analyze/progress.h"

#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

static bool shown;

static double megabytes(uint64_t bytes)
{
	return (double)bytes / 1e6;
}

void progress_show(const char *what, uint64_t bytes, uint64_t of_bytes)
{
	if (!isatty(STDERR_FILENO))
		return;
	shown = true;
	if (of_bytes)
		fprintf(stderr, "\r\033[K%s: %.1f of %.1f MB", what, megabytes(bytes), megabytes(of_bytes));
	else
		fprintf(stderr, "\r\033[K%s: %.1f MB", what, megabytes(bytes));
	fflush(stderr);
}

void progress_clear(void)
{
	if (shown)
		fputs("\r\033[K", stderr);
	shown = false;
}
