/* SPDX-License-Identifier: MIT */
/* PLT stubs: each one jumps through a slot of the GOT, and a relocation names the function of that slot. */
#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "analyze/elf_symtab.h"
#include "base/map.h"

#define PLT_MAX_NAME   4096u
#define PLT_STUB_BYTES 16u

struct plt {
	const struct elf_file *ef;
	struct elf_symtab *st;
	struct stint_map slots; /* GOT address -> index in .dynsym */
	struct elf_bytes dynsym, names;
};

static int read_relocations(struct plt *plt, const struct elf_section *section, struct stint_err *err)
{
	struct elf_bytes table = elf_section_raw(plt->ef, section);
	uint64_t *value, info;
	size_t i;

	for (i = 0; i < table.size / sizeof(Elf64_Rela); i++) {
		info = elf_u64(table.at + i * sizeof(Elf64_Rela) + 8);
		if (!ELF64_R_SYM(info))
			continue;
		value = stint_map_put(&plt->slots, elf_u64(table.at + i * sizeof(Elf64_Rela)), NULL);
		if (!value)
			return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory for PLT stubs");
		*value = ELF64_R_SYM(info);
	}
	return 0;
}

/* The GOT slot that an x86-64 stub jumps through: [bnd] jmp *slot(%rip). */
static bool slot_x86_64(const uint8_t *stub, size_t size, uint64_t addr, uint64_t *ret_slot)
{
	size_t i;

	for (i = 0; i + 6 <= size; i++)
		if (stub[i] == 0xff && stub[i + 1] == 0x25) {
			*ret_slot = addr + i + 6 + (uint64_t)(int64_t)(int32_t)elf_u32(stub + i + 2);
			return true;
		}
	return false;
}

/* The same for aarch64: adrp x16, page; ldr x17, [x16, #low] (after bti, where there is one). */
static bool slot_aarch64(const uint8_t *stub, size_t size, uint64_t addr, uint64_t *ret_slot)
{
	uint32_t adrp, ldr;
	int64_t pages; /* from the stub's own page */
	size_t i;

	for (i = 0; i + 8 <= size; i += 4) {
		adrp = elf_u32(stub + i);
		ldr = elf_u32(stub + i + 4);
		if ((adrp & 0x9f00001f) != 0x90000010 || (ldr & 0xffc003ff) != 0xf9400211)
			continue;
		pages = (int64_t)((uint64_t)((adrp >> 5 & 0x7ffff) << 2 | (adrp >> 29 & 3)) << 43) >> 43;
		*ret_slot = ((addr + i) / 4096 + (uint64_t)pages) * 4096 + (uint64_t)(ldr >> 10 & 0xfff) * 8;
		return true;
	}
	return false;
}

static const char *slot_name(const struct plt *plt, uint64_t slot)
{
	const uint64_t *index = stint_map_get(&plt->slots, slot);
	uint32_t name;

	if (!index || *index >= plt->dynsym.size / sizeof(Elf64_Sym))
		return NULL;
	name = elf_u32(plt->dynsym.at + *index * sizeof(Elf64_Sym));
	if (name >= plt->names.size)
		return NULL;
	if (strnlen((const char *)plt->names.at + name, plt->names.size - name) >= PLT_MAX_NAME)
		return NULL;
	return (const char *)plt->names.at + name;
}

static int name_stub(struct plt *plt, uint64_t addr, uint64_t end, const char *target, struct stint_err *err)
{
	size_t len = strlen(target);
	char *name = stint_arena_alloc(&plt->st->arena, len + sizeof("@plt"));
	struct elf_symbol symbol = {.name = name, .addr = addr, .end = end, .limit = end, .sized = true};

	if (!name)
		return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory for PLT stubs");
	memcpy(name, target, len);
	memcpy(name + len, "@plt", sizeof("@plt"));
	return elf_symtab_put(plt->st, &symbol, err);
}

static int name_stubs(struct plt *plt, const struct elf_section *section, struct stint_err *err)
{
	struct elf_bytes code = elf_section_raw(plt->ef, section);
	/* .plt.got has stubs of 8 bytes, without the lazy part, where they aren't padded for branch protection. */
	size_t step = !strcmp(section->name, ".plt.got") && code.size % PLT_STUB_BYTES ? 8 : PLT_STUB_BYTES, i;
	const char *target;
	uint64_t slot;
	int rc = 0;

	for (i = 0; !rc && i + step <= code.size; i += step) {
		if (plt->ef->machine == EM_AARCH64 ? !slot_aarch64(code.at + i, step, section->addr + i, &slot)
						   : !slot_x86_64(code.at + i, step, section->addr + i, &slot))
			continue;
		target = slot_name(plt, slot);
		if (target)
			rc = name_stub(plt, section->addr + i, section->addr + i + step, target, err);
	}
	return rc;
}

static bool is_plt(const struct elf_section *section)
{
	return section->type == SHT_PROGBITS && (!strcmp(section->name, ".plt") || !strcmp(section->name, ".plt.sec") ||
						 !strcmp(section->name, ".plt.got"));
}

int elf_symtab_add_plt(struct elf_symtab *st, const struct elf_file *ef, struct stint_err *err)
{
	struct plt plt = {.ef = ef, .st = st};
	const struct elf_section *dynsym = elf_file_section(ef, ".dynsym");
	int rc = 0;
	size_t i;

	if (!dynsym || !ef->is_64 || (ef->machine != EM_X86_64 && ef->machine != EM_AARCH64) ||
	    dynsym->link >= ef->n_sections)
		return 0;
	plt.dynsym = elf_section_raw(ef, dynsym);
	plt.names = elf_section_raw(ef, &ef->sections[dynsym->link]);
	for (i = 0; !rc && i < ef->n_sections; i++)
		if (!strcmp(ef->sections[i].name, ".rela.plt") || !strcmp(ef->sections[i].name, ".rela.dyn"))
			rc = read_relocations(&plt, &ef->sections[i], err);
	for (i = 0; !rc && i < ef->n_sections; i++)
		if (is_plt(&ef->sections[i]))
			rc = name_stubs(&plt, &ef->sections[i], err);
	stint_map_done(&plt.slots);
	return rc;
}
