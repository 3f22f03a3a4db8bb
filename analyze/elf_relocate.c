/* SPDX-License-Identifier: MIT */
#include "analyze/elf_relocate.h"

#include <elf.h>
#include <string.h>
#include <sys/mman.h>

#define ELSEWHERE ((uint64_t)1 << 32) /* behind all code that stays */
#define MAX_ALIGN ((uint64_t)1 << 21)

static uint64_t place(struct elf_section *section, uint64_t at)
{
	uint64_t align = section->align && section->align <= MAX_ALIGN && !(section->align & (section->align - 1))
				 ? section->align
				 : 1;

	section->addr = (at + align - 1) & ~(align - 1);
	return section->addr + (section->size < ELSEWHERE ? section->size : 0);
}

static bool is_lasting_code(const struct elf_section *section)
{
	return (section->flags & (SHF_ALLOC | SHF_EXECINSTR)) == (SHF_ALLOC | SHF_EXECINSTR) &&
	       strncmp(section->name, ".init", 5);
}

void elf_relocate_layout(struct elf_file *ef)
{
	uint64_t at = 0, elsewhere = ELSEWHERE;
	size_t i;

	for (i = 0; i < ef->n_sections; i++) {
		struct elf_section *section = &ef->sections[i];

		if (is_lasting_code(section))
			at = place(section, at);
		else if (section->flags & SHF_ALLOC)
			elsewhere = place(section, elsewhere);
	}
}

/* A section's bytes that may be written: decompressed, or a copy. Empty when it has none. */
static int own_contents(struct elf_file *ef, struct elf_section *section, struct elf_bytes *ret, struct stint_err *err)
{
	struct elf_bytes raw;
	void *copy;
	int rc = 0;

	if (section->flags & SHF_COMPRESSED && !section->unpacked.at)
		rc = elf_file_contents(ef, section->name, ret, err);
	*ret = section->unpacked;
	if (rc || ret->at)
		return rc;
	raw = elf_section_raw(ef, section);
	if (!raw.size)
		return 0;
	copy = mmap(NULL, raw.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (copy == MAP_FAILED)
		return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory to relocate %s", section->name);
	memcpy(copy, raw.at, raw.size);
	section->unpacked = (struct elf_bytes){copy, raw.size};
	*ret = section->unpacked;
	return 0;
}

/* The size of what a relocation writes; 0 for kinds that debug sections don't have. */
static unsigned size_of(uint16_t machine, uint32_t type, bool *ret_relative)
{
	*ret_relative = false;
	if (machine == EM_X86_64) {
		*ret_relative = type == R_X86_64_PC32 || type == R_X86_64_PC64;
		if (type == R_X86_64_64 || type == R_X86_64_PC64)
			return 8;
		return type == R_X86_64_32 || type == R_X86_64_32S || type == R_X86_64_PC32 ? 4 : 0;
	}
	*ret_relative = type == R_AARCH64_PREL32 || type == R_AARCH64_PREL64;
	if (type == R_AARCH64_ABS64 || type == R_AARCH64_PREL64)
		return 8;
	return type == R_AARCH64_ABS32 || type == R_AARCH64_PREL32 ? 4 : 0;
}

/* The value of a symbol, with the address of its section. */
static uint64_t symbol_value(const struct elf_file *ef, struct elf_bytes symbols, uint64_t index)
{
	const uint8_t *at;
	uint16_t section;

	if (index >= symbols.size / sizeof(Elf64_Sym))
		return 0;
	at = symbols.at + index * sizeof(Elf64_Sym);
	section = elf_u16(at + 6);
	return elf_u64(at + 8) + (section != SHN_UNDEF && section < ef->n_sections ? ef->sections[section].addr : 0);
}

static void apply(const struct elf_file *ef, const uint8_t *rela, struct elf_bytes symbols,
		  const struct elf_section *target, struct elf_bytes contents)
{
	uint64_t off = elf_u64(rela), info = elf_u64(rela + 8), value;
	bool relative;
	unsigned size = size_of(ef->machine, (uint32_t)info, &relative), i;
	uint8_t *to;

	if (!size || off > contents.size || size > contents.size - off)
		return;
	value = symbol_value(ef, symbols, info >> 32) + elf_u64(rela + 16);
	if (relative)
		value -= target->addr + off;
	to = (uint8_t *)(uintptr_t)contents.at + off;
	for (i = 0; i < size; i++)
		to[i] = (uint8_t)(value >> 8 * i);
}

/* n_left is how many more relocations the file may have. */
static int relocate(struct elf_file *ef, const struct elf_section *list, size_t *n_left, struct stint_err *err)
{
	struct elf_section *target = &ef->sections[list->info];
	struct elf_bytes relas = elf_section_raw(ef, list), contents, symbols;
	size_t i, n = relas.size / sizeof(Elf64_Rela);
	int rc;

	if (n > *n_left)
		return stint_err_set(err, STINT_ERR_LIMIT, 0, -1, "more than %u relocations", ELF_MAX_RELOCATIONS);
	*n_left -= n;
	rc = own_contents(ef, target, &contents, err);
	if (rc)
		return rc;
	symbols = elf_section_raw(ef, &ef->sections[list->link]);
	for (i = 0; i < n && contents.size; i++)
		apply(ef, relas.at + i * sizeof(Elf64_Rela), symbols, target, contents);
	return 0;
}

/* The sections of DWARF that are read, and have holes. So there are few copies, however many sections a file claims. */
static bool is_wanted(const struct elf_file *ef, const struct elf_section *section)
{
	static const char *const names[] = {".debug_info",   ".debug_line",	".debug_addr",
					    ".debug_ranges", ".debug_rnglists", ".debug_str_offsets"};
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(section->name, names[i]))
			return elf_file_section(ef, names[i]) == section;
	return false;
}

int elf_relocate_debug(struct elf_file *ef, struct stint_err *err)
{
	size_t i, n_left = ELF_MAX_RELOCATIONS;
	int rc = 0;

	if (!ef->is_64 || (ef->machine != EM_X86_64 && ef->machine != EM_AARCH64))
		return stint_err_set(err, STINT_ERR_FORMAT, 0, -1, "kernel modules of this machine aren't relocated");
	for (i = 0; i < ef->n_sections && !rc; i++) {
		const struct elf_section *list = &ef->sections[i];

		if (list->type == SHT_RELA && list->link < ef->n_sections && list->info < ef->n_sections &&
		    is_wanted(ef, &ef->sections[list->info]))
			rc = relocate(ef, list, &n_left, err);
	}
	return rc;
}
