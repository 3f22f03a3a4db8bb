/* SPDX-License-Identifier: MIT */
/* Where a recording goes: a new file, standard output, or a pipe, with a size limit. */
#ifndef STINT_RECORD_OUTPUT_H
#define STINT_RECORD_OUTPUT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "format/writer.h"

struct output {
	int fd;
	uint64_t written_bytes;
	uint64_t max_bytes; /* 0: none */
	bool owned;
	bool full; /* the size limit or the disk's end was reached: later writes of events are refused */
	char path[4096];
};

/*
 * Opens path for writing ("-": standard output, refused when that is a terminal). An existing regular file is replaced
 * only once the new one could be created.
 */
int output_open(struct output *out, const char *path, uint64_t max_bytes, struct stint_err *err);

/* The sink of a writer. A write past max_bytes fails with STINT_ERR_LIMIT and writes nothing of it. */
struct stint_sink output_sink(struct output *out);

/* "stint-<host>-<time>.stint" */
void output_default_path(char *path, size_t size);

int output_close(struct output *out, struct stint_err *err); /* syncs nothing: that costs the host */

#endif
