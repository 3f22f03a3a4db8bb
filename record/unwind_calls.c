/* SPDX-License-Identifier: MIT */
#include "record/unwind_calls.h"

#include <string.h>

#include "record/unwind_arch.h"

bool unwind_next_call(const uint8_t *code, uint32_t size_bytes, uint32_t *at, int64_t *ret_target)
{
	int32_t offset;

	for (; size_bytes >= UNWIND_CALL_BYTES && *at <= size_bytes - UNWIND_CALL_BYTES; (*at)++) {
		if (code[*at] != 0xe8)
			continue;
		memcpy(&offset, code + *at + 1, sizeof(offset));
		*ret_target = (int64_t)*at + UNWIND_CALL_BYTES + offset;
		return true;
	}
	return false;
}

/* What has been seen of a function's rules for the register. */
struct slot {
	uint32_t at;
	bool bad;
};

static int take_rule(void *context, uint64_t start, uint64_t end, const struct cfi_state *state)
{
	struct slot *slot = context;
	const struct cfi_rule *rule = state ? &state->fp : NULL;

	(void)start;
	(void)end;
	if (rule && rule->kind == CFI_SAME)
		return 0; /* before it is saved, or after it is restored */
	if (!rule || rule->kind != CFI_AT_CFA || rule->off >= 0 || rule->off % 8 ||
	    rule->off < -8 * (int64_t)UNWIND_FP_MAX || (slot->at && slot->at != (uint32_t)(-rule->off / 8)))
		slot->bad = true;
	else
		slot->at = (uint32_t)(-rule->off / 8);
	return slot->bad;
}

/* Rules are followed for one register beside the stack pointer: here it is this one. */
uint32_t unwind_saved_slot(const struct cfi *cfi, const struct cfi_fde *fde, uint8_t reg)
{
	struct unwind_arch arch = *cfi->arch;
	struct cfi of_reg = *cfi;
	struct slot slot = {0};

	arch.fp = reg;
	of_reg.arch = &arch;
	cfi_run(&of_reg, fde, take_rule, &slot);
	return slot.bad ? 0 : slot.at;
}
