/* SPDX-License-Identifier: MIT */
/* Rows for x86-64: the System V ABI's frames, the linker's stubs, Linux's signal frames. */
#include <elf.h>
#include <stddef.h>
#include <string.h>

#include "record/unwind_arch.h"
#include "record/unwind_crt.h"

enum { RBX = 3, RBP = 6, RSP = 7, R12 = 12, R15 = 15, RIP = 16 };

static bool divides(int64_t off)
{
	return off % 8 == 0;
}

static void set(struct unwind_row *row, enum unwind_kind kind, uint32_t arg, int64_t cfa)
{
	row->kind = UNWIND_ROW(kind, arg);
	row->cfa = (int16_t)cfa;
}

static bool fits16(int64_t off)
{
	return divides(off) && off / 8 >= INT16_MIN && off / 8 <= INT16_MAX;
}

/* CFA = reg + off */
static bool encode_base(const struct cfi_cfa *cfa, struct unwind_row *row)
{
	int64_t off = cfa->off / 8;

	if (cfa->reg > R15 || !divides(cfa->off))
		return false;
	if (cfa->reg == RSP || cfa->reg == RBP) {
		if (off < UNWIND_OFFSET_MIN || off > UNWIND_OFFSET_MAX)
			return false;
		set(row, cfa->reg == RSP ? UNWIND_SP : UNWIND_FP, ((uint64_t)off >> 16) & 15, off);
		return true;
	}
	if (!fits16(cfa->off))
		return false;
	set(row, UNWIND_REG, cfa->reg, off);
	return true;
}

/* CFA = *(reg + off) + add: realigned frames (GCC's DRAP), and assembly that saves the old stack
 * pointer. */
static bool encode_deref(const struct cfi_cfa *cfa, struct unwind_row *row)
{
	if ((cfa->reg != RSP && cfa->reg != RBP) || !fits16(cfa->off) || !divides(cfa->add) || cfa->add < 0 ||
	    cfa->add / 8 > 15)
		return false;
	set(row, cfa->reg == RSP ? UNWIND_DEREF_SP : UNWIND_DEREF_FP, (uint32_t)(cfa->add / 8), cfa->off / 8);
	return true;
}

static bool encode_cfa(const struct cfi_cfa *cfa, struct unwind_row *row)
{
	switch (cfa->kind) {
	case CFI_CFA_REG:
		return encode_base(cfa, row);
	case CFI_CFA_DEREF:
		return encode_deref(cfa, row);
	case CFI_CFA_PLT:
		set(row, UNWIND_PLT, 0, cfa->off);
		return true;
	default:
		return false;
	}
}

static bool encode_ra(const struct cfi_state *state, struct unwind_row *row)
{
	if (state->ra.kind == CFI_AT_CFA && state->ra.off == -8)
		return true;
	/* vfork keeps its return address in a register across the system call, where the child
	 * shares the stack. */
	if (state->ra.kind == CFI_REGISTER && state->ra.reg <= R15 && state->fp.kind == CFI_SAME &&
	    UNWIND_ROW_KIND(row->kind) == UNWIND_SP && UNWIND_ROW_OFFSET(row) == row->cfa) {
		row->kind = UNWIND_ROW(UNWIND_RA_REG, state->ra.reg);
		return true;
	}
	return false;
}

static uint8_t encode_fp(const struct cfi_state *state)
{
	const struct cfi_rule *fp = &state->fp;

	if (fp->kind == CFI_SAME || (fp->kind == CFI_REGISTER && fp->reg == RBP))
		return UNWIND_FP_SAME;
	if (fp->kind == CFI_AT_CFA && fp->off < 0 && divides(fp->off) && fp->off >= -8 * (int64_t)UNWIND_FP_MAX)
		return (uint8_t)(-fp->off / 8);
	if (fp->kind == CFI_AT_REG && fp->off == 0 && fp->reg == state->cfa.reg &&
	    (state->cfa.kind == CFI_CFA_REG || state->cfa.kind == CFI_CFA_DEREF))
		return UNWIND_FP_AT_BASE;
	return UNWIND_FP_LOST;
}

/* The kernel's frame, as the C libraries' __restore_rt describe it. */
static bool is_sigcontext(const struct cfi_state *s)
{
	return s->cfa.kind == CFI_CFA_DEREF && s->cfa.reg == RSP && s->cfa.off == UNWIND_SIGNAL_SP && !s->cfa.add &&
	       s->ra.kind == CFI_AT_REG && s->ra.reg == RSP && s->ra.off == UNWIND_SIGNAL_IP &&
	       s->fp.kind == CFI_AT_REG && s->fp.reg == RSP && s->fp.off == UNWIND_SIGNAL_FP;
}

static void encode(const struct cfi_state *state, bool signal, struct unwind_row *ret)
{
	bool sp_is_cfa = state->sp.kind == CFI_SAME || (state->sp.kind == CFI_IS_CFA && state->sp.off == 0);

	*ret = (struct unwind_row){.kind = UNWIND_UNSUPPORTED};
	if (state->ra.kind == CFI_UNDEFINED)
		ret->kind = UNWIND_END;
	else if (signal && is_sigcontext(state))
		ret->kind = UNWIND_SIGNAL;
	else if (sp_is_cfa && encode_cfa(&state->cfa, ret) && encode_ra(state, ret))
		ret->fp = encode_fp(state);
	else
		*ret = (struct unwind_row){.kind = UNWIND_UNSUPPORTED};
}

typedef int add_fn(void *context, uint32_t start, uint32_t end, const struct unwind_row *row);

/*
 * The C library's _init or _fini, as crti.o and crtn.o make them: glibc's "sub $8, %rsp" to "add $8, %rsp; ret", musl's
 * "push %rax" to "pop %rax; ret". Sets *ret to whether it is one.
 */
static int init_code(const uint8_t *code, uint32_t file_off, uint32_t size, add_fn *add, void *context, bool *ret)
{
	static const uint8_t endbr64[] = {0xf3, 0x0f, 0x1e, 0xfa};
	static const uint8_t sub[] = {0x48, 0x83, 0xec, 8}, add_ret[] = {0x48, 0x83, 0xc4, 8, 0xc3};
	static const uint8_t push[] = {0x50}, pop_ret[] = {0x58, 0xc3};
	const struct unwind_row outside = {.kind = UNWIND_SP, .cfa = 1}, inside = {.kind = UNWIND_SP, .cfa = 2};
	uint32_t at = size > 4 && !memcmp(code, endbr64, 4) ? 4 : 0;
	bool glibc = size - at >= 9 && !memcmp(code + at, sub, 4) && !memcmp(code + size - 5, add_ret, 5);
	bool musl = size - at >= 3 && code[at] == push[0] && !memcmp(code + size - 2, pop_ret, 2);
	int rc;

	*ret = glibc || musl;
	if (!*ret)
		return 0;
	at += glibc ? sizeof(sub) : sizeof(push);
	rc = add(context, file_off, file_off + at, &outside);
	if (!rc)
		rc = add(context, file_off + at, file_off + size - 1, &inside);
	return rc ? rc : add(context, file_off + size - 1, file_off + size, &outside);
}

/*
 * PLT entries that the linker made without call frame information: lld's, and those of indirect
 * functions in static programs. An entry is a jump through memory, perhaps behind an endbr64 or
 * with a bnd prefix; lazy ones go on with a push of their number at byte 6 (11 with endbr64, whose
 * jump is a plain one).
 */
static int stubs(const uint8_t *code, uint32_t file_off, uint32_t size, add_fn *add, void *context)
{
	static const uint8_t jump[] = {0xff, 0x25}, push_got[] = {0xff, 0x35};
	struct unwind_row leaf = {.kind = UNWIND_SP, .cfa = 1}, lazy = {.kind = UNWIND_PLT, .cfa = 11};
	struct unwind_row first = {.kind = UNWIND_SP, .cfa = 2}, pushed = {.kind = UNWIND_SP, .cfa = 3};
	bool is_init;
	uint32_t at = 0;
	int rc;

	rc = init_code(code, file_off, size, add, context, &is_init);
	if (rc || is_init)
		return rc;
	if (size >= 16 && !memcmp(code, push_got, sizeof(push_got))) {
		rc = add(context, file_off, file_off + 6, &first);
		if (!rc)
			rc = add(context, file_off + 6, file_off + 16, &pushed);
		at = 16;
	}
	for (; !rc && at < size; at += 16) {
		uint32_t n = size - at < 16 ? size - at : 16;
		bool is_lazy = n == 16 && (file_off + at) % 16 == 0 && !memcmp(code + at, jump, sizeof(jump)) &&
			       code[at + 6] == 0x68;

		rc = add(context, file_off + at, file_off + at + n, is_lazy ? &lazy : &leaf);
	}
	return rc;
}

#define START_CONTEXT_BYTES 26u

/*
 * glibc's __start_context, to which the functions return that makecontext was told of: "mov %rbx, %rsp; mov (%rsp),
 * %rdi; test %rdi, %rdi; je 1f; call __setcontext; mov %rax, %rdi; 1: call exit; hlt".
 */
static bool is_start_context(const uint8_t *code)
{
	static const uint8_t next[] = {0x48, 0x89, 0xdc, 0x48, 0x8b, 0x3c, 0x24, 0x48, 0x85, 0xff, 0x74, 8, 0xe8};
	static const uint8_t result[] = {0x48, 0x89, 0xc7, 0xe8};

	return !memcmp(code, next, sizeof(next)) && !memcmp(code + 17, result, sizeof(result)) &&
	       code[START_CONTEXT_BYTES - 1] == 0xf4;
}

const struct unwind_arch unwind_x86_64 = {
	.machine = EM_X86_64,
	.sp = RSP,
	.fp = RBP,
	.ra = RIP,
	.kept = 1u << RBX | 15u << R12,
	.encode = encode,
	.stubs = stubs,
	.gap = unwind_crt_x86_64,
	.outermost_bytes = START_CONTEXT_BYTES,
	.is_outermost = is_start_context,
};

const struct unwind_arch *unwind_arch_of(uint16_t machine)
{
	if (machine == EM_X86_64)
		return &unwind_x86_64;
	return machine == EM_AARCH64 ? &unwind_aarch64 : NULL;
}
