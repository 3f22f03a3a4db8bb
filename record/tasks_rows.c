/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "record/tasks_internal.h"
#include "record/vdso.h"

static int text_id(struct tasks *t, struct text *text, uint32_t *ret, struct stint_err *err)
{
	int code = 0;

	*ret = 0;
	if (!text)
		return 0;
	if (!text->id)
		code = stint_writer_string(t->writer, text->data, text->size, &text->id, err);
	*ret = text->id;
	return code;
}

int tasks_process_row(struct tasks *t, struct process *process, uint32_t *ret, struct stint_err *err)
{
	struct stint_process row = {
		.start_ns = process->start_ns,
		.image_ns = process->image_ns,
		.pid = (uint32_t)process->pid,
		.ppid = (uint32_t)process->ppid,
		.image = process->image,
	};
	int code;

	*ret = process->row;
	if (process->row)
		return 0;
	code = text_id(t, process->exe, &row.exe_str, err);
	if (!code)
		code = text_id(t, process->cmdline, &row.cmdline_str, err);
	if (!code)
		code = text_id(t, process->cgroup, &row.cgroup_str, err);
	if (!code)
		code = stint_writer_intern(t->writer, STINT_PROCESS, &row, ret, err);
	if (!code) {
		process->row = *ret;
		process->image++;
	}
	return code;
}

int tasks_thread_row(struct tasks *t, struct thread *thread, uint32_t *ret, struct stint_err *err)
{
	struct stint_thread row = {
		.start_ns = thread->start_ns,
		.name_ns = thread->name_ns,
		.tid = (uint32_t)thread->tid,
	};
	int code;

	*ret = thread->row;
	if (thread->row)
		return 0;
	code = tasks_process_row(t, thread->process, &row.process, err);
	if (!code)
		code = stint_writer_string(t->writer, thread->comm, strlen(thread->comm), &row.comm_str, err);
	if (!code)
		code = stint_writer_intern(t->writer, STINT_THREAD, &row, ret, err);
	if (!code)
		thread->row = *ret;
	return code;
}

/* The row of a process's module; the last per-process one is remembered, as JIT frames come in runs. */
static int module_row(struct tasks *t, struct process *process, uint32_t module, uint32_t *ret, struct stint_err *err)
{
	uint32_t process_row = 0;
	int code;

	if (!modules_per_process(&t->modules, module))
		return modules_row(&t->modules, module, 0, ret, err);
	if (process->anon_module == module) {
		*ret = process->anon_row;
		return 0;
	}
	code = tasks_process_row(t, process, &process_row, err);
	if (!code)
		code = modules_row(&t->modules, module, process_row, ret, err);
	if (!code) {
		process->anon_module = module;
		process->anon_row = *ret;
	}
	return code;
}

int tasks_mapping_row(struct tasks *t, struct process *process, const struct exec_map *map, uint64_t from_ns,
		      struct stint_err *err)
{
	struct stint_mapping row = {
		.from_ns = from_ns,
		.start = map->start,
		.size_bytes = map->end - map->start,
		.file_off = map->file_off,
	};
	uint32_t id;
	int code = tasks_process_row(t, process, &row.process, err);

	if (!code)
		code = module_row(t, process, map->module, &row.module, err);
	return code ? code : stint_writer_intern(t->writer, STINT_MAPPING, &row, &id, err);
}

int tasks_all_mapping_rows(struct tasks *t, struct process *process, struct stint_err *err)
{
	uint32_t i;
	int code = 0;

	for (i = 0; !code && process->maps && i < process->maps->n; i++)
		code = tasks_mapping_row(t, process, &process->maps->maps[i], process->image_ns, err);
	if (!code)
		process->maps_written = true;
	return code;
}

int tasks_event_row(struct tasks *t, uint64_t time_ns, enum stint_task_kind kind, struct thread *thread,
		    struct thread *other, struct stint_err *err)
{
	struct stint_task row = {.time_ns = time_ns, .kind = kind};
	int code = tasks_thread_row(t, thread, &row.thread, err);

	if (!code && other)
		code = tasks_thread_row(t, other, &row.other, err);
	return code ? code : stint_writer_add(t->writer, STINT_TASK, &row, err);
}

static int write_vdso_symbol(struct tasks *t, uint64_t offset, uint32_t module, struct stint_err *err)
{
	struct stint_symbol row = {.module = module};
	struct vdso_symbol symbol;
	bool is_new;
	int code;

	if (!vdso_symbol(offset, &symbol))
		return 0;
	if (!stint_map_put(&t->vdso_written, symbol.addr, &is_new))
		return tasks_no_memory(err);
	if (!is_new)
		return 0;
	row.addr = symbol.addr;
	row.size_bytes = symbol.size_bytes;
	code = stint_writer_string(t->writer, symbol.name, strlen(symbol.name), &row.name_str, err);
	return code ? code : stint_writer_add(t->writer, STINT_SYMBOL, &row, err);
}

static struct jit_process *jit_of(struct tasks *t, struct process *process)
{
	if (!process->jit)
		process->jit = jit_process_get(&t->jit, process->pid);
	return process->jit;
}

void tasks_note_dump(struct tasks *t, struct process *process, const char *path)
{
	if (t->embed_jit && jit_is_dump(path) && jit_of(t, process))
		jit_process_dump(process->jit, path);
}

/* A frame that is new to the cache. Where it is in memory without a file, the process may have told its name. */
static void note_jit_address(struct tasks *t, struct process *process, const struct stint_frame *row)
{
	const bool exact = row->flags & STINT_FRAME_EXACT;

	if (t->embed_jit && row->module == process->anon_row && process->anon_module && jit_of(t, process))
		jit_process_address(process->jit, row->addr, exact, row->module);
}

static struct cached_frame *cache_slot(struct tasks *t, const struct stint_frame *row)
{
	return &t->frames[stint_hash_bytes(row, sizeof(*row)) & (TASKS_CACHED_FRAMES - 1)];
}

/* Finds the mapping of an address; reads the mappings first where they are unknown, or reports about them were lost. */
static int find_map(struct tasks *t, struct process *process, uint64_t addr, const struct exec_map **ret,
		    struct stint_err *err)
{
	int code;

	*ret = process->maps ? exec_maps_find(process->maps, addr) : NULL;
	if (*ret || (process->maps && process->lost_seen == t->n_lost))
		return 0;
	code = tasks_load_maps(t, process, err);
	if (!code)
		*ret = exec_maps_find(process->maps, addr);
	return code;
}

/* Where a module's file can be had from. */
struct mapped_at {
	const struct modules *modules;
	uint32_t module;
	pid_t pid;
	uint64_t addr;
};

static int open_mapped_at(void *context)
{
	const struct mapped_at *at = context;

	return modules_open(at->modules, at->module, at->pid, at->addr);
}

/* Where the address is: the module's row and the address by its kind. */
static int locate(struct tasks *t, struct process *process, uint64_t addr, uint32_t flags, struct stint_frame *row,
		  uint32_t *ret_module, struct stint_err *err)
{
	/* A return address may be the first one behind the mapping, when a function ends with a call. */
	const uint64_t looked_up = flags & STINT_FRAME_EXACT || !addr ? addr : addr - 1;
	const struct exec_map *map;
	uint32_t process_row;
	int code = find_map(t, process, looked_up, &map, err);

	*ret_module = 0;
	if (code)
		return code;
	row->addr = addr;
	if (!map) {
		code = tasks_process_row(t, process, &process_row, err);
		return code ? code : modules_unknown_row(&t->modules, process_row, &row->module, err);
	}
	*ret_module = map->module;
	if (map->linear)
		row->addr = addr - map->start + map->file_off;
	code = module_row(t, process, map->module, &row->module, err);
	if (!code && t->embed_vdso && modules_is_vdso(&t->modules, map->module))
		code = write_vdso_symbol(t, looked_up - map->start + map->file_off, row->module, err);
	return code;
}

int tasks_process(struct tasks *t, pid_t pid, uint32_t *ret_process, struct stint_err *err)
{
	struct process *process;
	int code = tasks_get_process(t, pid, &process, err);

	if (!code && !process->maps)
		code = tasks_load_maps(t, process, err);
	if (!code && !process->maps_written)
		code = tasks_all_mapping_rows(t, process, err);
	return code ? code : tasks_process_row(t, process, ret_process, err);
}

int tasks_user_frame(struct tasks *t, pid_t pid, uint64_t addr, uint32_t frame_flags, uint32_t *ret_frame,
		     struct stint_err *err)
{
	struct stint_frame row = {.flags = frame_flags};
	struct process *process;
	struct cached_frame *slot;
	uint32_t module;
	int code = tasks_get_process(t, pid, &process, err);

	if (!code)
		code = locate(t, process, addr, frame_flags, &row, &module, err);
	if (!code && !process->maps_written)
		code = tasks_all_mapping_rows(t, process, err);
	if (code)
		return code;
	slot = cache_slot(t, &row);
	if (slot->id && slot->addr == row.addr && slot->module_row == row.module && slot->flags == row.flags) {
		*ret_frame = slot->id;
		return 0;
	}
	note_jit_address(t, process, &row);
	if (t->embed_names && module && modules_is_file(&t->modules, module)) {
		struct mapped_at at = {&t->modules, module, pid, frame_flags & STINT_FRAME_EXACT ? addr : addr - 1};

		code = embed_names_address(&t->names, pid, row.module, row.addr - (addr - at.addr), open_mapped_at, &at,
					   err);
		if (code)
			return code;
	}
	code = stint_writer_intern(t->writer, STINT_FRAME, &row, ret_frame, err);
	if (!code)
		*slot = (struct cached_frame){row.addr, row.module, row.flags, *ret_frame};
	return code;
}
