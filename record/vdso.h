/* SPDX-License-Identifier: MIT */
/* The vDSO that the kernel maps into every 64-bit process, seen in our own. */
#ifndef STINT_RECORD_VDSO_H
#define STINT_RECORD_VDSO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "record/elf_notes.h"

/* Its image, valid for ever; NULL where there is none. */
const uint8_t *vdso_image(size_t *ret_size);

bool vdso_build_id(struct build_id *ret);

struct vdso_symbol {
	uint64_t addr, size_bytes; /* addr as an offset in the image */
	const char *name;
};

/* The exported function that has this offset. False when there is none. */
bool vdso_symbol(uint64_t offset, struct vdso_symbol *ret);

#endif
