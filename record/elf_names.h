/* SPDX-License-Identifier: MIT */
/*
 * The functions at some addresses of an ELF file, by its .symtab, .dynsym, the .symtab in .gnu_debugdata, and
 * .gopclntab: without DWARF, in one pass over the tables, in memory that depends on the number of addresses only. Of
 * several names for the same code it takes the one that the offline tools would (analyze/elf_symtab.c).
 */
#ifndef STINT_RECORD_ELF_NAMES_H
#define STINT_RECORD_ELF_NAMES_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define ELF_NAMES_MAX_TABLE (128u << 20) /* bytes of a symbol table; a larger one is left out */
#define ELF_NAMES_MAX_STEPS (16u << 20)	 /* in all: long names, and symbols that reach over many addresses, cost more */
#define ELF_NAMES_MAX_NAME  65535u	 /* bytes; longer names are cut */

struct elf_name {
	uint64_t file_off;		/* given: where in the file */
	uint64_t start_off, size_bytes; /* of the function, also as an offset in the file */
	char *name;			/* malloced; NULL: no table has one */
};

/*
 * Fills in n names, sorted by file_off. What is no ELF file, or a damaged one, has none. Fails with STINT_ERR_NOMEM
 * only.
 */
int elf_names_find(int fd, struct elf_name *names, size_t n, struct stint_err *err);
void elf_names_done(struct elf_name *names, size_t n); /* frees the texts */

#endif
