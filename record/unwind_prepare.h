/* SPDX-License-Identifier: MIT */
/*
 * A file's rows on their way to where walkers find them. Those of a small table are held; those of a large one are made
 * once to be counted, and again to be stored, so that the size of a table costs no memory here.
 */
#ifndef STINT_RECORD_UNWIND_PREPARE_H
#define STINT_RECORD_UNWIND_PREPARE_H

#include <stdint.h>

#include "base/err.h"
#include "record/unwind_build.h"

#define UNWIND_HELD_ROWS (512u << 10) /* at most: 4 MiB */
#define UNWIND_HELD_FDES (128u << 10) /* a file with more functions than these has more rows, as a rule */

struct unwind_prepared {
	uint32_t n_rows; /* 0 for a file without unwind information */
	struct unwind_counts counts;
	uint64_t hash;		 /* of the rows */
	struct unwind_row *held; /* all rows, or NULL */
	uint32_t cap_held;
	struct unwind_build *build; /* NULL when they are held */
};

/* From a file, which must stay open, or from an image in memory. Errors as those of unwind_build_new and _run. */
int unwind_prepare(struct unwind_prepared *ret, const struct unwind_source *source, struct stint_err *err);
void unwind_prepared_done(struct unwind_prepared *prepared); /* NULL and zeroed are fine */

/*
 * Hands on all rows. Fails with what take returned, with STINT_ERR_FORMAT when the file has changed and has other rows
 * now (never more of them are handed on), or as unwind_build_run.
 */
int unwind_prepared_rows(struct unwind_prepared *prepared, unwind_take_fn *take, void *context);

#endif
