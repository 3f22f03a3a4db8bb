/* SPDX-License-Identifier: MIT */
#include "record/elf_notes.h"

#include <elf.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/cursor.h"

#define MAX_PROGRAM_HEADERS 256
#define MAX_NOTE_BYTES	    (64 * 1024) /* of one PT_NOTE; build IDs stand near its start */

/* Where the bytes come from: memory, or a file when memory is NULL. */
struct source {
	const uint8_t *memory;
	size_t size;
	int fd;
};

static bool source_read(const struct source *src, uint64_t off, void *to, size_t size)
{
	uint8_t *at = to;
	ssize_t n;

	if (src->memory) {
		if (off > src->size || size > src->size - off)
			return false;
		memcpy(to, src->memory + off, size);
		return true;
	}
	if (off > INT64_MAX - size)
		return false;
	while (size) {
		n = pread(src->fd, at, size, (off_t)off);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		at += n;
		off += (uint64_t)n;
		size -= (size_t)n;
	}
	return true;
}

static size_t padding(size_t size, size_t align)
{
	return (align - size % align) % align;
}

bool elf_notes_find(const void *notes, size_t size, size_t align, struct build_id *ret)
{
	struct stint_cursor cur = stint_cursor_of(notes, size);

	align = align == 8 ? 8 : 4;
	while (!cur.bad && stint_cursor_left(&cur) >= sizeof(Elf64_Nhdr)) {
		uint32_t name_size = stint_cursor_u32(&cur);
		uint32_t desc_size = stint_cursor_u32(&cur);
		uint32_t type = stint_cursor_u32(&cur);
		const uint8_t *name = stint_cursor_bytes(&cur, name_size);
		const uint8_t *desc;

		/* The last note needs no padding behind it. */
		stint_cursor_bytes(&cur, padding(sizeof(Elf64_Nhdr) + name_size, align));
		desc = stint_cursor_bytes(&cur, desc_size);
		if (cur.bad)
			return false;
		if (type == NT_GNU_BUILD_ID && name_size == 4 && !memcmp(name, "GNU", 4) && desc_size > 0 &&
		    desc_size <= BUILD_ID_MAX_BYTES) {
			memcpy(ret->bytes, desc, desc_size);
			ret->size = (uint8_t)desc_size;
			return true;
		}
		stint_cursor_bytes(&cur, padding(desc_size, align));
	}
	return false;
}

static bool notes_of_segment(const struct source *src, uint64_t off, uint64_t size, uint64_t align,
			     struct build_id *ret)
{
	uint8_t notes[MAX_NOTE_BYTES];

	if (size > sizeof(notes))
		size = sizeof(notes);
	return source_read(src, off, notes, size) && elf_notes_find(notes, size, align == 8 ? 8 : 4, ret);
}

static bool search64(const struct source *src, struct build_id *ret)
{
	Elf64_Ehdr header;
	Elf64_Phdr segment;
	unsigned i;

	if (!source_read(src, 0, &header, sizeof(header)) || header.e_phentsize != sizeof(segment))
		return false;
	for (i = 0; i < header.e_phnum && i < MAX_PROGRAM_HEADERS; i++) {
		if (header.e_phoff > INT64_MAX - i * sizeof(segment) ||
		    !source_read(src, header.e_phoff + i * sizeof(segment), &segment, sizeof(segment)))
			return false;
		if (segment.p_type == PT_NOTE &&
		    notes_of_segment(src, segment.p_offset, segment.p_filesz, segment.p_align, ret))
			return true;
	}
	return false;
}

static bool search32(const struct source *src, struct build_id *ret)
{
	Elf32_Ehdr header;
	Elf32_Phdr segment;
	unsigned i;

	if (!source_read(src, 0, &header, sizeof(header)) || header.e_phentsize != sizeof(segment))
		return false;
	for (i = 0; i < header.e_phnum && i < MAX_PROGRAM_HEADERS; i++) {
		if (!source_read(src, header.e_phoff + i * (uint64_t)sizeof(segment), &segment, sizeof(segment)))
			return false;
		if (segment.p_type == PT_NOTE &&
		    notes_of_segment(src, segment.p_offset, segment.p_filesz, segment.p_align, ret))
			return true;
	}
	return false;
}

static bool search(const struct source *src, struct build_id *ret)
{
	uint8_t ident[EI_NIDENT];

	ret->size = 0;
	if (!source_read(src, 0, ident, sizeof(ident)) || memcmp(ident, ELFMAG, SELFMAG) ||
	    ident[EI_DATA] != ELFDATA2LSB)
		return false;
	return ident[EI_CLASS] == ELFCLASS64 ? search64(src, ret) : search32(src, ret);
}

bool elf_notes_image(const void *image, size_t size, struct build_id *ret)
{
	const struct source src = {.memory = image, .size = size, .fd = -1};

	return search(&src, ret);
}

bool elf_notes_file(int fd, struct build_id *ret)
{
	const struct source src = {.fd = fd};

	return search(&src, ret);
}
