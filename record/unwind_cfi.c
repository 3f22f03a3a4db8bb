/* SPDX-License-Identifier: MIT */
#include "record/unwind_cfi.h"

#include <dwarf.h>
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "record/unwind_arch.h"
#include "record/unwind_elf.h"
#include "record/unwind_entries.h"
#include "record/unwind_expr.h"

struct run {
	const struct cfi *cfi;
	const struct cfi_cie *cie;
	struct cfi_state state;
	struct cfi_state remembered[CFI_MAX_REMEMBERED];
	uint32_t n_remembered;
	uint64_t at, end; /* where state holds from, and where the function ends */
	uint64_t bias;	  /* of the program, as in struct cfi_fde */
	int (*row)(void *context, uint64_t start, uint64_t end, const struct cfi_state *state);
	void *context;
};

void cfi_init(struct cfi *cfi, const struct unwind_source *source, const struct unwind_section *section, bool eh,
	      const struct unwind_arch *arch)
{
	*cfi = (struct cfi){.section = {.vaddr = section->vaddr, .eh = eh}, .arch = arch};
	unwind_section_open(&cfi->section.bytes, source, section);
}

void cfi_done(struct cfi *cfi)
{
	if (!cfi)
		return;
	unwind_bytes_done(&cfi->section.bytes);
	free(cfi->cies);
	cfi->cies = NULL;
}

/* The rule of a register that is followed; NULL for all others. */
static struct cfi_rule *rule_of(struct run *run, struct cfi_state *state, uint64_t reg)
{
	const struct unwind_arch *arch = run->cfi->arch;

	if (reg == arch->fp)
		return &state->fp;
	if (reg == run->cie->ra_reg)
		return &state->ra;
	if (reg == arch->sp)
		return &state->sp;
	return NULL;
}

static void set_rule(struct run *run, uint64_t reg, enum cfi_rule_kind kind, uint64_t from, int64_t off)
{
	struct cfi_rule *rule = rule_of(run, &run->state, reg);

	if (!rule)
		return;
	*rule = (struct cfi_rule){.kind = from > UINT8_MAX ? CFI_COMPLEX : (uint8_t)kind, .off = off};
	rule->reg = rule->kind == CFI_COMPLEX ? 0 : (uint8_t)from;
}

/* Products of hostile factors wrap around instead of overflowing; no valid file has any. */
static int64_t scale(int64_t factor, int64_t align)
{
	return (int64_t)((uint64_t)factor * (uint64_t)align);
}

static void set_cfa(struct run *run, uint64_t reg, int64_t off)
{
	bool known = reg <= UINT8_MAX;

	run->state.cfa = (struct cfi_cfa){
		.kind = known ? CFI_CFA_REG : CFI_CFA_COMPLEX, .reg = known ? (uint8_t)reg : 0, .off = off};
}

static void set_cfa_expression(struct run *run, struct stint_cursor *cur)
{
	uint64_t size = stint_cursor_varint(cur);
	const uint8_t *ops = stint_cursor_bytes(cur, size);

	if (ops)
		unwind_expr_cfa(ops, size, run->cfi->arch, &run->state.cfa);
}

static void set_rule_expression(struct run *run, struct stint_cursor *cur, bool is_address)
{
	uint64_t reg = stint_cursor_varint(cur);
	uint64_t size = stint_cursor_varint(cur);
	const uint8_t *ops = stint_cursor_bytes(cur, size);
	struct cfi_rule *rule = rule_of(run, &run->state, reg);

	if (ops && rule)
		unwind_expr_rule(ops, size, is_address, rule);
}

static void restore_rule(struct run *run, uint64_t reg)
{
	struct cfi_rule *rule = rule_of(run, &run->state, reg);
	const struct cfi_state *initial = &run->cie->initial;

	if (rule == &run->state.fp)
		*rule = initial->fp;
	else if (rule == &run->state.ra)
		*rule = initial->ra;
	else if (rule == &run->state.sp)
		*rule = initial->sp;
}

/* Everything from the current address to the new one has the current state. */
static int advance(struct run *run, uint64_t to)
{
	uint64_t from = run->at;

	if (to <= from || !run->row)
		return 0; /* going back isn't allowed by the standard, and no row comes of it */
	if (to > run->end)
		to = run->end;
	run->at = to;
	return from < to ? run->row(run->context, from, to, &run->state) : 0;
}

static int advance_by(struct run *run, uint64_t delta)
{
	uint64_t by = delta * run->cie->code_align;

	return advance(run, by > run->end - run->at ? run->end : run->at + by);
}

static int remember(struct run *run)
{
	if (run->n_remembered == CFI_MAX_REMEMBERED)
		return STINT_ERR_FORMAT;
	run->remembered[run->n_remembered++] = run->state;
	return 0;
}

static int recall(struct run *run)
{
	if (!run->n_remembered)
		return STINT_ERR_FORMAT;
	run->state = run->remembered[--run->n_remembered];
	return 0;
}

static int set_location(struct run *run, struct stint_cursor *cur)
{
	uint64_t to;

	if (!cfi_read_address(cur, run->cie->encoding, run->bias, &to))
		return STINT_ERR_FORMAT;
	return advance(run, to);
}

/* Opcodes that only set the rule of one register. False if op is none of them. */
static bool run_register_op(struct run *run, uint8_t op, struct stint_cursor *cur)
{
	int64_t data_align = run->cie->data_align;
	uint64_t reg, from;

	switch (op) {
	case DW_CFA_offset_extended:
		reg = stint_cursor_varint(cur);
		set_rule(run, reg, CFI_AT_CFA, 0, scale((int64_t)stint_cursor_varint(cur), data_align));
		return true;
	case DW_CFA_offset_extended_sf:
		reg = stint_cursor_varint(cur);
		set_rule(run, reg, CFI_AT_CFA, 0, scale(cfi_read_sleb(cur), data_align));
		return true;
	case DW_CFA_GNU_negative_offset_extended:
		reg = stint_cursor_varint(cur);
		set_rule(run, reg, CFI_AT_CFA, 0, scale((int64_t)(0 - stint_cursor_varint(cur)), data_align));
		return true;
	case DW_CFA_val_offset:
		reg = stint_cursor_varint(cur);
		set_rule(run, reg, CFI_IS_CFA, 0, scale((int64_t)stint_cursor_varint(cur), data_align));
		return true;
	case DW_CFA_val_offset_sf:
		reg = stint_cursor_varint(cur);
		set_rule(run, reg, CFI_IS_CFA, 0, scale(cfi_read_sleb(cur), data_align));
		return true;
	case DW_CFA_register:
		reg = stint_cursor_varint(cur);
		from = stint_cursor_varint(cur);
		set_rule(run, reg, CFI_REGISTER, from, 0);
		return true;
	case DW_CFA_undefined:
		set_rule(run, stint_cursor_varint(cur), CFI_UNDEFINED, 0, 0);
		return true;
	case DW_CFA_same_value:
		set_rule(run, stint_cursor_varint(cur), CFI_SAME, 0, 0);
		return true;
	case DW_CFA_restore_extended:
		restore_rule(run, stint_cursor_varint(cur));
		return true;
	case DW_CFA_expression:
	case DW_CFA_val_expression:
		set_rule_expression(run, cur, op == DW_CFA_expression);
		return true;
	default:
		return false;
	}
}

/* Opcodes that set the CFA. False if op is none of them. */
static bool run_cfa_op(struct run *run, uint8_t op, struct stint_cursor *cur)
{
	struct cfi_cfa *cfa = &run->state.cfa;
	uint64_t reg;

	switch (op) {
	case DW_CFA_def_cfa:
		reg = stint_cursor_varint(cur);
		set_cfa(run, reg, (int64_t)stint_cursor_varint(cur));
		return true;
	case DW_CFA_def_cfa_sf:
		reg = stint_cursor_varint(cur);
		set_cfa(run, reg, scale(cfi_read_sleb(cur), run->cie->data_align));
		return true;
	case DW_CFA_def_cfa_register:
		set_cfa(run, stint_cursor_varint(cur), cfa->off);
		return true;
	case DW_CFA_def_cfa_offset:
		set_cfa(run, cfa->reg, (int64_t)stint_cursor_varint(cur));
		return true;
	case DW_CFA_def_cfa_offset_sf:
		set_cfa(run, cfa->reg, scale(cfi_read_sleb(cur), run->cie->data_align));
		return true;
	case DW_CFA_def_cfa_expression:
		set_cfa_expression(run, cur);
		return true;
	default:
		return false;
	}
}

static int run_op(struct run *run, uint8_t op, struct stint_cursor *cur)
{
	switch (op) {
	case DW_CFA_nop:
	case DW_CFA_GNU_window_save: /* on aarch64: negate_ra_state. Walkers strip signatures in any
	                                case. */
		return 0;
	case DW_CFA_set_loc:
		return set_location(run, cur);
	case DW_CFA_advance_loc1:
		return advance_by(run, stint_cursor_u8(cur));
	case DW_CFA_advance_loc2:
		return advance_by(run, stint_cursor_u16(cur));
	case DW_CFA_advance_loc4:
		return advance_by(run, stint_cursor_u32(cur));
	case DW_CFA_MIPS_advance_loc8:
		return advance_by(run, stint_cursor_u64(cur));
	case DW_CFA_remember_state:
		return remember(run);
	case DW_CFA_restore_state:
		return recall(run);
	case DW_CFA_GNU_args_size:
		stint_cursor_varint(cur);
		return 0;
	default:
		return run_register_op(run, op, cur) || run_cfa_op(run, op, cur) ? 0 : STINT_ERR_FORMAT;
	}
}

static int run_program(struct run *run, struct stint_cursor cur)
{
	int rc = 0;

	while (!rc && cur.at < cur.end) {
		uint8_t op = *cur.at++;
		uint8_t low = op & 0x3f;

		switch (op & 0xc0) {
		case DW_CFA_advance_loc:
			rc = advance_by(run, low);
			break;
		case DW_CFA_offset:
			set_rule(run, low, CFI_AT_CFA, 0,
				 scale((int64_t)stint_cursor_varint(&cur), run->cie->data_align));
			break;
		case DW_CFA_restore:
			restore_rule(run, low);
			break;
		default:
			rc = run_op(run, low, &cur);
		}
		if (cur.bad)
			rc = STINT_ERR_FORMAT;
	}
	return rc;
}

int cfi_run(const struct cfi *cfi, const struct cfi_fde *fde,
	    int (*row)(void *context, uint64_t start, uint64_t end, const struct cfi_state *state), void *context)
{
	const struct cfi_cie *cie = fde->cie;
	struct run run; /* not cleared: what was remembered is several KB, and n_remembered guards
	                   it */
	int rc;

	run.cfi = cfi;
	run.cie = cie;
	run.state = cie->initial;
	run.n_remembered = 0;
	run.at = fde->start;
	run.end = fde->start + fde->size_bytes;
	run.bias = fde->bias;
	run.row = row;
	run.context = context;
	rc = run_program(&run, stint_cursor_of(fde->code, fde->code_bytes));
	if (rc == STINT_ERR_FORMAT)
		return run.at < run.end ? row(context, run.at, run.end, NULL) : 0;
	return rc ? rc : advance(&run, run.end);
}

int cfi_run_initial(const struct cfi *cfi, struct cfi_cie *cie, struct stint_cursor code)
{
	struct run run;
	int rc;

	run.cfi = cfi;
	run.cie = cie;
	run.state = (struct cfi_state){0};
	run.n_remembered = 0;
	run.at = run.end = run.bias = 0;
	run.row = NULL;
	run.context = NULL;
	rc = run_program(&run, code);
	cie->initial = run.state;
	return rc;
}
