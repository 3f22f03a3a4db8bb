/* SPDX-License-Identifier: MIT */
/* Where the parts of an ELF file are that unwinding needs, with every offset and size checked. */
#ifndef STINT_RECORD_UNWIND_ELF_H
#define STINT_RECORD_UNWIND_ELF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "record/unwind_bytes.h"

#define UNWIND_ELF_MAX_SEGMENTS 1024u
#define UNWIND_ELF_MAX_SECTIONS 65535u
#define UNWIND_ELF_MAX_NAMES	(4u << 20)   /* bytes of section names */
#define UNWIND_ELF_MAX_SECTION	(256u << 20) /* bytes of a section */
#define UNWIND_ELF_MAX_PLAIN	(8u << 20)   /* bytes of a compressed section, which is held whole */

/* A part of the file that is mapped executable. */
struct unwind_segment {
	uint64_t vaddr, file_off, size_bytes;
};

/* Where a section is, within the file. */
struct unwind_section {
	uint64_t file_off, size_bytes; /* 0 bytes where there is no such section */
	uint64_t vaddr;
	uint8_t *plain; /* of a compressed one: its contents, malloced, and size_bytes is theirs */
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

/* Errors as those of unwind_table_read. On failure *ret is empty. */
int unwind_elf_read(struct unwind_elf *ret, const struct unwind_source *source, struct stint_err *err);
void unwind_elf_done(struct unwind_elf *elf); /* NULL and zeroed are fine */

/* Reads a section of the file. Both must outlive it. */
void unwind_section_open(struct unwind_bytes *ret, const struct unwind_source *source,
			 const struct unwind_section *section);

/* The file offset of a linked address in an executable segment and how many bytes follow it there;
 * false if none. */
bool unwind_elf_offset(const struct unwind_elf *elf, uint64_t vaddr, uint64_t *ret_off, uint64_t *ret_left);

#endif
