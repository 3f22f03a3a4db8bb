/* SPDX-License-Identifier: MIT */
#include "analyze/frame_step.h"

#include <dwarf.h>
#include <string.h>

#define MAX_DEPTH 32u  /* of an expression's stack */
#define MAX_STEPS 256u /* of an expression with branches */

/* What the ABI makes every function leave as it was: rbx, rbp and r12 to r15. */
#define CALLEE_SAVED (1u << 3 | 1u << FRAME_FP | 0xfu << 12)

struct evaluation {
	const struct frame_regs *regs;
	frame_read_fn *read;
	void *context;
	uint64_t stack[MAX_DEPTH];
	uint32_t n;
	enum stint_user_end end; /* why there is no result; 0 so far */
};

static void push(struct evaluation *ev, uint64_t value)
{
	if (ev->n == MAX_DEPTH)
		ev->end = STINT_USER_UNSUPPORTED;
	else
		ev->stack[ev->n++] = value;
}

static uint64_t pop(struct evaluation *ev)
{
	if (ev->n)
		return ev->stack[--ev->n];
	/* After a failure nothing is left to take, which is no other one. */
	if (!ev->end)
		ev->end = STINT_USER_UNSUPPORTED;
	return 0;
}

static void push_register(struct evaluation *ev, uint64_t reg, uint64_t off)
{
	if (reg < FRAME_N_REGS && ev->regs->known >> reg & 1)
		push(ev, ev->regs->r[reg] + off);
	else
		ev->end = STINT_USER_UNSUPPORTED;
}

static void push_memory(struct evaluation *ev, uint64_t addr, uint64_t size)
{
	uint64_t value;

	if (size < 1 || size > 8)
		ev->end = STINT_USER_UNSUPPORTED;
	else if (!ev->read(ev->context, addr, &value))
		ev->end = STINT_USER_UNREADABLE;
	else
		push(ev, size < 8 ? value & ((UINT64_C(1) << 8 * size) - 1) : value);
}

static uint64_t shift(uint8_t atom, uint64_t value, uint64_t by)
{
	uint64_t sign = value >> 63 ? UINT64_MAX : 0;

	if (atom == DW_OP_shl)
		return by < 64 ? value << by : 0;
	if (atom == DW_OP_shr || !sign)
		return by < 64 ? value >> by : 0;
	return by < 64 ? ~(~value >> by) : sign;
}

/* Division and modulo are left out: no compiler computes a frame by them. */
static void run_binary(struct evaluation *ev, uint8_t atom)
{
	uint64_t b = pop(ev), a = pop(ev);

	switch (atom) {
	case DW_OP_and:
		return push(ev, a & b);
	case DW_OP_or:
		return push(ev, a | b);
	case DW_OP_xor:
		return push(ev, a ^ b);
	case DW_OP_plus:
		return push(ev, a + b);
	case DW_OP_minus:
		return push(ev, a - b);
	case DW_OP_mul:
		return push(ev, a * b);
	case DW_OP_shl:
	case DW_OP_shr:
	case DW_OP_shra:
		return push(ev, shift(atom, a, b));
	case DW_OP_eq:
		return push(ev, a == b);
	case DW_OP_ne:
		return push(ev, a != b);
	case DW_OP_lt:
		return push(ev, (int64_t)a < (int64_t)b);
	case DW_OP_le:
		return push(ev, (int64_t)a <= (int64_t)b);
	case DW_OP_gt:
		return push(ev, (int64_t)a > (int64_t)b);
	case DW_OP_ge:
		return push(ev, (int64_t)a >= (int64_t)b);
	default:
		ev->end = STINT_USER_UNSUPPORTED;
	}
}

/* The operations that only move about what is on the stack. */
static bool run_stack(struct evaluation *ev, const struct frame_op *op)
{
	uint64_t a, b, c;

	switch (op->atom) {
	case DW_OP_dup:
		a = pop(ev);
		push(ev, a);
		push(ev, a);
		return true;
	case DW_OP_drop:
		pop(ev);
		return true;
	case DW_OP_over:
	case DW_OP_pick:
		a = op->atom == DW_OP_over ? 1 : op->number;
		if (a < ev->n)
			push(ev, ev->stack[ev->n - 1 - a]);
		else
			ev->end = STINT_USER_UNSUPPORTED;
		return true;
	case DW_OP_swap:
		a = pop(ev);
		b = pop(ev);
		push(ev, a);
		push(ev, b);
		return true;
	case DW_OP_rot:
		a = pop(ev);
		b = pop(ev);
		c = pop(ev);
		push(ev, a);
		push(ev, c);
		push(ev, b);
		return true;
	default:
		return false;
	}
}

/* All but branches. */
static void run_op(struct evaluation *ev, const struct frame_op *op)
{
	if (op->atom >= DW_OP_lit0 && op->atom <= DW_OP_lit31)
		return push(ev, op->atom - DW_OP_lit0);
	if (op->atom >= DW_OP_breg0 && op->atom <= DW_OP_breg31)
		return push_register(ev, op->atom - DW_OP_breg0, op->number);
	if (run_stack(ev, op))
		return;
	switch (op->atom) {
	case DW_OP_bregx:
		return push_register(ev, op->number, op->number2);
	case DW_OP_const1u:
	case DW_OP_const1s:
	case DW_OP_const2u:
	case DW_OP_const2s:
	case DW_OP_const4u:
	case DW_OP_const4s:
	case DW_OP_const8u:
	case DW_OP_const8s:
	case DW_OP_constu:
	case DW_OP_consts:
		return push(ev, op->number);
	case DW_OP_plus_uconst:
		return push(ev, pop(ev) + op->number);
	case DW_OP_neg:
		return push(ev, 0 - pop(ev));
	case DW_OP_not:
		return push(ev, ~pop(ev));
	case DW_OP_deref:
		return push_memory(ev, pop(ev), 8);
	case DW_OP_deref_size:
		return push_memory(ev, pop(ev), op->number);
	case DW_OP_nop:
		return;
	default:
		return run_binary(ev, op->atom);
	}
}

/* Yields what is on top of the stack in the end. */
static enum stint_user_end evaluate(struct evaluation *ev, const struct frame_rule *rule, uint64_t *ret)
{
	uint32_t i = 0, n_steps = 0;

	while (i < rule->n_ops && !ev->end) {
		const struct frame_op *op = &rule->ops[i++];

		if (++n_steps > MAX_STEPS)
			ev->end = STINT_USER_UNSUPPORTED;
		else if (op->atom == DW_OP_skip || (op->atom == DW_OP_bra && pop(ev)))
			i = op->target;
		else if (op->atom != DW_OP_bra)
			run_op(ev, op);
	}
	*ret = pop(ev);
	return ev->end;
}

static enum stint_user_end find_cfa(const struct frame_rule *rule, struct evaluation *ev, uint64_t *ret)
{
	if (rule->how == FRAME_IS_OPS)
		return evaluate(ev, rule, ret);
	if (rule->how != FRAME_IN_REG)
		return STINT_USER_UNSUPPORTED;
	*ret = ev->regs->r[rule->reg] + (uint64_t)rule->off;
	return ev->regs->known >> rule->reg & 1 ? 0 : STINT_USER_UNSUPPORTED;
}

/* The caller's value of a register that isn't the same. */
static enum stint_user_end find_value(const struct frame_rule *rule, struct evaluation *ev, uint64_t cfa, uint64_t *ret)
{
	ev->n = 0;
	ev->end = 0;
	switch (rule->how) {
	case FRAME_AT_CFA:
		push_memory(ev, cfa + (uint64_t)rule->off, 8);
		break;
	case FRAME_IS_CFA:
		push(ev, cfa + (uint64_t)rule->off);
		break;
	case FRAME_IN_REG:
		push_register(ev, rule->reg, (uint64_t)rule->off);
		break;
	case FRAME_IS_OPS:
	case FRAME_AT_OPS:
		push(ev, cfa);
		if (!evaluate(ev, rule, ret) && rule->how == FRAME_AT_OPS) {
			ev->n = 0;
			push_memory(ev, *ret, 8);
			break;
		}
		return ev->end;
	default:
		return STINT_USER_UNSUPPORTED;
	}
	*ret = pop(ev);
	return ev->end;
}

/*
 * On a function's way out, compilers don't say that a register has its old value again. That shows
 * where it was: below the stack pointer, of which there is no copy.
 */
static bool is_popped(const struct frame_rule *rule, const struct frame_regs *regs, uint64_t cfa)
{
	return rule->how == FRAME_AT_CFA && regs->exact && cfa + (uint64_t)rule->off < regs->r[FRAME_SP];
}

/* What is unreadable or strange of the registers that few need costs the walk only where they are needed. */
static bool is_needed(int reg, enum stint_user_end end)
{
	return reg == FRAME_IP || reg == FRAME_SP || (reg == FRAME_FP && end == STINT_USER_UNREADABLE);
}

enum stint_user_end frame_step(const struct frame_rules *rules, struct frame_regs *regs, frame_read_fn *read,
			       void *context)
{
	struct evaluation ev = {.regs = regs, .read = read, .context = context};
	struct frame_regs caller = {.exact = rules->signal};
	enum stint_user_end end;
	uint64_t cfa;
	int i;

	if (rules->regs[FRAME_IP].how == FRAME_LOST)
		return STINT_USER_COMPLETE;
	end = find_cfa(&rules->cfa, &ev, &cfa);
	for (i = 0; i < FRAME_N_REGS && !end; i++) {
		const struct frame_rule *rule = &rules->regs[i];
		bool known = true;

		if (i == FRAME_SP && rule->how == FRAME_SAME) {
			caller.r[i] = cfa;
		} else if (rule->how == FRAME_SAME || is_popped(rule, regs, cfa)) {
			caller.r[i] = regs->r[i];
			known = regs->known >> i & 1 && (rules->signal || CALLEE_SAVED >> i & 1);
		} else if (rule->how == FRAME_LOST) {
			known = false;
		} else {
			end = find_value(rule, &ev, cfa, &caller.r[i]);
			known = !end;
			if (end && !is_needed(i, end))
				end = 0;
		}
		caller.known |= (uint32_t)known << i;
	}
	if (!end && !(caller.known >> FRAME_IP & 1))
		end = STINT_USER_UNSUPPORTED;
	if (!end)
		*regs = caller;
	return end;
}

enum stint_user_end frame_step_fp(struct frame_regs *regs, frame_read_fn *read, void *context,
				  enum stint_user_end otherwise)
{
	uint64_t fp = regs->r[FRAME_FP], caller_fp, ip;

	if (!(regs->known >> FRAME_FP & 1) || fp < regs->r[FRAME_SP] || fp & 7 || fp > FRAME_ADDR_MAX ||
	    !read(context, fp, &caller_fp) || !read(context, fp + 8, &ip))
		return otherwise;
	if (ip < FRAME_ADDR_MIN || ip > FRAME_ADDR_MAX)
		return ip ? otherwise : STINT_USER_FP_END;
	regs->r[FRAME_FP] = caller_fp;
	regs->r[FRAME_SP] = fp + 16;
	regs->r[FRAME_IP] = ip;
	regs->known = 1u << FRAME_FP | 1u << FRAME_SP | 1u << FRAME_IP;
	regs->exact = false;
	return 0;
}
