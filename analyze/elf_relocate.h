/* SPDX-License-Identifier: MIT */
/*
 * Kernel modules are relocatable files: their sections have no addresses, and their DWARF has holes where addresses and
 * offsets belong. Here they are laid out as the kernel does it, and the holes are filled.
 */
#ifndef STINT_ANALYZE_ELF_RELOCATE_H
#define STINT_ANALYZE_ELF_RELOCATE_H

#include <stdbool.h>

#include "analyze/elf_file.h"

#define ELF_MAX_RELOCATIONS (64u << 20) /* of one file */

static inline bool elf_is_relocatable(const struct elf_file *ef)
{
	return ef->type == 1 /* ET_REL */;
}

/*
 * Gives every section that is loaded an address: code that stays, one section behind the other, from 0 on, as in
 * layout_sections() of Linux's kernel/module/main.c; then code that goes after initialization, and data, far away.
 */
void elf_relocate_layout(struct elf_file *ef);

/*
 * Applies the relocations of the debug sections that are read (x86-64 and aarch64), to copies that the elf_file owns.
 * Fails with STINT_ERR_FORMAT (no such machine, damaged), _LIMIT, _UNSUPPORTED (compression) or _NOMEM.
 */
int elf_relocate_debug(struct elf_file *ef, struct stint_err *err);

#endif
