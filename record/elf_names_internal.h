/* SPDX-License-Identifier: MIT */
/* What elf_names.c and elf_names_go.c share; for no one else. */
#ifndef STINT_RECORD_ELF_NAMES_INTERNAL_H
#define STINT_RECORD_ELF_NAMES_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "record/elf_image.h"

/* The function of a Go program that has this address; its name malloced. False when there is none. */
bool elf_names_go(const struct elf_image *image, uint64_t vaddr, uint64_t *ret_start, uint64_t *ret_end,
		  char **ret_name);

/* A NUL-terminated text in the file before limit, malloced; NULL where there is none, or without memory. */
char *elf_names_text(const struct elf_image *image, uint64_t off, uint64_t limit);

#endif
