/* SPDX-License-Identifier: MIT */
/* The kernel's functions by address, from text as in /proc/kallsyms, kept small: 12 bytes and a name each. */
#ifndef STINT_RECORD_KALLSYMS_H
#define STINT_RECORD_KALLSYMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"

#define KALLSYMS_MAX 2000000u /* functions; more are left out */

struct kallsyms_symbol {
	uint32_t addr_low, addr_high;
	uint32_t name; /* offset in names; the name is followed by its module's, "" for the kernel itself */
};

struct kallsyms {
	struct kallsyms_symbol *symbols; /* by address, one an address */
	size_t n_symbols, cap_symbols;
	struct stint_buf names;
	uint64_t text;	   /* of the symbol _text; 0 when it is missing or hidden */
	uint64_t text_end; /* _etext, or else the end of the last function of the kernel itself */
	size_t n_lines;
	bool hidden; /* every address was 0 */
};

/*
 * Reads the file from its beginning. Returns 0, or STINT_ERR_IO (errno is set) or STINT_ERR_NOMEM: *syms is then as it
 * was. Whether /proc/kallsyms tells addresses is decided when it is opened, and stays so for the descriptor.
 */
int kallsyms_read(struct kallsyms *syms, int fd);
void kallsyms_done(struct kallsyms *syms); /* NULL and zeroed are fine */

/* The symbol that starts at or before addr: its index, or -1. */
ssize_t kallsyms_find(const struct kallsyms *syms, uint64_t addr);

static inline uint64_t kallsyms_addr(const struct kallsyms *syms, size_t i)
{
	return (uint64_t)syms->symbols[i].addr_high << 32 | syms->symbols[i].addr_low;
}

static inline const char *kallsyms_name(const struct kallsyms *syms, size_t i)
{
	return (const char *)syms->names.data + syms->symbols[i].name;
}

const char *kallsyms_module(const struct kallsyms *syms, size_t i); /* "" for the kernel itself */

#endif
