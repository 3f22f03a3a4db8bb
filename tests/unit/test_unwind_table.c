/* SPDX-License-Identifier: MIT */
/* Unwind tables of installed files, and of files compiled here for what installed ones don't have.
 */
#include "tests/unit/unwind_oracle.h"

#include <stdio.h>
#include <sys/auxv.h>

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

/* A directory for what is compiled; removed at the end. */
static char dir[] = "/tmp/stint-unwind-XXXXXX";

static int make_dir(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -r %s", dir);
	return system(command);
}

static void write_source(const char *name, const char *text)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

/* Frames of every shape: large, variable, realigned, in one function and its callers. */
static const char source_c[] =
	"#include <stdlib.h>\n"
	"#include <string.h>\n"
	"#include <immintrin.h>\n"
	"extern int tail(int, char *);\n"
	"__attribute__((noinline)) int big(int n) { char room[1200000]; memset(room, n, "
	"sizeof(room));\n"
	"	return room[n] + tail(n, room); }\n"
	"__attribute__((noinline)) int variable(int n) { char room[n]; memset(room, n, n); return "
	"tail(n, room) + 1; }\n"
	"__attribute__((noinline)) int realigned(int n) { double lines[16] "
	"__attribute__((aligned(64)));\n"
	"	char *room = __builtin_alloca(n); memset(lines, n, sizeof(lines)); memset(room, 1, "
	"n);\n"
	"	return tail(n, (char *)lines) + tail(n, room); }\n"
	"__attribute__((noinline)) int many(int a, int b, int c, int d, int e, int f, int g, int "
	"h) {\n"
	"	return tail(a, 0) * tail(b, 0) + tail(c, 0) * tail(d, 0) + tail(e, 0) * tail(f, 0) "
	"+ g * h + a * b; }\n"
	"__attribute__((noinline)) int early(int *p) { if (!p) return 3; return tail(*p, (char "
	"*)p) + *p; }\n"
	"int tail(int n, char *p) { return p ? p[0] + rand() % (n + 1) : n; }\n"
	"int main(int argc, char **argv) { (void)argv; return big(argc) + variable(argc) + "
	"realigned(argc) +\n"
	"	many(1, 2, 3, 4, 5, 6, 7, argc) + early(&argc); }\n";

static const char source_start_c[] =
	"extern int g(int *);\n"
	"int f(int n) { int a[4000]; a[n] = n; return g(a) + a[n / 2]; }\n"
	"int g(int *p) { return *p; }\n"
	"int h(int n) { char room[n]; int local[4]; local[0] = n; return f(n) + f(n + 1) + g((int "
	"*)room) + g(local); }\n"
	"void _start(void) { h(4); for (;;) ; }\n";

static void compile_and_check(const char *what, const char *command, const char *output, uint32_t max_unsupported)
{
	char line[1024], path[128];
	struct tally tally;

	snprintf(line, sizeof(line), "cd %s && %s 2>/dev/null", dir, command);
	if (system(line)) {
		print_message("[  SKIPPED ] %s: can't be compiled here\n", what);
		return;
	}
	snprintf(path, sizeof(path), "%s/%s", dir, output);
	print_message("%s\n", what);
	tally = check_file(path);
	assert_true(tally.n_same > 10);
	assert_true(tally.n_given_up <= max_unsupported);
}

static void test_compiled_files(void **state)
{
	(void)state;
	write_source("a.c", source_c);
	write_source("b.c", source_start_c);
	compile_and_check("gcc -O2", "gcc -O2 -mavx2 a.c -o o1", "o1", 0);
	compile_and_check("gcc -O3 -fomit-frame-pointer -fcf-protection",
			  "gcc -O3 -mavx2 -fomit-frame-pointer -fcf-protection=full a.c -o o2", "o2", 0);
	compile_and_check("gcc -O0", "gcc -O0 a.c -o o3", "o3", 0);
	compile_and_check("gcc -static", "gcc -O2 -static a.c -o o4", "o4", 8);
	compile_and_check("gcc -static-pie", "gcc -O2 -static-pie a.c -o o5", "o5", 8);
	compile_and_check("clang -O2", "clang-14 -O2 -mavx2 a.c -o o6", "o6", 0);
	compile_and_check("clang -O1 with lld", "clang-14 -O1 -fuse-ld=lld a.c -o o7", "o7", 0);
	compile_and_check("gcc -z ibtplt", "gcc -O2 -fcf-protection -Wl,-z,ibtplt a.c -o o8", "o8", 0);
	compile_and_check("aarch64, clang -O2",
			  "clang-14 --target=aarch64-linux-gnu -O1 -fno-inline "
			  "-fasynchronous-unwind-tables -fuse-ld=lld -nostdlib -shared "
			  "-Wno-implicit-function-declaration b.c -o o9",
			  "o9", 0);
	compile_and_check("aarch64, clang -O0 with signed return addresses",
			  "clang-14 --target=aarch64-linux-gnu -O0 -mbranch-protection=standard "
			  "-fasynchronous-unwind-tables "
			  "-fuse-ld=lld -nostdlib -shared b.c -o o10",
			  "o10", 0);
}

#define NO_EH_FRAME                                                                                                    \
	"-fno-asynchronous-unwind-tables -fno-unwind-tables -nostdlib -static -fno-builtin "                           \
	"-fno-stack-protector"

static void test_debug_frame(void **state)
{
	(void)state;
	write_source("b.c", source_start_c);
	compile_and_check(".debug_frame", "gcc -g -O2 " NO_EH_FRAME " b.c -o d1", "d1", 0);
	compile_and_check(".debug_frame, DWARF 4", "gcc -gdwarf-4 -O2 " NO_EH_FRAME " b.c -o d2", "d2", 0);
	compile_and_check(".debug_frame, compressed", "gcc -g -gz=zlib -O2 " NO_EH_FRAME " b.c -o d3", "d3", 0);
}

/* The kernel's own: read from this process's memory. */
static void test_vdso(void **state)
{
	const uint8_t *image = (const uint8_t *)getauxval(AT_SYSINFO_EHDR);
	struct stint_err err = STINT_ERR_INIT;
	struct unwind_table table;
	uint32_t i;

	(void)state;
	if (!image)
		skip();
	assert_int_equal(unwind_table_read_memory(&table, image, 2 * (size_t)sysconf(_SC_PAGESIZE), &err), 0);
	assert_true(table.counts.n_fdes > 3);
	for (i = 0; i < table.n_rows; i++)
		assert_int_not_equal(table.rows[i].kind, UNWIND_UNSUPPORTED);
	unwind_table_done(&table);
}

static void *read_whole(const char *path, size_t *ret_size)
{
	FILE *file = fopen(path, "r");
	uint8_t *data;

	assert_non_null(file);
	fseek(file, 0, SEEK_END);
	*ret_size = (size_t)ftell(file);
	rewind(file);
	data = malloc(*ret_size);
	assert_non_null(data);
	assert_int_equal(fread(data, 1, *ret_size, file), *ret_size);
	fclose(file);
	return data;
}

/* The same rows without section headers, but for those of stubs, which have no information but
 * their section's name. */
static void test_without_sections(void **state)
{
	struct unwind_table with, without;
	uint32_t i, n_differ = 0;
	size_t size;
	uint8_t *data = read_whole("/lib/x86_64-linux-gnu/libc.so.6", &size);
	Elf64_Ehdr *ehdr = (Elf64_Ehdr *)data;

	(void)state;
	assert_int_equal(unwind_table_read_memory(&with, data, size, NULL), 0);
	ehdr->e_shoff = ehdr->e_shnum = ehdr->e_shstrndx = 0;
	assert_int_equal(unwind_table_read_memory(&without, data, size, NULL), 0);
	assert_int_equal(with.counts.n_fdes, without.counts.n_fdes);
	for (i = 0; i < with.n_rows; i++) {
		const struct unwind_row *row = unwind_table_find(&without, with.rows[i].pc);

		if (UNWIND_ROW_KIND(with.rows[i].kind) != UNWIND_NONE &&
		    (!row || row->kind != with.rows[i].kind || row->cfa != with.rows[i].cfa))
			n_differ++;
	}
	assert_true(n_differ <= 2);
	unwind_table_done(&with);
	unwind_table_done(&without);
	free(data);
}

static void test_rules(void **state)
{
	static const char asm_s[] = ".text\n.globl _start\n"
				    "_start: .cfi_startproc\n .cfi_undefined rip\n hlt\n .cfi_endproc\n"
				    ".align 64\nplain: .cfi_startproc\n nop\n .cfi_adjust_cfa_offset 8\n nop\n"
				    " .cfi_offset rbp, -16\n nop\n .cfi_def_cfa_register rbp\n nop\n .cfi_def_cfa rsp, "
				    "0x200008\n nop\n"
				    " .cfi_def_cfa r10, 0\n nop\n .cfi_endproc\n"
				    ".align 64\ndrap: .cfi_startproc\n .cfi_escape 0x0f,0x03,0x76,0x78,0x06\n nop\n"
				    " .cfi_escape 0x10,0x06,0x02,0x76,0x00\n nop\n"
				    " .cfi_escape 0x0f,0x05,0x77,0x20,0x06,0x23,0x08\n nop\n" /* *(rsp+32) + 8 */
				    " .cfi_escape 0x0f,0x06,0x77,0x20,0x06,0x38,0x22,0x96\n nop\n .cfi_endproc\n" /* the
	                                                                                         same,
	                                                                                         otherwise
	                                                                                       */
				    ".align 64\nregister: .cfi_startproc\n .cfi_def_cfa_offset 0\n .cfi_register rip, "
				    "rdi\n nop\n"
				    " .cfi_endproc\n"
				    ".align 64\nstates: .cfi_startproc\n .cfi_remember_state\n .cfi_def_cfa_offset "
				    "32\n nop\n"
				    " .cfi_restore_state\n nop\n .cfi_offset rbp, -24\n nop\n .cfi_restore rbp\n nop\n "
				    ".cfi_same_value rbp\n"
				    " nop\n .cfi_undefined rbp\n nop\n .cfi_endproc\n"
				    ".align 64\nodd: .cfi_startproc\n .cfi_def_cfa_offset 13\n nop\n "
				    ".cfi_def_cfa_offset 8\n"
				    " .cfi_val_offset rsp, 16\n nop\n .cfi_endproc\n";
	static const uint32_t kinds[] = {UNWIND_END,	  UNWIND_SP,	   UNWIND_FP,	  UNWIND_REG,
					 UNWIND_DEREF_FP, UNWIND_DEREF_SP, UNWIND_RA_REG, UNWIND_UNSUPPORTED};
	struct unwind_table table;
	uint32_t seen = 0, i;
	char path[128];
	int fd;

	(void)state;
	write_source("r.s", asm_s);
	compile_and_check("hand-written assembly", "gcc -nostdlib -static r.s -o r", "r", 40);
	snprintf(path, sizeof(path), "%s/r", dir);
	fd = open(path, O_RDONLY);
	assert_true(fd >= 0);
	assert_int_equal(unwind_table_read(&table, fd, NULL), 0);
	for (i = 0; i < table.n_rows; i++)
		seen |= 1u << UNWIND_ROW_KIND(table.rows[i].kind);
	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (!(seen & 1u << kinds[i]))
			fail_msg("no row of kind %u", kinds[i]);
	unwind_table_done(&table);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_installed_files),	 cmocka_unit_test(test_compiled_files),
		cmocka_unit_test(test_debug_frame),	 cmocka_unit_test(test_vdso),
		cmocka_unit_test(test_without_sections), cmocka_unit_test(test_rules),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
