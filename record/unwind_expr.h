/* SPDX-License-Identifier: MIT */
/* The few DWARF expressions that stand in real call frame information, recognized by evaluating
 * them symbolically. */
#ifndef STINT_RECORD_UNWIND_EXPR_H
#define STINT_RECORD_UNWIND_EXPR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "record/unwind_cfi.h"

/* What a CFA expression computes: reg + off, *(reg + off) + add, a PLT entry's rule, or
 * CFI_CFA_COMPLEX. */
void unwind_expr_cfa(const uint8_t *ops, size_t size_bytes, const struct unwind_arch *arch, struct cfi_cfa *ret);

/*
 * What a register's rule computes. With is_address the register was saved at that address
 * (DW_CFA_expression), else the expression is its value (DW_CFA_val_expression).
 */
void unwind_expr_rule(const uint8_t *ops, size_t size_bytes, bool is_address, struct cfi_rule *ret);

#endif
