/* SPDX-License-Identifier: MIT */
#include "record/unwind_go.h"

#include <elf.h>
#include <string.h>

#define MAX_NAME 32u /* longer names aren't those looked for */

/* A name in the string table; NULL where it is longer than MAX_NAME or has no end. */
static const char *name_at(const struct unwind_section *names, uint32_t off)
{
	size_t left = off < names->size_bytes ? names->size_bytes - off : 0;

	if (!left || !memchr(names->data + off, '\0', left < MAX_NAME ? left : MAX_NAME))
		return NULL;
	return (const char *)names->data + off;
}

static bool switches_stacks(const char *name)
{
	static const char *const names[] = {"runtime.mcall", "runtime.systemstack",
	                                    "runtime.morestack", "runtime.rt0_go"};
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		size_t n = strlen(names[i]);

		/* Assembly has its calling convention behind its name. */
		if (!strncmp(name, names[i], n) && (!name[n] || !strcmp(name + n, ".abi0")))
			return true;
	}
	return false;
}

uint32_t unwind_go_ends(const struct unwind_elf *elf, struct unwind_go_end *ret)
{
	size_t i, n = elf->go_symtab.size_bytes / sizeof(Elf64_Sym);
	uint32_t n_ends = 0;

	for (i = 0; i < n && n_ends < UNWIND_GO_MAX_ENDS; i++) {
		const char *name;
		Elf64_Sym sym;

		memcpy(&sym, elf->go_symtab.data + i * sizeof(sym), sizeof(sym));
		if (ELF64_ST_TYPE(sym.st_info) != STT_FUNC)
			continue;
		name = name_at(&elf->go_strtab, sym.st_name);
		if (name && switches_stacks(name))
			ret[n_ends++] = (struct unwind_go_end){sym.st_value, sym.st_size};
	}
	return n_ends;
}

bool unwind_go_is_end(const struct unwind_go_end *ends, uint32_t n, uint64_t vaddr)
{
	uint32_t i;

	for (i = 0; i < n; i++)
		if (vaddr >= ends[i].vaddr && vaddr - ends[i].vaddr < ends[i].size_bytes)
			return true;
	return false;
}
