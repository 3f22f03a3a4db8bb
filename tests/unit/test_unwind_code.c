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
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "record/unwind_crt.h"
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

/* Builds a program or library of one empty function; returns an open descriptor of it, and its path, for the caller to
 * remove. */
static int link_empty(const char *options, char path[64])
{
	char command[256];
	int fd;

	snprintf(path, 64, "/tmp/stint-unwind-XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	snprintf(command, sizeof(command), "echo 'int main(void) { return 0; }' | gcc -O2 %s -x c - -o %s", options,
		 path);
	assert_int_equal(system(command), 0);
	close(fd);
	fd = open(path, O_RDONLY);
	assert_true(fd >= 0);
	return fd;
}

/* What GCC's crtbegin.o brings, by what objdump says is pushed and popped. */
static void check_crt_function(const struct unwind_table *table, const char *path, const char *name, uint64_t shift)
{
	char command[256], line[256], *insn;
	unsigned long addr;
	int n_words = 1;
	uint32_t n = 0;
	FILE *objdump;

	snprintf(command, sizeof(command), "objdump -d --no-show-raw-insn --disassemble=%s %s", name, path);
	objdump = popen(command, "r");
	assert_non_null(objdump);
	while (fgets(line, sizeof(line), objdump)) {
		if (sscanf(line, " %lx:", &addr) != 1 || !(insn = strchr(line, '\t')) || strstr(insn, "nop"))
			continue;
		check_init_row(table, (uint32_t)(addr - shift), n_words);
		assert_int_equal(unwind_table_find(table, addr - shift)->fp, n_words == 1 ? UNWIND_FP_SAME : 2);
		n_words += strstr(insn, "push") ? 1 : strstr(insn, "pop") ? -1 : 0;
		n++;
	}
	assert_int_equal(pclose(objdump), 0);
	assert_true(n >= 1);
}

/* Every program and library passes through these as it starts and ends. */
static void test_crt_functions(void **state)
{
	static const char *const options[] = {"-pie", "-no-pie", "-shared -fPIC", "-fcf-protection=none -pie"};
	static const char *const names[] = {"deregister_tm_clones", "register_tm_clones", "__do_global_dtors_aux",
					    "frame_dummy"};
	size_t i, j;

	(void)state;
	for (i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		struct unwind_source source = {0};
		struct unwind_table table;
		struct unwind_elf elf;
		struct stat st;
		char path[64];
		int fd = link_empty(options[i], path);

		assert_int_equal(unwind_table_read(&table, fd, NULL), 0);
		assert_int_equal(fstat(fd, &st), 0);
		source.fd = fd;
		source.size_bytes = (uint64_t)st.st_size;
		assert_int_equal(unwind_elf_read(&elf, &source, NULL), 0);
		assert_int_equal(elf.n_segments, 1);
		for (j = 0; j < sizeof(names) / sizeof(names[0]); j++)
			check_crt_function(&table, path, names[j], elf.segments[0].vaddr - elf.segments[0].file_off);
		unwind_elf_done(&elf);
		unwind_table_done(&table);
		close(fd);
		unlink(path);
	}
}

static int count_row(void *context, uint32_t start, uint32_t end, const struct unwind_row *row)
{
	(void)row;
	assert_true(start < end && end <= 0x1000 + UNWIND_CRT_BYTES);
	++*(int *)context;
	return 0;
}

/* Code that only resembles them gets no rows: with any byte that tells them apart changed, and cut anywhere. */
static void test_crt_look_alikes(void **state)
{
	uint8_t code[] = {
		/* deregister_tm_clones, register_tm_clones */
		0xc3, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, /* */
		0xc3, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90,
		/* __do_global_dtors_aux: at 32; its call at 42, of 0 */
		0x80, 0x3d, 1, 1, 1, 1, 0, 0x75, 0x0f, 0x55, 0xe8, 0xd1, 0xff, 0xff, 0xff, 0xc6, 0x05, 1, 1, 1, 1, 1,
		0x5d, 0xc3, 0xc3, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90,
		/* frame_dummy: at 64, to 16 */
		0xe9, 0xcb, 0xff, 0xff, 0xff, 0x90, 0x90, 0x90, 0x90, 0x90};
	static const uint8_t telling[] = {32, 33, 38, 39, 40, 41, 42, 47, 48, 53, 54, 55, 56};
	uint8_t *exact;
	int n = 0;
	size_t i;

	(void)state;
	assert_int_equal(unwind_crt_x86_64(code, 0x1000, sizeof(code), count_row, &n), 0);
	assert_int_equal(n, 4);
	for (i = 0; i < sizeof(telling); i++) {
		n = 0;
		code[telling[i]] ^= 0x41;
		assert_int_equal(unwind_crt_x86_64(code, 0x1000, sizeof(code), count_row, &n), 0);
		assert_int_equal(n, 0);
		code[telling[i]] ^= 0x41;
	}
	for (i = 1; i < sizeof(code); i++) {
		exact = malloc(i); /* so that reading beyond it is noticed */
		assert_non_null(exact);
		memcpy(exact, code, i);
		n = 0;
		assert_int_equal(unwind_crt_x86_64(exact, 0x1000 + i % 16, (uint32_t)i, count_row, &n), 0);
		free(exact);
	}
	code[68] = 0x10; /* frame_dummy leads elsewhere: it may be anything */
	n = 0;
	assert_int_equal(unwind_crt_x86_64(code, 0x1000, sizeof(code), count_row, &n), 0);
	assert_int_equal(n, 3);
}

/* What makecontext's functions return to, in glibc: nothing has called it, whatever its information says. */
static void check_start_context(const char *first, bool padded, bool known)
{
	const struct unwind_row *row;
	struct unwind_table table;
	uint32_t start;
	char asm_s[1024];
	int fd;

	snprintf(asm_s, sizeof(asm_s),
		 ".text\n.globl _start\n.align 16\n"
		 "_start: .cfi_startproc\n sub $24, %%rsp\n .cfi_def_cfa_offset 32\n .skip %d, 0x90\n call other\n"
		 " .cfi_endproc\n"
		 ".align 16, 0xcc\ncontext: .cfi_startproc\n %s\n mov (%%rsp), %%rdi\n test %%rdi, %%rdi\n je 1f\n"
		 " call other\n mov %%rax, %%rdi\n1: call other\n hlt\n .cfi_endproc\n"
		 ".align 16\nother: .cfi_startproc\n ret\n .cfi_endproc\n",
		 padded ? 4 : 7, first);
	fd = assemble(asm_s);
	assert_int_equal(unwind_table_read(&table, fd, NULL), 0);
	close(fd);
	assert_true(table.n_rows > 0);
	start = table.rows[0].pc + 16; /* of context */
	row = unwind_table_find(&table, start);
	assert_non_null(row);
	assert_int_equal(UNWIND_ROW_KIND(row->kind), known ? UNWIND_END : UNWIND_SP);
	row = unwind_table_find(&table, start + 25);
	assert_non_null(row);
	assert_int_equal(UNWIND_ROW_KIND(row->kind), known ? UNWIND_END : UNWIND_SP);
	row = unwind_table_find(&table, start - 1); /* where the return address is looked up */
	assert_non_null(row);
	assert_int_equal(UNWIND_ROW_KIND(row->kind), known && padded ? UNWIND_END : UNWIND_SP);
	row = unwind_table_find(&table, start + 32);
	assert_non_null(row);
	assert_int_equal(row->kind, UNWIND_SP);
	unwind_table_done(&table);
}

static void test_start_context(void **state)
{
	(void)state;
	check_start_context("mov %rbx, %rsp", true, true);
	check_start_context("mov %rbx, %rsp", false, true); /* a call is in front of it, which stays one */
	check_start_context("mov %r12, %rsp", true, false);
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
		cmocka_unit_test(test_kept_register), cmocka_unit_test(test_init_sections),
		cmocka_unit_test(test_crt_functions), cmocka_unit_test(test_crt_look_alikes),
		cmocka_unit_test(test_start_context), cmocka_unit_test(test_go_functions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
