/* SPDX-License-Identifier: MIT */
/*
 * Writes a recording, front to back: nothing is seeked to or rewritten, so the sink may be a pipe.
 * A writer belongs to one thread at a time.
 */
#ifndef STINT_FORMAT_WRITER_H
#define STINT_FORMAT_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "format/layout.h"
#include "format/rows.h"

struct stint_reader;
struct stint_writer;

/*
 * Where the bytes go. write takes all of them (returns 0) or fails (returns a code, fills err). After
 * its first failure it is never called again: nothing can follow a block that may be torn. Every later
 * call for the writer then fails in the same way, and what was written before stays readable.
 */
struct stint_sink {
	int (*write)(void *context, const void *data, size_t size, struct stint_err *err);
	void *context;
};

struct stint_writer_options {
	uint8_t recording_id[16];    /* a random UUID */
	int compression_level;	     /* zstd's; 0 for the default (1); negative for no compression */
	size_t max_dictionary_bytes; /* memory for the dictionaries' look-up; 0 for the default (8 MiB). When it is
				      * passed they are forgotten and rows may be written again under new ids. */
};

/* Starts a file: its header goes to the sink at once. The sink is used until the writer is freed. */
int stint_writer_new(struct stint_writer **ret, const struct stint_writer_options *options, struct stint_sink sink,
		     struct stint_err *err);

/*
 * Starts a file with all of another recording in it: whole blocks as they are, in order, and a loss row
 * (STINT_LOSS_REPAIRED) for each one that is damaged. Ids in it stay what they are and rows added later get
 * ids behind them, so this is how symbols are packed into a recording. It keeps its recording_id unless the
 * options have one. Fails as stint_writer_new and stint_reader_decode do.
 */
int stint_writer_new_copy(struct stint_writer **ret, const struct stint_reader *reader,
			  const struct stint_writer_options *options, struct stint_sink sink, struct stint_err *err);

/*
 * The id of this row in a dictionary (table < STINT_FIRST_EVENT_TABLE), which is added when new. row is
 * the struct of that table. The ids in it must have come from this writer. Ids stay valid for the
 * writer's whole life. ret_id may point into the row; it is 0 on failure. Fails with STINT_ERR_LIMIT (the
 * dictionary is full), STINT_ERR_NOMEM, STINT_ERR_USAGE (no dictionary, or already finished) or what the sink
 * says.
 */
int stint_writer_intern(struct stint_writer *writer, enum stint_table table, const void *row, uint32_t *ret_id,
			struct stint_err *err);

/*
 * Adds a row to a dictionary other than the strings, also when there is an equal one: its id is its own, and no later
 * stint_writer_intern returns it. Else as stint_writer_intern.
 */
int stint_writer_append(struct stint_writer *writer, enum stint_table table, const void *row, uint32_t *ret_id,
			struct stint_err *err);

/* stint_writer_intern for a string: size bytes, cut at STINT_MAX_STRING_BYTES. Size 0 gives id 0. */
int stint_writer_string(struct stint_writer *writer, const void *data, size_t size, uint32_t *ret_id,
			struct stint_err *err);

/*
 * Adds a row to any other table. A full block is written out, after the dictionary rows it may need. Columns of
 * bytes are copied; longer ones than the table allows (STINT_MAX_WINDOW_BYTES …) give STINT_ERR_LIMIT and no row.
 * Within a block, off-CPU rows are sorted by (cpu, end_ns); all others stay in the order of adding.
 * STINT_ERR_USAGE for a dictionary or an unknown table; else as stint_writer_intern.
 */
int stint_writer_add(struct stint_writer *writer, enum stint_table table, const void *row, struct stint_err *err);

/* Writes out everything that is pending, dictionaries first: what was added before survives a kill. */
int stint_writer_flush(struct stint_writer *writer, struct stint_err *err);

/* Flushes and writes the index. Only freeing may follow. */
int stint_writer_finish(struct stint_writer *writer, struct stint_err *err);

/* Frees without writing. NULL is fine. */
void stint_writer_free(struct stint_writer *writer);

uint64_t stint_writer_size_bytes(const struct stint_writer *writer);		       /* written to the sink so far */
uint64_t stint_writer_rows(const struct stint_writer *writer, enum stint_table table); /* added, pending included */
size_t stint_writer_memory_bytes(const struct stint_writer *writer);		       /* held now */

/*
 * Goes up each time the dictionaries are forgotten (see max_dictionary_bytes). Callers that cache ids to
 * save look-ups may keep them: old ids stay valid.
 */
uint64_t stint_writer_generation(const struct stint_writer *writer);

#endif
