/* SPDX-License-Identifier: MIT */
/* Embeds what a recording's frames resolve to here, so that it reads the same where the programs are not. */
#ifndef STINT_ANALYZE_PACK_H
#define STINT_ANALYZE_PACK_H

#include "analyze/model.h"
#include "format/writer.h"

struct pack_options {
	struct symbolizer_options symbols; /* where to look; lines and inlines are always looked up */
	bool only_missing; /* leave frames alone for which the recording itself has a name */
};

/* One file of which some frame has no name. */
struct pack_missing {
	uint32_t module;   /* id */
	uint64_t n_frames; /* without a name */
	const char *why;   /* as long as the result */
};

struct pack_result {
	uint64_t n_frames;     /* in the recording */
	uint64_t n_packed;     /* looked up and added now */
	uint64_t n_unresolved; /* frames that nobody has a name for */
	struct pack_missing *missing; /* the most frames first */
	size_t n_missing;
	struct symbolizer *symbolizer; /* owns the texts */
};

/*
 * Writes the recording with its blocks as they are, and behind them what was found out. Frames that are packed with a
 * name already stay as they are, so packing again adds only what wasn't found before.
 */
int pack(const struct model *m, const struct pack_options *options, struct stint_sink sink,
	 struct pack_result *ret_result, struct stint_err *err);
void pack_result_done(struct pack_result *result); /* zeroed is fine */

#endif
