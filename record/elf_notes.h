/* SPDX-License-Identifier: MIT */
/* GNU build IDs, from the notes of an ELF file, of an image in memory, or a bare run of notes. */
#ifndef STINT_RECORD_ELF_NOTES_H
#define STINT_RECORD_ELF_NOTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BUILD_ID_MAX_BYTES 64 /* the common ones have 20 or 16; longer ones are taken for damage */

struct build_id {
	uint8_t size; /* 0: none */
	uint8_t bytes[BUILD_ID_MAX_BYTES];
};

/* Searches a run of notes, aligned to 4 bytes (or 8, as a PT_NOTE's p_align says). True when there is a build ID. */
bool elf_notes_find(const void *notes, size_t size, size_t align, struct build_id *ret);

/* From a whole ELF image in memory, as the vDSO is. */
bool elf_notes_image(const void *image, size_t size, struct build_id *ret);

/* From an open file, 32 or 64 bit, little-endian. False when it is no ELF file or has no build ID. */
bool elf_notes_file(int fd, struct build_id *ret);

#endif
