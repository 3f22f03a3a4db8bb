/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * One row of an unwind table, shared by the table builder and the walkers: how to get from a frame
 * to its caller for every instruction from pc up to the next row's pc. Rows are sorted by pc, which
 * is an offset in the ELF file, so that a mapping's (start, file offset) is all that a look-up
 * needs.
 *
 * CFA: the stack pointer in the caller just before its call. On x86-64 the return address is always
 * at CFA - 8, but for the kinds that say otherwise.
 */
#ifndef STINT_BPF_UNWIND_ROW_H
#define STINT_BPF_UNWIND_ROW_H

#ifndef __bpf__
#include <stdint.h>
#else
typedef __u8 uint8_t;
typedef __u16 uint16_t;
typedef __u32 uint32_t;
typedef __u64 uint64_t;
typedef __s16 int16_t;
typedef __s32 int32_t;
typedef __s64 int64_t;
#endif

struct unwind_row {
	uint32_t pc;  /* file offset */
	int16_t cfa;  /* usually an offset from the CFA's base, in 8-byte units */
	uint8_t kind; /* UNWIND_ROW(enum unwind_kind, argument) */
	uint8_t fp;   /* where the caller's frame pointer is: UNWIND_FP_* */
};

/* The kind is in the low half of the byte, its argument in the high half. */
#define UNWIND_ROW(kind, arg) ((uint8_t)((kind) | (arg) << 4))
#define UNWIND_ROW_KIND(byte) ((byte)&15u)
#define UNWIND_ROW_ARG(byte)  ((byte) >> 4)

enum unwind_kind {
	UNWIND_NONE = 0,	/* no unwind information from here on: a gap between functions */
	UNWIND_END = 1,		/* the outermost frame */
	UNWIND_UNSUPPORTED = 2, /* there is a rule, and it doesn't fit into a row */
	UNWIND_SP = 3,		/* CFA = sp + 8 * offset; the argument is bits 16 to 19 of the offset */
	UNWIND_FP = 4,		/* CFA = fp + 8 * offset; likewise */
	UNWIND_REG = 5,		/* CFA = register[argument] + 8 * cfa: only where all registers are known */
	UNWIND_DEREF_SP = 6,	/* CFA = *(sp + 8 * cfa) + 8 * argument */
	UNWIND_DEREF_FP = 7,	/* CFA = *(fp + 8 * cfa) + 8 * argument */
	UNWIND_PLT = 8,		/* CFA = sp + 8, or sp + 16 from byte cfa of a 16-byte PLT entry on */
	UNWIND_SIGNAL = 9,	/* a signal frame: the interrupted registers are in the sigcontext at sp + 40 */
	UNWIND_RA_REG = 10,	/* CFA = sp + 8 * cfa, return address in register[argument], fp as it is */
	UNWIND_KEPT = 11,	/* CFA = register[argument] + 8 * cfa, where the callee has saved the
	                   * register at *(sp - 8 * fp); the frame pointer is as it is */
};

/*
 * On aarch64 the argument of UNWIND_SP and UNWIND_FP says where the return address is instead, and
 * offsets have 16 bits.
 */
enum unwind_ra {
	UNWIND_RA_LR = 0,	/* in the link register: only where all registers are known */
	UNWIND_RA_ABOVE_FP = 1, /* 8 bytes above the saved frame pointer */
	UNWIND_RA_BELOW_FP = 2, /* 8 bytes below it */
	UNWIND_RA_ALONE = 3,	/* at CFA - 8 * fp; the frame pointer is as it is */
};

/* 1 to UNWIND_FP_MAX: the caller's frame pointer is at CFA - 8 * fp. */
#define UNWIND_FP_SAME	  0u
#define UNWIND_FP_MAX	  250u
#define UNWIND_FP_AT_BASE 254u /* at *base, the register that the CFA is computed from */
#define UNWIND_FP_LOST	  255u /* nobody knows: a caller that needs it can't be unwound */

/* The offset of UNWIND_SP and UNWIND_FP on x86-64, in 8-byte units. */
#define UNWIND_ROW_OFFSET(row)                                                                                         \
	(((int32_t)((uint32_t)UNWIND_ROW_ARG((row)->kind) << 28) >> 12) | (int32_t)(uint16_t)(row)->cfa)
#define UNWIND_OFFSET_MAX 0x7ffff
#define UNWIND_OFFSET_MIN (-0x80000)

/* struct sigcontext of x86-64 in a signal frame, from the stack pointer in __restore_rt. */
#define UNWIND_SIGNAL_FP 120
#define UNWIND_SIGNAL_SP 160
#define UNWIND_SIGNAL_IP 168

#endif
