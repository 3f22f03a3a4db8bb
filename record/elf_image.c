/* SPDX-License-Identifier: MIT */
#include "record/elf_image.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool within(const struct elf_image *image, uint64_t off, uint64_t size)
{
	return off <= image->size_bytes && size <= image->size_bytes - off;
}

bool elf_image_read(const struct elf_image *image, uint64_t off, void *to, size_t size)
{
	uint8_t *at = to;

	if (!within(image, off, size))
		return false;
	if (image->data) {
		memcpy(to, image->data + off, size);
		return true;
	}
	while (size) {
		ssize_t n = pread(image->fd, at, size, (off_t)off);

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

/* Fresh memory with a part of the file in it, and a NUL behind it. NULL when it can't be had. */
static void *read_new(const struct elf_image *image, uint64_t off, uint64_t size)
{
	char *data = within(image, off, size) ? malloc(size + 1) : NULL;

	if (data && !elf_image_read(image, off, data, size)) {
		free(data);
		data = NULL;
	}
	if (data)
		data[size] = 0;
	return data;
}

static bool read_tables(struct elf_image *image, const Elf64_Ehdr *header)
{
	const Elf64_Shdr *names;

	image->segments = read_new(image, header->e_phoff, header->e_phnum * sizeof(*image->segments));
	image->sections = read_new(image, header->e_shoff, header->e_shnum * sizeof(*image->sections));
	if (!image->segments || !image->sections)
		return false;
	image->n_segments = header->e_phnum;
	image->n_sections = header->e_shnum;
	names = &image->sections[header->e_shstrndx];
	if (names->sh_type == SHT_NOBITS || names->sh_size > ELF_IMAGE_MAX_NAMES)
		return false;
	image->names = read_new(image, names->sh_offset, names->sh_size);
	image->names_bytes = names->sh_size;
	return image->names;
}

bool elf_image_open(struct elf_image *image, int fd, const uint8_t *data, uint64_t size_bytes)
{
	Elf64_Ehdr header;

	*image = (struct elf_image){.fd = fd, .data = data, .size_bytes = size_bytes};
	if (elf_image_read(image, 0, &header, sizeof(header)) && !memcmp(header.e_ident, ELFMAG, SELFMAG) &&
	    header.e_ident[EI_CLASS] == ELFCLASS64 && header.e_ident[EI_DATA] == ELFDATA2LSB &&
	    header.e_phnum <= ELF_IMAGE_MAX_SEGMENTS && header.e_shstrndx < header.e_shnum &&
	    header.e_shentsize == sizeof(Elf64_Shdr) && (!header.e_phnum || header.e_phentsize == sizeof(Elf64_Phdr)) &&
	    read_tables(image, &header))
		return true;
	elf_image_done(image);
	return false;
}

void elf_image_done(struct elf_image *image)
{
	free(image->sections);
	free(image->segments);
	free(image->names);
	memset(image, 0, sizeof(*image));
}

const Elf64_Shdr *elf_image_section(const struct elf_image *image, const char *name)
{
	uint32_t i;

	for (i = 0; i < image->n_sections; i++) {
		const Elf64_Shdr *section = &image->sections[i];

		if (section->sh_type != SHT_NULL && section->sh_type != SHT_NOBITS &&
		    section->sh_name < image->names_bytes && !strcmp(image->names + section->sh_name, name))
			return section;
	}
	return NULL;
}

bool elf_image_vaddr(const struct elf_image *image, uint64_t file_off, uint64_t *ret_vaddr)
{
	uint32_t i, pass;

	/* Executable segments first: two may share a page of the file, never a byte of code. */
	for (pass = 0; pass < 2; pass++)
		for (i = 0; i < image->n_segments; i++) {
			const Elf64_Phdr *segment = &image->segments[i];

			if (segment->p_type == PT_LOAD && (pass || segment->p_flags & PF_X) &&
			    file_off >= segment->p_offset && file_off - segment->p_offset < segment->p_filesz) {
				*ret_vaddr = segment->p_vaddr + (file_off - segment->p_offset);
				return true;
			}
		}
	return false;
}

bool elf_image_offset(const struct elf_image *image, uint64_t vaddr, uint64_t *ret_off)
{
	uint32_t i;

	for (i = 0; i < image->n_segments; i++) {
		const Elf64_Phdr *segment = &image->segments[i];

		if (segment->p_type == PT_LOAD && vaddr >= segment->p_vaddr &&
		    vaddr - segment->p_vaddr < segment->p_filesz) {
			*ret_off = segment->p_offset + (vaddr - segment->p_vaddr);
			return true;
		}
	}
	return false;
}
