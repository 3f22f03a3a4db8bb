/* SPDX-License-Identifier: MIT */
#include "record/tasks.h"

#include <stdlib.h>
#include <string.h>

#include "record/tasks_internal.h"

#define NS_PER_S	  UINT64_C(1000000000)
#define MAX_MAPS_BYTES	  ((size_t)6 << 20)
#define MAX_MODULES_BYTES ((size_t)4 << 20)
#define MAX_FOLLOWED	  65536

int tasks_no_memory(struct stint_err *err)
{
	return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory for processes and threads");
}

int tasks_new(struct tasks **ret, struct stint_writer *writer, struct stint_err *err)
{
	struct tasks *t = calloc(1, sizeof(*t));
	int code;

	*ret = NULL;
	if (!t)
		return tasks_no_memory(err);
	t->writer = writer;
	jit_maps_init(&t->jit, writer);
	embed_names_init(&t->names, writer);
	t->frames = calloc(TASKS_CACHED_FRAMES, sizeof(*t->frames));
	code = t->frames ? modules_init(&t->modules, writer, err) : tasks_no_memory(err);
	if (code) {
		tasks_free(t);
		return code;
	}
	*ret = t;
	return 0;
}

void tasks_free(struct tasks *t)
{
	if (!t)
		return;
	task_table_done(&t->table);
	modules_done(&t->modules);
	jit_maps_done(&t->jit);
	embed_names_done(&t->names);
	stint_map_done(&t->followed);
	stint_map_done(&t->vdso_written);
	free(t->frames);
	free(t);
}

void tasks_follow_none(struct tasks *t)
{
	t->follow_none = true;
}

int tasks_follow(struct tasks *t, pid_t pid, struct stint_err *err)
{
	struct process *process = task_table_process(&t->table, pid);

	if (process) {
		process->followed = true;
		return 0;
	}
	if (t->followed.n_used >= MAX_FOLLOWED)
		return stint_err_set(err, STINT_ERR_LIMIT, 0, -1, "more than %d processes to follow", MAX_FOLLOWED);
	return stint_map_put(&t->followed, (uint64_t)pid, NULL) ? 0 : tasks_no_memory(err);
}

void tasks_embed_vdso(struct tasks *t, bool embed)
{
	t->embed_vdso = embed;
}

void tasks_embed_jit(struct tasks *t, bool embed)
{
	t->embed_jit = embed;
}

int tasks_read_jit(struct tasks *t, enum jit_reading reading, struct stint_err *err)
{
	return jit_maps_read(&t->jit, reading, err);
}

void tasks_embed_names(struct tasks *t, bool embed)
{
	t->embed_names = embed;
}

int tasks_write_names(struct tasks *t, bool last, struct stint_err *err)
{
	return embed_names_write(&t->names, last, err);
}

/* The process's present image is about to go: what its run-time compilers told is read now or never. */
static int finish_jit(struct tasks *t, struct process *process, struct stint_err *err)
{
	struct jit_process *jit = process->jit;

	process->jit = NULL;
	return jit_process_finish(&t->jit, jit, err);
}

static int add_process(struct tasks *t, pid_t pid, struct process **ret, struct stint_err *err)
{
	*ret = task_table_add_process(&t->table, pid);
	if (!*ret)
		return tasks_no_memory(err);
	if (stint_map_get(&t->followed, (uint64_t)pid)) {
		stint_map_remove(&t->followed, (uint64_t)pid);
		(*ret)->followed = true;
	}
	return 0;
}

/* The process; with load, from /proc when it is new. */
static int get_process(struct tasks *t, pid_t pid, bool load, struct process **ret, struct stint_err *err)
{
	int code;

	*ret = task_table_process(&t->table, pid);
	if (*ret)
		return 0;
	code = add_process(t, pid, ret, err);
	return code || !load ? code : tasks_load_process(t, *ret, err);
}

int tasks_get_process(struct tasks *t, pid_t pid, struct process **ret, struct stint_err *err)
{
	*ret = task_table_process(&t->table, pid);
	if (*ret)
		return 0;
	task_table_make_room(&t->table);
	return get_process(t, pid, true, ret, err);
}

/* The name of a thread that nothing is known of: its process's first, as it most often has. */
static void guess_comm(struct thread *thread)
{
	const struct thread *other;

	for (other = thread->process->threads; other; other = other->next)
		if (other != thread && (other->tid == thread->process->pid || !thread->comm[0]))
			memcpy(thread->comm, other->comm, sizeof(thread->comm));
	if (!thread->tid)
		memcpy(thread->comm, "swapper", sizeof("swapper"));
}

/* The thread, moved to that process if it was of another: its id was used again. */
static int get_thread(struct tasks *t, struct process *process, pid_t tid, struct thread **ret, struct stint_err *err)
{
	struct procfs_stat stat;

	*ret = task_table_thread(&t->table, tid);
	if (*ret && (*ret)->process == process)
		return 0;
	if (*ret)
		task_table_move_thread(*ret, process);
	else
		*ret = task_table_add_thread(&t->table, tid, process);
	if (!*ret)
		return tasks_no_memory(err);
	(*ret)->start_ns = 0;
	(*ret)->name_ns = 0;
	(*ret)->comm[0] = 0;
	if (!process->gone && procfs_stat(process->pid, tid, &stat)) {
		(*ret)->start_ns = stat.start_ns;
		memcpy((*ret)->comm, stat.comm, sizeof(stat.comm));
	} else {
		guess_comm(*ret);
	}
	return 0;
}

static int snapshot_process(struct tasks *t, pid_t pid, struct stint_err *err)
{
	struct process *process;
	int code = tasks_get_process(t, pid, &process, err);

	/* Beyond the limit mappings are read when they are needed. */
	if (!code && !process->maps && t->maps_bytes < MAX_MAPS_BYTES) {
		code = tasks_load_maps(t, process, err);
		if (!code)
			t->maps_bytes += exec_maps_bytes(process->maps) / process->maps->refs;
	}
	return code;
}

struct snapshot {
	struct tasks *t;
	struct stint_err *err;
};

static int each_pid(void *context, pid_t pid)
{
	struct snapshot *s = context;

	return snapshot_process(s->t, pid, s->err);
}

int tasks_snapshot(struct tasks *t, const pid_t *pids, size_t n_pids, struct stint_err *err)
{
	struct snapshot s = {.t = t, .err = err};
	int code = 0;
	size_t i;

	if (!n_pids)
		code = procfs_ids("/proc", each_pid, &s);
	for (i = 0; !code && i < n_pids; i++)
		code = snapshot_process(t, pids[i], err);
	if (code == PROCFS_GONE)
		return stint_err_set(err, STINT_ERR_SYSTEM, 0, -1, "cannot read /proc: is it mounted?");
	return code;
}

static void replace_text(struct text **text, struct text *by)
{
	text_share(by);
	text_put(*text);
	*text = by;
}

/* Makes a process what its parent is at this moment. It may be known already: from the snapshot, or an earlier life. */
static void process_from_parent(struct process *child, const struct process *parent, uint64_t time_ns)
{
	struct exec_maps *maps = exec_maps_share(parent->maps);
	struct thread *thread;

	replace_text(&child->exe, parent->exe);
	replace_text(&child->cmdline, parent->cmdline);
	replace_text(&child->cgroup, parent->cgroup);
	exec_maps_put(child->maps);
	child->maps = maps;
	child->lost_seen = parent->lost_seen;
	child->maps_written = false;
	child->start_ns = time_ns;
	child->image_ns = time_ns;
	child->ppid = parent->pid;
	child->image = 0;
	child->row = 0;
	child->anon_module = 0;
	child->kernel_thread = parent->kernel_thread;
	child->followed |= parent->followed;
	child->gone = false;
	for (thread = child->threads; thread; thread = thread->next)
		if (thread->tid != child->pid)
			task_table_end_thread(thread, time_ns);
}

int tasks_on_fork(struct tasks *t, uint64_t time_ns, pid_t pid, pid_t tid, pid_t parent_pid, pid_t parent_tid,
		  struct stint_err *err)
{
	struct process *parent, *process;
	struct thread *parent_thread, *thread;
	int code;

	task_table_make_room(&t->table);
	code = get_process(t, parent_pid, true, &parent, err);
	if (!code)
		code = get_thread(t, parent, parent_tid, &parent_thread, err);
	process = parent;
	if (!code && pid != parent_pid) {
		if (!parent->maps)
			code = tasks_load_maps(t, parent, err);
		if (!code)
			code = get_process(t, pid, false, &process, err);
		if (!code)
			code = finish_jit(t, process, err);
		if (!code)
			process_from_parent(process, parent, time_ns);
	}
	if (!code) {
		thread = task_table_thread(&t->table, tid);
		if (thread)
			task_table_move_thread(thread, process);
		else
			thread = task_table_add_thread(&t->table, tid, process);
		if (!thread)
			return tasks_no_memory(err);
		thread->start_ns = time_ns;
		thread->name_ns = time_ns;
		memcpy(thread->comm, parent_thread->comm, sizeof(thread->comm));
	}
	if (!code && tasks_follows(t, process))
		code = tasks_event_row(t, time_ns, STINT_TASK_FORK, parent_thread, thread, err);
	return code;
}

/* A new image: nothing of the old one's mappings is left, and of the threads only this one. */
static int start_image(struct process *process, struct thread *thread, uint64_t time_ns, const char *exe,
		       struct stint_err *err)
{
	struct exec_maps *maps = exec_maps_new();
	struct thread *other;

	if (!maps)
		return tasks_no_memory(err);
	exec_maps_put(process->maps);
	process->maps = maps;
	process->maps_written = true;
	process->image_ns = time_ns;
	process->row = 0;
	process->anon_module = 0;
	process->kernel_thread = false;
	for (other = process->threads; other; other = other->next)
		if (other != thread)
			task_table_end_thread(other, time_ns);
	tasks_load_exec(process, exe);
	return 0;
}

int tasks_on_comm(struct tasks *t, uint64_t time_ns, pid_t pid, pid_t tid, const char *comm, bool exec, const char *exe,
		  struct stint_err *err)
{
	struct process *process;
	struct thread *thread;
	int code;

	task_table_make_room(&t->table);
	code = get_process(t, pid, true, &process, err);
	if (!code)
		code = get_thread(t, process, tid, &thread, err);
	/* The thread that execs goes on under the process's id, whose former owner was reported to have ended. */
	if (!code && thread->ended_ns)
		task_table_move_thread(thread, process);
	if (!code && exec)
		code = finish_jit(t, process, err);
	if (!code && exec)
		code = start_image(process, thread, time_ns, exe, err);
	if (code)
		return code;
	if (!exec && !strncmp(thread->comm, comm, sizeof(thread->comm) - 1))
		return 0;
	memset(thread->comm, 0, sizeof(thread->comm));
	memcpy(thread->comm, comm, strnlen(comm, sizeof(thread->comm) - 1));
	thread->name_ns = time_ns;
	thread->row = 0;
	if (!tasks_follows(t, process))
		return 0;
	return tasks_event_row(t, time_ns, exec ? STINT_TASK_EXEC : STINT_TASK_COMM, thread, NULL, err);
}

int tasks_on_exit(struct tasks *t, uint64_t time_ns, pid_t pid, pid_t tid, struct stint_err *err)
{
	struct process *process = task_table_process(&t->table, pid);
	struct thread *thread = task_table_thread(&t->table, tid);
	int code = 0;

	if (!process)
		return 0;
	if (thread && thread->process == process) {
		if (!thread->ended_ns && tasks_follows(t, process))
			code = tasks_event_row(t, time_ns, STINT_TASK_EXIT, thread, NULL, err);
		task_table_end_thread(thread, time_ns);
	} else if (!process->n_living) {
		process->ended_ns = time_ns;
	}
	return code || !process->ended_ns ? code : finish_jit(t, process, err);
}

int tasks_on_mmap(struct tasks *t, uint64_t time_ns, pid_t pid, const struct tasks_mmap *map, struct stint_err *err)
{
	struct exec_map exec_map = {.start = map->start, .end = map->start + map->size_bytes};
	struct process *process;
	bool changed;
	int code;

	if (!map->executable)
		return 0;
	code = tasks_get_process(t, pid, &process, err);
	if (!code && !process->maps)
		code = tasks_load_maps(t, process, err);
	if (!code)
		code = tasks_module_of(t, pid, map, &exec_map.module, err);
	if (code)
		return code;
	tasks_note_dump(t, process, map->path);
	exec_map.linear = !modules_per_process(&t->modules, exec_map.module);
	exec_map.file_off = exec_map.linear ? map->file_off : 0;
	if (process->maps_written && exec_maps_replaces(process->maps, &exec_map))
		t->code_replaced = true;
	code = exec_maps_add(&process->maps, &exec_map, &changed);
	if (code == STINT_ERR_NOMEM)
		return tasks_no_memory(err);
	/* What a process had before it is written when the first of its frames is. */
	if (changed && process->maps_written && tasks_follows(t, process))
		return tasks_mapping_row(t, process, &exec_map, time_ns, err);
	return 0;
}

bool tasks_code_replaced(struct tasks *t)
{
	bool replaced = t->code_replaced;

	t->code_replaced = false;
	return replaced;
}

void tasks_on_lost(struct tasks *t)
{
	t->n_lost++;
}

/* The thread as it is known, or from /proc, or from nothing. */
static int find_thread(struct tasks *t, pid_t pid, pid_t tid, struct thread **ret, struct stint_err *err)
{
	struct process *process;
	int code;

	*ret = task_table_thread(&t->table, tid);
	if (*ret && (*ret)->process->pid == pid)
		return 0;
	task_table_make_room(&t->table);
	code = get_process(t, pid, true, &process, err);
	return code ? code : get_thread(t, process, tid, ret, err);
}

int tasks_thread(struct tasks *t, pid_t pid, pid_t tid, uint32_t *ret_thread, struct stint_err *err)
{
	struct thread *thread;
	int code = find_thread(t, pid, tid, &thread, err);

	return code ? code : tasks_thread_row(t, thread, ret_thread, err);
}

int tasks_recorded_thread(struct tasks *t, pid_t pid, pid_t tid, uint32_t *ret_thread, struct stint_err *err)
{
	struct thread *thread;
	int code = find_thread(t, pid, tid, &thread, err);

	if (code)
		return code;
	thread->process->followed = true;
	return tasks_thread_row(t, thread, ret_thread, err);
}

static void add_maps_bytes(void *context, struct process *process)
{
	size_t *bytes = context;

	if (process->maps)
		*bytes += exec_maps_bytes(process->maps) / process->maps->refs;
}

static void forget_maps(void *context, struct process *process)
{
	(void)context;
	exec_maps_put(process->maps);
	process->maps = NULL;
	process->anon_module = 0;
}

/* Mappings that are forgotten are read again when they are needed; only processes that ended lose theirs. */
static void bound_memory(struct tasks *t)
{
	bool many_modules = modules_bytes(&t->modules) > MAX_MODULES_BYTES;

	t->maps_bytes = 0;
	task_table_each(&t->table, add_maps_bytes, &t->maps_bytes);
	if (!many_modules && t->maps_bytes <= MAX_MAPS_BYTES)
		return;
	task_table_each(&t->table, forget_maps, NULL);
	t->maps_bytes = 0;
	if (many_modules)
		modules_forget(&t->modules);
}

void tasks_expire(struct tasks *t, uint64_t before_ns)
{
	if (before_ns < t->expired_at_ns + NS_PER_S)
		return;
	t->expired_at_ns = before_ns;
	task_table_expire(&t->table, before_ns);
	modules_forget_files(&t->modules);
	bound_memory(t);
}

uint64_t tasks_unreadable_modules(const struct tasks *t)
{
	return t->modules.n_unreadable;
}

size_t tasks_memory_bytes(const struct tasks *t)
{
	size_t maps_bytes = 0;

	task_table_each(&t->table, add_maps_bytes, &maps_bytes);
	return sizeof(*t) + TASKS_CACHED_FRAMES * sizeof(*t->frames) + task_table_bytes(&t->table) +
	       modules_bytes(&t->modules) + jit_maps_bytes(&t->jit) + embed_names_bytes(&t->names) + maps_bytes +
	       (t->followed.n_slots + t->vdso_written.n_slots) * sizeof(struct stint_map_slot);
}
