/* SPDX-License-Identifier: MIT */
/*
 * An ELF file's sections and segments for looking up names: read piece by piece, never mapped (a file that is cut
 * short meanwhile would be a signal), with every offset and size checked. 64 bits, little-endian.
 */
#ifndef STINT_RECORD_ELF_IMAGE_H
#define STINT_RECORD_ELF_IMAGE_H

#include <elf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ELF_IMAGE_MAX_SEGMENTS 1024u
#define ELF_IMAGE_MAX_NAMES    (4u << 20) /* bytes of section names */

struct elf_image {
	int fd;		     /* used when data is NULL */
	const uint8_t *data; /* not owned */
	uint64_t size_bytes;
	Elf64_Shdr *sections;
	uint32_t n_sections;
	Elf64_Phdr *segments;
	uint32_t n_segments;
	char *names; /* of the sections, NUL-terminated beyond their size */
	uint64_t names_bytes;
};

/* From a descriptor, or from data where that is not NULL. False when it is no such ELF file; nothing is to be freed. */
bool elf_image_open(struct elf_image *image, int fd, const uint8_t *data, uint64_t size_bytes);
void elf_image_done(struct elf_image *image); /* zeroed is fine; the descriptor and the data stay the caller's */

/* True when all of it could be read. */
bool elf_image_read(const struct elf_image *image, uint64_t off, void *to, size_t size);

/* The first section of that name with contents in the file; NULL when there is none. */
const Elf64_Shdr *elf_image_section(const struct elf_image *image, const char *name);

/* Between offsets in the file and the addresses it was linked for; false outside of every loaded segment. */
bool elf_image_vaddr(const struct elf_image *image, uint64_t file_off, uint64_t *ret_vaddr);
bool elf_image_offset(const struct elf_image *image, uint64_t vaddr, uint64_t *ret_off);

#endif
