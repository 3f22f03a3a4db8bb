/* SPDX-License-Identifier: MIT */
/* Names of code compiled at run time: both kinds of files, whole, growing, rewritten, hostile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "format/reader.h"
#include "record/jit_files.h"
#include "record/jit_maps.h"

#define OK(call) assert_int_equal(call, 0)

static void lines_of_a_map(void **state)
{
	static const char *const bad[] = {"",
					  "1000",
					  "1000 20",
					  "1000 20 ",
					  " 1000 20 x",
					  "xyz 20 x",
					  "1000 0 x",
					  "ffffffffffffffff 2 x",
					  "11111111111111111 20 x",
					  "1000  20 x",
					  "0x 20 x"};
	struct jit_function fn;
	size_t i;

	(void)state;
	assert_true(jit_map_line("7f00aa 2f LazyCompile:~f /a b.js:1:2", 36, &fn));
	assert_int_equal(fn.addr, 0x7f00aa);
	assert_int_equal(fn.size_bytes, 0x2f);
	assert_int_equal(fn.name_size, 26);
	assert_memory_equal(fn.name, "LazyCompile:~f /a b.js:1:2", 26);
	assert_true(jit_map_line("0x1000 0x20 x", 13, &fn));
	assert_int_equal(fn.addr, 0x1000);
	/* As Python's perf trampoline (3.12 and later) writes it. */
	assert_true(jit_map_line("7f3c5e3a2000 b py::hot:/srv/app/a work.py", 42, &fn));
	assert_int_equal(fn.addr, 0x7f3c5e3a2000);
	assert_int_equal(fn.size_bytes, 0xb);
	assert_memory_equal(fn.name, "py::hot:/srv/app/a work.py", fn.name_size);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(jit_map_line(bad[i], strlen(bad[i]), &fn));
}

/* A recording in memory, and a map of this very process that the tests write to. */
struct fixture {
	struct stint_buf bytes;
	struct stint_writer *writer;
	struct jit_maps jm;
	struct jit_process *jp;
	uint32_t module;
	char path[64];
	int fd;
};

static int to_memory(void *context, const void *data, size_t size, struct stint_err *err)
{
	(void)err;
	stint_buf_bytes(context, data, size);
	return stint_buf_status(context);
}

static struct fixture *start(void)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct stint_writer_options options = {.recording_id = {1}};
	struct stint_module module = {.kind = STINT_MODULE_ANON};
	struct stint_err err = STINT_ERR_INIT;

	stint_buf_init(&f->bytes, 64u << 20);
	OK(stint_writer_new(&f->writer, &options, (struct stint_sink){.write = to_memory, .context = &f->bytes}, &err));
	OK(stint_writer_string(f->writer, "[anon]", 6, &module.path_str, &err));
	OK(stint_writer_intern(f->writer, STINT_MODULE, &module, &f->module, &err));
	jit_maps_init(&f->jm, f->writer);
	snprintf(f->path, sizeof(f->path), "/tmp/perf-%d.map", getpid());
	unlink(f->path);
	f->fd = open(f->path, O_WRONLY | O_CREAT | O_APPEND, 0600);
	assert_true(f->fd >= 0);
	f->jp = jit_process_get(&f->jm, getpid());
	assert_non_null(f->jp);
	return f;
}

static void add(struct fixture *f, const char *text)
{
	assert_int_equal(write(f->fd, text, strlen(text)), (ssize_t)strlen(text));
}

static void read_all(struct fixture *f)
{
	struct stint_err err = STINT_ERR_INIT;

	OK(jit_maps_read(&f->jm, JIT_READ_LAST, &err));
}

/* "addr+size name@" for each symbol, an @ when it holds from some time on only. */
static void expect_and_end(struct fixture *f, const char *expected)
{
	struct stint_err err = STINT_ERR_INIT;
	struct stint_reader *reader;
	struct stint_rows rows = {0};
	char names[64][64] = {{0}};
	char got[1024] = "";
	size_t i, j, length = 0;

	OK(stint_writer_finish(f->writer, &err));
	OK(stint_reader_open_memory(&reader, f->bytes.data, f->bytes.len, &err));
	for (i = 0; i < stint_reader_info(reader)->n_blocks; i++) {
		OK(stint_reader_decode(reader, i, &rows, &err));
		for (j = 0; rows.table == STINT_STRING && j < rows.n_rows; j++) {
			const struct stint_string *s = &((const struct stint_string *)rows.rows)[j];

			snprintf(names[rows.first_id + j], 64, "%.*s", (int)s->size, (const char *)s->data);
		}
		for (j = 0; rows.table == STINT_SYMBOL && j < rows.n_rows; j++) {
			const struct stint_symbol *s = &((const struct stint_symbol *)rows.rows)[j];

			assert_int_equal(s->module, f->module);
			length += (size_t)snprintf(got + length, sizeof(got) - length, "%lx+%lx %s%s ", (long)s->addr,
						   (long)s->size_bytes, names[s->name_str], s->from_ns ? "@" : "");
		}
	}
	assert_string_equal(got, expected);
	stint_rows_done(&rows);
	stint_reader_free(reader);
	jit_maps_done(&f->jm);
	stint_writer_free(f->writer);
	stint_buf_done(&f->bytes);
	close(f->fd);
	unlink(f->path);
	free(f);
}

static void only_what_the_recording_has(void **state)
{
	struct fixture *f = start();

	(void)state;
	add(f, "1000 100 a\n1100 100 b\n1200 100 c\nnot a line\n1300 100 d\n");
	jit_process_address(f->jp, 0x1180, true, f->module);
	jit_process_address(f->jp, 0x1190, true, f->module);
	jit_process_address(f->jp, 0x1300, false, f->module); /* returns behind c's last call */
	jit_process_address(f->jp, 0x5000, true, f->module);
	read_all(f);
	read_all(f);
	expect_and_end(f, "1100+100 b 1200+100 c ");
}

static void a_growing_file(void **state)
{
	struct fixture *f = start();

	(void)state;
	add(f, "1000 100 a\n20");
	jit_process_address(f->jp, 0x2010, true, f->module);
	read_all(f);
	add(f, "00 100 b\n");
	read_all(f);
	/* An address that is met later was told of long ago; another function takes b's place. */
	jit_process_address(f->jp, 0x1010, true, f->module);
	add(f, "2000 80 c\n");
	read_all(f);
	read_all(f);
	expect_and_end(f, "2000+100 b 1000+100 a 2000+80 c@ ");
}

/* An address that is met later is of a function that another one reaches into by now. */
static void older_functions_are_cut_down(void **state)
{
	struct fixture *f = start();

	(void)state;
	add(f, "1080 100 old\n1000 100 new\n1160 40 newest\n");
	jit_process_address(f->jp, 0x10a0, true, f->module);
	jit_process_address(f->jp, 0x1168, true, f->module);
	read_all(f);
	jit_process_address(f->jp, 0x1120, true, f->module);
	read_all(f);
	expect_and_end(f, "1000+100 new 1160+40 newest 10a1+c7 old ");
}

/* Only where the map has grown is it read, and the time of the last look that found nothing new counts. */
static void looking_often(void **state)
{
	struct fixture *f = start();
	struct stint_err err = STINT_ERR_INIT;
	int i;

	(void)state;
	add(f, "1000 100 a\n");
	jit_process_address(f->jp, 0x1010, true, f->module);
	read_all(f);
	for (i = 0; i < 3; i++)
		OK(jit_maps_read(&f->jm, JIT_READ_GROWN, &err));
	jit_process_address(f->jp, 0x1020, true, f->module);
	add(f, "1000 80 b\n");
	for (i = 0; i < 200 && stint_writer_rows(f->writer, STINT_SYMBOL) < 2; i++) {
		usleep(10000);
		OK(jit_maps_read(&f->jm, JIT_READ_GROWN, &err));
	}
	expect_and_end(f, "1000+100 a 1000+80 b@ ");
}

static void of_several_at_one_place_the_last(void **state)
{
	struct fixture *f = start();

	(void)state;
	add(f, "1000 100 old\n1000 100 older\n1000 80 new\n");
	jit_process_address(f->jp, 0x1010, true, f->module);
	read_all(f);
	expect_and_end(f, "1000+80 new ");
}

static void a_file_written_anew(void **state)
{
	struct fixture *f = start();

	(void)state;
	add(f, "1000 100 first function of a virtual machine\n2000 100 second function of a virtual machine\n");
	jit_process_address(f->jp, 0x3010, true, f->module);
	read_all(f);
	assert_int_equal(ftruncate(f->fd, 0), 0);
	add(f, "3000 100 third\n2000 100 second function of a virtual machine, longer than all it had before\n");
	read_all(f);
	expect_and_end(f, "3000+100 third ");
}

static void a_process_that_ends(void **state)
{
	struct fixture *f = start();
	struct stint_err err = STINT_ERR_INIT;

	(void)state;
	jit_process_address(f->jp, 0x1010, true, f->module);
	add(f, "1000 100 a\n");
	OK(jit_process_finish(&f->jm, f->jp, &err));
	OK(jit_process_finish(&f->jm, NULL, &err));
	assert_int_equal(f->jm.n_processes, 0);
	expect_and_end(f, "1000+100 a ");
}

static void files_of_others_are_not_believed(void **state)
{
	struct fixture *f = start();
	char target[] = "/tmp/stint-jit-XXXXXX";
	int fd = mkstemp(target);

	(void)state;
	assert_int_equal(write(fd, "1000 100 a\n", 11), 11);
	unlink(f->path);
	jit_process_address(f->jp, 0x1010, true, f->module);
	assert_int_equal(symlink(target, f->path), 0);
	read_all(f);
	unlink(f->path);
	assert_int_equal(mkfifo(f->path, 0600), 0);
	read_all(f); /* doesn't wait for a writer */
	unlink(f->path);
	if (!getuid()) {
		assert_int_equal(rename(target, f->path), 0);
		assert_int_equal(chown(f->path, 12345, 12345), 0);
		read_all(f);
	}
	unlink(target);
	close(fd);
	expect_and_end(f, "");
}

static void hostile_bytes(void **state)
{
	struct fixture *f = start();
	char junk[70000];
	unsigned i;

	(void)state;
	srand(5);
	jit_process_address(f->jp, 0x1010, true, f->module);
	memset(junk, '1', sizeof(junk) - 1); /* a line longer than what is read at once */
	junk[sizeof(junk) - 1] = 0;
	add(f, junk);
	add(f, "\n");
	for (i = 0; i < sizeof(junk); i++)
		junk[i] = (char)rand();
	assert_int_equal(write(f->fd, junk, sizeof(junk)), sizeof(junk));
	add(f, "\n1000 100 a\n");
	read_all(f);
	expect_and_end(f, "1000+100 a ");
}

/* Each of many lines is a function that has all addresses: they aren't all looked at each time. */
static void functions_without_end(void **state)
{
	const char lines[] = "0 7fffffffffffffff a\n0 7fffffffffffffff b\n";
	char many[1000 * (sizeof(lines) - 1) + 1];
	struct fixture *f = start();
	clock_t began;
	unsigned i;

	(void)state;
	for (i = 0; i < 1000; i++)
		memcpy(many + i * (sizeof(lines) - 1), lines, sizeof(lines));
	for (i = 0; i < 200; i++)
		add(f, many);
	for (i = 0; i < 4096; i++)
		jit_process_address(f->jp, 0x1000 + i, true, f->module);
	began = clock();
	read_all(f);
	assert_true(clock() - began < 10 * CLOCKS_PER_SEC);
	expect_and_end(f, "0+7fffffffffffffff b ");
}

static void many_addresses(void **state)
{
	struct fixture *f = start();
	uint64_t i;

	(void)state;
	add(f, "1000 1000000 big\n");
	for (i = 0; i < 4 * JIT_MAX_ADDRESSES; i++)
		jit_process_address(f->jp, 0x1000 + i % 8192, true, f->module);
	read_all(f);
	for (i = 0; i < 4 * JIT_MAX_ADDRESSES; i++)
		jit_process_address(f->jp, 0x3000 + i, true, f->module);
	assert_true(jit_maps_bytes(&f->jm) <= (1u << 20));
	expect_and_end(f, "1000+1000000 big ");
}

static void put_record(struct stint_buf *b, uint32_t id, uint64_t time_ns, uint64_t addr, uint64_t size,
		       const char *name, size_t code_bytes)
{
	stint_buf_u32(b, id);
	stint_buf_u32(b, (uint32_t)(16 + 40 + strlen(name) + 1 + code_bytes));
	stint_buf_u64(b, time_ns);
	stint_buf_u32(b, 1);
	stint_buf_u32(b, 1);
	stint_buf_u64(b, addr);
	stint_buf_u64(b, addr);
	stint_buf_u64(b, size);
	stint_buf_u64(b, 0);
	stint_buf_bytes(b, name, strlen(name) + 1);
	memset(stint_buf_grow(b, code_bytes), 0x90, code_bytes);
}

static void put_header(struct stint_buf *b, uint64_t flags)
{
	stint_buf_u32(b, 0x4a695444);
	stint_buf_u32(b, 1);
	stint_buf_u32(b, 40);
	stint_buf_u32(b, 62);
	stint_buf_u32(b, 0);
	stint_buf_u32(b, 1);
	stint_buf_u64(b, 0);
	stint_buf_u64(b, flags);
}

static void a_dump_has_times(void **state)
{
	struct fixture *f = start();
	char path[64];
	struct stint_buf b;
	int fd;

	(void)state;
	snprintf(path, sizeof(path), "/tmp/jit-%d.dump", getpid());
	assert_true(jit_is_dump(path));
	assert_true(jit_is_dump("/x/jit-1.dump (deleted)"));
	assert_false(jit_is_dump("/x/jit-1.dumps"));
	assert_false(jit_is_dump("/jit-x/1.dump"));
	stint_buf_init(&b, 1u << 20);
	put_header(&b, 0);
	put_record(&b, 0, 100, 0x1000, 0x100, "first", 0x100);
	put_record(&b, 2, 110, 0x1000, 0x100, "debug information", 10);
	put_record(&b, 0, 200, 0x1000, 0x100, "second", 0x100);
	put_record(&b, 0, 300, 0x9000, 0x100, "elsewhere", 0x100);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_int_equal(write(fd, b.data, b.len - 1), b.len - 1);
	jit_process_dump(f->jp, path);
	jit_process_address(f->jp, 0x1010, true, f->module);
	read_all(f);
	jit_process_address(f->jp, 0x9010, true, f->module);
	read_all(f); /* the last record isn't whole yet */
	assert_int_equal(write(fd, b.data + b.len - 1, 1), 1);
	read_all(f);
	read_all(f);
	close(fd);
	unlink(path);
	stint_buf_done(&b);
	expect_and_end(f, "1000+100 first@ 1000+100 second@ 9000+100 elsewhere@ ");
}

static int nothing(void *context, const struct jit_function *fn)
{
	size_t *sum = context;
	size_t i;

	for (i = 0; i < fn->name_size; i++) /* so that a sanitizer sees each byte */
		*sum += (unsigned char)fn->name[i];
	return 0;
}

static void hostile_dumps(void **state)
{
	char path[] = "/tmp/stint-jit-XXXXXX";
	struct stint_buf b;
	uint64_t off;
	size_t i, at, sum = 0;
	int fd = mkstemp(path);

	(void)state;
	srand(6);
	stint_buf_init(&b, 1u << 20);
	put_header(&b, 1);
	for (i = 0; i < 20; i++)
		put_record(&b, 0, i, 0x1000 * i, 0x100, "name", 0x20);
	for (i = 0; i < 3000; i++) {
		at = (size_t)rand() % b.len;
		b.data[at] ^= (uint8_t)(1 << rand() % 8);
		assert_int_equal(pwrite(fd, b.data, b.len, 0), b.len);
		off = 0;
		assert_int_equal(jit_dump_scan(fd, &off, UINT64_MAX, nothing, &sum), 0);
		assert_true(off <= b.len);
	}
	for (i = 0; i <= b.len; i++) {
		assert_int_equal(ftruncate(fd, (off_t)i), 0);
		off = 0;
		assert_int_equal(jit_dump_scan(fd, &off, UINT64_MAX, nothing, &sum), 0);
		assert_int_equal(ftruncate(fd, 0), 0);
		assert_int_equal(pwrite(fd, b.data, i, 0), (ssize_t)i);
	}
	stint_buf_done(&b);
	close(fd);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_of_a_map),
		cmocka_unit_test(only_what_the_recording_has),
		cmocka_unit_test(a_growing_file),
		cmocka_unit_test(older_functions_are_cut_down),
		cmocka_unit_test(looking_often),
		cmocka_unit_test(of_several_at_one_place_the_last),
		cmocka_unit_test(a_file_written_anew),
		cmocka_unit_test(a_process_that_ends),
		cmocka_unit_test(files_of_others_are_not_believed),
		cmocka_unit_test(hostile_bytes),
		cmocka_unit_test(functions_without_end),
		cmocka_unit_test(many_addresses),
		cmocka_unit_test(a_dump_has_times),
		cmocka_unit_test(hostile_dumps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
