/* SPDX-License-Identifier: MIT */
#include "record/unwind_expr.h"

#include <dwarf.h>

#include "base/cursor.h"
#include "record/unwind_arch.h"
#include "record/unwind_entries.h"

#define MAX_DEPTH 4u

/* A value on the expression's stack: off, reg + off, or *(reg + off) + add. */
struct value {
	enum { CONST, REG, DEREF } kind;
	uint8_t reg;
	int64_t off, add;
};

struct eval {
	struct value stack[MAX_DEPTH];
	uint32_t depth;
	bool failed;
};

static void push(struct eval *e, struct value value)
{
	if (e->depth == MAX_DEPTH)
		e->failed = true;
	else
		e->stack[e->depth++] = value;
}

static struct value pop(struct eval *e)
{
	if (!e->depth) {
		e->failed = true;
		return (struct value){.kind = CONST};
	}
	return e->stack[--e->depth];
}

static void push_const(struct eval *e, int64_t number)
{
	push(e, (struct value){.kind = CONST, .off = number});
}

/* Sums wrap: hostile numbers must not overflow, and the result is range-checked when it becomes a
 * row. */
static int64_t add(int64_t a, int64_t b)
{
	return (int64_t)((uint64_t)a + (uint64_t)b);
}

static void plus(struct eval *e, int64_t number)
{
	struct value value = pop(e);

	if (value.kind == DEREF)
		value.add = add(value.add, number);
	else
		value.off = add(value.off, number);
	push(e, value);
}

static void plus_top(struct eval *e)
{
	struct value top = pop(e);
	struct value below = pop(e);

	if (top.kind != CONST && below.kind != CONST)
		e->failed = true;
	push(e, top.kind == CONST ? below : top);
	plus(e, top.kind == CONST ? top.off : below.off);
}

static void minus_top(struct eval *e)
{
	struct value top = pop(e);

	if (top.kind != CONST)
		e->failed = true;
	plus(e, add(0, (int64_t)(0 - (uint64_t)top.off)));
}

static void deref(struct eval *e)
{
	struct value value = pop(e);

	if (value.kind != REG)
		e->failed = true;
	value.kind = DEREF;
	push(e, value);
}

static void push_operand(struct eval *e, uint8_t op, struct stint_cursor *cur)
{
	switch (op) {
	case DW_OP_const1u:
		push_const(e, stint_cursor_u8(cur));
		break;
	case DW_OP_const1s:
		push_const(e, (int8_t)stint_cursor_u8(cur));
		break;
	case DW_OP_const2u:
		push_const(e, stint_cursor_u16(cur));
		break;
	case DW_OP_const2s:
		push_const(e, (int16_t)stint_cursor_u16(cur));
		break;
	case DW_OP_const4u:
		push_const(e, stint_cursor_u32(cur));
		break;
	case DW_OP_const4s:
		push_const(e, (int32_t)stint_cursor_u32(cur));
		break;
	case DW_OP_constu:
		push_const(e, (int64_t)stint_cursor_varint(cur));
		break;
	case DW_OP_consts:
		push_const(e, cfi_read_sleb(cur));
		break;
	default:
		e->failed = true;
	}
}

static void eval_op(struct eval *e, uint8_t op, struct stint_cursor *cur)
{
	if (op >= DW_OP_breg0 && op <= DW_OP_breg31) {
		push(e, (struct value){.kind = REG, .reg = op - DW_OP_breg0, .off = cfi_read_sleb(cur)});
		return;
	}
	if (op >= DW_OP_lit0 && op <= DW_OP_lit31) {
		push_const(e, op - DW_OP_lit0);
		return;
	}
	switch (op) {
	case DW_OP_plus_uconst:
		plus(e, (int64_t)stint_cursor_varint(cur));
		break;
	case DW_OP_plus:
		plus_top(e);
		break;
	case DW_OP_minus:
		minus_top(e);
		break;
	case DW_OP_deref:
		deref(e);
		break;
	case DW_OP_nop:
		break;
	default:
		push_operand(e, op, cur);
	}
}

static bool eval(const uint8_t *ops, size_t size, struct value *ret)
{
	struct stint_cursor cur = stint_cursor_of(ops, size);
	struct eval e = {.depth = 0};
	uint32_t n;

	for (n = 0; cur.at < cur.end; n++) {
		if (n == CFI_MAX_EXPR_OPS || e.failed || cur.bad)
			return false;
		eval_op(&e, stint_cursor_u8(&cur), &cur);
	}
	if (e.failed || cur.bad || e.depth != 1)
		return false;
	*ret = e.stack[0];
	return true;
}

/*
 * The linker's rule for lazy PLT entries of x86: sp + 8 + ((ip & 15) >= threshold) << 3. Entries
 * push their number some bytes in, and the threshold says where.
 */
static bool is_plt(const uint8_t *ops, size_t size, const struct unwind_arch *arch, int64_t *ret_threshold)
{
	if (size != 11 || ops[0] != DW_OP_breg0 + arch->sp || ops[1] != 8 || ops[2] != DW_OP_breg0 + arch->ra ||
	    ops[3] != 0 || ops[4] != DW_OP_lit15 || ops[5] != DW_OP_and || ops[7] != DW_OP_ge || ops[8] != DW_OP_lit3 ||
	    ops[9] != DW_OP_shl || ops[10] != DW_OP_plus)
		return false;
	*ret_threshold = ops[6] - DW_OP_lit0;
	return ops[6] >= DW_OP_lit0 && ops[6] <= DW_OP_lit15;
}

void unwind_expr_cfa(const uint8_t *ops, size_t size_bytes, const struct unwind_arch *arch, struct cfi_cfa *ret)
{
	struct value value;
	int64_t threshold;

	*ret = (struct cfi_cfa){.kind = CFI_CFA_COMPLEX};
	if (is_plt(ops, size_bytes, arch, &threshold))
		*ret = (struct cfi_cfa){.kind = CFI_CFA_PLT, .reg = arch->sp, .off = threshold};
	else if (eval(ops, size_bytes, &value) && value.kind != CONST)
		*ret = (struct cfi_cfa){.kind = value.kind == REG ? CFI_CFA_REG : CFI_CFA_DEREF,
					.reg = value.reg,
					.off = value.off,
					.add = value.add};
}

void unwind_expr_rule(const uint8_t *ops, size_t size_bytes, bool is_address, struct cfi_rule *ret)
{
	struct value value;
	enum cfi_rule_kind kind = CFI_COMPLEX;

	/* The CFA is on the stack when these start; no compiler has been seen to use it. */
	if (!eval(ops, size_bytes, &value)) {
		*ret = (struct cfi_rule){.kind = CFI_COMPLEX};
		return;
	}
	if (is_address && value.kind == REG)
		kind = CFI_AT_REG;
	else if (!is_address && value.kind == DEREF && value.add == 0)
		kind = CFI_AT_REG;
	else if (!is_address && value.kind == REG && value.off == 0)
		kind = CFI_REGISTER;
	*ret = (struct cfi_rule){.kind = (uint8_t)kind, .reg = value.reg, .off = value.off};
}
