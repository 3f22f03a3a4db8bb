/* SPDX-License-Identifier: MIT */
/* A file's rows in one piece, for those that look at all of them. */
#ifndef STINT_RECORD_UNWIND_TABLE_H
#define STINT_RECORD_UNWIND_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "record/unwind_build.h"

struct unwind_table {
	struct unwind_row *rows;
	uint32_t n_rows; /* 0 for a file without unwind information */
	struct unwind_counts counts;
};

/*
 * Reads a regular file (its offset is left alone), or an ELF image in memory whose layout is the
 * file's (the vDSO). The table is owned by the caller. Fails as unwind_build_new; *ret is then empty.
 */
int unwind_table_read(struct unwind_table *ret, int fd, struct stint_err *err);
int unwind_table_read_memory(struct unwind_table *ret, const void *data, size_t size_bytes, struct stint_err *err);
void unwind_table_done(struct unwind_table *table); /* NULL and zeroed are fine */

/* The row that covers a file offset; NULL where none does (UNWIND_NONE counts as none). */
const struct unwind_row *unwind_table_find(const struct unwind_table *table, uint64_t file_off);

#endif
