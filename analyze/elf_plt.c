/* SPDX-License-Identifier: MIT */
/*
 * PLT stubs: each one jumps through a slot of the GOT, and a relocation names the function of that slot. A slot of an
 * indirect function (IFUNC) of the file itself has only its resolver's address, where the function's symbol is, too.
 */
#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "analyze/elf_symtab.h"
#include "base/map.h"

#define PLT_MAX_NAME   4096u
#define PLT_MAX_NAMES  (64u << 20) /* bytes of all of them; what is more stays without names */
#define PLT_STUB_BYTES 16u
#define BTI_C	       0xd503245fu
#define BR_X17	       0xd61f0220u

struct plt {
	const struct elf_file *ef;
	struct elf_symtab *st;
	struct stint_map slots;	    /* GOT address -> index in .dynsym, or 0 */
	struct stint_map resolvers; /* GOT address -> address of the resolver */
	struct stint_map indirect;  /* address of a resolver -> 1 + index of the function's symbol; 0 without one */
	struct stint_map named;	    /* address here of a target's name -> that of "NAME@plt" */
	size_t named_bytes;
	struct elf_bytes dynsym, names;
};

static int note_resolver(struct plt *plt, uint64_t slot, uint64_t resolver)
{
	uint64_t *value = stint_map_put(&plt->resolvers, slot, NULL);

	if (!value || !stint_map_put(&plt->indirect, resolver, NULL))
		return STINT_ERR_NOMEM;
	*value = resolver;
	return 0;
}

static int note_slot(struct plt *plt, uint64_t slot, uint64_t index)
{
	uint64_t *value = stint_map_put(&plt->slots, slot, NULL);

	if (!value)
		return STINT_ERR_NOMEM;
	*value = index;
	return 0;
}

static int read_relocations(struct plt *plt, const struct elf_section *section, struct stint_err *err)
{
	uint32_t relative = plt->ef->machine == EM_AARCH64 ? R_AARCH64_IRELATIVE : R_X86_64_IRELATIVE;
	struct elf_bytes table = elf_section_raw(plt->ef, section);
	const uint8_t *at;
	uint64_t info;
	size_t i;
	int rc = 0;

	for (i = 0; !rc && i < table.size / sizeof(Elf64_Rela); i++) {
		at = table.at + i * sizeof(Elf64_Rela);
		info = elf_u64(at + 8);
		if (ELF64_R_SYM(info))
			rc = note_slot(plt, elf_u64(at), ELF64_R_SYM(info));
		else if (ELF64_R_TYPE(info) == relative)
			rc = note_resolver(plt, elf_u64(at), elf_u64(at + 16));
	}
	return rc ? stint_err_set(err, rc, 0, -1, "no memory for PLT stubs") : 0;
}

/* The names of indirect functions: of several at one address the best, as for functions. */
static void find_indirect(struct plt *plt)
{
	const struct elf_symbol *symbols = plt->st->symbols;
	uint64_t *best;
	size_t i;

	for (i = 0; plt->indirect.n_used && i < plt->st->n; i++) {
		best = symbols[i].indirect ? stint_map_get(&plt->indirect, symbols[i].addr) : NULL;
		if (best && (!*best || elf_symbol_order(&symbols[i], &symbols[*best - 1]) < 0))
			*best = i + 1;
	}
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

/* The same for aarch64: adrp x16, page; ldr x17, [x16, #low] right at the address. */
static bool slot_aarch64(const uint8_t *at, uint64_t addr, uint64_t *ret_slot)
{
	uint32_t adrp = elf_u32(at), ldr = elf_u32(at + 4);
	int64_t pages; /* from the stub's own page */

	if ((adrp & 0x9f00001f) != 0x90000010 || (ldr & 0xffc003ff) != 0xf9400211)
		return false;
	pages = (int64_t)((uint64_t)((adrp >> 5 & 0x7ffff) << 2 | (adrp >> 29 & 3)) << 43) >> 43;
	*ret_slot = (addr / 4096 + (uint64_t)pages) * 4096 + (uint64_t)(ldr >> 10 & 0xfff) * 8;
	return true;
}

static const char *slot_name(const struct plt *plt, uint64_t slot)
{
	const uint64_t *index = stint_map_get(&plt->slots, slot), *resolver;
	const char *target;
	uint32_t name;

	resolver = index ? NULL : stint_map_get(&plt->resolvers, slot);
	if (resolver) {
		index = stint_map_get(&plt->indirect, *resolver);
		target = index && *index ? plt->st->symbols[*index - 1].name : NULL;
		return target && strnlen(target, PLT_MAX_NAME) < PLT_MAX_NAME ? target : NULL;
	}
	if (!index || *index >= plt->dynsym.size / sizeof(Elf64_Sym))
		return NULL;
	name = elf_u32(plt->dynsym.at + *index * sizeof(Elf64_Sym));
	if (name >= plt->names.size)
		return NULL;
	if (strnlen((const char *)plt->names.at + name, plt->names.size - name) >= PLT_MAX_NAME)
		return NULL;
	return (const char *)plt->names.at + name;
}

/* Stubs of the same target share its name. NULL without memory. */
static const char *stub_name(struct plt *plt, const char *target)
{
	uint64_t *known = stint_map_put(&plt->named, (uint64_t)(uintptr_t)target, NULL);
	size_t len = strlen(target);
	char *name;

	if (!known || *known)
		return known ? (const char *)(uintptr_t)*known : NULL;
	name = stint_arena_alloc(&plt->st->arena, len + sizeof("@plt"));
	if (!name)
		return NULL;
	memcpy(name, target, len);
	memcpy(name + len, "@plt", sizeof("@plt"));
	plt->named_bytes += len + sizeof("@plt");
	*known = (uint64_t)(uintptr_t)name;
	return name;
}

static int name_stub(struct plt *plt, uint64_t slot, uint64_t addr, uint64_t end, struct stint_err *err)
{
	struct elf_symbol symbol = {.addr = addr, .end = end, .limit = end, .sized = true};
	const char *target = slot_name(plt, slot);

	if (!target || plt->named_bytes > PLT_MAX_NAMES)
		return 0;
	symbol.name = stub_name(plt, target);
	if (!symbol.name)
		return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory for PLT stubs");
	return elf_symtab_put(plt->st, &symbol, err);
}

/*
 * Stubs are 16 bytes long; but 8 where there is no lazy part (.plt.got, and .plt of static programs) and none of
 * branch protection. Not every linker says so.
 */
static size_t stub_bytes(const struct elf_section *section, struct elf_bytes code)
{
	size_t i;

	if (section->entry_size == 8 || section->entry_size == PLT_STUB_BYTES)
		return (size_t)section->entry_size;
	for (i = 0; i + 8 <= code.size; i += 8)
		if (code.at[i] != 0xff || code.at[i + 1] != 0x25)
			return PLT_STUB_BYTES;
	return 8;
}

static int name_stubs_x86_64(struct plt *plt, uint64_t addr, struct elf_bytes code, size_t step, struct stint_err *err)
{
	uint64_t slot;
	size_t i;
	int rc = 0;

	for (i = 0; !rc && i + step <= code.size; i += step)
		if (slot_x86_64(code.at + i, step, addr + i, &slot))
			rc = name_stub(plt, slot, addr + i, addr + i + step, err);
	return rc;
}

/* Their length depends on what protects branches: bti in front of one, autia1716 in it, nops behind it. */
static int name_stubs_aarch64(struct plt *plt, uint64_t addr, struct elf_bytes code, struct stint_err *err)
{
	uint64_t slot;
	size_t i, start, end;
	int rc = 0;

	for (i = 0; !rc && i + 12 <= code.size; i += 4) {
		if (!slot_aarch64(code.at + i, addr + i, &slot))
			continue;
		start = i >= 4 && elf_u32(code.at + i - 4) == BTI_C ? i - 4 : i;
		for (end = i + 8; end + 8 <= code.size && end < i + PLT_STUB_BYTES; end += 4)
			if (elf_u32(code.at + end) == BR_X17)
				break;
		rc = name_stub(plt, slot, addr + start, addr + end + 4, err);
	}
	return rc;
}

static int name_stubs(struct plt *plt, const struct elf_section *section, struct stint_err *err)
{
	struct elf_bytes code = elf_section_raw(plt->ef, section);

	if (plt->ef->machine == EM_AARCH64)
		return name_stubs_aarch64(plt, section->addr, code, err);
	return name_stubs_x86_64(plt, section->addr, code, stub_bytes(section, code), err);
}

static bool is_plt(const struct elf_section *section)
{
	return section->type == SHT_PROGBITS && (!strcmp(section->name, ".plt") || !strcmp(section->name, ".plt.sec") ||
						 !strcmp(section->name, ".plt.got") || !strcmp(section->name, ".iplt"));
}

int elf_symtab_add_plt(struct elf_symtab *st, const struct elf_file *ef, struct stint_err *err)
{
	struct plt plt = {.ef = ef, .st = st};
	const struct elf_section *dynsym = elf_file_section(ef, ".dynsym");
	int rc = 0;
	size_t i;

	if (!ef->is_64 || (ef->machine != EM_X86_64 && ef->machine != EM_AARCH64))
		return 0;
	if (dynsym && dynsym->link < ef->n_sections) {
		plt.dynsym = elf_section_raw(ef, dynsym);
		plt.names = elf_section_raw(ef, &ef->sections[dynsym->link]);
	}
	for (i = 0; !rc && i < ef->n_sections; i++)
		if (!strcmp(ef->sections[i].name, ".rela.plt") || !strcmp(ef->sections[i].name, ".rela.dyn"))
			rc = read_relocations(&plt, &ef->sections[i], err);
	find_indirect(&plt);
	for (i = 0; !rc && i < ef->n_sections; i++)
		if (is_plt(&ef->sections[i]))
			rc = name_stubs(&plt, &ef->sections[i], err);
	stint_map_done(&plt.slots);
	stint_map_done(&plt.resolvers);
	stint_map_done(&plt.indirect);
	stint_map_done(&plt.named);
	return rc;
}
