/* SPDX-License-Identifier: MIT */
/* Instructions out of any bytes, and lines out of any source file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "analyze/disassemble.h"
#include "analyze/source_text.h"

static struct instruction first(struct disassembler *d, const void *bytes, size_t size)
{
	struct instruction insn;

	disassemble(d, bytes, size, 0x1000, &insn);
	assert_int_equal(insn.addr, 0x1000);
	assert_in_range(insn.n_bytes, 1, size);
	return insn;
}

static void test_x86_64(void **state)
{
	struct disassembler *d, *intel;
	struct instruction insn;

	(void)state;
	assert_int_equal(disassembler_new(&d, MACHINE_X86_64, false, NULL), 0);
	assert_int_equal(disassembler_new(&intel, MACHINE_X86_64, true, NULL), 0);
	insn = first(d, "\xe8\x0b\x00\x00\x00", 5);
	assert_true(insn.is_call && insn.has_target && !insn.is_jump);
	assert_int_equal(insn.target, 0x1010);
	insn = first(d, "\x75\xfe", 2);
	assert_true(insn.is_jump && insn.has_target && !insn.is_call);
	assert_int_equal(insn.target, 0x1000);
	insn = first(d, "\xff\x25\x10\x00\x00\x00", 6); /* through a slot of the global offset table */
	assert_true(insn.is_jump && !insn.has_target && insn.has_reference);
	assert_int_equal(insn.reference, 0x1016);
	insn = first(d, "\x0f\x05", 2);
	assert_true(insn.is_syscall);
	insn = first(d, "\x48\x89\xe5", 3);
	assert_string_equal(insn.mnemonic, "movq");
	assert_string_equal(insn.operands, "%rsp, %rbp");
	insn = first(intel, "\x48\x89\xe5", 3);
	assert_string_equal(insn.mnemonic, "mov");
	assert_string_equal(insn.operands, "rbp, rsp");
	/* No instruction in 64-bit mode, and one that is cut off. */
	insn = first(d, "\x06\x90", 2);
	assert_true(insn.is_data && insn.n_bytes == 1);
	assert_string_equal(insn.mnemonic, ".byte");
	assert_string_equal(insn.operands, "0x06");
	insn = first(d, "\xe8\x0b\x00", 3);
	assert_true(insn.is_data && insn.n_bytes == 1 && !insn.has_target);
	disassembler_free(intel);
	disassembler_free(d);
}

static void test_aarch64(void **state)
{
	struct disassembler *d;
	struct instruction insn;

	(void)state;
	assert_int_equal(disassembler_new(&d, MACHINE_AARCH64, false, NULL), 0);
	insn = first(d, "\x04\x00\x00\x94", 4);
	assert_string_equal(insn.mnemonic, "bl");
	assert_true(insn.is_call && insn.has_target && !insn.is_jump);
	assert_int_equal(insn.target, 0x1010);
	insn = first(d, "\x40\x00\x00\x54", 4);
	assert_string_equal(insn.mnemonic, "b.eq");
	assert_true(insn.is_jump && insn.has_target);
	assert_int_equal(insn.target, 0x1008);
	insn = first(d, "\x60\x00\x00\xb4", 4); /* cbz: the target comes last */
	assert_true(insn.is_jump && insn.has_target);
	assert_int_equal(insn.target, 0x100c);
	insn = first(d, "\x60\x00\x18\x36", 4); /* tbz: behind a bit number */
	assert_true(insn.is_jump && insn.has_target);
	assert_int_equal(insn.target, 0x100c);
	insn = first(d, "\x01\x00\x00\xd4", 4);
	assert_true(insn.is_syscall);
	insn = first(d, "\xff\xff\xff\xff", 4);
	assert_true(insn.is_data && insn.n_bytes == 4);
	assert_string_equal(insn.operands, "0xff, 0xff, 0xff, 0xff");
	insn = first(d, "\x04\x00\x00", 3);
	assert_true(insn.is_data && insn.n_bytes == 3);
	disassembler_free(d);
}

/* Whatever comes, all bytes are taken, one after the other. */
static void test_any_bytes(void **state)
{
	enum machine machine;
	uint64_t random = 7;
	uint8_t bytes[4096];
	size_t i, off;

	(void)state;
	for (machine = MACHINE_X86_64; machine <= MACHINE_AARCH64; machine++) {
		struct disassembler *d;
		struct instruction insn;

		assert_int_equal(disassembler_new(&d, machine, false, NULL), 0);
		for (i = 0; i < sizeof(bytes); i++) {
			random = random * 6364136223846793005u + 1442695040888963407u;
			bytes[i] = (uint8_t)(random >> 56);
		}
		for (off = 0; off < sizeof(bytes); off += insn.n_bytes) {
			disassemble(d, bytes + off, sizeof(bytes) - off, UINT64_MAX - 2048 + off, &insn);
			assert_in_range(insn.n_bytes, 1, sizeof(bytes) - off);
			assert_true(insn.mnemonic[0]);
			assert_non_null(memchr(insn.operands, 0, sizeof(insn.operands)));
		}
		assert_int_equal(off, sizeof(bytes));
		disassembler_free(d);
	}
}

static void test_machines(void **state)
{
	enum machine machine;

	(void)state;
	assert_true(machine_of_arch("x86_64", &machine) && machine == MACHINE_X86_64);
	assert_true(machine_of_arch("aarch64", &machine) && machine == MACHINE_AARCH64);
	assert_true(machine_of_arch(NULL, &machine) && machine == MACHINE_X86_64);
	assert_false(machine_of_arch("riscv64", &machine));
	assert_false(machine_is_elf(MACHINE_X86_64, 3)); /* EM_386: other instructions */
}

static void save(const char *path, const char *text, size_t size)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, size, f), size);
	assert_int_equal(fclose(f), 0);
}

static void expect_line(struct source_text *s, const char *path, uint32_t line, const char *want)
{
	size_t len = 0;
	const char *text = source_text_line(s, path, line, &len);

	if (!want) {
		assert_null(text);
		return;
	}
	assert_non_null(text);
	assert_int_equal(len, strlen(want));
	assert_memory_equal(text, want, len);
}

static void test_source_lines(void **state)
{
	char dir[] = "/tmp/stint-source-XXXXXX", path[256], sub[256];
	const char *const dirs[] = {dir};
	struct source_text *s;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(sub, sizeof(sub), "%s/src", dir);
	assert_int_equal(mkdir(sub, 0700), 0);
	snprintf(path, sizeof(path), "%s/src/a.c", dir);
	save(path, "one\n\nthree", 10);
	s = source_text_new(dirs, 1);
	assert_non_null(s);
	/* By an end of the path that the compiler saw. */
	expect_line(s, "/build/elsewhere/src/a.c", 1, "one");
	expect_line(s, "/build/elsewhere/src/a.c", 2, "");
	expect_line(s, "/build/elsewhere/src/a.c", 3, "three");
	expect_line(s, "/build/elsewhere/src/a.c", 4, NULL);
	expect_line(s, "/build/elsewhere/src/a.c", 0, NULL);
	expect_line(s, "/build/elsewhere/src/a.c", UINT32_MAX, NULL);
	expect_line(s, "/build/elsewhere/a.c", 1, NULL);
	expect_line(s, path, 1, "one");
	assert_true(source_text_is_newer(s, path, 0));
	assert_false(source_text_is_newer(s, path, UINT64_MAX));
	assert_false(source_text_is_newer(s, "/none", 0));
	/* A directory, a device, a name that is too long, and nothing. */
	expect_line(s, sub, 1, NULL);
	expect_line(s, "/dev/zero", 1, NULL);
	expect_line(s, "", 1, NULL);
	expect_line(s, NULL, 1, NULL);
	expect_line(NULL, path, 1, NULL);
	source_text_free(s);
	unlink(path);
	rmdir(sub);
	rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_x86_64),	 cmocka_unit_test(test_aarch64),      cmocka_unit_test(test_any_bytes),
		cmocka_unit_test(test_machines), cmocka_unit_test(test_source_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
