/* SPDX-License-Identifier: MIT */
/* The processes and threads that are known, by id, with a limit on how many. Rows and events are tasks.c's business. */
#ifndef STINT_RECORD_TASK_TABLE_H
#define STINT_RECORD_TASK_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/map.h"
#include "record/exec_maps.h"
#include "record/procfs.h"

#define TASK_TABLE_MAX_PROCESSES 16384
#define TASK_TABLE_MAX_THREADS	 32768

/* A text that a process and its forks share. */
struct text {
	uint32_t refs;
	uint32_t id; /* STINT_STRING, 0 until written */
	uint32_t size;
	char data[];
};

struct text *text_new(const char *data, size_t size); /* NULL for size 0, or without memory */
struct text *text_share(struct text *text);	      /* NULL is fine */
void text_put(struct text *text);		      /* NULL is fine */

struct jit_process;

struct thread {
	struct process *process;
	struct thread *next, *prev; /* of the process */
	uint64_t start_ns, name_ns; /* as in struct stint_thread */
	uint64_t ended_ns;	    /* 0 while it lives */
	pid_t tid;
	uint32_t row; /* STINT_THREAD as it is now, 0 until written */
	char comm[PROCFS_COMM_BYTES];
};

struct process {
	struct thread *threads;
	struct exec_maps *maps; /* NULL: to be read from /proc when needed */
	struct text *exe, *cmdline, *cgroup;
	uint64_t start_ns, image_ns; /* as in struct stint_process */
	uint64_t ended_ns;	     /* 0 while it lives */
	pid_t pid, ppid;
	uint32_t n_living;		/* threads */
	uint32_t image;			/* number of the next row's image */
	uint32_t row;			/* STINT_PROCESS as it is now, 0 until written */
	uint32_t lost_seen;		/* the count of losses when the mappings were last read */
	uint32_t anon_module, anon_row; /* the last row of a per-process module */
	struct jit_process *jit;	/* NULL until code compiled at run time is met; not owned */
	bool kernel_thread;
	bool followed;
	bool maps_written; /* every mapping in maps has its row */
	bool gone;	   /* /proc had nothing when it was looked for: don't look again */
};

struct task_table {
	struct stint_map processes; /* pid: struct process */
	struct stint_map threads;   /* tid: struct thread */
	size_t hand;		    /* where the search for one to give up goes on */
};

void task_table_done(struct task_table *tt);

struct process *task_table_process(const struct task_table *tt, pid_t pid); /* NULL when unknown */
struct thread *task_table_thread(const struct task_table *tt, pid_t tid);   /* NULL when unknown */

/*
 * Makes room for a few more of each: at the limit those that ended go first, then living ones, which will be known
 * from /proc again when they are needed. Pointers into the table are stale afterwards.
 */
void task_table_make_room(struct task_table *tt);
bool task_table_full(const struct task_table *tt); /* only make_room helps */

/* Adds a process or thread that is unknown. NULL without memory. */
struct process *task_table_add_process(struct task_table *tt, pid_t pid);
struct thread *task_table_add_thread(struct task_table *tt, pid_t tid, struct process *process);

/* Makes it a thread of this process, living, without a row. */
void task_table_move_thread(struct thread *thread, struct process *process);

void task_table_end_thread(struct thread *thread, uint64_t time_ns); /* and its process, if it was the last */

/* Frees what ended before this time. */
void task_table_expire(struct task_table *tt, uint64_t before_ns);

/* Calls each(context, process) for all of them. */
void task_table_each(const struct task_table *tt, void (*each)(void *context, struct process *process), void *context);

size_t task_table_bytes(const struct task_table *tt); /* without mappings */

#endif
