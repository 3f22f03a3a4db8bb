/* SPDX-License-Identifier: MIT */
/* Kernel frames of this very kernel, written and read back; build IDs of files, images and notes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "format/reader.h"
#include "format/writer.h"
#include "record/elf_notes.h"
#include "record/kernel_syms.h"
#include "record/vdso.h"

#define OK(call) assert_int_equal(call, 0)

static int to_memory(void *context, const void *data, size_t size, struct stint_err *err)
{
	(void)err;
	stint_buf_bytes(context, data, size);
	return stint_buf_status(context);
}

static struct stint_writer *new_writer(struct stint_buf *bytes)
{
	struct stint_writer_options options = {.recording_id = {1}};
	struct stint_err err = STINT_ERR_INIT;
	struct stint_writer *writer;

	stint_buf_init(bytes, 16u << 20);
	OK(stint_writer_new(&writer, &options, (struct stint_sink){.write = to_memory, .context = bytes}, &err));
	return writer;
}

/* The address of a name, by the text of /proc/kallsyms. 0 when hidden. */
static uint64_t address_of(const char *wanted)
{
	FILE *file = fopen("/proc/kallsyms", "r");
	char line[1024], name[256], type;
	uint64_t addr, found = 0;

	while (file && !found && fgets(line, sizeof(line), file))
		if (sscanf(line, "%" SCNx64 " %c %255s", &addr, &type, name) == 3 && !strcmp(name, wanted))
			found = addr;
	if (file)
		fclose(file);
	return found;
}

struct found {
	struct stint_frame frames[8];
	struct stint_symbol symbols[8];
	struct stint_module module;
	char names[64][64];
	uint8_t build_id[64];
	size_t build_id_size;
	size_t n_frames, n_symbols, n_modules;
};

static void read_back(struct stint_buf *bytes, struct found *ret)
{
	struct stint_err err = STINT_ERR_INIT;
	struct stint_rows rows = {0};
	struct stint_reader *reader;
	size_t i, j;

	OK(stint_reader_open_memory(&reader, bytes->data, bytes->len, &err));
	for (i = 0; i < stint_reader_info(reader)->n_blocks; i++) {
		OK(stint_reader_decode(reader, i, &rows, &err));
		for (j = 0; j < rows.n_rows; j++) {
			if (rows.table == STINT_FRAME)
				ret->frames[ret->n_frames++] = ((const struct stint_frame *)rows.rows)[j];
			if (rows.table == STINT_SYMBOL)
				ret->symbols[ret->n_symbols++] = ((const struct stint_symbol *)rows.rows)[j];
			if (rows.table == STINT_MODULE) {
				ret->module = ((const struct stint_module *)rows.rows)[j];
				ret->n_modules++;
			}
			if (rows.table == STINT_STRING) {
				const struct stint_string *s = &((const struct stint_string *)rows.rows)[j];

				snprintf(ret->names[rows.first_id + j], 64, "%.*s", (int)s->size,
					 (const char *)s->data);
				if (s->size == 20) {
					memcpy(ret->build_id, s->data, 20);
					ret->build_id_size = 20;
				}
			}
		}
	}
	stint_rows_done(&rows);
	stint_reader_free(reader);
}

static void frames_and_symbols(void **state)
{
	struct stint_err err = STINT_ERR_INIT;
	static struct found found;
	struct kernel_syms *ks;
	struct stint_writer *writer;
	struct stint_buf bytes;
	uint64_t text = address_of("_text"), schedule = address_of("schedule");
	uint32_t entry, inside, returned, again;

	(void)state;
	writer = new_writer(&bytes);
	OK(kernel_syms_new(&ks, writer, true, &err));
	if (!text || !schedule) {
		print_message("skipped: kernel addresses are hidden\n");
		assert_non_null(kernel_syms_warning(ks));
		OK(kernel_syms_frame(ks, UINT64_C(0xffffffff81000010), 0, &entry, &err));
		kernel_syms_free(ks);
		stint_writer_free(writer);
		stint_buf_done(&bytes);
		skip();
	}
	assert_null(kernel_syms_warning(ks));
	assert_string_equal(kernel_syms_name(ks, schedule), "schedule");
	assert_string_equal(kernel_syms_name(ks, schedule + 3), "schedule");
	assert_null(kernel_syms_name(ks, 0x1000));
	OK(kernel_syms_frame(ks, schedule, STINT_FRAME_EXACT, &entry, &err));
	OK(kernel_syms_frame(ks, schedule + 8, STINT_FRAME_EXACT, &inside, &err));
	OK(kernel_syms_frame(ks, schedule + 8, 0, &returned, &err));
	OK(kernel_syms_frame(ks, schedule, STINT_FRAME_EXACT, &again, &err));
	assert_int_equal(entry, again);
	assert_int_not_equal(inside, returned);
	OK(stint_writer_finish(writer, &err));
	read_back(&bytes, &found);
	assert_int_equal(found.n_frames, 3);
	assert_int_equal(found.frames[entry - 1].addr, schedule - text);
	assert_int_equal(found.frames[returned - 1].addr, schedule + 8 - text);
	assert_int_equal(found.n_symbols, 1);
	assert_int_equal(found.symbols[0].addr, schedule - text);
	assert_true(found.symbols[0].size_bytes > 8);
	assert_string_equal(found.names[found.symbols[0].name_str], "schedule");
	assert_int_equal(found.n_modules, 1);
	assert_int_equal(found.module.kind, STINT_MODULE_KERNEL);
	assert_string_equal(found.names[found.module.path_str], "[kernel]");
	assert_int_equal(found.build_id_size, 20);
	assert_true(kernel_syms_memory_bytes(ks) < 5u << 20);
	kernel_syms_free(ks);
	stint_writer_free(writer);
	stint_buf_done(&bytes);
}

/* The return address behind a function's last call is the next one's first byte, and belongs to the former. */
static void a_return_address_belongs_to_the_caller(void **state)
{
	struct stint_err err = STINT_ERR_INIT;
	static struct found found;
	struct kernel_syms *ks;
	struct stint_writer *writer;
	struct stint_buf bytes;
	uint64_t schedule = address_of("schedule");
	const char *before;
	uint32_t frame;

	(void)state;
	if (!schedule) {
		print_message("skipped: kernel addresses are hidden\n");
		skip();
	}
	writer = new_writer(&bytes);
	OK(kernel_syms_new(&ks, writer, true, &err));
	before = kernel_syms_name(ks, schedule - 1);
	assert_string_not_equal(before, "schedule");
	OK(kernel_syms_frame(ks, schedule, 0, &frame, &err));
	OK(stint_writer_finish(writer, &err));
	read_back(&bytes, &found);
	assert_int_equal(found.n_symbols, 1);
	assert_string_equal(found.names[found.symbols[0].name_str], before);
	kernel_syms_free(ks);
	stint_writer_free(writer);
	stint_buf_done(&bytes);
}

/* What another tool says of the same files. */
static void build_ids_of_files(void **state)
{
	static const char *const paths[] = {"/proc/self/exe", "/bin/true", "/lib64/ld-linux-x86-64.so.2"};
	char command[256], expected[129], got[129] = "";
	struct build_id id;
	unsigned compared = 0;
	size_t i, j;
	FILE *pipe;
	int fd;

	(void)state;
	for (i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		fd = open(paths[i], O_RDONLY | O_CLOEXEC);
		if (fd < 0 || !elf_notes_file(fd, &id))
			continue;
		for (j = 0; j < id.size; j++)
			snprintf(got + 2 * j, 3, "%02x", id.bytes[j]);
		snprintf(command, sizeof(command), "readelf -n /proc/self/fd/%d | sed -n 's/.*Build ID: //p'", fd);
		fcntl(fd, F_SETFD, 0);
		pipe = popen(command, "r");
		assert_int_equal(fscanf(pipe, "%128s", expected), 1);
		pclose(pipe);
		close(fd);
		assert_string_equal(got, expected);
		compared++;
	}
	assert_true(compared >= 2);
	fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
	assert_false(elf_notes_file(fd, &id));
	close(fd);
}

static void damaged_images_and_notes(void **state)
{
	size_t size, i;
	const uint8_t *vdso = vdso_image(&size);
	uint8_t *copy;
	struct build_id id;

	(void)state;
	if (!vdso)
		skip();
	assert_true(elf_notes_image(vdso, size, &id));
	srand(3);
	for (i = 0; i < 3000; i++) {
		copy = malloc(size);
		memcpy(copy, vdso, size);
		copy[(size_t)rand() % 2048] ^= (uint8_t)(1 << rand() % 8);
		elf_notes_image(copy, size, &id);
		free(copy);
	}
	for (i = 0; i < 2048 && i < size; i++) { /* exactly that large, so that a sanitizer sees a step beyond */
		copy = malloc(i + !i);
		memcpy(copy, vdso, i);
		elf_notes_image(copy, i, &id);
		elf_notes_find(copy, i, 4, &id);
		free(copy);
	}
}

static void the_vdso(void **state)
{
	struct vdso_symbol symbol, inside;
	struct build_id id;
	size_t size, i;

	(void)state;
	if (!vdso_image(&size))
		skip();
	assert_true(vdso_build_id(&id));
	assert_true(id.size >= 16);
	assert_false(vdso_symbol(0, &symbol));
	for (i = 0; i < size && !vdso_symbol(i, &symbol); i++)
		;
	assert_true(i < size);
	assert_int_equal(strncmp(symbol.name, "__vdso_", 7), 0);
	assert_true(vdso_symbol(symbol.addr + symbol.size_bytes - 1, &inside));
	assert_string_equal(inside.name, symbol.name);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_and_symbols), cmocka_unit_test(a_return_address_belongs_to_the_caller),
		cmocka_unit_test(build_ids_of_files), cmocka_unit_test(damaged_images_and_notes),
		cmocka_unit_test(the_vdso),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
