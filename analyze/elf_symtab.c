/* SPDX-License-Identifier: MIT */
#include "analyze/elf_symtab.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

struct raw_symbol {
	const char *name;
	uint64_t value, size;
	uint8_t type, bind;
	uint16_t section;
};

int elf_symtab_put(struct elf_symtab *st, const struct elf_symbol *symbol, struct stint_err *err)
{
	struct elf_symbol *grown;
	size_t cap;

	if (st->n == ELF_MAX_SYMBOLS)
		return stint_err_set(err, STINT_ERR_LIMIT, 0, -1, "more than %u symbols", ELF_MAX_SYMBOLS);
	if (st->n == st->cap) {
		cap = st->cap ? st->cap * 2 : 256;
		grown = realloc(st->symbols, cap * sizeof(*grown));
		if (!grown)
			return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory for symbols");
		st->symbols = grown;
		st->cap = cap;
	}
	st->symbols[st->n] = *symbol;
	st->symbols[st->n++].name_bytes = (uint16_t)strnlen(symbol->name, ELF_COMPARED_BYTES);
	return 0;
}

/*
 * Names that a program exports before local ones, real functions before labels, then the fewest leading underscores
 * (read before __libc_read), then global before weak.
 */
static uint32_t rank_of(const struct raw_symbol *raw)
{
	size_t underscores = 0;
	uint32_t rank = raw->bind == STB_LOCAL ? 1u << 16 : 0;

	while (underscores < 255 && raw->name[underscores] == '_')
		underscores++;
	if (!strncmp(raw->name, "_Z", 2) || !strncmp(raw->name, "_R", 2) || !strncmp(raw->name, "_D", 2))
		underscores = 0; /* mangled, not private */
	if (raw->type == STT_NOTYPE)
		rank |= 1u << 17;
	rank |= (uint32_t)underscores << 4;
	return rank | (raw->bind == STB_WEAK);
}

static struct raw_symbol raw_symbol(const struct elf_file *ef, const uint8_t *at, struct elf_bytes names)
{
	uint32_t name = elf_u32(at);
	struct raw_symbol raw = {.name = name < names.size ? (const char *)names.at + name : ""};
	uint8_t info;

	if (ef->is_64) {
		info = at[4];
		raw.section = elf_u16(at + 6);
		raw.value = elf_u64(at + 8);
		raw.size = elf_u64(at + 16);
	} else {
		raw.value = elf_u32(at + 4);
		raw.size = elf_u32(at + 8);
		info = at[12];
		raw.section = elf_u16(at + 14);
	}
	raw.type = ELF64_ST_TYPE(info);
	raw.bind = ELF64_ST_BIND(info);
	return raw;
}

/* Is it code with a name that a person would recognize? */
static bool is_function(const struct elf_file *ef, const struct raw_symbol *raw)
{
	const struct elf_section *section = raw->section < ef->n_sections ? &ef->sections[raw->section] : NULL;

	if (raw->section == SHN_UNDEF || !*raw->name)
		return false;
	if (raw->type == STT_FUNC || raw->type == STT_GNU_IFUNC)
		return true;
	/* Labels of assembly code. "$x" marks code on ARM and RISC-V, ".L" labels are the compiler's own. */
	return raw->type == STT_NOTYPE && section && section->flags & SHF_EXECINSTR && *raw->name != '$' &&
	       strncmp(raw->name, ".L", 2);
}

static int add_raw(struct elf_symtab *st, const struct elf_file *ef, const struct raw_symbol *raw,
		   struct stint_err *err)
{
	struct elf_symbol symbol = {.name = raw->name, .addr = raw->value, .rank = rank_of(raw)};
	const struct elf_section *section = raw->section < ef->n_sections ? &ef->sections[raw->section] : NULL;

	if (ef->type == ET_REL && section)
		symbol.addr += section->addr;
	if (ef->machine == EM_ARM)
		symbol.addr &= ~(uint64_t)1; /* marks Thumb code */
	symbol.limit = section ? section->addr + section->size : UINT64_MAX;
	symbol.indirect = raw->type == STT_GNU_IFUNC;
	symbol.sized = raw->size && raw->size <= UINT64_MAX - symbol.addr;
	if (symbol.sized)
		symbol.end = symbol.addr + raw->size;
	return elf_symtab_put(st, &symbol, err);
}

/* The part of a string table up to its last NUL, so that every offset below its size gives a whole string. */
static struct elf_bytes whole_strings(struct elf_bytes names)
{
	const uint8_t *last = names.size ? memrchr(names.at, 0, names.size) : NULL;

	return (struct elf_bytes){names.at, last ? (size_t)(last - names.at) + 1 : 0};
}

static int add_table(struct elf_symtab *st, const struct elf_file *ef, const struct elf_section *section,
		     struct stint_err *err)
{
	size_t entry = ef->is_64 ? sizeof(Elf64_Sym) : sizeof(Elf32_Sym), i;
	struct elf_bytes table = elf_section_raw(ef, section), names;
	struct raw_symbol raw;
	int rc = 0;

	if (section->link >= ef->n_sections)
		return 0;
	names = whole_strings(elf_section_raw(ef, &ef->sections[section->link]));
	for (i = 0; !rc && i < table.size / entry; i++) {
		raw = raw_symbol(ef, table.at + i * entry, names);
		if (is_function(ef, &raw))
			rc = add_raw(st, ef, &raw, err);
	}
	return rc;
}

int elf_symtab_add(struct elf_symtab *st, const struct elf_file *ef, struct stint_err *err)
{
	size_t i;
	int rc = 0;

	for (i = 0; !rc && i < ef->n_sections; i++)
		if (ef->sections[i].type == SHT_SYMTAB || ef->sections[i].type == SHT_DYNSYM)
			rc = add_table(st, ef, &ef->sections[i], err);
	return rc;
}

bool elf_symbol_range(const struct elf_file *ef, const char *name, uint64_t *ret_value, uint64_t *ret_size)
{
	size_t entry = ef->is_64 ? sizeof(Elf64_Sym) : sizeof(Elf32_Sym), i, j;
	struct elf_bytes table, names;
	struct raw_symbol raw;

	for (i = 0; i < ef->n_sections; i++) {
		if (ef->sections[i].type != SHT_SYMTAB || ef->sections[i].link >= ef->n_sections)
			continue;
		table = elf_section_raw(ef, &ef->sections[i]);
		names = whole_strings(elf_section_raw(ef, &ef->sections[ef->sections[i].link]));
		for (j = 0; j < table.size / entry; j++) {
			raw = raw_symbol(ef, table.at + j * entry, names);
			if (strcmp(raw.name, name) || raw.section == SHN_UNDEF)
				continue;
			*ret_value = raw.value;
			*ret_size = raw.size;
			return true;
		}
	}
	return false;
}

bool elf_symbol_value(const struct elf_file *ef, const char *name, uint64_t *ret_value)
{
	uint64_t size;

	return elf_symbol_range(ef, name, ret_value, &size);
}

int elf_symbol_order(const struct elf_symbol *a, const struct elf_symbol *b)
{
	if (a->sized != b->sized)
		return a->sized ? -1 : 1; /* a label is only an alias of a function that has a size */
	if (a->rank != b->rank)
		return a->rank < b->rank ? -1 : 1;
	if (a->name_bytes != b->name_bytes)
		return a->name_bytes < b->name_bytes ? -1 : 1;
	return a->name == b->name ? 0 : strncmp(a->name, b->name, ELF_COMPARED_BYTES);
}

static int by_addr(const void *a, const void *b)
{
	const struct elf_symbol *sa = a, *sb = b;

	if (sa->addr != sb->addr)
		return sa->addr < sb->addr ? -1 : 1;
	return elf_symbol_order(sa, sb);
}

/* One symbol for each start: the best name, with the largest size that any of its aliases has. */
static void merge_aliases(struct elf_symtab *st)
{
	size_t i, kept = 0;

	for (i = 0; i < st->n; i++) {
		if (kept && st->symbols[kept - 1].addr == st->symbols[i].addr) {
			if (st->symbols[i].sized && st->symbols[i].end > st->symbols[kept - 1].end)
				st->symbols[kept - 1].end = st->symbols[i].end;
			continue;
		}
		st->symbols[kept++] = st->symbols[i];
	}
	st->n = kept;
}

int elf_symtab_build(struct elf_symtab *st, struct stint_err *err)
{
	struct addr_map_scratch scratch = {NULL, 0};
	struct addr_range *ranges;
	uint64_t next;
	size_t i;
	int rc;

	if (!st->n)
		return 0;
	qsort(st->symbols, st->n, sizeof(*st->symbols), by_addr);
	merge_aliases(st);
	ranges = calloc(st->n, sizeof(*ranges));
	if (!ranges)
		return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory for symbols");
	for (i = 0; i < st->n; i++) {
		struct elf_symbol *symbol = &st->symbols[i];

		/* Without a size it reaches to the next symbol, and gives way to any that has one. */
		next = i + 1 < st->n ? st->symbols[i + 1].addr : UINT64_MAX;
		if (!symbol->sized)
			symbol->end = next < symbol->limit ? next : symbol->limit;
		ranges[i] = (struct addr_range){symbol->addr, symbol->end, (uint32_t)i, symbol->sized};
	}
	addr_map_done(&st->map);
	rc = addr_map_build(&st->map, ranges, st->n, &scratch);
	addr_map_scratch_done(&scratch);
	free(ranges);
	return rc ? stint_err_set(err, rc, 0, -1, "no memory for symbols") : 0;
}

const struct elf_symbol *elf_symtab_find(const struct elf_symtab *st, uint64_t addr)
{
	uint32_t i = addr_map_find(&st->map, addr);

	return i == ADDR_MAP_NONE ? NULL : &st->symbols[i];
}

void elf_symtab_done(struct elf_symtab *st)
{
	free(st->symbols);
	addr_map_done(&st->map);
	stint_arena_done(&st->arena);
	memset(st, 0, sizeof(*st));
}
