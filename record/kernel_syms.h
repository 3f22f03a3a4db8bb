/* SPDX-License-Identifier: MIT */
/* Kernel addresses: frames relative to _text (modules: their own base), symbols of those seen, build ID. */
#ifndef STINT_RECORD_KERNEL_SYMS_H
#define STINT_RECORD_KERNEL_SYMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "format/writer.h"

struct kernel_syms;

/*
 * Reads /proc/kallsyms, /proc/modules and /sys/kernel/notes. Where addresses are hidden (kptr_restrict) frames are
 * recorded without symbols, and *ret still works: see kernel_syms_warning.
 */
int kernel_syms_new(struct kernel_syms **ret, struct stint_writer *writer, bool embed, struct stint_err *err);
void kernel_syms_free(struct kernel_syms *ks); /* NULL is fine */

/* One line for the user when kernel frames will have no names, with what to do; NULL when all is well. */
const char *kernel_syms_warning(const struct kernel_syms *ks);

/*
 * The row of a kernel address (STINT_FRAME). With embed, its symbol is written once (STINT_SYMBOL). An address of code
 * loaded since (a module, a BPF program) makes it read the symbols again, at most every 10 s.
 */
int kernel_syms_frame(struct kernel_syms *ks, uint64_t addr, uint32_t frame_flags, uint32_t *ret_frame,
		      struct stint_err *err);

/* The function that starts at or before addr: for recognizing where a thread blocked. NULL when unknown. */
const char *kernel_syms_name(const struct kernel_syms *ks, uint64_t addr);

size_t kernel_syms_memory_bytes(const struct kernel_syms *ks);

#endif
