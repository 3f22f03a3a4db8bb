/* SPDX-License-Identifier: MIT */
/*
 * How to get from a frame to its caller at one address of a program: its call frame information, as
 * libdw reads it. The only user of libdw. Registers go by their DWARF numbers on x86-64.
 */
#ifndef STINT_ANALYZE_FRAME_RULES_H
#define STINT_ANALYZE_FRAME_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum { FRAME_FP = 6, FRAME_SP = 7, FRAME_IP = 16, FRAME_N_REGS = 17 };

#define FRAME_MAX_OPS 64u /* of one expression; the longest in use have about 20 */

/* An operation of a DWARF expression (DWARF 5, 2.5). */
struct frame_op {
	uint8_t atom;	 /* DW_OP_* */
	uint32_t target; /* of a branch: the index of the operation that is next */
	uint64_t number, number2;
};

/* How a register's value in the caller is found. */
enum frame_how {
	FRAME_SAME = 0, /* it is what it is here */
	FRAME_LOST,
	FRAME_AT_CFA,  /* at *(CFA + off) */
	FRAME_IS_CFA,  /* CFA + off */
	FRAME_IN_REG,  /* reg + off */
	FRAME_AT_OPS,  /* at *(what the expression yields) */
	FRAME_IS_OPS,  /* what the expression yields */
	FRAME_STRANGE, /* by a rule that isn't known here */
};

struct frame_rule {
	uint8_t how; /* enum frame_how */
	uint8_t reg;
	uint16_t n_ops;
	const struct frame_op *ops; /* expressions begin with the CFA on their stack */
	int64_t off;
};

struct frame_rules {
	struct frame_rule cfa;		      /* FRAME_IN_REG or FRAME_IS_OPS (on an empty stack), else FRAME_STRANGE */
	struct frame_rule regs[FRAME_N_REGS]; /* those of the instruction pointer: the return address */
	bool signal;			      /* the caller is what a signal interrupted, where it was interrupted */
};

/* The rules of one file, and those that were looked up before. Not for two threads at a time. */
struct frame_file;

/*
 * The file's image must outlive it. A file without call frame information has no rules, which is no
 * failure. Fails with STINT_ERR_FORMAT (no ELF file) and STINT_ERR_NOMEM.
 */
int frame_file_new(struct frame_file **ret, const void *image, size_t size, struct stint_err *err);
void frame_file_free(struct frame_file *file); /* NULL is fine */

/*
 * The rules at an address as linked, valid until the next call. Returns 0, STINT_ERR_NOTFOUND (there
 * are none, *ret is NULL), or STINT_ERR_NOMEM.
 */
int frame_file_find(struct frame_file *file, uint64_t vaddr, const struct frame_rules **ret);

#endif
