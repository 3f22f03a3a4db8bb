/* SPDX-License-Identifier: MIT */
/*
 * Processes as the kernel reports them, written and read back: made-up reports for what is rare, and real processes
 * (as root) for what isn't.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "format/reader.h"
#include "format/writer.h"
#include "record/elf_notes.h"
#include "record/sideband.h"
#include "record/tasks.h"

#define N_STORM 300
#define MADE_UP 4000000 /* pids from here on are no real processes: over PID_MAX_LIMIT's usual values */

/* A recording in memory, and its rows once it is read. */
struct recording {
	struct stint_buf bytes;
	struct stint_writer *writer;
	struct tasks *tasks;
	struct stint_reader *reader;
	struct stint_rows blocks[4096];
	size_t n_blocks;
};

static int to_memory(void *context, const void *data, size_t size, struct stint_err *err)
{
	struct stint_buf *buf = context;

	(void)err;
	stint_buf_bytes(buf, data, size);
	return stint_buf_status(buf);
}

static struct recording *start(void)
{
	struct recording *rec = calloc(1, sizeof(*rec));
	struct stint_writer_options options = {.recording_id = {1}};
	struct stint_err err = STINT_ERR_INIT;

	assert_non_null(rec);
	stint_buf_init(&rec->bytes, 64u << 20);
	assert_int_equal(stint_writer_new(&rec->writer, &options,
					  (struct stint_sink){.write = to_memory, .context = &rec->bytes}, &err),
			 0);
	assert_int_equal(tasks_new(&rec->tasks, rec->writer, &err), 0);
	return rec;
}

static void finish(struct recording *rec)
{
	struct stint_err err = STINT_ERR_INIT;
	size_t i;

	assert_int_equal(stint_writer_finish(rec->writer, &err), 0);
	assert_int_equal(stint_reader_open_memory(&rec->reader, rec->bytes.data, rec->bytes.len, &err), 0);
	rec->n_blocks = stint_reader_info(rec->reader)->n_blocks;
	assert_true(rec->n_blocks <= sizeof(rec->blocks) / sizeof(rec->blocks[0]));
	for (i = 0; i < rec->n_blocks; i++)
		assert_int_equal(stint_reader_decode(rec->reader, i, &rec->blocks[i], &err), 0);
}

static void end(struct recording *rec)
{
	size_t i;

	for (i = 0; i < rec->n_blocks; i++)
		stint_rows_done(&rec->blocks[i]);
	stint_reader_free(rec->reader);
	tasks_free(rec->tasks);
	stint_writer_free(rec->writer);
	stint_buf_done(&rec->bytes);
	free(rec);
}

static size_t row_size(uint32_t table)
{
	switch (table) {
	case STINT_STRING:
		return sizeof(struct stint_string);
	case STINT_MODULE:
		return sizeof(struct stint_module);
	case STINT_PROCESS:
		return sizeof(struct stint_process);
	case STINT_THREAD:
		return sizeof(struct stint_thread);
	case STINT_MAPPING:
		return sizeof(struct stint_mapping);
	case STINT_FRAME:
		return sizeof(struct stint_frame);
	case STINT_TASK:
		return sizeof(struct stint_task);
	case STINT_SYMBOL:
		return sizeof(struct stint_symbol);
	default:
		return 0;
	}
}

/* Row i of a table, counting from 0 (a dictionary's id is i + 1). NULL behind the last. */
static const void *row(const struct recording *rec, uint32_t table, size_t i)
{
	size_t b;

	for (b = 0; b < rec->n_blocks; b++) {
		const struct stint_rows *rows = &rec->blocks[b];

		if (rows->table != table)
			continue;
		if (i < rows->n_rows)
			return (const char *)rows->rows + i * row_size(table);
		i -= rows->n_rows;
	}
	return NULL;
}

static bool string_is(const struct recording *rec, uint32_t id, const char *text)
{
	const struct stint_string *string = id ? row(rec, STINT_STRING, id - 1) : NULL;

	if (!string)
		return !text[0];
	return string->size == strlen(text) && !memcmp(string->data, text, string->size);
}

#define ASSERT_STRING(rec, id, text) assert_true(string_is(rec, id, text))

static const struct stint_thread *thread_row(const struct recording *rec, uint32_t id)
{
	const struct stint_thread *thread = row(rec, STINT_THREAD, id - 1);

	assert_non_null(thread);
	return thread;
}

static const struct stint_process *process_of(const struct recording *rec, uint32_t thread_id)
{
	const struct stint_process *process = row(rec, STINT_PROCESS, thread_row(rec, thread_id)->process - 1);

	assert_non_null(process);
	return process;
}

static const struct stint_module *module_of_frame(const struct recording *rec, uint32_t frame_id, uint64_t *ret_addr)
{
	const struct stint_frame *frame = row(rec, STINT_FRAME, frame_id - 1);

	assert_non_null(frame);
	*ret_addr = frame->addr;
	return row(rec, STINT_MODULE, frame->module - 1);
}

#define OK(call) assert_int_equal(call, 0)

static const uint8_t build_id[20] = {0xde, 0xad, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18};

static struct tasks_mmap file_map(uint64_t start, uint64_t size, uint64_t off, const char *path)
{
	return (struct tasks_mmap){.start = start,
				   .size_bytes = size,
				   .file_off = off,
				   .build_id = build_id,
				   .build_id_size = sizeof(build_id),
				   .path = path,
				   .executable = true};
}

static void one_life(void **state)
{
	struct recording *rec = start();
	struct stint_err err = STINT_ERR_INIT;
	struct tasks *t = rec->tasks;
	const pid_t parent = MADE_UP, child = MADE_UP + 1, thread = MADE_UP + 2;
	struct tasks_mmap map = file_map(0x400000, 0x2000, 0x1000, "/opt/tool");
	const struct stint_task *event;
	const struct stint_mapping *mapping;
	uint32_t before, after, renamed, frame, unknown;
	uint64_t addr;

	(void)state;
	OK(tasks_on_fork(t, 100, child, child, parent, parent, &err));
	OK(tasks_thread(t, child, child, &before, &err));
	OK(tasks_on_comm(t, 200, child, child, "tool", true, "/opt/tool", &err));
	OK(tasks_on_mmap(t, 210, child, &map, &err));
	OK(tasks_thread(t, child, child, &after, &err));
	OK(tasks_user_frame(t, child, 0x400123, STINT_FRAME_EXACT, &frame, &err));
	OK(tasks_user_frame(t, child, 0x900000, 0, &unknown, &err));
	OK(tasks_on_fork(t, 300, child, thread, child, child, &err));
	OK(tasks_on_comm(t, 310, child, thread, "worker", false, NULL, &err));
	OK(tasks_thread(t, child, thread, &renamed, &err));
	OK(tasks_on_exit(t, 400, child, thread, &err));
	OK(tasks_on_exit(t, 410, child, child, &err));
	/* A late event still finds what ended. */
	OK(tasks_user_frame(t, child, 0x400123, STINT_FRAME_EXACT, &before, &err));
	assert_int_equal(before, frame);
	finish(rec);

	event = row(rec, STINT_TASK, 0);
	assert_int_equal(event->kind, STINT_TASK_FORK);
	assert_int_equal(event->time_ns, 100);
	assert_int_equal(process_of(rec, event->thread)->pid, parent);
	assert_int_equal(process_of(rec, event->other)->pid, child);
	assert_int_equal(process_of(rec, event->other)->ppid, parent);
	assert_int_equal(process_of(rec, event->other)->start_ns, 100);
	assert_int_equal(process_of(rec, event->other)->image, 0);
	event = row(rec, STINT_TASK, 1);
	assert_int_equal(event->kind, STINT_TASK_EXEC);
	assert_int_equal(event->thread, after);
	assert_int_equal(process_of(rec, after)->image, 1);
	assert_int_equal(process_of(rec, after)->start_ns, 100);
	assert_int_equal(process_of(rec, after)->image_ns, 200);
	ASSERT_STRING(rec, process_of(rec, after)->exe_str, "/opt/tool");
	ASSERT_STRING(rec, thread_row(rec, after)->comm_str, "tool");
	assert_int_equal(thread_row(rec, after)->name_ns, 200);
	event = row(rec, STINT_TASK, 2);
	assert_int_equal(event->kind, STINT_TASK_FORK);
	assert_int_equal(event->thread, after);
	event = row(rec, STINT_TASK, 3);
	assert_int_equal(event->kind, STINT_TASK_COMM);
	assert_int_equal(event->thread, renamed);
	ASSERT_STRING(rec, thread_row(rec, renamed)->comm_str, "worker");
	assert_int_equal(thread_row(rec, renamed)->start_ns, 300);
	assert_int_equal(thread_row(rec, renamed)->process, thread_row(rec, after)->process);
	event = row(rec, STINT_TASK, 5);
	assert_int_equal(event->kind, STINT_TASK_EXIT);
	assert_int_equal(event->thread, after);
	assert_null(row(rec, STINT_TASK, 6));

	mapping = row(rec, STINT_MAPPING, 0);
	assert_int_equal(mapping->from_ns, 210);
	assert_int_equal(mapping->start, 0x400000);
	assert_int_equal(mapping->file_off, 0x1000);
	assert_int_equal(mapping->process, thread_row(rec, after)->process);
	assert_null(row(rec, STINT_MAPPING, 1));
	assert_int_equal(module_of_frame(rec, frame, &addr)->kind, STINT_MODULE_FILE);
	assert_int_equal(addr, 0x1123);
	ASSERT_STRING(rec, module_of_frame(rec, frame, &addr)->path_str, "/opt/tool");
	assert_int_equal(module_of_frame(rec, unknown, &addr)->kind, STINT_MODULE_UNKNOWN);
	assert_int_equal(addr, 0x900000);
	end(rec);
}

static void kinds_of_mappings(void **state)
{
	static const struct {
		const char *path, *shown;
		uint32_t kind;
	} cases[] = {
		{"/usr/lib/libfoo.so", "/usr/lib/libfoo.so", STINT_MODULE_FILE},
		{"/usr/lib/libold.so (deleted)", "/usr/lib/libold.so (deleted)", STINT_MODULE_FILE},
		{"//anon", "[anon]", STINT_MODULE_ANON},
		{"", "[anon]", STINT_MODULE_ANON},
		{"[heap]", "[heap]", STINT_MODULE_ANON},
		{"[stack]", "[stack]", STINT_MODULE_ANON},
		{"[vdso]", "[vdso]", STINT_MODULE_VDSO},
		{"/memfd:doublemapper (deleted)", "/memfd:doublemapper", STINT_MODULE_ANON},
		{"/dev/zero (deleted)", "[anon]", STINT_MODULE_ANON},
		{"/SYSV00000000 (deleted)", "[anon]", STINT_MODULE_ANON},
	};
	const size_t n_cases = sizeof(cases) / sizeof(cases[0]);
	uint32_t frames[sizeof(cases) / sizeof(cases[0])], with_id, memfd;
	struct recording *rec = start();
	struct stint_err err = STINT_ERR_INIT;
	const pid_t pid = MADE_UP;
	const struct stint_module *module;
	struct tasks_mmap map;
	uint64_t addr;
	size_t i;

	(void)state;
	OK(tasks_on_fork(rec->tasks, 100, pid, pid, MADE_UP + 9, MADE_UP + 9, &err));
	for (i = 0; i < n_cases; i++) {
		map = file_map(0x7f0000000000 + i * 0x10000, 0x1000, 0x3000, cases[i].path);
		map.build_id = NULL;
		map.build_id_size = 0;
		OK(tasks_on_mmap(rec->tasks, 200 + i, pid, &map, &err));
		OK(tasks_user_frame(rec->tasks, pid, map.start + 0x10, STINT_FRAME_EXACT, &frames[i], &err));
	}
	map = file_map(0x7e0000000000, 0x1000, 0x3000, "/usr/lib/libold.so (deleted)");
	OK(tasks_on_mmap(rec->tasks, 300, pid, &map, &err));
	OK(tasks_user_frame(rec->tasks, pid, map.start, STINT_FRAME_EXACT, &with_id, &err));
	map = file_map(0x7d0000000000, 0x1000, 0x3000, "/memfd:runc (deleted)");
	OK(tasks_on_mmap(rec->tasks, 300, pid, &map, &err));
	OK(tasks_user_frame(rec->tasks, pid, map.start, STINT_FRAME_EXACT, &memfd, &err));
	assert_true(tasks_unreadable_modules(rec->tasks) == 2);
	finish(rec);
	for (i = 0; i < n_cases; i++) {
		module = module_of_frame(rec, frames[i], &addr);
		assert_int_equal(module->kind, cases[i].kind);
		ASSERT_STRING(rec, module->path_str, cases[i].shown);
		assert_int_equal(addr, cases[i].kind == STINT_MODULE_ANON ? 0x7f0000000010 + i * 0x10000 : 0x3010);
		assert_int_equal(module->process != 0, cases[i].kind == STINT_MODULE_ANON);
	}
	ASSERT_STRING(rec, module_of_frame(rec, with_id, &addr)->path_str, "/usr/lib/libold.so");
	assert_int_equal(module_of_frame(rec, memfd, &addr)->kind, STINT_MODULE_FILE);
	end(rec);
}

/* A pid that is used again is another process, and its tid another thread. */
static void reused_ids(void **state)
{
	struct recording *rec = start();
	struct stint_err err = STINT_ERR_INIT;
	const pid_t parent = MADE_UP, pid = MADE_UP + 1;
	uint32_t first, second, third;

	(void)state;
	OK(tasks_on_fork(rec->tasks, 100, pid, pid, parent, parent, &err));
	OK(tasks_thread(rec->tasks, pid, pid, &first, &err));
	OK(tasks_on_exit(rec->tasks, 200, pid, pid, &err));
	OK(tasks_on_fork(rec->tasks, 300, pid, pid, parent, parent, &err));
	OK(tasks_thread(rec->tasks, pid, pid, &second, &err));
	/* Now a thread of the parent gets it. Its exit as a process was lost. */
	OK(tasks_on_fork(rec->tasks, 400, parent, pid, parent, parent, &err));
	OK(tasks_thread(rec->tasks, parent, pid, &third, &err));
	finish(rec);
	assert_int_equal(process_of(rec, first)->start_ns, 100);
	assert_int_equal(process_of(rec, second)->start_ns, 300);
	assert_int_equal(process_of(rec, second)->image, 0);
	assert_int_equal(process_of(rec, third)->pid, parent);
	assert_int_equal(thread_row(rec, third)->start_ns, 400);
	end(rec);
}

static void only_followed_processes_are_written(void **state)
{
	struct recording *rec = start();
	struct stint_err err = STINT_ERR_INIT;
	struct tasks *t = rec->tasks;
	struct tasks_mmap map = file_map(0x400000, 0x2000, 0, "/opt/secret");
	const pid_t shell = MADE_UP, other = MADE_UP + 1, child = MADE_UP + 2, grandchild = MADE_UP + 3;
	uint32_t id, i;

	(void)state;
	tasks_follow_none(t);
	OK(tasks_follow(t, shell, &err));
	OK(tasks_on_fork(t, 100, other, other, MADE_UP + 9, MADE_UP + 9, &err));
	OK(tasks_on_comm(t, 110, other, other, "secret", true, "/opt/secret", &err));
	OK(tasks_on_mmap(t, 120, other, &map, &err));
	OK(tasks_on_fork(t, 130, child, child, shell, shell, &err));
	OK(tasks_on_fork(t, 140, grandchild, grandchild, child, child, &err));
	OK(tasks_on_comm(t, 150, grandchild, grandchild, "seen", true, "/opt/seen", &err));
	map.path = "/opt/seen";
	OK(tasks_on_mmap(t, 160, grandchild, &map, &err));
	OK(tasks_on_exit(t, 170, other, other, &err));
	OK(tasks_on_exit(t, 180, grandchild, grandchild, &err));
	OK(tasks_thread(t, grandchild, grandchild, &id, &err));
	finish(rec);
	for (i = 0; row(rec, STINT_PROCESS, i); i++)
		assert_int_not_equal(((const struct stint_process *)row(rec, STINT_PROCESS, i))->pid, other);
	assert_int_equal(i, 4); /* shell, child, grandchild twice */
	for (i = 0; row(rec, STINT_STRING, i); i++)
		assert_false(string_is(rec, i + 1, "/opt/secret"));
	for (i = 0; row(rec, STINT_TASK, i); i++)
		;
	assert_int_equal(i, 4);
	assert_non_null(row(rec, STINT_MAPPING, 0));
	assert_null(row(rec, STINT_MAPPING, 1));
	end(rec);
}

static void ended_processes_are_forgotten(void **state)
{
	struct recording *rec = start();
	struct stint_err err = STINT_ERR_INIT;
	size_t at_most = 0;
	int i;

	(void)state;
	for (i = 1; i <= 50000; i++) {
		pid_t pid = MADE_UP + i;
		uint64_t time_ns = (uint64_t)i * 1000000;

		OK(tasks_on_fork(rec->tasks, time_ns, pid, pid, MADE_UP, MADE_UP, &err));
		OK(tasks_on_exit(rec->tasks, time_ns + 500000, pid, pid, &err));
		if (time_ns > 2000000000)
			tasks_expire(rec->tasks, time_ns - 2000000000);
		if (tasks_memory_bytes(rec->tasks) > at_most && i % 100 == 0)
			at_most = tasks_memory_bytes(rec->tasks);
		if (i % 1000 == 0)
			rec->bytes.len = 0;
	}
	assert_true(at_most < 4u << 20);
	end(rec);
}

/* Nothing ever ends, and everything that can grow does. */
static void memory_has_a_limit(void **state)
{
	struct recording *rec = start();
	struct stint_err err = STINT_ERR_INIT;
	char path[64];
	struct tasks_mmap map;
	uint32_t frame;
	int i, j;

	(void)state;
	for (i = 1; i <= 40000; i++) {
		pid_t pid = MADE_UP + i;

		OK(tasks_on_fork(rec->tasks, (uint64_t)i * 1000000, pid, pid, MADE_UP, MADE_UP, &err));
		for (j = 0; i < 2000 && j < 100; j++) {
			snprintf(path, sizeof(path), "/build/%d/lib%d.so", i, j);
			map = file_map(0x10000000 + (uint64_t)j * 0x10000, 0x1000, 0, path);
			OK(tasks_on_mmap(rec->tasks, (uint64_t)i * 1000000, pid, &map, &err));
		}
		tasks_expire(rec->tasks, (uint64_t)i * 1000000);
		rec->bytes.len = 0;
	}
	OK(tasks_user_frame(rec->tasks, MADE_UP + 1, 0x10000000, 0, &frame, &err));
	assert_true(tasks_memory_bytes(rec->tasks) < 24u << 20);
	end(rec);
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void apply_all(struct sideband *sb, struct recording *rec)
{
	struct stint_err err = STINT_ERR_INIT;

	OK(sideband_drain(sb, &err));
	OK(sideband_apply(sb, now_ns(), rec->tasks, &err));
}

static struct sideband *sideband_or_skip(struct recording *rec)
{
	struct stint_err err = STINT_ERR_INIT;
	struct sideband *sb;
	int ret = sideband_new(&sb, &err);

	if (ret) {
		print_message("skipped: %s\n", err.msg);
		assert_int_equal(ret, STINT_ERR_SYSTEM);
		end(rec);
		skip();
	}
	return sb;
}

static void build_id_of(const char *path, struct build_id *ret)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	elf_notes_file(fd, ret);
	close(fd);
}

/* Is there a mapping of this process image from a file of that path and build ID? */
static bool has_mapping(const struct recording *rec, uint32_t process, const char *path, const struct build_id *id)
{
	const struct stint_mapping *mapping;
	size_t i;

	for (i = 0; (mapping = row(rec, STINT_MAPPING, i)); i++) {
		const struct stint_module *module = row(rec, STINT_MODULE, mapping->module - 1);
		const struct stint_string *found =
			module->build_id_str ? row(rec, STINT_STRING, module->build_id_str - 1) : NULL;

		if (mapping->process == process && string_is(rec, module->path_str, path) &&
		    (!id->size || (found && found->size == id->size && !memcmp(found->data, id->bytes, id->size))))
			return true;
	}
	return false;
}

static void check_storm(const struct recording *rec, const pid_t *pids, const char *exe)
{
	const struct stint_process *process;
	struct build_id id = {0};
	unsigned n_exec = 0;
	size_t i, j;

	build_id_of(exe, &id);
	for (i = 0; i < N_STORM; i++) {
		for (j = 0; (process = row(rec, STINT_PROCESS, j)); j++)
			if ((pid_t)process->pid == pids[i] && process->image == 1)
				break;
		assert_non_null(process);
		ASSERT_STRING(rec, process->exe_str, exe);
		assert_true(process->image_ns > process->start_ns);
		assert_int_equal(process->ppid, getpid());
		assert_true(has_mapping(rec, (uint32_t)j + 1, exe, &id));
		n_exec++;
	}
	assert_int_equal(n_exec, N_STORM);
}

/* fork, exec and exit of each, in this order, with times that never go back. */
static void check_order(const struct recording *rec, pid_t pid)
{
	static const uint32_t kinds[] = {STINT_TASK_FORK, STINT_TASK_EXEC, STINT_TASK_EXIT};
	const struct stint_task *task;
	uint64_t last_ns = 0;
	unsigned n = 0;
	size_t i;

	for (i = 0; (task = row(rec, STINT_TASK, i)); i++) {
		assert_true(task->time_ns >= last_ns);
		last_ns = task->time_ns;
		if ((pid_t)process_of(rec, task->kind == STINT_TASK_FORK ? task->other : task->thread)->pid != pid)
			continue;
		assert_true(n < 3);
		assert_int_equal(task->kind, kinds[n++]);
	}
	assert_int_equal(n, 3);
}

/* False when what else goes on on this host filled the kernel's rings: that is counted, and nothing can be complete. */
static bool storm(void)
{
	struct recording *rec = start();
	struct sideband *sb = sideband_or_skip(rec);
	struct stint_err err = STINT_ERR_INIT;
	bool whole;
	char exe[256];
	pid_t pids[N_STORM];
	int i;

	assert_non_null(realpath("/bin/true", exe));
	tasks_follow_none(rec->tasks);
	OK(tasks_follow(rec->tasks, getpid(), &err));
	OK(tasks_snapshot(rec->tasks, NULL, 0, &err));
	for (i = 0; i < N_STORM; i++) {
		pids[i] = vfork();
		if (!pids[i]) {
			execl("/bin/true", "true", NULL);
			_exit(127);
		}
		assert_true(pids[i] > 0);
		assert_int_equal(waitpid(pids[i], NULL, 0), pids[i]);
		if (i % 37 == 0)
			apply_all(sb, rec);
	}
	apply_all(sb, rec);
	whole = !sideband_lost(sb);
	if (whole) {
		if (sideband_has_build_ids(sb))
			assert_int_equal(tasks_unreadable_modules(rec->tasks), 0);
		finish(rec);
		check_storm(rec, pids, exe);
		check_order(rec, pids[0]);
		check_order(rec, pids[N_STORM - 1]);
	}
	sideband_free(sb);
	end(rec);
	return whole;
}

static void every_process_of_a_storm(void **state)
{
	int attempts = 0;

	(void)state;
	while (!storm())
		assert_true(++attempts < 10);
}

static void *rename_and_wait(void *arg)
{
	int *fds = arg;
	char byte;

	prctl(PR_SET_NAME, "renamed thread");
	return read(fds[0], &byte, 1) == 1 ? arg : NULL;
}

/* A live process: its executable, a library, the vDSO, code made at run time, a thread that renames itself. */
static void ourselves(void **state)
{
	struct recording *rec = start();
	struct sideband *sb = sideband_or_skip(rec);
	struct stint_err err = STINT_ERR_INIT;
	uint32_t here, libc, jit, worker, leader, swapper;
	const struct stint_module *module;
	char exe[256] = "";
	struct build_id id;
	pthread_t thread;
	uint64_t addr;
	int fds[2];
	void *code;

	(void)state;
	assert_true(readlink("/proc/self/exe", exe, sizeof(exe) - 1) > 0);
	OK(tasks_snapshot(rec->tasks, NULL, 0, &err));
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(pthread_create(&thread, NULL, rename_and_wait, fds), 0);
	code = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_int_equal(mprotect(code, 4096, PROT_READ | PROT_EXEC), 0);
	usleep(50000);
	apply_all(sb, rec);
	OK(tasks_user_frame(rec->tasks, getpid(), (uintptr_t)ourselves, STINT_FRAME_EXACT, &here, &err));
	OK(tasks_user_frame(rec->tasks, getpid(), (uintptr_t)code + 8, STINT_FRAME_EXACT, &jit, &err));
	OK(tasks_user_frame(rec->tasks, getpid(), (uintptr_t)getenv, STINT_FRAME_EXACT, &libc, &err));
	OK(tasks_thread(rec->tasks, getpid(), getpid(), &leader, &err));
	OK(tasks_thread(rec->tasks, 0, 0, &swapper, &err));
	assert_int_equal(write(fds[1], "", 1), 1);
	pthread_join(thread, NULL);
	apply_all(sb, rec);
	finish(rec);
	build_id_of("/proc/self/exe", &id);
	module = module_of_frame(rec, here, &addr);
	assert_int_equal(module->kind, STINT_MODULE_FILE);
	ASSERT_STRING(rec, module->path_str, exe);
	assert_true(has_mapping(rec, thread_row(rec, leader)->process, exe, &id));
	ASSERT_STRING(rec, process_of(rec, leader)->exe_str, exe);
	ASSERT_STRING(rec, thread_row(rec, swapper)->comm_str, "swapper");
	module = module_of_frame(rec, jit, &addr);
	assert_int_equal(module->kind, STINT_MODULE_ANON);
	assert_int_equal(addr, (uintptr_t)code + 8);
	for (worker = 1; worker; worker++) {
		const struct stint_thread *found = row(rec, STINT_THREAD, worker - 1);

		assert_non_null(found);
		if (string_is(rec, found->comm_str, "renamed thread"))
			break;
	}
	munmap(code, 8192);
	close(fds[0]);
	close(fds[1]);
	sideband_free(sb);
	end(rec);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_life),
		cmocka_unit_test(kinds_of_mappings),
		cmocka_unit_test(reused_ids),
		cmocka_unit_test(only_followed_processes_are_written),
		cmocka_unit_test(ended_processes_are_forgotten),
		cmocka_unit_test(memory_has_a_limit),
		cmocka_unit_test(every_process_of_a_storm),
		cmocka_unit_test(ourselves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
