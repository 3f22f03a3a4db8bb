/* SPDX-License-Identifier: MIT */
/* Kernel addresses: frames relative to _text (modules: their own base), symbols of those seen, build ID. */
#ifndef STINT_RECORD_KERNEL_SYMS_H
#define STINT_RECORD_KERNEL_SYMS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "format/writer.h"

struct kernel_syms;

/*
 * Reads /proc/kallsyms, /proc/modules and /sys/kernel/notes. Where addresses are hidden (kptr_restrict) frames are
 * recorded without symbols, and *ret still works.
 */
int kernel_syms_new(struct kernel_syms **ret, struct stint_writer *writer, bool embed, struct stint_err *err);
void kernel_syms_free(struct kernel_syms *ks); /* NULL is fine */

/* The row of a kernel address (STINT_FRAME). With embed, its symbol is written once (STINT_SYMBOL). */
int kernel_syms_frame(struct kernel_syms *ks, uint64_t addr, uint32_t frame_flags, uint32_t *ret_frame,
		      struct stint_err *err);

/* The function that starts at or before addr: for recognizing where a thread blocked. NULL when unknown. */
const char *kernel_syms_name(const struct kernel_syms *ks, uint64_t addr);

#endif
