/* SPDX-License-Identifier: MIT */
#include "analyze/labels.h"

#include <stdlib.h>
#include <string.h>

#include "analyze/syscalls.h"

/* The processes' images in one order where those of the same process stand together. */
static int by_process(const void *a, const void *b, void *arg)
{
	const struct model *m = arg;
	const struct stint_process *pa = &m->processes.rows[*(const uint32_t *)a];
	const struct stint_process *pb = &m->processes.rows[*(const uint32_t *)b];

	if (pa->pid != pb->pid)
		return pa->pid < pb->pid ? -1 : 1;
	if (pa->start_ns != pb->start_ns)
		return pa->start_ns < pb->start_ns ? -1 : 1;
	return 0;
}

/* True if row a names the process better than b does: the main thread first, then the latest name.
 */
static bool names_better(const struct model *m, uint32_t a, uint32_t b)
{
	const struct stint_thread *ta = &m->threads.rows[a], *tb = &m->threads.rows[b];
	bool main_a = ta->tid == model_process_of(m, a)->pid;
	bool main_b = tb->tid == model_process_of(m, b)->pid;

	if (!b || main_a != main_b)
		return !b || main_a;
	return ta->name_ns >= tb->name_ns;
}

static void share_names(struct labels *l, const uint32_t *order)
{
	const struct model *m = l->m;
	uint32_t first, i, last;

	for (first = 1; first < m->processes.n; first = last) {
		uint32_t best = 0;

		for (last = first; last < m->processes.n; last++) {
			uint32_t named_by = l->process_comm[order[last]];

			if (by_process(&order[first], &order[last], (void *)m))
				break;
			if (named_by && names_better(m, named_by, best))
				best = named_by;
		}
		for (i = first; i < last; i++)
			l->process_comm[order[i]] = best;
	}
}

int labels_init(struct labels *l, const struct model *m, struct stint_err *err)
{
	uint32_t *order = calloc((size_t)m->processes.n + 1, sizeof(*order));
	uint32_t i;

	l->m = m;
	l->process_comm = calloc((size_t)m->processes.n + 1, sizeof(*l->process_comm));
	if (!order || !l->process_comm) {
		free(order);
		labels_done(l);
		return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory for the names of processes");
	}
	for (i = 1; i < m->threads.n; i++) {
		uint32_t *named_by = &l->process_comm[m->threads.rows[i].process];

		if (names_better(m, i, *named_by))
			*named_by = i;
	}
	for (i = 0; i < m->processes.n; i++)
		order[i] = i;
	if (m->processes.n > 1)
		qsort_r(order + 1, m->processes.n - 1, sizeof(*order), by_process, (void *)m);
	share_names(l, order);
	free(order);
	return 0;
}

void labels_done(struct labels *l)
{
	if (!l)
		return;
	free(l->process_comm);
	memset(l, 0, sizeof(*l));
}

static void text(struct stint_buf *out, const char *s)
{
	stint_buf_bytes(out, s, strlen(s));
}

static const char *name_of(const struct model *m, uint32_t thread)
{
	const char *comm = model_str(m, m->threads.rows[thread].comm_str);

	return *comm ? comm : "[no name]";
}

const char *comm_label(const struct model *m, uint32_t thread)
{
	return thread ? name_of(m, thread) : "[unknown thread]";
}

void label_thread(const struct labels *l, uint32_t thread, struct stint_buf *out)
{
	if (!thread)
		text(out, "[unknown thread]");
	else
		stint_buf_printf(out, "%s (%u)", name_of(l->m, thread), l->m->threads.rows[thread].tid);
}

void label_process(const struct labels *l, uint32_t process, struct stint_buf *out)
{
	if (!process)
		text(out, "[unknown process]");
	else
		stint_buf_printf(out, "%s (%u)", name_of(l->m, l->process_comm[process]),
				 l->m->processes.rows[process].pid);
}

void label_comm(const struct labels *l, uint32_t thread, struct stint_buf *out)
{
	text(out, comm_label(l->m, thread));
}

void label_waker(const struct labels *l, uint32_t thread, struct stint_buf *out)
{
	if (!thread)
		text(out, "[no waker]");
	else
		label_thread(l, thread, out);
}

void label_syscall(const struct labels *l, uint32_t syscall, struct stint_buf *out)
{
	const char *name;

	if (!syscall) {
		text(out, "[no syscall]");
		return;
	}
	name = syscall_name(model_meta(l->m, "arch"), syscall - 1);
	if (name)
		text(out, name);
	else
		stint_buf_printf(out, "syscall %u", syscall - 1);
}

void label_cpu(uint32_t cpu, struct stint_buf *out)
{
	if (cpu == STINT_NO_CPU)
		text(out, "[unknown CPU]");
	else
		stint_buf_printf(out, "CPU %u", cpu);
}
