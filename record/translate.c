/* SPDX-License-Identifier: MIT */
#include "record/translate.h"

#include <string.h>

#include "format/rows.h"

/* The bits that are states, without those that only modify them (freezable, no-load accounting
 * aside). */
#define STATE_BITS 0x05ffu

void translate_done(struct translate *tr)
{
	stint_map_done(&tr->ended);
}

static int translate_sample(struct translate *tr, const struct event_sample *ev, struct stint_err *err)
{
	struct stint_sample row = {.time_ns = ev->h.time_ns, .weight = 1, .value = ev->period, .cpu = ev->h.cpu};
	struct stack_ref ref = {.user = ev->user_stack,
				.kernel = ev->kernel_stack,
				.user_end = ev->user_end,
				.kernel_end = ev->kernel_end};
	bool lost;
	int rc;

	row.source = tr->source;
	rc = tasks_recorded_thread(tr->tasks, (pid_t)ev->pid, (pid_t)ev->h.tid, &row.thread, err);
	if (rc == 0)
		rc = stacks_row(tr->stacks, &ref, &row.stack, &lost, err);
	if (rc)
		return rc;
	tr->samples_without_stack += lost;
	return stint_writer_add(tr->writer, STINT_SAMPLE, &row, err);
}

static int waker_thread(struct translate *tr, uint32_t pid, uint32_t tid, uint32_t *ret_thread, struct stint_err *err)
{
	/* The idle task is on every CPU, and no thread of any process. */
	if (tid == 0)
		return 0;
	return tasks_thread(tr->tasks, (pid_t)pid, (pid_t)tid, ret_thread, err);
}

static int waker_stack(struct translate *tr, uint64_t user, uint64_t kernel, struct stint_offcpu *row, bool *lost,
		       struct stint_err *err)
{
	struct stack_ref ref = {
		.user = user, .kernel = kernel, .user_end = STINT_USER_NONE, .kernel_end = STINT_KERNEL_FAILED};
	bool waker_lost;
	int rc;

	if (user == 0 && kernel == 0)
		return 0;
	rc = stacks_row(tr->stacks, &ref, &row->waker_stack, &waker_lost, err);
	*lost |= waker_lost;
	return rc;
}

/* What every interval's row must obey, whatever the clocks of two CPUs made of it. */
static void settle(const struct translate *tr, struct stint_offcpu *row)
{
	if (row->flags & STINT_OFFCPU_OPEN_START)
		row->start_ns = tr->start_ns;
	if (row->flags & STINT_OFFCPU_OPEN_END) {
		row->end_ns = tr->end_ns;
		row->cpu = STINT_NO_CPU;
		/* What came after the end is no part of the recording. */
		if (row->wake_ns > row->end_ns) {
			row->flags &= ~STINT_OFFCPU_WOKEN;
			row->waker = 0;
			row->waker_stack = 0;
		}
		row->flags &= ~STINT_OFFCPU_WAKE_UNSEEN;
	}
	if (row->end_ns < row->start_ns)
		row->end_ns = row->start_ns;
	if (!(row->flags & STINT_OFFCPU_WOKEN))
		row->wake_ns = 0;
	else if (row->wake_ns < row->start_ns)
		row->wake_ns = row->start_ns;
	else if (row->wake_ns > row->end_ns)
		row->wake_ns = row->end_ns;
	row->state &= STATE_BITS;
}

/*
 * Completes an interval that was open at the start with what was known of the thread then. False
 * when it is no interval of this recording: the thread became a target later, while it slept.
 */
static bool open_start(struct translate *tr, const struct event_offcpu *ev, struct stint_offcpu *row,
		       struct stack_ref *ref)
{
	const struct asleep_thread *was = asleep_find(tr->asleep, ev->h.tid);

	if (!was && ev->h.time_ns > tr->listed_ns)
		return false;
	if (was && was->n_switches != ev->start_ns)
		return false;
	if (ev->h.flags & EVENT_KTHREAD)
		ref->user_end = STINT_USER_NONE;
	if (!was) {
		/* It came back before its turn in the list. */
		tr->cut_off += !(ev->h.flags & EVENT_KTHREAD);
		return true;
	}
	ref->part = &was->user;
	if (!(row->flags & STINT_OFFCPU_WOKEN)) {
		row->state = was->state;
		if ((was->state & STATE_BITS) == 0)
			row->flags = (row->flags & ~STINT_OFFCPU_WAKE_UNSEEN) | STINT_OFFCPU_PREEMPTED;
	}
	return true;
}

static int mark_ended(struct translate *tr, uint32_t tid, bool *ret_new, struct stint_err *err)
{
	if (!stint_map_put(&tr->ended, tid, ret_new))
		return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory for open intervals");
	return 0;
}

static int translate_offcpu(struct translate *tr, const struct event_offcpu *ev, uint64_t waker_user,
			    uint64_t waker_kernel, struct stint_err *err)
{
	struct stint_offcpu row = {
		.start_ns = ev->start_ns,
		.wake_ns = ev->wake_ns,
		.end_ns = ev->h.time_ns,
		.flags = ev->h.flags & ~EVENT_KTHREAD,
		.cpu = ev->h.cpu,
		.cpu_out = ev->cpu_out == EVENT_NO_CPU ? STINT_NO_CPU : ev->cpu_out,
		.state = ev->state,
		.syscall = ev->syscall == EVENT_NO_SYSCALL ? 0 : ev->syscall + 1u,
	};
	struct stack_ref ref = {.user = ev->user_stack,
				.kernel = ev->kernel_stack,
				.user_end = ev->user_end,
				.kernel_end = ev->kernel_end};
	bool lost = false, is_new = true;
	int rc;

	if (ev->h.flags & EVENT_OPEN_START && !open_start(tr, ev, &row, &ref)) {
		tr->offcpu_ignored++;
		return 0;
	}
	if (ev->h.flags & EVENT_OPEN_END) {
		rc = mark_ended(tr, ev->h.tid, &is_new, err);
		if (rc)
			return rc;
		if (!is_new) {
			/* The list had it first. Where BPF didn't know of it then, it has counted
			 * it now. */
			tr->offcpu_ignored += ev->h.flags & EVENT_OPEN_START ? 1 : 0;
			return 0;
		}
	}
	rc = tasks_recorded_thread(tr->tasks, (pid_t)ev->pid, (pid_t)ev->h.tid, &row.thread, err);
	if (rc == 0)
		rc = stacks_row(tr->stacks, &ref, &row.stack, &lost, err);
	if (rc == 0)
		rc = waker_thread(tr, ev->waker_pid, ev->waker_tid, &row.waker, err);
	if (rc == 0 && row.flags & STINT_OFFCPU_WOKEN)
		rc = waker_stack(tr, waker_user, waker_kernel, &row, &lost, err);
	if (rc)
		return rc;
	tr->offcpu_without_stack += lost;
	tr->offcpu_open += (row.flags & STINT_OFFCPU_OPEN_END) != 0;
	settle(tr, &row);
	return stint_writer_add(tr->writer, STINT_OFFCPU, &row, err);
}

int translate_event(struct translate *tr, const struct event_header *event, struct stint_err *err)
{
	const struct event_offcpu_waker *waker;

	switch (event->type) {
	case EVENT_SAMPLE:
		return translate_sample(tr, (const struct event_sample *)event, err);
	case EVENT_STACK:
		return stacks_place_window(tr->stacks, ((const struct event_stack *)event)->hash, err);
	case EVENT_OFFCPU:
		return translate_offcpu(tr, (const struct event_offcpu *)event, 0, 0, err);
	default:
		waker = (const struct event_offcpu_waker *)event;
		return translate_offcpu(tr, &waker->offcpu, waker->waker_user_stack, waker->waker_kernel_stack, err);
	}
}

int translate_asleep(struct translate *tr, const struct event_task *task, struct stint_err *err)
{
	const struct asleep_thread *was = asleep_find(tr->asleep, task->tid);
	bool unreadable;
	int rc;

	/* Listed before, and it hasn't run since. */
	if (was && was->n_switches == task->n_switches)
		return 0;
	/* BPF has seen it leave: nothing is missing. */
	if (task->tracked)
		return 0;
	rc = asleep_add(tr->asleep, tr->stacks, task, &unreadable, err);
	if (rc == 0 && unreadable)
		tr->cut_off++;
	return rc;
}

void translate_left_out(struct translate *tr, const struct event_header *event)
{
	const uint8_t twice = EVENT_OPEN_START | EVENT_OPEN_END;

	/* The list had it before BPF knew of it, which has counted it since. */
	if (event->type != EVENT_SAMPLE && event->type != EVENT_STACK && (event->flags & twice) == twice &&
	    stint_map_get(&tr->ended, event->tid))
		tr->offcpu_ignored++;
}

/* Did a thread that BPF doesn't know sleep all along? Others have left the CPU after the end. */
static bool slept_all_along(const struct translate *tr, const struct event_task *task)
{
	const struct asleep_thread *was = asleep_find(tr->asleep, task->tid);

	return was && was->n_switches == task->n_switches;
}

int translate_left_out_end(struct translate *tr, const struct event_task *task, struct stint_err *err)
{
	bool is_new;
	int rc;

	if (task->tracked || !slept_all_along(tr, task))
		return 0;
	rc = mark_ended(tr, task->tid, &is_new, err);
	tr->offcpu_listed += rc == 0 && is_new;
	return rc;
}

int translate_open_end(struct translate *tr, const struct event_task *task, struct stint_err *err)
{
	const struct asleep_thread *was = asleep_find(tr->asleep, task->tid);
	struct stint_offcpu row = {
		.start_ns = task->start_ns,
		.wake_ns = task->wake_ns,
		.flags = (task->flags & ~EVENT_KTHREAD) | STINT_OFFCPU_OPEN_END,
		.cpu_out = task->cpu_out == EVENT_NO_CPU ? STINT_NO_CPU : task->cpu_out,
		.state = task->state,
		.syscall = task->syscall == EVENT_NO_SYSCALL ? 0 : task->syscall + 1u,
	};
	struct user_part user = {.leaf = 0, .end = task->user_end};
	const uint64_t *kernel = (const uint64_t *)(task + 1);
	bool lost = false, is_new;
	int rc;

	if (!task->tracked) {
		if (!slept_all_along(tr, task))
			return 0;
		row.flags |= STINT_OFFCPU_OPEN_START;
		if ((was->state & STATE_BITS) == 0)
			row.flags |= STINT_OFFCPU_PREEMPTED;
		row.state = was->state;
		user = was->user;
	}
	rc = mark_ended(tr, task->tid, &is_new, err);
	if (rc || !is_new)
		return rc;
	tr->offcpu_listed += !task->tracked;
	if (task->tracked && task->user_stack)
		rc = stacks_user_part(tr->stacks, task->user_stack, &user, &lost, err);
	if (rc == 0)
		rc = stacks_kernel_on(tr->stacks, &user, kernel, task->n_kernel, task->kernel_end, &row.stack, err);
	if (rc == 0)
		rc = tasks_recorded_thread(tr->tasks, (pid_t)task->pid, (pid_t)task->tid, &row.thread, err);
	if (rc == 0 && row.flags & STINT_OFFCPU_WOKEN)
		rc = waker_thread(tr, task->waker_pid, task->waker_tid, &row.waker, err);
	if (rc == 0 && row.flags & STINT_OFFCPU_WOKEN)
		rc = waker_stack(tr, task->waker_user_stack, task->waker_kernel_stack, &row, &lost, err);
	if (rc)
		return rc;
	tr->offcpu_without_stack += lost;
	tr->offcpu_open += (row.flags & STINT_OFFCPU_OPEN_END) != 0;
	settle(tr, &row);
	return stint_writer_add(tr->writer, STINT_OFFCPU, &row, err);
}
