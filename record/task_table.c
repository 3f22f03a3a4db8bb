/* SPDX-License-Identifier: MIT */
#include "record/task_table.h"

#include <stdlib.h>
#include <string.h>

#define SPARE 4 /* processes and threads that one event can add, at most */

struct text *text_new(const char *data, size_t size)
{
	struct text *text = size ? malloc(sizeof(*text) + size) : NULL;

	if (text) {
		text->refs = 1;
		text->id = 0;
		text->size = (uint32_t)size;
		memcpy(text->data, data, size);
	}
	return text;
}

struct text *text_share(struct text *text)
{
	if (text)
		text->refs++;
	return text;
}

void text_put(struct text *text)
{
	if (text && !--text->refs)
		free(text);
}

static struct process *process_of_slot(const struct stint_map_slot *slot)
{
	return (struct process *)(uintptr_t)slot->value;
}

static struct thread *thread_of_slot(const struct stint_map_slot *slot)
{
	return (struct thread *)(uintptr_t)slot->value;
}

struct process *task_table_process(const struct task_table *tt, pid_t pid)
{
	uint64_t *value = stint_map_get(&tt->processes, (uint64_t)pid);

	return value ? (struct process *)(uintptr_t)*value : NULL;
}

struct thread *task_table_thread(const struct task_table *tt, pid_t tid)
{
	uint64_t *value = stint_map_get(&tt->threads, (uint64_t)tid);

	return value ? (struct thread *)(uintptr_t)*value : NULL;
}

static void unlink_thread(struct thread *thread)
{
	struct process *process = thread->process;

	if (thread->prev)
		thread->prev->next = thread->next;
	else
		process->threads = thread->next;
	if (thread->next)
		thread->next->prev = thread->prev;
	if (!thread->ended_ns)
		process->n_living--;
	thread->next = thread->prev = NULL;
}

static void link_thread(struct thread *thread, struct process *process)
{
	thread->process = process;
	thread->prev = NULL;
	thread->next = process->threads;
	if (thread->next)
		thread->next->prev = thread;
	process->threads = thread;
	process->n_living++;
	process->ended_ns = 0;
}

static void free_thread(struct task_table *tt, struct thread *thread)
{
	unlink_thread(thread);
	stint_map_remove(&tt->threads, (uint64_t)thread->tid);
	free(thread);
}

static void free_process(struct task_table *tt, struct process *process)
{
	while (process->threads)
		free_thread(tt, process->threads);
	stint_map_remove(&tt->processes, (uint64_t)process->pid);
	exec_maps_put(process->maps);
	text_put(process->exe);
	text_put(process->cmdline);
	text_put(process->cgroup);
	free(process);
}

void task_table_done(struct task_table *tt)
{
	size_t i;

	for (i = 0; i < tt->processes.n_slots; i++)
		while (tt->processes.slots[i].used) /* removing moves others here */
			free_process(tt, process_of_slot(&tt->processes.slots[i]));
	stint_map_done(&tt->processes);
	stint_map_done(&tt->threads);
}

void task_table_move_thread(struct thread *thread, struct process *process)
{
	unlink_thread(thread);
	thread->ended_ns = 0;
	thread->row = 0;
	link_thread(thread, process);
}

void task_table_end_thread(struct thread *thread, uint64_t time_ns)
{
	if (thread->ended_ns)
		return;
	thread->ended_ns = time_ns;
	if (!--thread->process->n_living)
		thread->process->ended_ns = time_ns;
}

void task_table_expire(struct task_table *tt, uint64_t before_ns)
{
	size_t i;

	/* Removing moves later slots of a run back, to where they are looked at next; the few that wrap around wait. */
	for (i = 0; i < tt->threads.n_slots; i++) {
		while (tt->threads.slots[i].used) {
			struct thread *thread = thread_of_slot(&tt->threads.slots[i]);

			if (!thread->ended_ns || thread->ended_ns >= before_ns)
				break;
			free_thread(tt, thread);
		}
	}
	for (i = 0; i < tt->processes.n_slots; i++) {
		while (tt->processes.slots[i].used) {
			struct process *process = process_of_slot(&tt->processes.slots[i]);

			if (!process->ended_ns || process->ended_ns >= before_ns)
				break;
			free_process(tt, process);
		}
	}
}

/* The next used slot from the hand on; the caller knows that there is one. */
static const struct stint_map_slot *next_slot(struct task_table *tt, const struct stint_map *map)
{
	do {
		tt->hand = (tt->hand + 1) & (map->n_slots - 1);
	} while (!map->slots[tt->hand].used);
	return &map->slots[tt->hand];
}

/* A sixteenth at once, so that the search for ended ones is rare. */
void task_table_make_room(struct task_table *tt)
{
	const size_t keep_processes = TASK_TABLE_MAX_PROCESSES - TASK_TABLE_MAX_PROCESSES / 16;
	const size_t keep_threads = TASK_TABLE_MAX_THREADS - TASK_TABLE_MAX_THREADS / 16;

	if (!task_table_full(tt))
		return;
	task_table_expire(tt, UINT64_MAX);
	while (tt->processes.n_used > keep_processes)
		free_process(tt, process_of_slot(next_slot(tt, &tt->processes)));
	while (tt->threads.n_used > keep_threads)
		free_thread(tt, thread_of_slot(next_slot(tt, &tt->threads)));
}

bool task_table_full(const struct task_table *tt)
{
	return tt->processes.n_used + SPARE > TASK_TABLE_MAX_PROCESSES ||
	       tt->threads.n_used + SPARE > TASK_TABLE_MAX_THREADS;
}

struct process *task_table_add_process(struct task_table *tt, pid_t pid)
{
	struct process *process;
	uint64_t *value;

	process = calloc(1, sizeof(*process));
	value = process ? stint_map_put(&tt->processes, (uint64_t)pid, NULL) : NULL;
	if (!value) {
		free(process);
		return NULL;
	}
	*value = (uintptr_t)process;
	process->pid = pid;
	return process;
}

struct thread *task_table_add_thread(struct task_table *tt, pid_t tid, struct process *process)
{
	struct thread *thread;
	uint64_t *value;

	thread = calloc(1, sizeof(*thread));
	value = thread ? stint_map_put(&tt->threads, (uint64_t)tid, NULL) : NULL;
	if (!value) {
		free(thread);
		return NULL;
	}
	*value = (uintptr_t)thread;
	thread->tid = tid;
	link_thread(thread, process);
	return thread;
}

void task_table_each(const struct task_table *tt, void (*each)(void *context, struct process *process), void *context)
{
	size_t i;

	for (i = 0; i < tt->processes.n_slots; i++)
		if (tt->processes.slots[i].used)
			each(context, process_of_slot(&tt->processes.slots[i]));
}

size_t task_table_bytes(const struct task_table *tt)
{
	return tt->processes.n_used * sizeof(struct process) + tt->threads.n_used * sizeof(struct thread) +
	       (tt->processes.n_slots + tt->threads.n_slots) * sizeof(struct stint_map_slot);
}
