/* SPDX-License-Identifier: MIT */
/* What packing names and packing code have in common. Only for pack*.c. */
#ifndef STINT_ANALYZE_PACK_INTERNAL_H
#define STINT_ANALYZE_PACK_INTERNAL_H

#include "analyze/pack.h"

/* Writes what the frame, whose row has this addr, resolved to. */
int pack_write_chain(struct stint_writer *w, uint32_t frame, uint64_t addr, const struct symbol_chain *chain,
		     struct stint_err *err);

/*
 * Writes the code of every function that a frame of a stack (in_stacks, by id) is in, unless the recording has it, and
 * its source lines: exact frames and their chains. here looks everywhere but into the recording, and demangles nothing.
 */
int pack_code(struct model *m, const bool *in_stacks, struct stint_writer *w, struct symbolizer *here,
	      struct pack_result *result, struct stint_err *err);

#endif
