/* SPDX-License-Identifier: MIT */
/*
 * Unwind tables of real files against libdw: at every row's first and last byte and at random addresses, both are
 * made to step over the same registers and the same made-up memory, and must arrive at the same caller.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/wait.h>
#include <unistd.h>

#include "record/unwind_table.h"
#include "record/unwind_walk.h"

#define N_RANDOM 20000

struct oracle {
	int fd;
	Elf *elf;
	Dwarf *dwarf;
	Dwarf_CFI *cfi[2]; /* .eh_frame, .debug_frame */
};

struct tally {
	uint64_t n_same;     /* addresses where both know the caller, and agree */
	uint64_t n_none;     /* where neither knows */
	uint64_t n_more;     /* where only the table knows: stubs */
	uint64_t n_given_up; /* rules that a row can't hold */
};

/* Memory that holds a different number at each address. */
static bool read_made_up(void *context, uint64_t addr, uint64_t *ret)
{
	(void)context;
	*ret = (addr ^ (addr >> 29)) * 0x9e3779b97f4a7c15u & ~UINT64_C(7);
	return true;
}

static void made_up_regs(struct unwind_regs *regs, uint64_t ip)
{
	int i;

	*regs = (struct unwind_regs){.ip = ip, .all = true, .fp_known = true};
	for (i = 0; i < UNWIND_N_REGS; i++)
		regs->r[i] = 0x7ffc00000000u + (uint64_t)i * 0x100000;
}

/* A DWARF expression as libdw hands it out, over the same registers. */
static bool evaluate(const Dwarf_Op *ops, size_t n, const struct unwind_regs *regs, uint64_t cfa, uint64_t *ret,
		     bool *ret_is_value)
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

			if (reg > 16)
				return false;
			stack[depth++] = (reg == 16 ? regs->ip : regs->r[reg]) + ops[i].number;
		} else if (op >= DW_OP_lit0 && op <= DW_OP_lit31) {
			stack[depth++] = op - DW_OP_lit0;
		} else if (op == DW_OP_bregx && ops[i].number < 16) {
			stack[depth++] = regs->r[ops[i].number] + ops[i].number2;
		} else if (op >= DW_OP_reg0 && op <= DW_OP_reg15) {
			stack[depth++] = regs->r[op - DW_OP_reg0];
			*ret_is_value = true;
		} else if (op == DW_OP_regx && ops[i].number < 16) {
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
static bool oracle_register(Dwarf_Frame *frame, int reg, const struct unwind_regs *regs, uint64_t cfa, uint64_t *ret,
			    bool *ret_lost)
{
	Dwarf_Op memory[3], *ops;
	size_t n;
	bool is_value;

	*ret_lost = false;
	if (dwarf_frame_register(frame, reg, memory, &ops, &n))
		return false;
	if (n == 0) { /* undefined (ops points to memory) or the same value (ops is NULL) */
		*ret_lost = ops != NULL;
		*ret = reg == 16 ? regs->ip : regs->r[reg];
		return true;
	}
	if (!evaluate(ops, n, regs, cfa, ret, &is_value))
		return false;
	if (!is_value)
		read_made_up(NULL, *ret, ret);
	return true;
}

static enum verdict oracle_step(struct oracle *o, uint64_t vaddr, struct unwind_regs *regs, bool *ret_signal)
{
	struct unwind_regs before = *regs;
	Dwarf_Frame *frame = NULL;
	Dwarf_Op *ops;
	uint64_t cfa = 0;
	bool lost, is_value;
	size_t n;

	if ((!o->cfi[0] || dwarf_cfi_addrframe(o->cfi[0], vaddr, &frame)) &&
	    (!o->cfi[1] || dwarf_cfi_addrframe(o->cfi[1], vaddr, &frame)))
		return UNKNOWN;
	dwarf_frame_info(frame, NULL, NULL, ret_signal);
	if (!oracle_register(frame, 16, &before, 0, &regs->ip, &lost) || lost) {
		free(frame);
		return lost ? OUTERMOST : UNKNOWN;
	}
	if (dwarf_frame_cfa(frame, &ops, &n) || !evaluate(ops, n, &before, 0, &cfa, &is_value) ||
	    !oracle_register(frame, 16, &before, cfa, &regs->ip, &lost)) {
		free(frame);
		return UNKNOWN;
	}
	regs->r[UNWIND_REG_SP] = cfa;
	regs->fp_known = oracle_register(frame, UNWIND_REG_FP, &before, cfa, &regs->r[UNWIND_REG_FP], &lost) && !lost;
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

static void check_address(struct oracle *o, const struct unwind_table *table, uint64_t off, struct tally *tally)
{
	const struct unwind_row *row = unwind_table_find(table, off);
	struct unwind_regs mine, theirs;
	enum stint_user_end end = STINT_USER_NO_ROWS;
	enum verdict verdict;
	bool signal = false;
	uint64_t vaddr;

	if (!to_vaddr(o, off, &vaddr))
		return;
	made_up_regs(&mine, vaddr);
	theirs = mine;
	verdict = oracle_step(o, vaddr, &theirs, &signal);
	if (row)
		end = unwind_step(row, &mine, read_made_up, NULL);
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
	if ((verdict == OUTERMOST) != (end == STINT_USER_COMPLETE))
		fail_msg("the outermost frame is in dispute at file offset 0x%lx", off);
	if (verdict == KNOWN &&
	    (mine.ip != theirs.ip || mine.r[UNWIND_REG_SP] != theirs.r[UNWIND_REG_SP] || end ||
	     (mine.fp_known && mine.r[UNWIND_REG_FP] != theirs.r[UNWIND_REG_FP]) || (mine.fp_known && !theirs.fp_known)))
		fail_msg("another caller at file offset 0x%lx (row %x %d %u): ip %lx %lx, sp %lx %lx, fp %lx %lx", off,
			 row->kind, row->cfa, row->fp, mine.ip, theirs.ip, mine.r[UNWIND_REG_SP],
			 theirs.r[UNWIND_REG_SP], mine.r[UNWIND_REG_FP], theirs.r[UNWIND_REG_FP]);
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
		      path, table.n_rows, table.n_fdes, tally.n_same, tally.n_none, tally.n_more, tally.n_given_up,
		      table.n_unsupported, table.n_bad);
	unwind_table_done(&table);
	oracle_close(&o);
	return tally;
}

static void test_installed_files(void **state)
{
	static const char *const paths[] = {"/proc/self/exe",
					    "/lib/x86_64-linux-gnu/libc.so.6",
					    "/lib64/ld-linux-x86-64.so.2",
					    "/bin/bash",
					    "/usr/bin/perl",
					    "/usr/bin/python3",
					    "/usr/lib/x86_64-linux-gnu/libcrypto.so.3",
					    "/usr/lib/x86_64-linux-gnu/libstdc++.so.6",
					    "/usr/bin/node"};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		struct tally tally;

		if (access(paths[i], R_OK)) {
			print_message("%s isn't here\n", paths[i]);
			continue;
		}
		tally = check_file(paths[i]);
		assert_true(tally.n_same > 100);
		assert_true(tally.n_given_up * 100 <= tally.n_same);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_installed_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
