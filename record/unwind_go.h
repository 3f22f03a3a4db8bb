/* SPDX-License-Identifier: MIT */
/*
 * Functions of Go's runtime that leave one stack for another. Their call frame information claims a
 * caller where there is none: the Go runtime's own unwinder ends at them, too.
 */
#ifndef STINT_RECORD_UNWIND_GO_H
#define STINT_RECORD_UNWIND_GO_H

#include <stdbool.h>
#include <stdint.h>

#include "record/unwind_elf.h"

#define UNWIND_GO_MAX_ENDS 8u

struct unwind_go_end {
	uint64_t vaddr, size_bytes;
};

/* Fills in at most UNWIND_GO_MAX_ENDS functions and returns how many; 0 for programs not made by
 * Go. */
uint32_t unwind_go_ends(const struct unwind_elf *elf, struct unwind_go_end *ret);

bool unwind_go_is_end(const struct unwind_go_end *ends, uint32_t n, uint64_t vaddr);

#endif
