/* SPDX-License-Identifier: MIT */
#include "record/vdso.h"

#include <elf.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

/* Sections stand at the end of the image: their table's end is its end. The kernel made it: no need for doubt. */
const uint8_t *vdso_image(size_t *ret_size)
{
	const uint8_t *image = (const uint8_t *)getauxval(AT_SYSINFO_EHDR);
	const Elf64_Ehdr *header = (const void *)image;

	*ret_size = 0;
	if (!image || memcmp(header->e_ident, ELFMAG, SELFMAG) || header->e_ident[EI_CLASS] != ELFCLASS64)
		return NULL;
	*ret_size = header->e_shoff + (size_t)header->e_shnum * header->e_shentsize;
	return image;
}

bool vdso_build_id(struct build_id *ret)
{
	size_t size;
	const uint8_t *image = vdso_image(&size);

	ret->size = 0;
	return image && elf_notes_image(image, size, ret);
}

static const Elf64_Shdr *find_dynsym(const uint8_t *image)
{
	const Elf64_Ehdr *header = (const void *)image;
	const Elf64_Shdr *sections = (const void *)(image + header->e_shoff);
	unsigned i;

	for (i = 0; i < header->e_shnum; i++)
		if (sections[i].sh_type == SHT_DYNSYM && sections[i].sh_link < header->e_shnum)
			return &sections[i];
	return NULL;
}

bool vdso_symbol(uint64_t offset, struct vdso_symbol *ret)
{
	size_t size, i, n;
	const uint8_t *image = vdso_image(&size);
	const Elf64_Shdr *sections, *dynsym = image ? find_dynsym(image) : NULL;
	const Elf64_Sym *symbols;
	const char *names;

	if (!dynsym)
		return false;
	sections = (const void *)(image + ((const Elf64_Ehdr *)(const void *)image)->e_shoff);
	symbols = (const void *)(image + dynsym->sh_offset);
	names = (const char *)image + sections[dynsym->sh_link].sh_offset;
	n = dynsym->sh_size / sizeof(*symbols);
	ret->name = NULL;
	for (i = 0; i < n; i++) {
		const Elf64_Sym *sym = &symbols[i];
		const char *name = names + sym->st_name;

		if (ELF64_ST_TYPE(sym->st_info) != STT_FUNC || offset < sym->st_value ||
		    offset - sym->st_value >= sym->st_size)
			continue;
		/* Each function has a plain and a __vdso_ name: the latter tells it from libc's. */
		if (!ret->name || !strncmp(name, "__vdso_", 7))
			*ret = (struct vdso_symbol){.addr = sym->st_value, .size_bytes = sym->st_size, .name = name};
	}
	return ret->name;
}
