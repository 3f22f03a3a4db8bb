/* SPDX-License-Identifier: MIT */
/* Rows that come of code, where call frame information is lacking or says too little. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "record/unwind_elf.h"
#include "record/unwind_table.h"
#include "record/unwind_walk.h"

/* Assembles and links a program; returns an open descriptor of it, which has no name any more. */
static int assemble(const char *text)
{
	char dir[] = "/tmp/stint-unwind-XXXXXX", command[256];
	FILE *as;
	int fd;

	assert_non_null(mkdtemp(dir));
	snprintf(command, sizeof(command), "gcc -nostdlib -static -x assembler - -o %s/a", dir);
	as = popen(command, "w");
	assert_non_null(as);
	fputs(text, as);
	assert_int_equal(pclose(as), 0);
	snprintf(command, sizeof(command), "%s/a", dir);
	fd = open(command, O_RDONLY);
	assert_true(fd >= 0);
	unlink(command);
	rmdir(dir);
	return fd;
}

/* Of a kind, the row with the lowest address that is followed by another one; NULL where there is none. */
static const struct unwind_row *first_of_kind(const struct unwind_table *table, uint32_t kind)
{
	uint32_t i;

	for (i = 0; i + 1 < table->n_rows; i++)
		if (UNWIND_ROW_KIND(table->rows[i].kind) == kind)
			return &table->rows[i];
	return NULL;
}

static bool read_words(void *context, uint64_t addr, uint64_t *ret)
{
	const uint64_t *words = context;

	if (addr < 0x1000 || addr >= 0x1000 + 64 * sizeof(*words) || addr % 8)
		return false;
	*ret = words[(addr - 0x1000) / 8];
	return true;
}

/* A trampoline that aligns the stack keeps its CFA in rbx; what it calls saves rbx. */
static void test_kept_register(void **state)
{
	static const char asm_s[] =
		".text\n.globl _start\n"
		"_start: .cfi_startproc\n push %rbx\n .cfi_def_cfa_offset 16\n .cfi_offset rbx, -16\n"
		" mov %rsp, %rbx\n .cfi_def_cfa_register rbx\n and $-64, %rsp\n call keeper\n call other\n"
		" mov %rbx, %rsp\n pop %rbx\n .cfi_def_cfa rsp, 8\n ret\n .cfi_endproc\n"
		".align 64\nkeeper: .cfi_startproc\n push %r12\n .cfi_def_cfa_offset 16\n .cfi_offset r12, -16\n"
		" push %rbx\n .cfi_def_cfa_offset 24\n .cfi_offset rbx, -24\n nop\n pop %rbx\n"
		" .cfi_def_cfa_offset 16\n pop %r12\n .cfi_def_cfa_offset 8\n ret\n .cfi_endproc\n"
		".align 64\nother: .cfi_startproc\n nop\n ret\n .cfi_endproc\n";
	uint64_t words[64] = {[10] = 0x1000 + 8 * 30, [31] = 0x4444};
	struct unwind_regs regs = {.ip = 1, .fp_known = true, .r = {[3] = 0x1000 + 8 * 20}};
	const struct unwind_row *row;
	struct unwind_table table;
	int fd;

	(void)state;
	fd = assemble(asm_s);
	assert_int_equal(unwind_table_read(&table, fd, NULL), 0);
	close(fd);
	row = first_of_kind(&table, UNWIND_KEPT);
	assert_non_null(row);
	assert_int_equal(row->kind, UNWIND_ROW(UNWIND_KEPT, 3));
	assert_int_equal(row->cfa, 2);
	assert_int_equal(row->fp, 3);
	assert_int_equal(row[1].pc, row->pc + 1); /* one byte, the call's last one */
	assert_int_equal(row[-1].kind, UNWIND_ROW(UNWIND_REG, 3));
	assert_int_equal(row[1].kind, UNWIND_ROW(UNWIND_REG, 3)); /* the call of what keeps nothing too */

	/* The callee has saved it: 3 words below its CFA. */
	regs.r[UNWIND_REG_SP] = 0x1000 + 8 * 13;
	assert_int_equal(unwind_step(row, &regs, read_words, words), 0);
	assert_int_equal(regs.ip, 0x4444);
	assert_int_equal(regs.r[UNWIND_REG_SP], 0x1000 + 8 * 32);

	/* The callee runs and hasn't saved it: its stack pointer is above that place. */
	words[21] = 0x5555;
	regs.r[UNWIND_REG_SP] = 0x1000 + 8 * 13;
	regs.callee_all = true;
	regs.callee_sp = 0x1000 + 8 * 11;
	assert_int_equal(unwind_step(row, &regs, read_words, words), 0);
	assert_int_equal(regs.ip, 0x5555);
	unwind_table_done(&table);
}

static void check_init_row(const struct unwind_table *table, uint32_t off, int cfa)
{
	const struct unwind_row *row = unwind_table_find(table, off);

	if (!row || row->kind != UNWIND_SP || row->cfa != cfa)
		fail_msg("at file offset 0x%x: no row of CFA = sp + %d", off, 8 * cfa);
}

/* crti.o and crtn.o have no call frame information, and every library's initialization passes through them. */
static void test_init_sections(void **state)
{
	static const char asm_s[] =
		".text\n.globl _start\n_start: .cfi_startproc\n hlt\n .cfi_endproc\n"
		".section .init,\"ax\",@progbits\n endbr64\n sub $8, %rsp\n call _start\n add $8, %rsp\n ret\n"
		".section .fini,\"ax\",@progbits\n push %rax\n call _start\n pop %rax\n ret\n"
		".section .plt,\"ax\",@progbits\n nop\n";
	struct unwind_elf elf;
	struct unwind_source source = {0};
	struct unwind_table table;
	struct stat st;
	uint32_t i, n_found = 0;
	int fd;

	(void)state;
	fd = assemble(asm_s);
	assert_int_equal(unwind_table_read(&table, fd, NULL), 0);
	assert_int_equal(fstat(fd, &st), 0);
	source.fd = fd;
	source.size_bytes = (uint64_t)st.st_size;
	assert_int_equal(unwind_elf_read(&elf, &source, NULL), 0);
	for (i = 0; i < elf.n_stubs; i++) {
		uint32_t off = (uint32_t)elf.stubs[i].file_off, size = (uint32_t)elf.stubs[i].size_bytes;

		if (size == 18) { /* .init */
			check_init_row(&table, off, 1);
			check_init_row(&table, off + 7, 1);
			check_init_row(&table, off + 8, 2);
			check_init_row(&table, off + 16, 2);
			check_init_row(&table, off + 17, 1);
			n_found++;
		} else if (size == 8) { /* .fini */
			check_init_row(&table, off, 1);
			check_init_row(&table, off + 1, 2);
			check_init_row(&table, off + 6, 2);
			check_init_row(&table, off + 7, 1);
			n_found++;
		}
	}
	assert_int_equal(n_found, 2);
	unwind_elf_done(&elf);
	unwind_table_done(&table);
	close(fd);
}

/* Go's functions are known by the table that its runtime has: where stacks are switched, walks end. */
static void test_go_functions(void **state)
{
	static const char asm_s[] =
		".text\n.globl _start\n"
		"_start: .cfi_startproc\n hlt\n .cfi_endproc\n .align 32, 0xcc\n"
		"mcall: .cfi_startproc\n .skip 10, 0x90\n .cfi_endproc\n .align 32, 0xcc\n"
		"other: .cfi_startproc\n .skip 31, 0x90\n .cfi_endproc\n .align 32, 0xcc\n"
		"sigreturn: mov $15, %eax\n syscall\n int3\nstart_m: .skip 16, 0x90\nend: nop\n"
		".section .gopclntab,\"a\"\n"
		"table: .long 0xfffffff1\n .byte 0, 0, 1, 8\n"
		" .quad 4, 0, _start, names - table, 0, 0, 0, list - table\n"
		"names: .asciz \"runtime.mcall\"\nsecond: .asciz \"runtime.sigreturn.abi0\"\n"
		"third: .asciz \"runtime.mstart\"\nfourth: .asciz \"runtime.mcallers\"\n"
		"list: .long mcall - _start, one - list, other - _start, four - list, sigreturn - _start, two - list\n"
		" .long start_m - _start, three - list, end - _start\n"
		"one: .long 0, 0\ntwo: .long 0, second - names\nthree: .long 0, third - names\n"
		"four: .long 0, fourth - names\n";
	const struct unwind_row *row;
	struct unwind_table table;
	uint32_t mcall;
	int fd;

	(void)state;
	fd = assemble(asm_s);
	assert_int_equal(unwind_table_read(&table, fd, NULL), 0);
	close(fd);
	row = first_of_kind(&table, UNWIND_END);
	assert_non_null(row);
	mcall = row->pc; /* over what its call frame information says */
	assert_int_equal(mcall % 32, 0);
	row = unwind_table_find(&table, mcall + 32);
	assert_non_null(row);
	assert_int_equal(row->kind, UNWIND_SP);
	/* The kernel returns to the function's first byte, which is looked up at the byte before. */
	row = unwind_table_find(&table, mcall + 63);
	assert_non_null(row);
	assert_int_equal(row->kind, UNWIND_SIGNAL);
	assert_int_equal(row->pc, mcall + 63);
	row = unwind_table_find(&table, mcall + 64 + 8); /* without call frame information */
	assert_non_null(row);
	assert_int_equal(row->kind, UNWIND_END);
	unwind_table_done(&table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kept_register),
		cmocka_unit_test(test_init_sections),
		cmocka_unit_test(test_go_functions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
