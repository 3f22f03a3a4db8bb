/* SPDX-License-Identifier: MIT */
#include "analyze/frame_rules.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/map.h"

/* Bytes between functions that the rules before them may cover: padding, and code that is taken out. */
#define MAX_GAP 15u

#define RBX 3

/* Rules that are kept; programs have more addresses than stacks ever have. */
#define MAX_CACHE_BYTES ((size_t)16 << 20)
#define MAX_CACHED	(256u << 10) /* addresses, also those without rules */

struct frame_file {
	Elf *elf;
	Dwarf_CFI *eh;	  /* of .eh_frame; NULL when there is none */
	Dwarf *dwarf;	  /* opened when .eh_frame has no rule */
	Dwarf_CFI *debug; /* of .debug_frame; the dwarf's */
	bool tried_debug;
	struct stint_map cache; /* address -> struct frame_rules *, NULL where there are none */
	struct stint_arena arena;
};

/* An expression's operations, without what libdw puts around them. */
struct ops_run {
	const Dwarf_Op *ops;
	size_t n;
};

int frame_file_new(struct frame_file **ret, const void *image, size_t size, struct stint_err *err)
{
	struct frame_file *file = calloc(1, sizeof(*file));

	*ret = NULL;
	if (!file)
		return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory for unwind rules");
	elf_version(EV_CURRENT);
	/* Declared without const; nothing is written to it. */
	file->elf = elf_memory((char *)(uintptr_t)image, size);
	if (!file->elf || elf_kind(file->elf) != ELF_K_ELF) {
		frame_file_free(file);
		return stint_err_set(err, STINT_ERR_FORMAT, 0, -1, "libelf: %s", elf_errmsg(-1));
	}
	file->eh = dwarf_getcfi_elf(file->elf);
	*ret = file;
	return 0;
}

void frame_file_free(struct frame_file *file)
{
	if (!file)
		return;
	stint_map_done(&file->cache);
	stint_arena_done(&file->arena);
	if (file->eh)
		dwarf_cfi_end(file->eh);
	dwarf_end(file->dwarf);
	elf_end(file->elf);
	free(file);
}

/* ---- from libdw's operations to ours ---- */

static bool is_branch(const Dwarf_Op *op)
{
	return op->atom == DW_OP_bra || op->atom == DW_OP_skip;
}

/* The index of the operation that a branch leads to; run.n is behind the last one. */
static bool find_target(struct ops_run run, const Dwarf_Op *branch, uint32_t *ret)
{
	Dwarf_Word to = branch->offset + 3 + (Dwarf_Word)(int16_t)branch->number;
	size_t i;

	for (i = 0; i < run.n; i++) {
		if (run.ops[i].offset == to) {
			*ret = (uint32_t)i;
			return true;
		}
	}
	return false;
}

/* Makes rule one of the expression. Without memory false. */
static bool set_ops(struct frame_file *file, struct frame_rule *rule, enum frame_how how, struct ops_run run)
{
	struct frame_op *ops;
	size_t i;

	rule->how = FRAME_STRANGE;
	if (!run.n || run.n > FRAME_MAX_OPS)
		return true;
	ops = stint_arena_alloc(&file->arena, run.n * sizeof(*ops));
	if (!ops)
		return false;
	for (i = 0; i < run.n; i++) {
		ops[i] = (struct frame_op){
			.atom = run.ops[i].atom, .number = run.ops[i].number, .number2 = run.ops[i].number2};
		if (is_branch(&run.ops[i]) && !find_target(run, &run.ops[i], &ops[i].target))
			return true;
	}
	rule->how = how;
	rule->ops = ops;
	rule->n_ops = (uint16_t)run.n;
	return true;
}

/* A register and an offset, in any of the forms that such an operation has. */
static bool is_register_sum(const Dwarf_Op *op, struct frame_rule *rule)
{
	Dwarf_Word reg, off = 0;

	if (op->atom >= DW_OP_breg0 && op->atom <= DW_OP_breg31) {
		reg = op->atom - DW_OP_breg0;
		off = op->number;
	} else if (op->atom == DW_OP_bregx) {
		reg = op->number;
		off = op->number2;
	} else if (op->atom == DW_OP_regx) {
		reg = op->number;
	} else {
		return false;
	}
	if (reg >= FRAME_N_REGS)
		return false;
	*rule = (struct frame_rule){.how = FRAME_IN_REG, .reg = (uint8_t)reg, .off = (int64_t)off};
	return true;
}

static bool set_cfa(struct frame_file *file, Dwarf_Frame *frame, struct frame_rule *rule)
{
	struct ops_run run;
	Dwarf_Op *ops;

	rule->how = FRAME_STRANGE;
	if (dwarf_frame_cfa(frame, &ops, &run.n))
		return true;
	run.ops = ops;
	if (run.n == 1 && is_register_sum(ops, rule))
		return true;
	return set_ops(file, rule, FRAME_IS_OPS, run);
}

/* What libdw makes of a rule begins with the CFA, and ends in a value where that isn't an address. */
static bool set_reg(struct frame_file *file, Dwarf_Frame *frame, int reg, struct frame_rule *rule)
{
	Dwarf_Op mem[3], *ops;
	struct ops_run run;
	bool is_value;

	rule->how = FRAME_STRANGE;
	if (dwarf_frame_register(frame, reg, mem, &ops, &run.n))
		return true;
	if (!run.n) {
		/*
		 * Registers that the information doesn't mention are as the ABI says, which libdw
		 * has wrong of one of them: it takes rax for rbx.
		 */
		rule->how = ops && reg != RBX ? FRAME_LOST : FRAME_SAME;
		return true;
	}
	run.ops = ops;
	if (run.n == 1 && is_register_sum(ops, rule))
		return true;
	if (run.ops[0].atom != DW_OP_call_frame_cfa)
		return true;
	is_value = run.ops[run.n - 1].atom == DW_OP_stack_value;
	run.n -= is_value;
	run.ops++;
	run.n--;
	if (run.n == 0 || (run.n == 1 && run.ops[0].atom == DW_OP_plus_uconst)) {
		rule->how = is_value ? FRAME_IS_CFA : FRAME_AT_CFA;
		rule->off = run.n ? (int64_t)run.ops[0].number : 0;
		return true;
	}
	return set_ops(file, rule, is_value ? FRAME_IS_OPS : FRAME_AT_OPS, run);
}

/* NULL without memory. */
static struct frame_rules *translate(struct frame_file *file, Dwarf_Frame *frame)
{
	struct frame_rules *rules = stint_arena_alloc(&file->arena, sizeof(*rules));
	int reg, return_reg;
	bool ok;

	if (!rules)
		return NULL;
	return_reg = dwarf_frame_info(frame, NULL, NULL, &rules->signal);
	ok = set_cfa(file, frame, &rules->cfa);
	for (reg = 0; reg < FRAME_N_REGS && ok; reg++)
		ok = set_reg(file, frame, reg, &rules->regs[reg]);
	/* Other columns for the return address are allowed, and not in use on x86-64. */
	if (return_reg != FRAME_IP)
		rules->regs[FRAME_IP].how = FRAME_STRANGE;
	return ok ? rules : NULL;
}

static Dwarf_Frame *frame_at(struct frame_file *file, uint64_t vaddr)
{
	Dwarf_Frame *frame = NULL;

	if (file->eh && !dwarf_cfi_addrframe(file->eh, vaddr, &frame))
		return frame;
	if (!file->tried_debug) {
		file->tried_debug = true;
		file->dwarf = dwarf_begin_elf(file->elf, DWARF_C_READ, NULL);
		file->debug = file->dwarf ? dwarf_getcfi(file->dwarf) : NULL;
	}
	if (file->debug && !dwarf_cfi_addrframe(file->debug, vaddr, &frame))
		return frame;
	return NULL;
}

/* The rules of the function before a short gap, which also the recorder's tables have there. */
static Dwarf_Frame *frame_before_gap(struct frame_file *file, uint64_t vaddr)
{
	Dwarf_Frame *before = NULL, *behind = NULL;
	unsigned back, ahead;

	for (back = 1; back <= MAX_GAP && back <= vaddr && !before; back++)
		before = frame_at(file, vaddr - back);
	/* The gap is of back - 2 bytes up to vaddr, and ahead from there on. */
	for (ahead = 1; before && back - 2 + ahead <= MAX_GAP && !behind; ahead++)
		behind = frame_at(file, vaddr + ahead);
	if (behind) {
		free(behind);
		return before;
	}
	free(before);
	return NULL;
}

int frame_file_find(struct frame_file *file, uint64_t vaddr, const struct frame_rules **ret)
{
	struct frame_rules *rules = NULL;
	Dwarf_Frame *frame;
	uint64_t *slot;
	bool is_new;

	*ret = NULL;
	if (file->arena.total_bytes > MAX_CACHE_BYTES || file->cache.n_used >= MAX_CACHED) {
		stint_map_done(&file->cache);
		stint_arena_done(&file->arena);
	}
	slot = stint_map_put(&file->cache, vaddr, &is_new);
	if (!slot)
		return STINT_ERR_NOMEM;
	if (is_new) {
		frame = frame_at(file, vaddr);
		if (!frame)
			frame = frame_before_gap(file, vaddr);
		if (frame) {
			rules = translate(file, frame);
			free(frame);
			if (!rules) {
				stint_map_remove(&file->cache, vaddr);
				return STINT_ERR_NOMEM;
			}
		}
		*slot = (uint64_t)(uintptr_t)rules;
	}
	*ret = (const struct frame_rules *)(uintptr_t)*slot;
	return *ret ? 0 : STINT_ERR_NOTFOUND;
}
