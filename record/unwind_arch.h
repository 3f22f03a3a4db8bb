/* SPDX-License-Identifier: MIT */
/* What differs between architectures when call frame information becomes rows. */
#ifndef STINT_RECORD_UNWIND_ARCH_H
#define STINT_RECORD_UNWIND_ARCH_H

#include <stdbool.h>
#include <stdint.h>

#include "bpf/unwind_row.h"
#include "record/unwind_cfi.h"

struct unwind_arch {
	uint16_t machine;   /* EM_* */
	uint8_t sp, fp, ra; /* DWARF register numbers; ra as in every normal CIE */
	uint32_t kept;	    /* bits of the registers that callees keep and that a row's CFA may be in */

	/* The row for a state of the unwinder, without its pc. What doesn't fit becomes
	 * UNWIND_UNSUPPORTED. */
	void (*encode)(const struct cfi_state *state, bool signal, struct unwind_row *ret);

	/*
	 * Rows for linker stubs, and for .init and .fini, that have no call frame information: calls
	 * add for each run of bytes with the same rule. NULL where there is nothing to do.
	 */
	int (*stubs)(const uint8_t *code, uint32_t file_off, uint32_t size,
		     int (*add)(void *context, uint32_t start, uint32_t end, const struct unwind_row *row),
		     void *context);

	/* Likewise for a gap between functions with call frame information, of at most UNWIND_CRT_BYTES. */
	int (*gap)(const uint8_t *code, uint32_t file_off, uint32_t size,
		   int (*add)(void *context, uint32_t start, uint32_t end, const struct unwind_row *row),
		   void *context);

	/*
	 * A function of so many bytes (0: there is none) whose call frame information claims a caller, and that is
	 * the outermost one if its code is this.
	 */
	uint32_t outermost_bytes;
	bool (*is_outermost)(const uint8_t *code);
};

extern const struct unwind_arch unwind_x86_64;
extern const struct unwind_arch unwind_aarch64;

/* NULL for other machines. */
const struct unwind_arch *unwind_arch_of(uint16_t machine);

#endif
