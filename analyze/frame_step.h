/* SPDX-License-Identifier: MIT */
/* From a frame to its caller, by rules or by the frame pointer; memory is whatever is read from. */
#ifndef STINT_ANALYZE_FRAME_STEP_H
#define STINT_ANALYZE_FRAME_STEP_H

#include <stdbool.h>
#include <stdint.h>

#include "analyze/frame_rules.h"
#include "format/rows.h"

/* User addresses are between these, also with five-level page tables. */
#define FRAME_ADDR_MIN UINT64_C(4096)
#define FRAME_ADDR_MAX UINT64_C(0x00fffffffffff000)

struct frame_regs {
	uint64_t r[FRAME_N_REGS]; /* by DWARF number; r[FRAME_IP] is the instruction pointer */
	uint32_t known;		  /* bit i: r[i] is what it was in this frame */
	bool exact;		  /* the instruction pointer is where it ran, not a return address */
};

/* Reads 8 bytes; false where they aren't known. */
typedef bool frame_read_fn(void *context, uint64_t addr, uint64_t *ret);

/*
 * Replaces regs by the caller's. Returns 0, or how the walk ends here: STINT_USER_COMPLETE (it is
 * the outermost frame), STINT_USER_UNSUPPORTED or STINT_USER_UNREADABLE; regs are then unspecified.
 */
enum stint_user_end frame_step(const struct frame_rules *rules, struct frame_regs *regs, frame_read_fn *read,
			       void *context);

/*
 * The same for code without rules: by the frame pointer, where that can be one. Else returns
 * STINT_USER_FP_END (the chain ended) or otherwise, and leaves regs alone.
 */
enum stint_user_end frame_step_fp(struct frame_regs *regs, frame_read_fn *read, void *context,
				  enum stint_user_end otherwise);

#endif
