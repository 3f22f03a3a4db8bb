/* SPDX-License-Identifier: MIT */
/*
 * One ELF file, mapped into memory and trusted in nothing: every offset and size in it is checked against the file.
 * Little-endian, 32 or 64 bits. A truncated or hostile file costs an error or missing sections, never a crash.
 */
#ifndef STINT_ANALYZE_ELF_FILE_H
#define STINT_ANALYZE_ELF_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define ELF_MAX_BUILD_ID_BYTES 64
#define ELF_MAX_SECTIONS       (1u << 20)
#define ELF_MAX_SEGMENTS       2048u /* Linux runs no program with more than 64 KB of their headers */

/* Bytes in the file, or decompressed; owned by the elf_file. */
struct elf_bytes {
	const uint8_t *at;
	size_t size;
};

struct elf_section {
	const char *name; /* "" where it has none that can be read */
	uint64_t flags;
	uint64_t addr;
	uint64_t file_off;
	uint64_t size;
	uint64_t entry_size;
	uint32_t type; /* SHT_NULL for a section that reaches beyond the file */
	uint32_t link;
	uint32_t info;
	uint64_t align;
	struct elf_bytes unpacked; /* once decompressed, or relocated */
};

struct elf_segment { /* PT_LOAD */
	uint64_t file_off;
	uint64_t file_size;
	uint64_t vaddr;
	uint64_t mem_size;
	uint32_t flags; /* PF_* */
};

struct elf_file {
	char *path; /* as opened; for messages */
	struct elf_bytes image;
	bool mapped; /* image is a mapping; else it was malloced */
	bool is_64;
	bool debug_only;  /* its code was taken out: a file of debug information */
	uint16_t machine; /* EM_* */
	uint16_t type;	  /* ET_* */
	struct elf_section *sections;
	size_t n_sections;
	struct elf_segment *segments;
	size_t n_segments;
	uint8_t build_id[ELF_MAX_BUILD_ID_BYTES];
	size_t build_id_size; /* 0: it has none */
};

/*
 * Opens a regular file. Fails with STINT_ERR_NOTFOUND (there is none), _IO, _FORMAT (not ELF, or damaged), _UNSUPPORTED
 * (big-endian), _LIMIT, _NOMEM.
 */
int elf_file_open(struct elf_file **ret, const char *path, struct stint_err *err);

/* The same for an image in malloced memory, which the elf_file owns from now on, also when this fails. */
int elf_file_open_memory(struct elf_file **ret, const char *name, void *data, size_t size, struct stint_err *err);

void elf_file_close(struct elf_file *ef); /* NULL is fine */

/* The first section of that name that has contents here; NULL when there is none. */
struct elf_section *elf_file_section(const struct elf_file *ef, const char *name);

/* The section's bytes as they stand in the file; empty for SHT_NOBITS. */
struct elf_bytes elf_section_raw(const struct elf_file *ef, const struct elf_section *section);

/*
 * The bytes of a section by name, decompressed (SHF_COMPRESSED with zlib or zstd, or the old ".zdebug_" form). Empty
 * when there is none (0 is returned). Fails with STINT_ERR_FORMAT, _LIMIT, _UNSUPPORTED or _NOMEM.
 */
int elf_file_contents(struct elf_file *ef, const char *name, struct elf_bytes *ret, struct stint_err *err);

/* The virtual address of an offset in the (original) file. False when no segment has it. */
bool elf_file_vaddr(const struct elf_file *ef, uint64_t file_off, uint64_t *ret_vaddr);

/* The file's bytes at a virtual address, up to the end of its segment or the file; empty when they aren't in it. */
struct elf_bytes elf_file_at_vaddr(const struct elf_file *ef, uint64_t vaddr);

/* Little-endian loads from bytes of any alignment. */
static inline uint16_t elf_u16(const uint8_t *at)
{
	return (uint16_t)(at[0] | at[1] << 8);
}

static inline uint32_t elf_u32(const uint8_t *at)
{
	return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static inline uint64_t elf_u64(const uint8_t *at)
{
	return elf_u32(at) | (uint64_t)elf_u32(at + 4) << 32;
}

#endif
