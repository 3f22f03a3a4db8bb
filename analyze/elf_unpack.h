/* SPDX-License-Identifier: MIT */
/* Decompression of what ELF files carry compressed: debug sections (zlib, zstd) and .gnu_debugdata (xz). */
#ifndef STINT_ANALYZE_ELF_UNPACK_H
#define STINT_ANALYZE_ELF_UNPACK_H

#include "analyze/elf_file.h"

/* A section that claims to unpack to more than RATIO times its size and to more than SMALL is taken for hostile. */
#define ELF_UNPACK_MAX_RATIO   100u
#define ELF_UNPACK_SMALL_BYTES ((size_t)64 << 20)
#define ELF_UNPACK_MAX_BYTES   ((uint64_t)16 << 30)
#define ELF_XZ_MAX_BYTES       ((size_t)256 << 20)

enum elf_packed {
	ELF_PACKED_32,	/* begins with an Elf32_Chdr */
	ELF_PACKED_64,	/* begins with an Elf64_Chdr */
	ELF_PACKED_OLD, /* .zdebug_*: "ZLIB" and the size, big-endian */
};

/* Unpacks a whole section into *ret, to be freed by elf_unpack_free. Fails with STINT_ERR_FORMAT, _LIMIT, … */
int elf_unpack(struct elf_bytes packed, enum elf_packed form, struct elf_bytes *ret, struct stint_err *err);

void elf_unpack_free(struct elf_bytes *bytes);

/* Unpacks an .xz stream into malloced memory (*ret_data, *ret_size). */
int elf_unpack_xz(struct elf_bytes packed, void **ret_data, size_t *ret_size, struct stint_err *err);

/* The CRC-32 of a file's bytes, as .gnu_debuglink has it. */
uint32_t elf_crc32(struct elf_bytes bytes);

#endif
