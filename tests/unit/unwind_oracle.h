/* SPDX-License-Identifier: MIT */
/*
 * Unwind tables against libdw: at every row's first and last byte and at random addresses, both are
 * made to step over the same registers and the same made-up memory, and must arrive at the same
 * caller. Included by the tests of tables, of which each is one program.
 */
#ifndef STINT_TESTS_UNIT_UNWIND_ORACLE_H
#define STINT_TESTS_UNIT_UNWIND_ORACLE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "record/unwind_table.h"
#include "record/unwind_walk.h"

#define N_RANDOM 20000

struct oracle {
	int fd;
	Elf *elf;
	Dwarf *dwarf;
	Dwarf_CFI *cfi[2]; /* .eh_frame, .debug_frame */
	const struct machine *machine;
};

struct tally {
	uint64_t n_same;     /* addresses where both know the caller, and agree */
	uint64_t n_none;     /* where neither knows */
	uint64_t n_more;     /* where only the table knows: stubs */
	uint64_t n_given_up; /* rules that a row can't hold */
};

/* All registers that any of the machines has, by DWARF number. */
struct test_regs {
	uint64_t ip, r[32];
	bool fp_known;
};

struct machine {
	int sp, fp, ra, ip; /* ip: -1 where expressions can't name it */
};

static const struct machine machines[] = {
	{.sp = 7, .fp = 6, .ra = 16, .ip = 16},	  /* x86-64 */
	{.sp = 31, .fp = 29, .ra = 30, .ip = -1}, /* aarch64 */
};

/* Memory that holds a different number at each address. */
static bool read_made_up(void *context, uint64_t addr, uint64_t *ret)
{
	(void)context;
	*ret = (addr ^ (addr >> 29)) * 0x9e3779b97f4a7c15u & ~UINT64_C(7);
	return true;
}

static void made_up_regs(struct test_regs *regs, uint64_t ip)
{
	int i;

	*regs = (struct test_regs){.ip = ip, .fp_known = true};
	for (i = 0; i < 32; i++)
		regs->r[i] = 0x7ffc00000000u + (uint64_t)i * 0x100000;
}

/* A DWARF expression as libdw hands it out, over the same registers. */
static bool evaluate(const struct machine *m, const Dwarf_Op *ops, size_t n, const struct test_regs *regs, uint64_t cfa,
		     uint64_t *ret, bool *ret_is_value)
{
	uint64_t stack[16] = {0};
	size_t depth = 0, i;

	*ret_is_value = false;
	for (i = 0; i < n; i++) {
		uint8_t op = ops[i].atom;
		uint64_t top = depth ? stack[depth - 1] : 0;

		if (depth > 14)
			return false;
		if (op >= DW_OP_breg0 && op <= DW_OP_breg31) {
			unsigned reg = op - DW_OP_breg0;

			stack[depth++] = ((int)reg == m->ip ? regs->ip : regs->r[reg]) + ops[i].number;
		} else if (op >= DW_OP_lit0 && op <= DW_OP_lit31) {
			stack[depth++] = op - DW_OP_lit0;
		} else if (op == DW_OP_bregx && ops[i].number < 32) {
			stack[depth++] = regs->r[ops[i].number] + ops[i].number2;
		} else if (op >= DW_OP_reg0 && op <= DW_OP_reg31) {
			stack[depth++] = regs->r[op - DW_OP_reg0];
			*ret_is_value = true;
		} else if (op == DW_OP_regx && ops[i].number < 32) {
			stack[depth++] = regs->r[ops[i].number];
			*ret_is_value = true;
		} else if (op == DW_OP_call_frame_cfa) {
			stack[depth++] = cfa;
		} else if (op == DW_OP_const1u || op == DW_OP_const1s || op == DW_OP_const2s || op == DW_OP_constu ||
			   op == DW_OP_consts || op == DW_OP_const2u || op == DW_OP_const4u || op == DW_OP_const4s) {
			stack[depth++] = ops[i].number;
		} else if (op == DW_OP_plus_uconst) {
			stack[depth - 1] = top + ops[i].number;
		} else if (op == DW_OP_deref) {
			read_made_up(NULL, top, &stack[depth - 1]);
		} else if (op == DW_OP_stack_value) {
			*ret_is_value = true;
		} else if (depth >= 2) {
			uint64_t below = stack[--depth - 1];

			switch (op) {
			case DW_OP_plus:
				stack[depth - 1] = below + top;
				break;
			case DW_OP_minus:
				stack[depth - 1] = below - top;
				break;
			case DW_OP_and:
				stack[depth - 1] = below & top;
				break;
			case DW_OP_shl:
				stack[depth - 1] = below << top;
				break;
			case DW_OP_mul:
				stack[depth - 1] = below * top;
				break;
			case DW_OP_ge:
				stack[depth - 1] = (int64_t)below >= (int64_t)top;
				break;
			default:
				return false;
			}
		} else {
			return false;
		}
	}
	/* Expressions of registers start with the CFA on the stack and need not use it. */
	*ret = depth ? stack[depth - 1] : 0;
	return depth > 0;
}

enum verdict { KNOWN, OUTERMOST, UNKNOWN };

/* A register of the caller by libdw. ret_lost: nobody knows it. */
static bool oracle_register(const struct machine *m, Dwarf_Frame *frame, int reg, const struct test_regs *regs,
			    uint64_t cfa, uint64_t *ret, bool *ret_lost)
{
	Dwarf_Op memory[3], *ops;
	size_t n;
	bool is_value;

	*ret_lost = false;
	if (dwarf_frame_register(frame, reg, memory, &ops, &n))
		return false;
	if (n == 0) { /* undefined (ops points to memory) or the same value (ops is NULL) */
		*ret_lost = ops != NULL;
		*ret = reg == m->ip ? regs->ip : regs->r[reg];
		return true;
	}
	if (!evaluate(m, ops, n, regs, cfa, ret, &is_value))
		return false;
	if (!is_value)
		read_made_up(NULL, *ret, ret);
	return true;
}

static enum verdict oracle_step(struct oracle *o, uint64_t vaddr, struct test_regs *regs, bool *ret_signal)
{
	const struct machine *m = o->machine;
	struct test_regs before = *regs;
	Dwarf_Frame *frame = NULL;
	Dwarf_Op *ops;
	uint64_t cfa = 0;
	bool lost, is_value;
	size_t n;

	if ((!o->cfi[0] || dwarf_cfi_addrframe(o->cfi[0], vaddr, &frame)) &&
	    (!o->cfi[1] || dwarf_cfi_addrframe(o->cfi[1], vaddr, &frame)))
		return UNKNOWN;
	dwarf_frame_info(frame, NULL, NULL, ret_signal);
	if (!oracle_register(m, frame, m->ra, &before, 0, &regs->ip, &lost) || lost) {
		free(frame);
		return lost ? OUTERMOST : UNKNOWN;
	}
	if (dwarf_frame_cfa(frame, &ops, &n) || !evaluate(m, ops, n, &before, 0, &cfa, &is_value) ||
	    !oracle_register(m, frame, m->ra, &before, cfa, &regs->ip, &lost)) {
		free(frame);
		return UNKNOWN;
	}
	regs->r[m->sp] = cfa;
	regs->fp_known = oracle_register(m, frame, m->fp, &before, cfa, &regs->r[m->fp], &lost) && !lost;
	free(frame);
	return KNOWN;
}

static void oracle_open(struct oracle *o, const char *path)
{
	*o = (struct oracle){.fd = open(path, O_RDONLY | O_CLOEXEC)};
	assert_true(o->fd >= 0);
	elf_version(EV_CURRENT);
	o->elf = elf_begin(o->fd, ELF_C_READ_MMAP, NULL);
	assert_non_null(o->elf);
	o->cfi[0] = dwarf_getcfi_elf(o->elf);
	o->dwarf = dwarf_begin_elf(o->elf, DWARF_C_READ, NULL);
	o->cfi[1] = o->dwarf ? dwarf_getcfi(o->dwarf) : NULL;
}

static void oracle_close(struct oracle *o)
{
	dwarf_cfi_end(o->cfi[0]);
	dwarf_end(o->dwarf);
	elf_end(o->elf);
	close(o->fd);
}

/* The executable segments, for addresses of file offsets. */
static bool to_vaddr(struct oracle *o, uint64_t off, uint64_t *ret)
{
	size_t n, i;

	assert_int_equal(elf_getphdrnum(o->elf, &n), 0);
	for (i = 0; i < n; i++) {
		GElf_Phdr ph;

		gelf_getphdr(o->elf, (int)i, &ph);
		if (ph.p_type == PT_LOAD && (ph.p_flags & PF_X) && off >= ph.p_offset &&
		    off - ph.p_offset < ph.p_filesz) {
			*ret = off - ph.p_offset + ph.p_vaddr;
			return true;
		}
	}
	return false;
}

/* The rows of aarch64, for which there is no walker yet. */
static enum stint_user_end step_aarch64(const struct unwind_row *row, struct test_regs *regs)
{
	uint32_t kind = UNWIND_ROW_KIND(row->kind);
	uint64_t base = regs->r[kind == UNWIND_SP ? 31 : 29], cfa = base + (uint64_t)((int64_t)row->cfa * 8);
	uint64_t fp_at = row->fp == UNWIND_FP_AT_BASE ? base : cfa - 8u * row->fp;

	if (kind == UNWIND_END)
		return STINT_USER_COMPLETE;
	if (kind != UNWIND_SP && kind != UNWIND_FP)
		return kind == UNWIND_NONE ? STINT_USER_NO_ROWS : STINT_USER_UNSUPPORTED;
	switch (UNWIND_ROW_ARG(row->kind)) {
	case UNWIND_RA_LR:
		regs->ip = regs->r[30];
		break;
	case UNWIND_RA_ABOVE_FP:
		read_made_up(NULL, fp_at + 8, &regs->ip);
		break;
	case UNWIND_RA_BELOW_FP:
		read_made_up(NULL, fp_at - 8, &regs->ip);
		break;
	default:
		read_made_up(NULL, fp_at, &regs->ip);
	}
	if (row->fp != UNWIND_FP_SAME && UNWIND_ROW_ARG(row->kind) != UNWIND_RA_ALONE)
		read_made_up(NULL, fp_at, &regs->r[29]);
	regs->r[31] = cfa;
	return 0;
}

static enum stint_user_end step(const struct machine *m, const struct unwind_row *row, struct test_regs *regs)
{
	struct unwind_regs x86 = {.ip = regs->ip, .all = true, .fp_known = true};
	enum stint_user_end end;

	if (m == &machines[1])
		return step_aarch64(row, regs);
	memcpy(x86.r, regs->r, sizeof(x86.r));
	end = unwind_step(row, &x86, read_made_up, NULL);
	memcpy(regs->r, x86.r, sizeof(x86.r));
	regs->ip = x86.ip;
	regs->fp_known = x86.fp_known;
	return end;
}

/* glibc's information claims a caller of __start_context, which has none. The row begins there or a byte before. */
static bool is_start_context(const struct oracle *o, const struct unwind_row *row)
{
	static const uint8_t first[] = {0x48, 0x89, 0xdc, 0x48, 0x8b, 0x3c, 0x24};
	uint8_t code[sizeof(first) + 1];

	return pread(o->fd, code, sizeof(code), row->pc) == (ssize_t)sizeof(code) &&
	       (!memcmp(code, first, sizeof(first)) || !memcmp(code + 1, first, sizeof(first)));
}

static void check_address(struct oracle *o, const struct unwind_table *table, uint64_t off, struct tally *tally)
{
	const struct unwind_row *row = unwind_table_find(table, off);
	const struct machine *m = o->machine;
	struct test_regs mine, theirs;
	enum stint_user_end end = STINT_USER_NO_ROWS;
	enum verdict verdict;
	bool signal = false;
	uint64_t vaddr;

	if (!to_vaddr(o, off, &vaddr))
		return;
	made_up_regs(&mine, vaddr);
	/* The oracle can't know what a callee has saved: its register is what was saved. */
	if (row && m == &machines[0] && UNWIND_ROW_KIND(row->kind) == UNWIND_KEPT)
		read_made_up(NULL, mine.r[m->sp] - 8u * row->fp, &mine.r[UNWIND_ROW_ARG(row->kind)]);
	theirs = mine;
	verdict = oracle_step(o, vaddr, &theirs, &signal);
	if (row)
		end = step(m, row, &mine);
	if (end == STINT_USER_UNSUPPORTED) {
		tally->n_given_up++;
		return;
	}
	if (verdict == UNKNOWN) {
		if (row)
			tally->n_more++;
		else
			tally->n_none++;
		return;
	}
	if (end == STINT_USER_NO_ROWS)
		fail_msg("no row at file offset 0x%lx", off);
	if (verdict == KNOWN && end == STINT_USER_COMPLETE && is_start_context(o, row)) {
		tally->n_more++;
		return;
	}
	if ((verdict == OUTERMOST) != (end == STINT_USER_COMPLETE))
		fail_msg("the outermost frame is in dispute at file offset 0x%lx", off);
	if (verdict == KNOWN &&
	    (mine.ip != theirs.ip || mine.r[m->sp] != theirs.r[m->sp] || end ||
	     (mine.fp_known && mine.r[m->fp] != theirs.r[m->fp]) || (mine.fp_known && !theirs.fp_known)))
		fail_msg("another caller at file offset 0x%lx (row %x %d %u): ip %lx %lx, sp %lx "
			 "%lx, fp %lx %lx",
			 off, row->kind, row->cfa, row->fp, mine.ip, theirs.ip, mine.r[m->sp], theirs.r[m->sp],
			 mine.r[m->fp], theirs.r[m->fp]);
	tally->n_same++;
}

static struct tally check_file(const char *path)
{
	struct stint_err err = STINT_ERR_INIT;
	struct unwind_table table;
	struct tally tally = {0};
	struct oracle o;
	uint64_t span;
	uint32_t i, stride;
	unsigned short seed[3] = {1, 2, 3};

	oracle_open(&o, path);
	if (unwind_table_read(&table, o.fd, &err))
		fail_msg("%s: %s", path, err.msg);
	assert_true(table.n_rows > 0);
	o.machine = &machines[table.counts.machine == EM_AARCH64];
	stride = table.n_rows / 60000 + 1;
	for (i = 0; i < table.n_rows; i += stride) {
		assert_true(!i || table.rows[i - 1].pc < table.rows[i].pc);
		check_address(&o, &table, table.rows[i].pc, &tally);
		if (i)
			check_address(&o, &table, table.rows[i].pc - 1, &tally);
	}
	span = table.rows[table.n_rows - 1].pc;
	for (i = 0; i < N_RANDOM; i++)
		check_address(&o, &table, (uint64_t)(erand48(seed) * (double)span), &tally);
	print_message("%s: %u rows, %u functions; %lu addresses agree, %lu in neither, %lu only here, "
		      "%lu unsupported (%u rows), %u bad entries\n",
		      path, table.n_rows, table.counts.n_fdes, tally.n_same, tally.n_none, tally.n_more,
		      tally.n_given_up, table.counts.n_unsupported, table.counts.n_bad);
	unwind_table_done(&table);
	oracle_close(&o);
	return tally;
}

#endif
