/* SPDX-License-Identifier: MIT */
/* The machine code of functions: which bytes are a function's, and where they are found. */
#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "analyze/symbolize_internal.h"

static int nomem(struct stint_err *err)
{
	return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory for code");
}

void symbolizer_code_done(struct module *m)
{
	free(m->codes);
	free(m->lines);
}

int symbolizer_add_code(struct symbolizer *s, uint32_t module, uint64_t addr, uint64_t size_bytes, const void *bytes,
			size_t n_bytes, struct stint_err *err)
{
	uint64_t size = size_bytes > n_bytes ? size_bytes : n_bytes;
	struct module *m = symbolizer_module(s, module);
	const uint8_t *copy;

	if (!m || !n_bytes || size > UINT64_MAX - addr)
		return 0;
	copy = (const uint8_t *)stint_arena_strndup(&s->arena, bytes, n_bytes);
	if (!copy)
		return nomem(err);
	if (!(m->n_codes & (m->n_codes - 1))) {
		size_t cap = m->n_codes ? m->n_codes * 2 : 1;
		struct recorded_code *grown = realloc(m->codes, cap * sizeof(*grown));

		if (!grown)
			return nomem(err);
		m->codes = grown;
	}
	m->codes[m->n_codes++] = (struct recorded_code){addr, size, copy, n_bytes};
	m->lines_sorted = false;
	return 0;
}

static int by_address(const void *a, const void *b)
{
	const uint64_t *ua = a, *ub = b;

	return *ua < *ub ? -1 : *ua > *ub;
}

static int by_code_address(const void *a, const void *b)
{
	const struct recorded_code *ca = a, *cb = b;

	if (ca->addr != cb->addr)
		return ca->addr < cb->addr ? -1 : 1;
	return ca->size < cb->size ? -1 : ca->size > cb->size;
}

/* Without memory there are no lines, which costs source lines and nothing else. */
static void sort_packed(struct module *m)
{
	const struct stint_map *chains = &m->packed_chains[1];
	size_t i;

	if (m->lines_sorted)
		return;
	m->lines_sorted = true;
	m->n_lines = 0;
	if (m->n_codes)
		qsort(m->codes, m->n_codes, sizeof(*m->codes), by_code_address);
	free(m->lines);
	m->lines = calloc(chains->n_used + 1, sizeof(*m->lines));
	for (i = 0; m->lines && i < chains->n_slots; i++)
		if (chains->slots[i].used)
			m->lines[m->n_lines++] = chains->slots[i].key;
	if (m->n_lines)
		qsort(m->lines, m->n_lines, sizeof(*m->lines), by_address);
}

static const struct recorded_code *find_recorded(struct module *m, uint64_t addr)
{
	size_t low = 0, high = m->n_codes, mid;

	if (!m->n_codes)
		return NULL;
	sort_packed(m);
	while (low < high) {
		mid = low + (high - low) / 2;
		if (m->codes[mid].addr <= addr)
			low = mid + 1;
		else
			high = mid;
	}
	if (!low || addr - m->codes[low - 1].addr >= m->codes[low - 1].size)
		return NULL;
	return &m->codes[low - 1];
}

bool symbolizer_packed_line(struct module *m, uint64_t addr, uint64_t *ret_line)
{
	const struct recorded_code *code = find_recorded(m, addr);
	size_t low = 0, high = m->n_lines, mid;

	if (!code)
		return false;
	while (low < high) {
		mid = low + (high - low) / 2;
		if (m->lines[mid] <= addr)
			low = mid + 1;
		else
			high = mid;
	}
	if (!low || m->lines[low - 1] < code->addr)
		return false;
	*ret_line = m->lines[low - 1];
	return true;
}

/* Why a function of this module has no bytes here. */
static const char *why_no_code(const struct module *m)
{
	switch (m->info.kind) {
	case STINT_MODULE_KERNEL:
		return "the kernel's code is in no file here (--symbols finds a vmlinux)";
	case STINT_MODULE_KMOD:
		return "a kernel module's code isn't looked for";
	case STINT_MODULE_VDSO:
		return "the vDSO's code is in no file";
	case STINT_MODULE_FILE:
		if (m->program && m->program->code)
			return "no symbol says where it begins and ends";
		if (m->program && m->program->debug)
			return "only its debug file is here";
		return m->program && m->program->why ? m->program->why : "its file isn't here";
	default:
		return "code made at run time is in no file";
	}
}

/* Takes a symbol as the function that has addr. False when it isn't known to reach that far. */
static bool take_extent(struct symbol_code *code, const struct elf_symbol *symbol, uint64_t addr, uint64_t look)
{
	uint64_t size = symbol->end - symbol->addr;

	if (!symbol->sized && size > SYMBOL_MAX_CODE_BYTES)
		size = SYMBOL_MAX_CODE_BYTES;
	if (addr - symbol->addr >= size)
		return false;
	code->start = look - (addr - symbol->addr);
	code->elf_start = symbol->addr;
	code->size = size;
	return true;
}

static void code_of_program(const struct module *m, uint64_t look, struct symbol_code *code)
{
	const struct program *p = m->program;
	const struct elf_symbol *symbol;
	struct elf_bytes bytes;
	uint64_t vaddr;

	if (!p || !program_vaddr(p, m->info.kind, look, &vaddr))
		return;
	symbol = elf_symtab_find(&p->symtab, vaddr);
	if (!symbol || !take_extent(code, symbol, vaddr, look) || !p->code)
		return;
	bytes = elf_file_at_vaddr(p->code, symbol->addr);
	code->bytes = bytes.at;
	code->n_bytes = bytes.size < code->size ? bytes.size : code->size;
	if (code->n_bytes > SYMBOL_MAX_CODE_BYTES)
		code->n_bytes = SYMBOL_MAX_CODE_BYTES;
	code->machine = p->code->machine;
	if (!code->n_bytes)
		code->why = "its file is cut off in front of it";
}

int symbolizer_code(struct symbolizer *s, uint32_t module, uint64_t addr, bool exact, struct symbol_code *ret,
		    struct stint_err *err)
{
	uint64_t look = exact || !addr ? addr : addr - 1;
	struct module *m = symbolizer_module(s, module);
	const struct recorded_code *recorded;
	const struct elf_symbol *symbol;

	*ret = (struct symbol_code){.why = "nothing is known about its file"};
	if (!m)
		return 0;
	recorded = find_recorded(m, look);
	if (recorded) {
		struct symbol_chain chain;

		*ret = (struct symbol_code){.start = recorded->addr,
					    .elf_start = recorded->addr,
					    .size = recorded->size,
					    .bytes = recorded->bytes,
					    .n_bytes = recorded->n_bytes};
		if (symbolizer_lookup(s, module, recorded->addr, true, &chain, err))
			return STINT_ERR_NOMEM;
		ret->elf_start = chain.symbols[chain.n - 1].elf_addr;
		return 0;
	}
	if (symbolizer_open(s, m, err))
		return STINT_ERR_NOMEM;
	ret->why = NULL;
	code_of_program(m, look, ret);
	if (!ret->size) {
		symbol = elf_symtab_find(&m->recorded, look);
		if (symbol)
			take_extent(ret, symbol, look, look);
	}
	if (!ret->n_bytes && !ret->why)
		ret->why = why_no_code(m);
	return 0;
}
