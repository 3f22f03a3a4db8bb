/* SPDX-License-Identifier: MIT */
/*
 * Makes the rows of an ELF file (bpf/unwind_row.h), in the order of addresses, and hands them on as they are made: what
 * is held meanwhile doesn't grow with the file. Trusts nothing in it.
 */
#ifndef STINT_RECORD_UNWIND_BUILD_H
#define STINT_RECORD_UNWIND_BUILD_H

#include <stdint.h>

#include "base/err.h"
#include "bpf/unwind_row.h"
#include "record/unwind_bytes.h"

#define UNWIND_MAX_ROWS	    (16u << 20) /* 128 MiB; Chromium has about 3M */
#define UNWIND_MAX_FDES	    (4u << 20)
#define UNWIND_MAX_STUBS    (64u << 10)
#define UNWIND_MAX_READ	    (8ull << 30) /* bytes read of a file in a run, which goes through a large one often */
#define UNWIND_ROWS_AT_ONCE 4096u
#define UNWIND_MAX_GAP	    15u /* bytes between functions that the row before them may cover: padding */

struct unwind_counts {
	uint32_t n_rows;
	uint32_t n_fdes;
	uint32_t n_unsupported; /* rows of kind UNWIND_UNSUPPORTED */
	uint32_t n_bad;		/* malformed entries, left out */
	uint32_t n_outside;	/* FDEs of code that isn't in the file */
	uint16_t machine;	/* EM_X86_64 or EM_AARCH64 */
};

/* Takes the next rows. Returns 0, or a negative error for no more of them. */
typedef int unwind_take_fn(void *context, const struct unwind_row *rows, uint32_t n);

struct unwind_build;

/*
 * Reads a file's headers. What the source names must outlive the build; of its left_bytes the build has its own. Fails
 * with STINT_ERR_FORMAT (not ELF, or its headers contradict themselves), _UNSUPPORTED (another machine or class),
 * _LIMIT, _IO, _NOMEM, or _SYSTEM when the source's stop is asked for.
 */
int unwind_build_new(struct unwind_build **ret, const struct unwind_source *source, struct stint_err *err);
void unwind_build_free(struct unwind_build *build); /* NULL is fine */

/*
 * Makes all rows; can be called again, for the same ones if the file is still the same. Every call of take but the last
 * one has UNWIND_ROWS_AT_ONCE rows. Fails with what take returned, STINT_ERR_SYSTEM when the source's stop is asked
 * for, or as above. Malformed entries of single functions
 * are no failure: see the counts.
 */
int unwind_build_run(struct unwind_build *build, unwind_take_fn *take, void *context, struct unwind_counts *ret,
		     struct stint_err *err);

/* How many functions it has found so far; all of them once a run has begun to hand on rows. */
uint32_t unwind_build_functions(const struct unwind_build *build);

#endif
