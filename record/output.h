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
	bool regular; /* a file of our own: what a failed write left of its piece is cut off again */
	bool full;    /* the size limit or the disk's end was reached: later writes of events are refused */
	bool ending;  /* set by the caller for the last rows and the index, which may use the reserve, also when full */
	bool published; /* the file has its name */
	bool in_memory; /* until then, where files can't be without a name */
	char path[4096];
};

/* How much of max_bytes is kept for the ending: the ledger that says what the limit cost, and the index. */
#define OUTPUT_RESERVE_BYTES (64u << 10)
#define OUTPUT_MIN_BYTES     (2 * OUTPUT_RESERVE_BYTES) /* of max_bytes */

#define OUTPUT_NO_READER 1 /* of output_open: nobody has the FIFO open for reading yet */

/*
 * Prepares to write to path; waits for nothing. "-" and "/dev/stdout" are standard output, refused when that is a
 * terminal; from then on the process's standard output is its standard error, so that neither a message nor the
 * recorded command's own output gets into the stream: call it before command_start. Fails with STINT_ERR_USAGE or
 * STINT_ERR_SYSTEM. A max_bytes too small for any recording is STINT_ERR_USAGE.
 */
int output_init(struct output *out, const char *path, uint64_t max_bytes, struct stint_err *err);

/*
 * Opens it for writing. A file is made anew, readable by its owner only (mode 0600: a recording tells what a
 * host runs), without a name, or in memory where the file system has no nameless files, so that a killed recorder
 * leaves nothing that isn't a recording; it replaces an existing regular file when it is published; a symbolic link to
 * a regular file is replaced, not followed. A FIFO or a device is written to as it is. It never waits: where a FIFO
 * has no reader it returns OUTPUT_NO_READER, and may be called again. Fails with STINT_ERR_SYSTEM.
 */
int output_open(struct output *out, struct stint_err *err);

/*
 * Gives a file its name, over an old file of that name: the recording has begun. It takes the same rights as
 * output_open. Where sudo runs the recorder, as root, the file is from then on that of who ran sudo (SUDO_UID,
 * SUDO_GID). Fails with STINT_ERR_SYSTEM.
 */
int output_publish(struct output *out, struct stint_err *err);

/*
 * The sink of a writer. A write that would pass max_bytes (less the reserve, until ending is set) fails with
 * STINT_ERR_LIMIT and writes nothing of it; out->full is then set, and stays. When the disk is full or the write
 * fails otherwise, it fails with STINT_ERR_SYSTEM; a regular file is cut back to where it was whole, and
 * written_bytes says where that is. The process should ignore SIGPIPE and SIGXFSZ, to see these as errors.
 */
struct stint_sink output_sink(struct output *out);

/* "stint-<host>-<time>.stint", in local time. */
void output_default_path(char *path, size_t size);

/*
 * Closes it; a failure of the last write-back is reported. Syncs nothing: that costs the host. A file that was never
 * published is removed.
 */
int output_close(struct output *out, struct stint_err *err);

#endif
