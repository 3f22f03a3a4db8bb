/* SPDX-License-Identifier: MIT */
/*
 * Makes a recording of a running process in which every user stack is a window: it is stopped by ptrace, its
 * registers and stack bytes are copied, and it goes on.
 *
 *   make_windows OUT PID [STOPS [BYTES]]
 *
 * STOPS (1) samples of its main thread, a millisecond apart, with up to BYTES (65536) of its stack each. Only x86-64.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>

#include "analyze/elf_file.h"
#include "format/writer.h"

#define PAGE_BYTES 4096u

struct maker {
	struct stint_writer *w;
	FILE *out;
	pid_t pid;
	uint32_t process, thread, source;
	uint64_t time_ns;
	size_t max_bytes;
	struct stint_mapping maps[4096]; /* what is executable */
	bool anon[4096];		 /* by map */
	size_t n_maps;
};

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void must(int code, const struct stint_err *err)
{
	if (!code)
		return;
	fprintf(stderr, "make_windows: %s\n", err->msg);
	exit(1);
}

static int write_out(void *context, const void *data, size_t size, struct stint_err *err)
{
	if (fwrite(data, 1, size, context) == size)
		return 0;
	return stint_err_set(err, STINT_ERR_IO, errno, -1, "writing");
}

static uint32_t intern(struct maker *mk, enum stint_table table, const void *row)
{
	struct stint_err err = STINT_ERR_INIT;
	uint32_t id;

	must(stint_writer_intern(mk->w, table, row, &id, &err), &err);
	return id;
}

static uint32_t string(struct maker *mk, const void *data, size_t size)
{
	struct stint_err err = STINT_ERR_INIT;
	uint32_t id;

	must(stint_writer_string(mk->w, data, size, &id, &err), &err);
	return id;
}

static void add(struct maker *mk, enum stint_table table, const void *row)
{
	struct stint_err err = STINT_ERR_INIT;

	must(stint_writer_add(mk->w, table, row, &err), &err);
}

/* The image as it is in the process's memory, to have its build ID. */
static struct elf_file *open_vdso(const struct maker *mk, uint64_t start, uint64_t size)
{
	struct stint_err err = STINT_ERR_INIT;
	struct iovec here = {malloc(size), size}, there = {(void *)(uintptr_t)start, size};
	struct elf_file *ef = NULL;

	if (!here.iov_base || process_vm_readv(mk->pid, &here, 1, &there, 1, 0) != (ssize_t)size)
		fail("[vdso]");
	elf_file_open_memory(&ef, "[vdso]", here.iov_base, size, &err);
	return ef;
}

static void add_map(struct maker *mk, uint64_t start, uint64_t end, uint64_t file_off, const char *path)
{
	struct stint_module module = {.kind = STINT_MODULE_ANON};
	struct stint_mapping map = {.start = start, .size_bytes = end - start, .process = mk->process};
	struct stint_err err = STINT_ERR_INIT;
	struct elf_file *ef = NULL;

	if (path[0] == '/' && !elf_file_open(&ef, path, &err))
		module.kind = STINT_MODULE_FILE;
	else if (!strcmp(path, "[vdso]") && (ef = open_vdso(mk, start, end - start)))
		module.kind = STINT_MODULE_VDSO;
	if (ef) {
		map.file_off = file_off;
		module.build_id_str = string(mk, ef->build_id, ef->build_id_size);
	} else {
		path = "[anon]";
		module.process = mk->process;
	}
	module.path_str = string(mk, path, strlen(path));
	map.module = intern(mk, STINT_MODULE, &module);
	elf_file_close(ef);
	intern(mk, STINT_MAPPING, &map);
	mk->anon[mk->n_maps] = module.kind == STINT_MODULE_ANON;
	mk->maps[mk->n_maps++] = map;
}

static void read_maps(struct maker *mk)
{
	char name[64], line[4352], perms[8], path[4096];
	uint64_t start, end, off;
	FILE *file;

	snprintf(name, sizeof(name), "/proc/%d/maps", mk->pid);
	file = fopen(name, "r");
	if (!file)
		fail(name);
	while (fgets(line, sizeof(line), file) && mk->n_maps < sizeof(mk->maps) / sizeof(mk->maps[0])) {
		path[0] = 0;
		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %7s %" SCNx64 " %*s %*s %4095s", &start, &end, perms, &off,
			   path) >= 4 &&
		    perms[2] == 'x')
			add_map(mk, start, end, off, path);
	}
	fclose(file);
}

static uint32_t leaf_stack(struct maker *mk, uint64_t ip)
{
	struct stint_frame frame = {.addr = ip, .flags = STINT_FRAME_EXACT};
	struct stint_stack stack = {.user_end = STINT_USER_WINDOW};
	struct stint_node node = {0};
	struct stint_err err = STINT_ERR_INIT;
	size_t i;

	for (i = 0; i < mk->n_maps; i++) {
		const struct stint_mapping *map = &mk->maps[i];

		if (ip - map->start >= map->size_bytes)
			continue;
		frame.module = map->module;
		/* Anonymous memory's addresses are the process's own. */
		if (!mk->anon[i])
			frame.addr = ip - map->start + map->file_off;
	}
	node.frame = intern(mk, STINT_FRAME, &frame);
	/* Each window has a node of its own. */
	must(stint_writer_append(mk->w, STINT_NODE, &node, &stack.leaf, &err), &err);
	return intern(mk, STINT_STACK, &stack);
}

static void take_window(struct maker *mk)
{
	struct user_regs_struct r;
	uint8_t *bytes = malloc(mk->max_bytes);
	struct stint_window window = {.process = mk->process};
	struct stint_sample sample = {.weight = 1, .thread = mk->thread, .source = mk->source};
	size_t size = 0;

	if (!bytes || ptrace(PTRACE_GETREGS, mk->pid, NULL, &r))
		fail("registers");
	/* Page by page, up to where the stack ends. */
	while (size < mk->max_bytes) {
		size_t n = PAGE_BYTES - (size_t)(r.rsp + size) % PAGE_BYTES;
		struct iovec here = {bytes + size, n}, there = {(void *)(uintptr_t)(r.rsp + size), n};

		here.iov_len = there.iov_len = n < mk->max_bytes - size ? n : mk->max_bytes - size;
		if (process_vm_readv(mk->pid, &here, 1, &there, 1, 0) != (ssize_t)here.iov_len)
			break;
		size += here.iov_len;
	}
	window.time_ns = sample.time_ns = ++mk->time_ns;
	window.ip = r.rip;
	memcpy(window.regs,
	       (const uint64_t[]){r.rax, r.rdx, r.rcx, r.rbx, r.rsi, r.rdi, r.rbp, r.rsp, r.r8, r.r9, r.r10, r.r11,
				  r.r12, r.r13, r.r14, r.r15},
	       sizeof(window.regs));
	window.bytes = (struct stint_string){bytes, size};
	window.stack = sample.stack = leaf_stack(mk, r.rip);
	add(mk, STINT_WINDOW, &window);
	add(mk, STINT_SAMPLE, &sample);
	free(bytes);
}

static void start(struct maker *mk, const char *path)
{
	struct stint_writer_options options = {.recording_id = "windows"};
	struct stint_process process = {.pid = (uint32_t)mk->pid};
	struct stint_thread thread = {.tid = (uint32_t)mk->pid};
	struct stint_source source = {.freq_hz = 1000};
	struct stint_err err = STINT_ERR_INIT;

	mk->out = fopen(path, "wb");
	if (!mk->out)
		fail(path);
	must(stint_writer_new(&mk->w, &options, (struct stint_sink){write_out, mk->out}, &err), &err);
	mk->process = thread.process = intern(mk, STINT_PROCESS, &process);
	thread.comm_str = string(mk, "stopped", strlen("stopped"));
	mk->thread = intern(mk, STINT_THREAD, &thread);
	source.name_str = string(mk, "cpu-clock", strlen("cpu-clock"));
	mk->source = intern(mk, STINT_SOURCE, &source);
	mk->time_ns = 1000000000;
}

int main(int argc, char **argv)
{
	static struct maker mk;
	struct stint_err err = STINT_ERR_INIT;
	unsigned long i, n_stops;
	int status;

	if (argc < 3 || argc > 5) {
		fprintf(stderr, "usage: make_windows OUT PID [STOPS [BYTES]]\n");
		return 2;
	}
	mk.pid = (pid_t)strtol(argv[2], NULL, 10);
	n_stops = argc > 3 ? strtoul(argv[3], NULL, 10) : 1;
	mk.max_bytes = argc > 4 ? strtoul(argv[4], NULL, 10) : STINT_MAX_WINDOW_BYTES;
	if (mk.max_bytes > STINT_MAX_WINDOW_BYTES)
		mk.max_bytes = STINT_MAX_WINDOW_BYTES;
	if (ptrace(PTRACE_SEIZE, mk.pid, NULL, NULL))
		fail("attaching");
	start(&mk, argv[1]);
	for (i = 0; i < n_stops; i++) {
		if (ptrace(PTRACE_INTERRUPT, mk.pid, NULL, NULL) || waitpid(mk.pid, &status, __WALL) != mk.pid ||
		    !WIFSTOPPED(status))
			fail("stopping");
		if (!i)
			read_maps(&mk);
		take_window(&mk);
		if (ptrace(PTRACE_CONT, mk.pid, NULL, NULL))
			fail("continuing");
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	}
	ptrace(PTRACE_DETACH, mk.pid, NULL, NULL);
	must(stint_writer_finish(mk.w, &err), &err);
	stint_writer_free(mk.w);
	return fclose(mk.out) ? 1 : 0;
}
