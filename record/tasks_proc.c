/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "record/tasks_internal.h"

static void set_comm(struct thread *thread, const struct procfs_stat *stat)
{
	memcpy(thread->comm, stat->comm, sizeof(thread->comm));
	/* /proc shows a kernel worker's present work behind its name. */
	if (stat->kernel_thread && !strncmp(thread->comm, "kworker/", 8))
		thread->comm[strcspn(thread->comm, "+-")] = 0;
}

static int add_thread(struct tasks *t, struct process *process, pid_t tid, struct stint_err *err)
{
	struct thread *thread = task_table_thread(&t->table, tid);
	struct procfs_stat stat;

	if (!procfs_stat(process->pid, tid, &stat))
		return 0;
	if (thread && thread->process == process && !thread->ended_ns)
		return 0;
	if (thread)
		task_table_move_thread(thread, process);
	else
		thread = task_table_add_thread(&t->table, tid, process);
	if (!thread)
		return tasks_no_memory(err);
	thread->start_ns = stat.start_ns;
	thread->name_ns = 0;
	set_comm(thread, &stat);
	return 0;
}

struct loading {
	struct tasks *t;
	struct process *process;
	struct exec_maps *maps;
	struct stint_err *err;
};

/* Threads that find no room are read when they are needed. */
static int each_thread(void *context, pid_t tid)
{
	struct loading *l = context;

	return task_table_full(&l->t->table) ? 0 : add_thread(l->t, l->process, tid, l->err);
}

static int load_threads(struct tasks *t, struct process *process, struct stint_err *err)
{
	struct loading l = {.t = t, .process = process, .err = err};
	char dir[64];
	int ret;

	snprintf(dir, sizeof(dir), "/proc/%d/task", process->pid);
	ret = procfs_ids(dir, each_thread, &l);
	return ret == PROCFS_GONE ? 0 : ret;
}

static void set_text(struct text **text, const char *data, ssize_t size)
{
	text_put(*text);
	*text = size > 0 ? text_new(data, (size_t)size) : NULL;
}

static void load_cgroup(struct process *process)
{
	char data[PROCFS_MAX_PATH];
	ssize_t size = procfs_cgroup(process->pid, data, sizeof(data));

	/* A process that is gone keeps what it had from its parent. Most have the same as before: keep that. */
	if (size > 0 && !(process->cgroup && process->cgroup->size == (size_t)size &&
			  !memcmp(process->cgroup->data, data, (size_t)size)))
		set_text(&process->cgroup, data, size);
}

static void load_cmdline(struct process *process)
{
	char data[PROCFS_MAX_CMDLINE];
	ssize_t size = procfs_cmdline(process->pid, data, sizeof(data));

	set_text(&process->cmdline, data, size);
}

void tasks_load_exec(struct process *process, const char *exe)
{
	char now[PROCFS_MAX_PATH];
	ssize_t size = procfs_exe(process->pid, now, sizeof(now));
	size_t exe_size;

	if (!exe && size > 0)
		exe = now;
	exe_size = exe ? procfs_without_deleted(exe, strlen(exe)) : 0;
	if (exe)
		set_text(&process->exe, exe, (ssize_t)exe_size);
	set_text(&process->cmdline, NULL, 0);
	/* Gone, or another program by then: its arguments aren't this one's. */
	if (size <= 0 || exe_size != (size_t)size || memcmp(exe, now, exe_size))
		return;
	load_cmdline(process);
	load_cgroup(process);
}

int tasks_load_process(struct tasks *t, struct process *process, struct stint_err *err)
{
	struct procfs_stat stat;
	char exe[PROCFS_MAX_PATH];

	if (!process->pid || !procfs_stat(process->pid, 0, &stat)) {
		process->gone = true;
		process->kernel_thread = !process->pid;
		return 0;
	}
	process->start_ns = stat.start_ns;
	process->ppid = stat.ppid;
	process->kernel_thread = stat.kernel_thread;
	if (!stat.kernel_thread) {
		set_text(&process->exe, exe, procfs_exe(process->pid, exe, sizeof(exe)));
		load_cmdline(process);
	}
	load_cgroup(process);
	return load_threads(t, process, err);
}

int tasks_module_of(struct tasks *t, pid_t pid, const struct tasks_mmap *map, uint32_t *ret, struct stint_err *err)
{
	const struct modules_source src = {
		.pid = pid,
		.start = map->start,
		.end = map->start + map->size_bytes,
		.dev = map->dev,
		.ino = map->ino,
		.path = map->path,
		.build_id = map->build_id,
		.build_id_size = map->build_id_size,
	};

	return modules_of(&t->modules, &src, ret, err);
}

static int each_mapping(void *context, const struct procfs_mapping *mapping)
{
	struct loading *l = context;
	const struct tasks_mmap as_reported = {
		.start = mapping->start,
		.size_bytes = mapping->end - mapping->start,
		.file_off = mapping->file_off,
		.dev = mapping->dev,
		.ino = mapping->ino,
		.path = mapping->path,
		.executable = true,
	};
	struct exec_map map = {.start = mapping->start, .end = mapping->end};
	int ret = tasks_module_of(l->t, l->process->pid, &as_reported, &map.module, l->err);

	if (ret)
		return ret;
	tasks_note_dump(l->t, l->process, mapping->path);
	map.linear = !modules_per_process(&l->t->modules, map.module);
	map.file_off = map.linear ? mapping->file_off : 0;
	ret = exec_maps_add(&l->maps, &map, NULL);
	return ret == STINT_ERR_NOMEM ? tasks_no_memory(l->err) : 0;
}

/* Servers fork many workers, whose mappings are all alike: they are kept once. */
static void share_with_parent(struct tasks *t, const struct process *process, struct exec_maps **maps)
{
	const struct process *parent = task_table_process(&t->table, process->ppid);
	struct exec_maps *like = parent && parent != process ? parent->maps : NULL;

	if (!like || !exec_maps_equal(like, *maps))
		return;
	exec_maps_put(*maps);
	*maps = exec_maps_share(like);
}

int tasks_load_maps(struct tasks *t, struct process *process, struct stint_err *err)
{
	struct loading l = {.t = t, .process = process, .maps = exec_maps_new(), .err = err};
	int ret = 0;

	if (!l.maps)
		return tasks_no_memory(err);
	if (!process->gone && !process->kernel_thread && !process->ended_ns)
		ret = procfs_mappings(process->pid, each_mapping, &l);
	process->lost_seen = t->n_lost;
	/* What was known before it was gone is better than nothing. */
	if ((ret == PROCFS_GONE || !l.maps->n) && process->maps) {
		exec_maps_put(l.maps);
		return 0;
	}
	share_with_parent(t, process, &l.maps);
	exec_maps_put(process->maps);
	process->maps = l.maps;
	process->maps_written = false;
	return ret == PROCFS_GONE ? 0 : ret;
}
