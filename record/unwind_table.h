/* SPDX-License-Identifier: MIT */
/* From an ELF file to the rows that the walkers use (bpf/unwind_row.h). Trusts nothing in the file.
 */
#ifndef STINT_RECORD_UNWIND_TABLE_H
#define STINT_RECORD_UNWIND_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "bpf/unwind_row.h"

#define UNWIND_MAX_ROWS (16u << 20) /* 128 MiB; Chromium has about 3M */
#define UNWIND_MAX_FDES (4u << 20)
#define UNWIND_MAX_GAP                                                                                                 \
	15u /* bytes between functions that the row before them may cover: padding                 \
	     */

struct unwind_table {
	struct unwind_row *rows;
	uint32_t n_rows;  /* 0 for a file without unwind information */
	uint16_t machine; /* EM_X86_64 or EM_AARCH64 */

	uint32_t n_fdes;
	uint32_t n_unsupported; /* rows of kind UNWIND_UNSUPPORTED */
	uint32_t n_bad;		/* malformed entries, left out */
	uint32_t n_outside;	/* FDEs of code that isn't in the file */
};

/*
 * Reads a regular file (its offset is left alone), or an ELF image in memory whose layout is the
 * file's (the vDSO). The table is owned by the caller and its memory is no larger than its rows.
 * Fails with STINT_ERR_FORMAT (not ELF, or its headers contradict themselves), _UNSUPPORTED
 * (another machine or class), _LIMIT, _IO, _NOMEM; *ret is then empty. Malformed entries of single
 * functions are no failure: see the counts.
 */
int unwind_table_read(struct unwind_table *ret, int fd, struct stint_err *err);
int unwind_table_read_memory(struct unwind_table *ret, const void *data, size_t size_bytes, struct stint_err *err);
void unwind_table_done(struct unwind_table *table); /* NULL and zeroed are fine */

/* The row that covers a file offset; NULL where none does (UNWIND_NONE counts as none). */
const struct unwind_row *unwind_table_find(const struct unwind_table *table, uint64_t file_off);

#endif
