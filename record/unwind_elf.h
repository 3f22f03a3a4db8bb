/* SPDX-License-Identifier: MIT */
/* The parts of an ELF file that unwinding needs, read with every offset and size checked. */
#ifndef STINT_RECORD_UNWIND_ELF_H
#define STINT_RECORD_UNWIND_ELF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define UNWIND_ELF_MAX_SEGMENTS 1024u
#define UNWIND_ELF_MAX_SECTIONS 65535u
#define UNWIND_ELF_MAX_NAMES	(4u << 20)   /* bytes of section names */
#define UNWIND_ELF_MAX_SECTION	(256u << 20) /* bytes of a section that is read, also when decompressed */

/* Where the bytes come from. */
struct unwind_source {
	int fd; /* used when data is NULL */
	const uint8_t *data;
	uint64_t size_bytes;
};

/* A part of the file that is mapped executable. */
struct unwind_segment {
	uint64_t vaddr, file_off, size_bytes;
};

/* Contents of a section, owned (data is malloced; NULL when there is no such section). */
struct unwind_section {
	uint8_t *data;
	size_t size_bytes;
	uint64_t vaddr;
	uint64_t file_off;
};

struct unwind_elf {
	uint16_t machine;
	struct unwind_segment *segments; /* executable ones, in the file's order */
	uint32_t n_segments;
	struct unwind_section eh_frame, debug_frame;
	struct unwind_section *stubs; /* PLT sections, .init and .fini */
	uint32_t n_stubs;
	struct unwind_section go_pclntab; /* of programs made by Go */
	uint64_t go_text_vaddr;		  /* where their .text begins */
};

/* Copies bytes of the file. Fails with STINT_ERR_FORMAT (it has no such bytes) or _IO. */
int unwind_source_read(const struct unwind_source *source, uint64_t off, void *to, size_t size, struct stint_err *err);

/* Errors as those of unwind_table_read. On failure *ret is empty. */
int unwind_elf_read(struct unwind_elf *ret, const struct unwind_source *source, struct stint_err *err);
void unwind_elf_done(struct unwind_elf *elf); /* NULL and zeroed are fine */

/* The file offset of a linked address in an executable segment and how many bytes follow it there;
 * false if none. */
bool unwind_elf_offset(const struct unwind_elf *elf, uint64_t vaddr, uint64_t *ret_off, uint64_t *ret_left);

#endif
