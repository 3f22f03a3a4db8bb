/* SPDX-License-Identifier: MIT */
/* What tasks.c (events), tasks_proc.c (from /proc) and tasks_rows.c (into the file) share; for no one else. */
#ifndef STINT_RECORD_TASKS_INTERNAL_H
#define STINT_RECORD_TASKS_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/map.h"
#include "format/writer.h"
#include "record/embed_names.h"
#include "record/jit_maps.h"
#include "record/modules.h"
#include "record/task_table.h"
#include "record/tasks.h"

#define TASKS_CACHED_FRAMES 16384 /* a power of two */

struct cached_frame {
	uint64_t addr;
	uint32_t module_row;
	uint32_t flags;
	uint32_t id;
};

struct tasks {
	struct stint_writer *writer;
	struct task_table table;
	struct modules modules;
	struct jit_maps jit;
	struct embed_names names;
	struct cached_frame *frames;
	struct stint_map followed;     /* pids to follow that aren't known yet */
	struct stint_map vdso_written; /* offsets of symbols */
	size_t maps_bytes;	       /* about, for the limit */
	uint64_t expired_at_ns;
	uint32_t n_lost; /* how often reports were lost */
	bool code_replaced;
	bool follow_none;
	bool embed_vdso;
	bool embed_jit;
	bool embed_names;
};

int tasks_no_memory(struct stint_err *err);

/* The process as it is known, or from /proc, or from nothing. May make table pointers stale. */
int tasks_get_process(struct tasks *t, pid_t pid, struct process **ret, struct stint_err *err);

static inline bool tasks_follows(const struct tasks *t, const struct process *process)
{
	return !t->follow_none || process->followed;
}

/* tasks_proc.c: what /proc says. Processes that are gone are left with what is known. */

/* Fills in a process that is new, with its threads. The mappings are read when they are needed. */
int tasks_load_process(struct tasks *t, struct process *process, struct stint_err *err);
int tasks_load_maps(struct tasks *t, struct process *process, struct stint_err *err);
void tasks_load_exec(struct process *process, const char *exe); /* exe as told by the exec, or NULL */
int tasks_module_of(struct tasks *t, pid_t pid, const struct tasks_mmap *map, uint32_t *ret, struct stint_err *err);

/* tasks_rows.c: the rows as things are now, written when they are new. */

int tasks_process_row(struct tasks *t, struct process *process, uint32_t *ret, struct stint_err *err);
int tasks_thread_row(struct tasks *t, struct thread *thread, uint32_t *ret, struct stint_err *err);
int tasks_mapping_row(struct tasks *t, struct process *process, const struct exec_map *map, uint64_t from_ns,
		      struct stint_err *err);
int tasks_all_mapping_rows(struct tasks *t, struct process *process, struct stint_err *err);
/* A mapping tells of a jitdump: it is opened while the process is there. */
void tasks_note_dump(struct tasks *t, struct process *process, const char *path);
int tasks_event_row(struct tasks *t, uint64_t time_ns, enum stint_task_kind kind, struct thread *thread,
		    struct thread *other, struct stint_err *err);

#endif
