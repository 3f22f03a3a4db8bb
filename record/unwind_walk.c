/* SPDX-License-Identifier: MIT */
#include "record/unwind_walk.h"

#include <stddef.h>

#include "bpf/event.h"

/* Struct sigcontext's registers, from the stack pointer in __restore_rt, by DWARF number. */
static const uint8_t sigcontext_off[UNWIND_N_REGS] = {
	[0] = 144, [1] = 136, [2] = 152, [3] = 128, [4] = 112, [5] = 104, [6] = 120, [7] = 160,
	[8] = 40,  [9] = 48,  [10] = 56, [11] = 64, [12] = 72, [13] = 80, [14] = 88, [15] = 96,
};

static enum stint_user_end step_signal(struct unwind_regs *regs, unwind_read_fn *read, void *context)
{
	uint64_t base = regs->r[UNWIND_REG_SP];
	int i;

	for (i = 0; i < UNWIND_N_REGS; i++)
		if (!read(context, base + sigcontext_off[i], &regs->r[i]))
			return STINT_USER_UNREADABLE;
	if (!read(context, base + UNWIND_SIGNAL_IP, &regs->ip))
		return STINT_USER_UNREADABLE;
	regs->all = regs->fp_known = regs->exact = true;
	return 0;
}

/*
 * A register that the callee keeps for its caller: it has saved it, or hasn't got to that yet, or has
 * put it back already.
 */
static enum stint_user_end kept_register(const struct unwind_row *row, const struct unwind_regs *regs,
					 unwind_read_fn *read, void *context, uint64_t *ret)
{
	uint64_t at = regs->r[UNWIND_REG_SP] - 8u * row->fp;

	*ret = regs->r[UNWIND_ROW_ARG(row->kind)];
	if (regs->callee_all && at < regs->callee_sp)
		return 0;
	return read(context, at, ret) ? 0 : STINT_USER_UNREADABLE;
}

/* The register that the CFA is computed from. */
static enum stint_user_end base_of(const struct unwind_row *row, const struct unwind_regs *regs, uint64_t *ret)
{
	switch (UNWIND_ROW_KIND(row->kind)) {
	case UNWIND_SP:
	case UNWIND_DEREF_SP:
	case UNWIND_PLT:
	case UNWIND_RA_REG:
		*ret = regs->r[UNWIND_REG_SP];
		return 0;
	case UNWIND_FP:
	case UNWIND_DEREF_FP:
		*ret = regs->r[UNWIND_REG_FP];
		return regs->fp_known ? 0 : STINT_USER_UNSUPPORTED;
	case UNWIND_REG:
		*ret = regs->r[UNWIND_ROW_ARG(row->kind)];
		return regs->all ? 0 : STINT_USER_UNSUPPORTED;
	case UNWIND_END:
		return STINT_USER_COMPLETE;
	case UNWIND_NONE:
		return STINT_USER_NO_ROWS;
	default:
		return STINT_USER_UNSUPPORTED;
	}
}

static enum stint_user_end cfa_of(const struct unwind_row *row, const struct unwind_regs *regs, uint64_t base,
				  unwind_read_fn *read, void *context, uint64_t *ret)
{
	switch (UNWIND_ROW_KIND(row->kind)) {
	case UNWIND_SP:
	case UNWIND_FP:
		*ret = base + (uint64_t)((int64_t)UNWIND_ROW_OFFSET(row) * 8);
		return 0;
	case UNWIND_PLT:
		*ret = base + ((regs->ip & 15) >= (uint64_t)row->cfa ? 16 : 8);
		return 0;
	case UNWIND_DEREF_SP:
	case UNWIND_DEREF_FP:
		if (!read(context, base + (uint64_t)((int64_t)row->cfa * 8), ret))
			return STINT_USER_UNREADABLE;
		*ret += 8u * UNWIND_ROW_ARG(row->kind);
		return 0;
	default:
		*ret = base + (uint64_t)((int64_t)row->cfa * 8);
		return 0;
	}
}

static enum stint_user_end restore_fp(const struct unwind_row *row, struct unwind_regs *regs, uint64_t base,
				      uint64_t cfa, unwind_read_fn *read, void *context)
{
	uint64_t at = row->fp == UNWIND_FP_AT_BASE ? base : cfa - 8u * row->fp;

	if (row->fp == UNWIND_FP_SAME || UNWIND_ROW_KIND(row->kind) == UNWIND_KEPT)
		return 0;
	regs->fp_known = row->fp <= UNWIND_FP_MAX || row->fp == UNWIND_FP_AT_BASE;
	if (regs->fp_known && !read(context, at, &regs->r[UNWIND_REG_FP]))
		return STINT_USER_UNREADABLE;
	return 0;
}

enum stint_user_end unwind_step(const struct unwind_row *row, struct unwind_regs *regs, unwind_read_fn *read,
				void *context)
{
	uint64_t base, cfa, ip;
	enum stint_user_end end;

	if (UNWIND_ROW_KIND(row->kind) == UNWIND_SIGNAL)
		return step_signal(regs, read, context);
	end = UNWIND_ROW_KIND(row->kind) == UNWIND_KEPT ? kept_register(row, regs, read, context, &base)
							: base_of(row, regs, &base);
	if (!end)
		end = cfa_of(row, regs, base, read, context, &cfa);
	if (end)
		return end;
	if (UNWIND_ROW_KIND(row->kind) == UNWIND_RA_REG) {
		if (!regs->all)
			return STINT_USER_UNSUPPORTED;
		ip = regs->r[UNWIND_ROW_ARG(row->kind)];
	} else if (!read(context, cfa - 8, &ip)) {
		return STINT_USER_UNREADABLE;
	}
	end = restore_fp(row, regs, base, cfa, read, context);
	regs->ip = ip;
	regs->callee_all = regs->all;
	regs->callee_sp = regs->r[UNWIND_REG_SP];
	regs->r[UNWIND_REG_SP] = cfa;
	regs->all = regs->exact = false;
	return end;
}

enum stint_user_end unwind_step_fp(struct unwind_regs *regs, unwind_read_fn *read, void *context)
{
	uint64_t fp = regs->r[UNWIND_REG_FP], next, ip;

	/* A frame pointer is aligned and lies at or above the stack pointer. */
	if (!regs->fp_known || (fp & 7) || fp < regs->r[UNWIND_REG_SP])
		return STINT_USER_FP_END;
	if (!read(context, fp, &next) || !read(context, fp + 8, &ip) || !ip)
		return STINT_USER_FP_END;
	regs->r[UNWIND_REG_FP] = next;
	regs->r[UNWIND_REG_SP] = fp + 16;
	regs->ip = ip;
	regs->all = regs->callee_all = regs->exact = false;
	return 0;
}

/*
 * Code without rows is where a program starts when its stack is as the kernel made it, or when a caller's frame pointer
 * is 0: the ABI's mark of the outermost frame.
 */
static bool is_outermost(const struct unwind_process *process, const struct unwind_regs *regs)
{
	if (regs->fp_known && !regs->r[UNWIND_REG_FP] && !regs->exact)
		return true;
	return process->top && regs->r[UNWIND_REG_SP] == process->top;
}

static enum stint_user_end step(const struct unwind_process *process, enum unwind_at at, const struct unwind_row *row,
				struct unwind_regs *regs)
{
	enum stint_user_end end;

	if (at == UNWIND_AT_ROW)
		return unwind_step(row, regs, process->read, process->context);
	if (at == UNWIND_AT_GAP && is_outermost(process, regs))
		return STINT_USER_COMPLETE;
	end = unwind_step_fp(regs, process->read, process->context);
	if (end != STINT_USER_FP_END || at == UNWIND_AT_UNKNOWN || !regs->r[UNWIND_REG_FP])
		return end;
	return at == UNWIND_AT_GAP ? STINT_USER_NO_ROWS : STINT_USER_NO_MAPPING;
}

enum stint_user_end unwind_walk(const struct unwind_process *process, const struct unwind_regs *first, uint64_t *addrs,
				uint32_t max_addrs, uint32_t *ret_n)
{
	struct unwind_regs regs = *first;
	enum stint_user_end end = 0;
	bool guessed = false;
	uint32_t n = 0;

	while (!end) {
		const struct unwind_row *row = NULL;
		enum unwind_at at;

		if (regs.ip == 0) {
			end = STINT_USER_COMPLETE;
			break;
		}
		if (n == max_addrs) {
			end = STINT_USER_DEPTH;
			break;
		}
		/* A call may be the last instruction of its function: what counts is where the call is. */
		at = process->find(process->context, regs.exact ? regs.ip : regs.ip - 1, &row);
		if (at == UNWIND_AT_PENDING) {
			end = STINT_USER_WINDOW;
			break;
		}
		if (at == UNWIND_AT_NOWHERE && n) {
			end = guessed ? STINT_USER_NO_ROWS : STINT_USER_NO_MAPPING;
			break;
		}
		addrs[n] = regs.exact && n ? regs.ip | EVENT_FRAME_EXACT : regs.ip;
		n++;
		guessed = at != UNWIND_AT_ROW;
		end = step(process, at, row, &regs);
	}
	*ret_n = n;
	return end;
}
