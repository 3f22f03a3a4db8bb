/* SPDX-License-Identifier: MIT */
/* Rows for aarch64 (AAPCS64): the return address starts in the link register and is saved beside
 * the frame pointer. */
#include <elf.h>
#include <stddef.h>

#include "record/unwind_arch.h"

enum { X29 = 29, X30 = 30, SP = 31 };

static bool fits16(int64_t off)
{
	return off % 8 == 0 && off / 8 >= INT16_MIN && off / 8 <= INT16_MAX;
}

/* Where the saved frame pointer is. False if a row can't say. */
static bool encode_fp(const struct cfi_state *state, uint8_t *ret)
{
	int64_t off = state->fp.off;

	if (state->fp.kind == CFI_SAME)
		*ret = UNWIND_FP_SAME;
	else if (state->fp.kind != CFI_AT_CFA || off % 8 != 0)
		return false;
	else if (off < 0 && off >= -8 * (int64_t)UNWIND_FP_MAX)
		*ret = (uint8_t)(-off / 8);
	else if (off == -state->cfa.off) /* large frames keep it at their lower end */
		*ret = UNWIND_FP_AT_BASE;
	else
		return false;
	return true;
}

static bool encode_ra(const struct cfi_state *state, uint8_t *fp, uint8_t *ret)
{
	int64_t off = state->ra.off;

	if (state->ra.kind == CFI_SAME) {
		*ret = UNWIND_RA_LR;
		return true;
	}
	if (state->ra.kind != CFI_AT_CFA || off % 8 != 0)
		return false;
	if (state->fp.kind == CFI_AT_CFA && off == state->fp.off + 8)
		*ret = UNWIND_RA_ABOVE_FP;
	else if (state->fp.kind == CFI_AT_CFA && off == state->fp.off - 8)
		*ret = UNWIND_RA_BELOW_FP;
	else if (*fp == UNWIND_FP_SAME && off < 0 && off >= -8 * (int64_t)UNWIND_FP_MAX) {
		*ret = UNWIND_RA_ALONE;
		*fp = (uint8_t)(-off / 8);
	} else
		return false;
	return true;
}

static void encode(const struct cfi_state *state, bool signal, struct unwind_row *ret)
{
	const struct cfi_cfa *cfa = &state->cfa;
	bool sp_is_cfa = state->sp.kind == CFI_SAME || (state->sp.kind == CFI_IS_CFA && state->sp.off == 0);
	uint8_t fp, ra;

	*ret = (struct unwind_row){.kind = UNWIND_UNSUPPORTED};
	if (state->ra.kind == CFI_UNDEFINED) {
		ret->kind = UNWIND_END;
		return;
	}
	if (signal) {
		ret->kind = UNWIND_SIGNAL;
		return;
	}
	if (!sp_is_cfa || cfa->kind != CFI_CFA_REG || (cfa->reg != SP && cfa->reg != X29) || !fits16(cfa->off) ||
	    !encode_fp(state, &fp) || !encode_ra(state, &fp, &ra))
		return;
	ret->kind = UNWIND_ROW(cfa->reg == SP ? UNWIND_SP : UNWIND_FP, ra);
	ret->cfa = (int16_t)(cfa->off / 8);
	ret->fp = fp;
}

const struct unwind_arch unwind_aarch64 = {
	.machine = EM_AARCH64, .sp = SP, .fp = X29, .ra = X30, .encode = encode, .stubs = NULL};
