/* SPDX-License-Identifier: MIT */
/* What packing names and packing code have in common. Only for pack*.c. */
#ifndef STINT_ANALYZE_PACK_INTERNAL_H
#define STINT_ANALYZE_PACK_INTERNAL_H

#include "analyze/pack.h"

/* Writes what the frame, whose row has this addr, resolved to. */
int pack_write_chain(struct stint_writer *w, uint32_t frame, uint64_t addr, const struct symbol_chain *chain,
		     struct stint_err *err);

/*
 * The ids in the packed recording of frames that unwinding added to the model, by their number behind the file's own;
 * 0 for those that no stack of the file needs.
 */
struct pack_frame_ids {
	uint32_t n_file;
	uint32_t *added;
};

static inline uint32_t pack_frame_id(const struct pack_frame_ids *ids, uint32_t frame)
{
	return frame < ids->n_file ? frame : ids->added[frame - ids->n_file];
}

/*
 * Writes what windows were unwound to here, with the frames and nodes that need it. ret_ids->added is allocated, to be
 * freed also on failure.
 */
int pack_unwound(const struct model *m, struct stint_writer *w, struct pack_frame_ids *ret_ids, struct stint_err *err);

/*
 * Writes the code of every function that a frame of a stack (in_stacks, by id) is in, unless the recording has it, and
 * its source lines: exact frames and their chains. here looks everywhere but into the recording, and demangles nothing.
 */
int pack_code(struct model *m, const bool *in_stacks, struct stint_writer *w, struct symbolizer *here,
	      struct pack_result *result, struct stint_err *err);

#endif
