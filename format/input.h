/* SPDX-License-Identifier: MIT */
/*
 * Where a recording is read from: a file, or bytes in memory. Files are read, never mapped: a file
 * that is cut short or overwritten while we look at it gives an error, where a mapping would give
 * SIGBUS.
 */
#ifndef STINT_FORMAT_INPUT_H
#define STINT_FORMAT_INPUT_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct stint_input {
	const uint8_t *data; /* NULL: a file */
	int fd;
	uint64_t size;
};

/*
 * Opens a regular file, or ("-" is standard input) copies a pipe or socket to a temporary file
 * without a name. Devices and directories are refused: STINT_ERR_IO.
 */
int stint_input_open(struct stint_input *in, const char *path, struct stint_err *err);
void stint_input_open_memory(struct stint_input *in, const void *data, size_t size);
void stint_input_done(struct stint_input *in);

/*
 * The size bytes at an offset: in place where that is possible, else read into buffer. NULL when
 * they are beyond the end (STINT_ERR_FORMAT) or can't be read (STINT_ERR_IO). Safe for several
 * threads.
 */
const uint8_t *stint_input_at(const struct stint_input *in, uint64_t offset, size_t size, uint8_t *buffer,
			      struct stint_err *err);

#endif
