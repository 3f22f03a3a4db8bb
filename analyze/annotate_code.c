/* SPDX-License-Identifier: MIT */
/* Where the functions' code is, what its instructions are, and which events are at each of them. */
#include <stdlib.h>
#include <string.h>

#include "analyze/annotate.h"

static int no_memory(struct stint_err *err)
{
	return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory for the code");
}

static bool part_has(const struct part *part, uint64_t addr)
{
	return addr >= part->start && addr - part->start < part->size;
}

static struct place *add_place(struct part *part)
{
	if (part->n == part->cap) {
		size_t cap = part->cap ? part->cap * 2 : 64;
		struct place *grown = realloc(part->places, cap * sizeof(*grown));

		if (!grown)
			return NULL;
		part->places = grown;
		part->cap = cap;
	}
	part->places[part->n] = (struct place){.addr = 0};
	return &part->places[part->n++];
}

/* --- instructions --- */

/* The name at an ELF address outside of the part. In another segment the distance would be another one. */
static int name_target(struct annotations *a, const struct annotation *f, const struct part *part, struct place *place,
		       uint64_t target, struct stint_err *err)
{
	struct symbolizer *symbolizer = a->functions->symbolizer;
	const struct symbol *symbol;
	struct symbol_chain chain;
	uint64_t addr = part->start + (target - part->elf_start);
	int code = symbolizer_lookup(symbolizer, part->module, addr, true, &chain, err);

	if (code)
		return code;
	symbol = &chain.symbols[chain.n - 1];
	if (!symbol->resolved || symbol->elf_addr != target)
		return 0;
	place->target = symbol->name;
	place->target_offset = symbol->start && symbol->start <= target ? target - symbol->start : 0;
	place->target_kind = strcmp(symbol->name, f->host ? f->host : f->name) ? TARGET_OTHER : TARGET_PART;
	return 0;
}

static int take_instruction(struct annotations *a, struct annotation *f, const struct part *part,
			    const struct instruction *insn, struct place *place, struct stint_err *err)
{
	place->n_bytes = insn->n_bytes;
	place->is_data = insn->is_data;
	place->is_syscall = insn->is_syscall;
	place->reference = insn->has_reference ? insn->reference : 0;
	place->mnemonic = stint_arena_strndup(&f->arena, insn->mnemonic, strlen(insn->mnemonic));
	place->operands = stint_arena_strndup(&f->arena, insn->operands, strlen(insn->operands));
	if (!place->mnemonic || !place->operands)
		return no_memory(err);
	if (!insn->has_target)
		return 0;
	if (insn->target - part->elf_start < part->size) {
		place->target_kind = TARGET_HERE;
		place->target_offset = insn->target - part->elf_start;
		return 0;
	}
	return name_target(a, f, part, place, insn->target, err);
}

static int disassemble_part(struct annotations *a, struct annotation *f, struct part *part,
			    const struct symbol_code *code, struct stint_err *err)
{
	struct instruction insn;
	struct place *place;
	uint64_t off;
	int rc = 0;

	a->n_code_bytes += code->n_bytes;
	for (off = 0; off < code->n_bytes && !rc; off += insn.n_bytes) {
		disassemble(a->disassembler, code->bytes + off, code->n_bytes - off, code->elf_start + off, &insn);
		place = add_place(part);
		if (!place)
			return no_memory(err);
		place->addr = part->start + off;
		place->elf_addr = insn.addr;
		place->bytes = code->bytes + off;
		rc = take_instruction(a, f, part, &insn, place, err);
		if (!rc)
			rc = symbolizer_lookup(a->functions->symbolizer, part->module, place->addr, true, &place->chain,
					       err);
	}
	return rc;
}

/* --- parts --- */

static int add_part(struct annotations *a, struct annotation *f, const struct hit *hit, struct part **ret,
		    struct stint_err *err)
{
	struct part *parts = realloc(f->parts, (f->n_parts + 1) * sizeof(*parts));
	struct symbolizer *symbolizer = a->functions->symbolizer;
	struct symbol_chain chain;
	struct symbol_code code;
	struct part *part;
	int rc;

	if (!parts)
		return no_memory(err);
	f->parts = parts;
	rc = symbolizer_code(symbolizer, hit->module, hit->addr, hit->exact, &code, err);
	if (!rc)
		rc = symbolizer_lookup(symbolizer, hit->module, hit->addr, hit->exact, &chain, err);
	if (rc)
		return rc;
	part = &parts[f->n_parts++];
	*part = (struct part){.module = hit->module,
			      .start = code.start,
			      .elf_start = code.elf_start,
			      .size = code.size,
			      .why = code.why,
			      .n_missing = code.size - code.n_bytes,
			      .linkage = chain.symbols[chain.n - 1].linkage};
	if (!code.size && !chain.symbols[chain.n - 1].resolved)
		part->why = "it has no symbol";
	*ret = part;
	if (!code.n_bytes)
		return 0;
	if (code.machine && !machine_is_elf(a->machine, code.machine))
		part->why = "it is code of another machine";
	else if (!a->has_machine)
		part->why = "there is no disassembler for the recording's machine";
	else if (code.n_bytes > ANNOTATE_MAX_CODE_BYTES - a->n_code_bytes)
		part->why = "more than 4 MB of code at once; a name that matches fewer functions shows it";
	else
		return disassemble_part(a, f, part, &code, err);
	part->n_missing = part->size;
	return 0;
}

/*
 * The part that has the hit; one that nobody knows the extent of has all that are in no other. Hits come in ascending
 * order, so of the parts whose extent is known only the last one may have it: one of the last two.
 */
static int part_of(struct annotations *a, struct annotation *f, const struct hit *hit, struct part **ret,
		   struct stint_err *err)
{
	uint64_t look = hit_look(hit);
	size_t i;
	int rc;

	for (i = f->n_parts; i > 0 && f->n_parts - i < 2; i--)
		if (part_has(&f->parts[i - 1], look)) {
			*ret = &f->parts[i - 1];
			return 0;
		}
	rc = add_part(a, f, hit, ret, err);
	if (rc || (*ret)->size)
		return rc;
	if (!f->unknown_part) {
		f->unknown_part = f->n_parts;
		return 0;
	}
	f->n_parts--;
	*ret = &f->parts[f->unknown_part - 1];
	return 0;
}

/* --- events on instructions --- */

/* The instruction that has addr; NULL when it is behind the code, or there is none. */
static struct place *instruction_at(const struct part *part, uint64_t addr)
{
	size_t low = 0, high = part->n, mid;

	while (low < high) {
		mid = low + (high - low) / 2;
		if (part->places[mid].bytes && part->places[mid].addr <= addr)
			low = mid + 1;
		else
			high = mid;
	}
	if (!low || addr - part->places[low - 1].addr >= part->places[low - 1].n_bytes)
		return NULL;
	return &part->places[low - 1];
}

static int place_of_hit(struct annotations *a, struct part *part, const struct hit *hit, struct place **ret,
			struct stint_err *err)
{
	struct place *place = hit->entered_kernel && hit->addr ? instruction_at(part, hit->addr - 1) : NULL;

	/* In a system call, a thread's address is already behind the instruction. */
	if (!place || !place->is_syscall || place->addr + place->n_bytes != hit->addr)
		place = instruction_at(part, hit_look(hit));
	if (place) {
		*ret = place;
		return 0;
	}
	place = part->n ? &part->places[part->n - 1] : NULL;
	if (!place || place->bytes || place->addr != hit->addr || place->is_return == hit->exact) {
		place = add_place(part);
		if (!place)
			return no_memory(err);
		place->addr = hit->addr;
		place->is_return = !hit->exact;
	}
	*ret = place;
	return symbolizer_lookup(a->functions->symbolizer, hit->module, hit->addr, hit->exact, &place->chain, err);
}

static int lay_hit(struct annotations *a, struct annotation *f, const struct hit *hit, struct stint_err *err)
{
	struct place *place = NULL;
	struct part *part = NULL;
	int code = part_of(a, f, hit, &part, err);

	if (!code)
		code = place_of_hit(a, part, hit, &place, err);
	if (code)
		return code;
	if (!place->bytes)
		place->elf_addr = place->chain.symbols[0].elf_addr;
	metrics_add(&place->self, &hit->self);
	metrics_add(&place->total, &hit->total);
	metrics_add(&part->self, &hit->self);
	metrics_add(&part->total, &hit->total);
	return 0;
}

static bool has_events(const struct place *place)
{
	int i;

	for (i = 0; i < N_METRICS; i++)
		if (place->total.v[i])
			return true;
	return false;
}

/* Of an inlined function, only the code that comes from it is shown, and what has its events. */
static void mark_outside(const struct annotation *f, struct place *place)
{
	uint32_t i;

	place->outside = f->host && !has_events(place);
	for (i = 0; i + 1 < place->chain.n && place->outside; i++)
		place->outside = strcmp(place->chain.symbols[i].name, f->name) != 0;
}

/* --- source lines --- */

struct line_maker {
	struct stint_intern files;
	struct stint_map index; /* file's id << 32 | line, to 1 + index in the lines */
	struct annotation *f;
	size_t cap;
};

static int add_to_line(struct line_maker *lm, const struct place *place, struct stint_err *err)
{
	const struct symbol *symbol = &place->chain.symbols[0];
	struct annotation *f = lm->f;
	uint64_t *slot;
	uint32_t file = 0;
	bool is_new;

	if (symbol->file && stint_intern_put(&lm->files, symbol->file, strlen(symbol->file) + 1, &file, NULL))
		return no_memory(err);
	slot = stint_map_put(&lm->index, (uint64_t)file << 32 | symbol->line, &is_new);
	if (!slot)
		return no_memory(err);
	if (is_new) {
		if (f->n_lines == lm->cap) {
			size_t cap = lm->cap ? lm->cap * 2 : 16;
			struct source_line *grown = realloc(f->lines, cap * sizeof(*grown));

			if (!grown)
				return no_memory(err);
			f->lines = grown;
			lm->cap = cap;
		}
		*slot = f->n_lines;
		f->lines[f->n_lines++] = (struct source_line){.file = symbol->file, .line = symbol->line};
	}
	metrics_add(&f->lines[*slot].self, &place->self);
	metrics_add(&f->lines[*slot].total, &place->total);
	return 0;
}

static int by_line_value(const void *a, const void *b, void *arg)
{
	const struct source_line *la = a, *lb = b;
	enum metric by = *(const enum metric *)arg;
	int order;

	if (la->total.v[by] != lb->total.v[by])
		return la->total.v[by] > lb->total.v[by] ? -1 : 1;
	if (la->self.v[by] != lb->self.v[by])
		return la->self.v[by] > lb->self.v[by] ? -1 : 1;
	order = strcmp(la->file ? la->file : "", lb->file ? lb->file : "");
	return order ? order : (la->line > lb->line) - (la->line < lb->line);
}

static int make_lines(struct annotations *a, struct annotation *f, struct stint_err *err)
{
	struct line_maker lm = {.f = f};
	size_t i, k;
	int code = 0;

	for (i = 0; i < f->n_parts && !code; i++)
		for (k = 0; k < f->parts[i].n && !code; k++)
			if (has_events(&f->parts[i].places[k]))
				code = add_to_line(&lm, &f->parts[i].places[k], err);
	if (f->n_lines)
		qsort_r(f->lines, f->n_lines, sizeof(*f->lines), by_line_value, &a->by);
	stint_intern_done(&lm.files);
	stint_map_done(&lm.index);
	return code;
}

static int by_start(const void *a, const void *b)
{
	const struct part *pa = a, *pb = b;

	return pa->start < pb->start ? -1 : pa->start > pb->start;
}

static int prepare(struct annotations *a, struct stint_err *err)
{
	if (a->disassembler)
		return 0;
	a->has_machine = machine_of_arch(model_meta(a->m, "arch"), &a->machine);
	return a->has_machine ? disassembler_new(&a->disassembler, a->machine, a->intel, err) : 0;
}

int annotation_open(struct annotations *a, struct annotation *f, struct stint_err *err)
{
	size_t i, k;
	int code = prepare(a, err);

	for (i = 0; i < f->hits->n && !code; i++)
		code = lay_hit(a, f, &f->hits->at[i], err);
	if (code)
		return code;
	if (f->n_parts)
		qsort(f->parts, f->n_parts, sizeof(*f->parts), by_start);
	for (i = 0; i < f->n_parts; i++)
		for (k = 0; k < f->parts[i].n; k++)
			mark_outside(f, &f->parts[i].places[k]);
	return make_lines(a, f, err);
}

void annotation_close(struct annotation *f)
{
	size_t i;

	for (i = 0; i < f->n_parts; i++)
		free(f->parts[i].places);
	free(f->parts);
	free(f->lines);
	stint_arena_done(&f->arena);
	f->parts = NULL;
	f->lines = NULL;
	f->n_parts = f->n_lines = f->unknown_part = 0;
}
