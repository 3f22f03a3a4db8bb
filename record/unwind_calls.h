/* SPDX-License-Identifier: MIT */
/*
 * Frames whose CFA is in a register that callees keep (rbx in the dynamic linker's trampolines, which align the stack).
 * Walkers know such a register only of the frame where a thread runs. But while a direct call is under way, the callee
 * has saved it, and the callee's call frame information says where.
 */
#ifndef STINT_RECORD_UNWIND_CALLS_H
#define STINT_RECORD_UNWIND_CALLS_H

#include <stdbool.h>
#include <stdint.h>

#include "record/unwind_cfi.h"

/*
 * The next direct call (x86-64's e8 rel32) at or behind *at in the code, or what looks like one. False when there is
 * none. Sets *at to its first byte and *ret_target to where it goes, relative to the code's start.
 */
bool unwind_next_call(const uint8_t *code, uint32_t size_bytes, uint32_t *at, int64_t *ret_target);

/* Bytes of a direct call. */
#define UNWIND_CALL_BYTES 5u

/*
 * Where a function keeps its caller's register from the end of its prologue on: at its CFA - 8 * the result. 0 where it
 * doesn't, or not always at the same place.
 */
uint32_t unwind_saved_slot(const struct cfi *cfi, const struct cfi_fde *fde, uint8_t reg);

#endif
