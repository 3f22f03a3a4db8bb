/* SPDX-License-Identifier: MIT */
/* From frame to frame by rules made by hand, and what is mapped where at what time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <dwarf.h>

#include <cmocka.h>

#include "analyze/address_space.h"
#include "analyze/frame_step.h"

#define RBX   3
#define R10   10
#define SP_IS 0x1000

static const uint64_t memory[8] = {10, 11, 12, 13, 14, 15, 16, 0x4000};

static bool read_memory(void *context, uint64_t addr, uint64_t *ret)
{
	(void)context;
	if (addr < SP_IS || addr - SP_IS > sizeof(memory) - 8 || addr & 7)
		return false;
	*ret = memory[(addr - SP_IS) / 8];
	return true;
}

static struct frame_regs leaf(void)
{
	struct frame_regs regs = {.known = (1u << FRAME_N_REGS) - 1, .exact = true};

	regs.r[FRAME_SP] = SP_IS;
	regs.r[FRAME_FP] = SP_IS + 32;
	regs.r[RBX] = 77;
	regs.r[R10] = SP_IS + 8;
	return regs;
}

/* CFA = sp + 64, the return address below it. */
static struct frame_rules simple(void)
{
	struct frame_rules rules = {.cfa = {.how = FRAME_IN_REG, .reg = FRAME_SP, .off = 64},
				    .regs[FRAME_IP] = {.how = FRAME_AT_CFA, .off = -8}};

	return rules;
}

static enum stint_user_end step(const struct frame_rules *rules, struct frame_regs *regs)
{
	return frame_step(rules, regs, read_memory, NULL);
}

static bool knows(const struct frame_regs *regs, int reg)
{
	return regs->known >> reg & 1;
}

static void test_registers(void **state)
{
	struct frame_rules rules = simple();
	struct frame_regs regs = leaf();

	(void)state;
	rules.regs[FRAME_FP] = (struct frame_rule){.how = FRAME_AT_CFA, .off = -48};
	assert_int_equal(step(&rules, &regs), 0);
	assert_int_equal(regs.r[FRAME_IP], 0x4000);
	assert_int_equal(regs.r[FRAME_SP], SP_IS + 64);
	assert_int_equal(regs.r[FRAME_FP], 12);
	assert_false(regs.exact);
	/* The ABI makes functions keep rbx, and lets them use r10. */
	assert_true(knows(&regs, RBX) && regs.r[RBX] == 77);
	assert_false(knows(&regs, R10));

	/* Popped already, on the function's way out: where it was is below the stack pointer. */
	regs = leaf();
	rules.regs[FRAME_FP].off = -72;
	assert_int_equal(step(&rules, &regs), 0);
	assert_true(knows(&regs, FRAME_FP) && regs.r[FRAME_FP] == SP_IS + 32);

	/* After a signal everything is as it was. */
	regs = leaf();
	rules.signal = true;
	assert_int_equal(step(&rules, &regs), 0);
	assert_true(regs.exact && knows(&regs, R10));
}

static void test_ends(void **state)
{
	struct frame_rules rules = simple();
	struct frame_regs regs = leaf();

	(void)state;
	rules.regs[FRAME_IP].how = FRAME_LOST;
	assert_int_equal(step(&rules, &regs), STINT_USER_COMPLETE);
	rules = simple();
	rules.regs[FRAME_IP].off = 0;
	assert_int_equal(step(&rules, &regs), STINT_USER_UNREADABLE);
	rules = simple();
	rules.regs[FRAME_IP].how = FRAME_STRANGE;
	assert_int_equal(step(&rules, &regs), STINT_USER_UNSUPPORTED);
	rules = simple();
	rules.cfa.reg = R10;
	regs.known &= ~(1u << R10);
	assert_int_equal(step(&rules, &regs), STINT_USER_UNSUPPORTED);
	/* The frame pointer is needed by so many that an unreadable one ends the walk; others are just lost. */
	regs = leaf();
	rules = simple();
	rules.regs[FRAME_FP] = (struct frame_rule){.how = FRAME_AT_CFA, .off = 8};
	assert_int_equal(step(&rules, &regs), STINT_USER_UNREADABLE);
	rules = simple();
	rules.regs[RBX] = (struct frame_rule){.how = FRAME_AT_CFA, .off = 8};
	assert_int_equal(step(&rules, &regs), 0);
	assert_false(knows(&regs, RBX));
}

/* The CFA by an expression. */
static enum stint_user_end cfa_by(const struct frame_op *ops, uint16_t n, uint64_t *ret)
{
	struct frame_rules rules = simple();
	struct frame_regs regs = leaf();
	enum stint_user_end end;

	rules.cfa = (struct frame_rule){.how = FRAME_IS_OPS, .ops = ops, .n_ops = n};
	rules.regs[FRAME_IP] = (struct frame_rule){.how = FRAME_IN_REG, .reg = RBX};
	end = step(&rules, &regs);
	*ret = regs.r[FRAME_SP];
	return end;
}

#define CFA_BY(ops, ret) cfa_by(ops, sizeof(ops) / sizeof((ops)[0]), ret)

static void test_expressions(void **state)
{
	/* As in a lazy PLT stub: sp + 8, and 8 more from byte 11 on. */
	const struct frame_op plt[] = {{.atom = DW_OP_breg7, .number = 8},
				       {.atom = DW_OP_breg16},
				       {.atom = DW_OP_lit15},
				       {.atom = DW_OP_and},
				       {.atom = DW_OP_lit11},
				       {.atom = DW_OP_ge},
				       {.atom = DW_OP_lit3},
				       {.atom = DW_OP_shl},
				       {.atom = DW_OP_plus}};
	const struct frame_op deref[] = {{.atom = DW_OP_bregx, .number = R10, .number2 = 48}, {.atom = DW_OP_deref}};
	const struct frame_op unreadable[] = {{.atom = DW_OP_lit8}, {.atom = DW_OP_deref}};
	const struct frame_op branch[] = {
		{.atom = DW_OP_lit0}, {.atom = DW_OP_bra, .target = 3}, {.atom = DW_OP_lit5}, {.atom = DW_OP_lit9}};
	const struct frame_op endless[] = {{.atom = DW_OP_nop}, {.atom = DW_OP_skip, .target = 0}};
	const struct frame_op overflow[] = {{.atom = DW_OP_lit1}, {.atom = DW_OP_skip, .target = 0}};
	const struct frame_op underflow[] = {{.atom = DW_OP_lit1}, {.atom = DW_OP_plus}};
	const struct frame_op unknown[] = {{.atom = DW_OP_lit1}, {.atom = DW_OP_call_frame_cfa}};
	uint64_t cfa;

	(void)state;
	assert_int_equal(CFA_BY(plt, &cfa), 0);
	assert_int_equal(cfa, SP_IS + 8);
	assert_int_equal(CFA_BY(deref, &cfa), 0);
	assert_int_equal(cfa, 0x4000);
	assert_int_equal(CFA_BY(branch, &cfa), 0);
	assert_int_equal(cfa, 9);
	assert_int_equal(CFA_BY(unreadable, &cfa), STINT_USER_UNREADABLE);
	assert_int_equal(CFA_BY(endless, &cfa), STINT_USER_UNSUPPORTED);
	assert_int_equal(CFA_BY(overflow, &cfa), STINT_USER_UNSUPPORTED);
	assert_int_equal(CFA_BY(underflow, &cfa), STINT_USER_UNSUPPORTED);
	assert_int_equal(CFA_BY(unknown, &cfa), STINT_USER_UNSUPPORTED);
}

static void test_frame_pointer(void **state)
{
	struct frame_regs regs = leaf();

	(void)state;
	regs.r[FRAME_FP] = SP_IS + 48;
	assert_int_equal(frame_step_fp(&regs, read_memory, NULL, STINT_USER_NO_ROWS), 0);
	assert_int_equal(regs.r[FRAME_IP], 0x4000);
	assert_int_equal(regs.r[FRAME_FP], 16);
	assert_int_equal(regs.r[FRAME_SP], SP_IS + 64);
	assert_false(knows(&regs, RBX) || regs.exact);
	/* Down the stack, odd, unknown, or to where no code can be: that was no frame pointer. */
	assert_int_equal(frame_step_fp(&regs, read_memory, NULL, STINT_USER_NO_ROWS), STINT_USER_NO_ROWS);
	regs = leaf();
	regs.r[FRAME_FP] = SP_IS + 33;
	assert_int_equal(frame_step_fp(&regs, read_memory, NULL, STINT_USER_NO_MAPPING), STINT_USER_NO_MAPPING);
	regs = leaf();
	assert_int_equal(frame_step_fp(&regs, read_memory, NULL, STINT_USER_NO_ROWS), STINT_USER_NO_ROWS);
	regs.known = 0;
	assert_int_equal(frame_step_fp(&regs, read_memory, NULL, STINT_USER_NO_ROWS), STINT_USER_NO_ROWS);
}

/* ---- mappings ---- */

static void check_at(struct address_spaces *spaces, uint32_t process, uint64_t time_ns, uint64_t addr, uint32_t module,
		     uint64_t file_off)
{
	const struct mapped *map;

	assert_int_equal(address_spaces_find(spaces, process, time_ns, addr, &map, NULL), 0);
	if (!module) {
		assert_null(map);
		return;
	}
	assert_non_null(map);
	assert_int_equal(map->module, module);
	assert_int_equal(addr - map->start + map->file_off, file_off);
}

static void test_mappings(void **state)
{
	struct stint_mapping rows[] = {
		{0},
		{.start = 0x1000, .size_bytes = 0x3000, .file_off = 0x500, .process = 2, .module = 1},
		{.from_ns = 10, .start = 0x2000, .size_bytes = 0x1000, .process = 2, .module = 2},
		{.from_ns = 20, .start = 0x800, .size_bytes = 0x1000, .process = 2, .module = 3},
		{.from_ns = 5, .start = 0x1000, .size_bytes = 0x1000, .process = 1, .module = 4},
		{.from_ns = 30, .start = UINT64_MAX - 5, .size_bytes = 100, .process = 2, .module = 5},
	};
	struct model m = {0};
	struct address_spaces *spaces;

	(void)state;
	m.mappings.rows = rows;
	m.mappings.n = sizeof(rows) / sizeof(rows[0]);
	assert_int_equal(address_spaces_new(&spaces, &m, NULL), 0);
	check_at(spaces, 2, 0, 0x2800, 1, 0x1d00);
	check_at(spaces, 2, 0, 0x4000, 0, 0);
	check_at(spaces, 2, 0, 0xfff, 0, 0);
	/* Another one in its middle: what is on both sides stays where it is in the file. */
	check_at(spaces, 2, 10, 0x2800, 2, 0x800);
	check_at(spaces, 2, 10, 0x1800, 1, 0xd00);
	check_at(spaces, 2, 10, 0x3800, 1, 0x2d00);
	/* Over its beginning. */
	check_at(spaces, 2, 25, 0x1700, 3, 0xf00);
	check_at(spaces, 2, 25, 0x1800, 1, 0xd00);
	/* One that wraps around is none. */
	check_at(spaces, 2, 40, UINT64_MAX - 2, 0, 0);
	/* Back in time, and another process. */
	check_at(spaces, 2, 9, 0x2800, 1, 0x1d00);
	check_at(spaces, 1, 4, 0x1000, 0, 0);
	check_at(spaces, 1, 5, 0x1000, 4, 0);
	check_at(spaces, 3, 5, 0x1000, 0, 0);
	address_spaces_free(spaces);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_registers),   cmocka_unit_test(test_ends),
		cmocka_unit_test(test_expressions), cmocka_unit_test(test_frame_pointer),
		cmocka_unit_test(test_mappings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
