/* SPDX-License-Identifier: MIT */
/* Embeds what a recording's frames resolve to here, so that it reads the same where the programs are not. */
#ifndef STINT_ANALYZE_PACK_H
#define STINT_ANALYZE_PACK_H

#include "analyze/model.h"
#include "format/writer.h"

#define PACK_MAX_CODE_BYTES ((uint64_t)16 << 20) /* in one run */

struct pack_options {
	struct symbolizer_options symbols; /* where to look; lines and inlines are always looked up */
	bool only_missing;		   /* leave frames alone for which the recording itself has a name */
	bool code;			   /* also the machine code of the functions that the frames are in */
};

/* One file of which some frame has no name. */
struct pack_missing {
	uint32_t module;   /* id */
	uint64_t n_frames; /* without a name */
	const char *why;   /* as long as the result */
};

struct pack_result {
	uint64_t n_frames;	      /* in the recording's stacks */
	uint64_t n_packed;	      /* looked up and added now */
	uint64_t n_unresolved;	      /* frames that nobody has a name for */
	struct pack_missing *missing; /* the most frames first */
	size_t n_missing;
	uint64_t n_functions; /* whose code was added now, or parts of functions that lie apart */
	uint64_t n_code_bytes;
	uint64_t n_without_code;       /* functions whose code isn't here */
	uint64_t n_over_limit;	       /* functions left out since PACK_MAX_CODE_BYTES was reached */
	struct symbolizer *symbolizer; /* owns the texts */
};

/*
 * Writes the recording with its blocks as they are, and behind them what was found out. Frames that are packed with a
 * name already stay as they are, so packing again adds only what wasn't found before.
 */
int pack(struct model *m, const struct pack_options *options, struct stint_sink sink, struct pack_result *ret_result,
	 struct stint_err *err);
void pack_result_done(struct pack_result *result); /* zeroed is fine */

#endif
