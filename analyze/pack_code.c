/* SPDX-License-Identifier: MIT */
/* Embeds the machine code of functions, with the source lines of their instructions and the names they jump to. */
#include <stdlib.h>
#include <string.h>

#include "analyze/disassemble.h"
#include "analyze/pack_internal.h"
#include "base/map.h"

struct code_packing {
	const struct model *m;
	struct stint_writer *w;
	struct symbolizer *here;
	struct disassembler *disassembler;
	enum machine machine;
	struct stint_intern functions; /* struct place_key of those that are packed, or can't be */
	struct stint_intern places;    /* struct place_key of those whose chain is written */
	struct pack_result *result;
};

/* Compared as bytes, so without padding. */
struct place_key {
	uint64_t addr;
	uint64_t module;
};

static int no_memory(struct stint_err *err)
{
	return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory to pack code");
}

static int put(struct stint_intern *set, uint32_t module, uint64_t addr, bool *ret_new, struct stint_err *err)
{
	const struct place_key key = {addr, module};
	uint32_t id;

	return stint_intern_put(set, &key, sizeof(key), &id, ret_new) ? no_memory(err) : 0;
}

static int note_packed(void *context, const struct stint_rows *rows, struct stint_err *err)
{
	const struct stint_machine_code *row = rows->rows;
	struct code_packing *p = context;
	size_t i;
	bool is_new;
	int code = 0;

	for (i = 0; i < rows->n_rows && !code; i++, row++)
		code = put(&p->functions, row->module, row->addr, &is_new, err);
	return code;
}

/* What the address resolved to, for a frame of its own; once. */
static int write_place(struct code_packing *p, uint32_t module, uint64_t addr, const struct symbol_chain *chain,
		       struct stint_err *err)
{
	struct stint_frame row = {.addr = addr, .module = module, .flags = STINT_FRAME_EXACT};
	uint32_t frame;
	bool is_new;
	int code = put(&p->places, module, addr, &is_new, err);

	if (code || !is_new)
		return code;
	code = stint_writer_intern(p->w, STINT_FRAME, &row, &frame, err);
	return code ? code : pack_write_chain(p->w, frame, addr, chain, err);
}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

static bool same_chain(const struct symbol_chain *a, const struct symbol_chain *b)
{
	uint32_t i;

	if (a->n != b->n)
		return false;
	for (i = 0; i < a->n; i++)
		if (a->symbols[i].line != b->symbols[i].line || a->symbols[i].inlined != b->symbols[i].inlined ||
		    !same_text(a->symbols[i].linkage, b->symbols[i].linkage) ||
		    !same_text(a->symbols[i].file, b->symbols[i].file))
			return false;
	return true;
}

/* The function that a jump or call out of this one arrives in. */
static int write_target(struct code_packing *p, uint32_t module, const struct symbol_code *function, uint64_t target,
			struct stint_err *err)
{
	uint64_t addr = function->start + (target - function->elf_start);
	struct symbol_chain chain;
	int code;

	if (target - function->elf_start < function->size)
		return 0;
	code = symbolizer_lookup(p->here, module, addr, true, &chain, err);
	if (code || !chain.symbols[chain.n - 1].resolved || chain.symbols[chain.n - 1].elf_addr != target)
		return code;
	return write_place(p, module, addr, &chain, err);
}

static int write_places(struct code_packing *p, uint32_t module, const struct symbol_code *function,
			struct stint_err *err)
{
	struct symbol_chain chain, last = {NULL, 0};
	struct instruction insn;
	uint64_t off;
	int code = 0;

	for (off = 0; off < function->n_bytes && !code; off += insn.n_bytes) {
		disassemble(p->disassembler, function->bytes + off, function->n_bytes - off, function->elf_start + off,
			    &insn);
		code = symbolizer_lookup(p->here, module, function->start + off, true, &chain, err);
		if (!code && !same_chain(&last, &chain))
			code = write_place(p, module, function->start + off, &chain, err);
		last = chain;
		if (!code && insn.has_target)
			code = write_target(p, module, function, insn.target, err);
	}
	return code;
}

static int write_function(struct code_packing *p, uint32_t module, const struct symbol_code *function,
			  struct stint_err *err)
{
	struct stint_machine_code row = {.addr = function->start,
					 .size_bytes = function->size,
					 .module = module,
					 .bytes = {function->bytes, function->n_bytes}};
	int code = write_places(p, module, function, err);

	if (!code)
		code = stint_writer_add(p->w, STINT_CODE, &row, err);
	p->result->n_functions++;
	p->result->n_code_bytes += function->n_bytes;
	return code;
}

static int pack_function(struct code_packing *p, const struct stint_frame *frame, struct stint_err *err)
{
	struct symbol_code function;
	bool is_new;
	int code =
		symbolizer_code(p->here, frame->module, frame->addr, frame->flags & STINT_FRAME_EXACT, &function, err);

	if (code || !function.size)
		return code;
	code = put(&p->functions, frame->module, function.start, &is_new, err);
	if (code || !is_new)
		return code;
	if (!function.n_bytes || !machine_is_elf(p->machine, function.machine)) {
		p->result->n_without_code++;
		return 0;
	}
	if (function.n_bytes > PACK_MAX_CODE_BYTES - p->result->n_code_bytes) {
		p->result->n_over_limit++;
		return 0;
	}
	return write_function(p, frame->module, &function, err);
}

int pack_code(struct model *m, const bool *in_stacks, struct stint_writer *w, struct symbolizer *here,
	      struct pack_result *result, struct stint_err *err)
{
	struct code_packing p = {.m = m, .w = w, .here = here, .result = result};
	uint32_t i;
	int code;

	if (!machine_of_arch(model_meta(m, "arch"), &p.machine))
		return stint_err_set(err, STINT_ERR_UNSUPPORTED, 0, -1,
				     "--code: there is no disassembler for the recording's machine, '%s'",
				     model_meta(m, "arch"));
	code = disassembler_new(&p.disassembler, p.machine, false, err);
	if (!code)
		code = model_each_block(m, STINT_CODE, note_packed, &p, err);
	for (i = 1; i < m->n_plain_frames && !code; i++)
		code = in_stacks[i] ? pack_function(&p, &m->frames.rows[i], err) : 0;
	disassembler_free(p.disassembler);
	stint_intern_done(&p.functions);
	stint_intern_done(&p.places);
	return code;
}
