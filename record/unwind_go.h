/* SPDX-License-Identifier: MIT */
/*
 * Functions of Go's runtime at which walks need help: those that leave one stack for another, whose call frame
 * information (where a program has any) claims a caller that isn't there, and the return of signal handlers. The Go
 * runtime's own unwinder ends at the first, too. Found by the names in .gopclntab, which stripped programs have, too.
 */
#ifndef STINT_RECORD_UNWIND_GO_H
#define STINT_RECORD_UNWIND_GO_H

#include <stdbool.h>
#include <stdint.h>

#include "record/unwind_elf.h"

#define UNWIND_GO_MAX_FOUND 8u

struct unwind_go_function {
	uint64_t vaddr, size_bytes;
	uint8_t kind;	   /* of its row: UNWIND_END or UNWIND_SIGNAL */
	bool if_no_frames; /* only of use where the program has no call frame information */
};

/* Fills in at most UNWIND_GO_MAX_FOUND functions, in the order of addresses, and returns how many; 0 for programs not
 * made by Go 1.16 or later. */
uint32_t unwind_go_find(const struct unwind_elf *elf, const struct unwind_source *source,
			struct unwind_go_function *ret);

#endif
