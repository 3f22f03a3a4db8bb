/* SPDX-License-Identifier: MIT */
/* What an off-CPU interval says: how long, how much of it blocked, in which state. */
#include "analyze/select.h"

/* The kernel's task state bits, <linux/sched.h> since Linux 4.14. */
#define STATE_INTERRUPTIBLE   0x001u
#define STATE_UNINTERRUPTIBLE 0x002u
#define STATE_STOPPED	      0x004u
#define STATE_TRACED	      0x008u
#define STATE_EXIT_DEAD	      0x010u
#define STATE_EXIT_ZOMBIE     0x020u
#define STATE_PARKED	      0x040u
#define STATE_DEAD	      0x080u
#define STATE_NOLOAD	      0x400u

enum task_state offcpu_state(const struct stint_offcpu *row)
{
	uint32_t state = row->state;

	if (!state || (row->flags & STINT_OFFCPU_PREEMPTED))
		return TASK_RUNNING;
	if ((state & STATE_UNINTERRUPTIBLE) && (state & STATE_NOLOAD))
		return TASK_IDLE;
	if (state & STATE_INTERRUPTIBLE)
		return TASK_SLEEPING;
	if (state & STATE_UNINTERRUPTIBLE)
		return TASK_DISK_SLEEP;
	if (state & STATE_STOPPED)
		return TASK_STOPPED;
	if (state & STATE_TRACED)
		return TASK_TRACED;
	if (state & (STATE_DEAD | STATE_EXIT_DEAD))
		return TASK_DEAD;
	if (state & STATE_EXIT_ZOMBIE)
		return TASK_ZOMBIE;
	return state & STATE_PARKED ? TASK_PARKED : TASK_STATE_OTHER;
}

static const char *const state_names[N_TASK_STATES] = {
	"R (preempted)", "S (sleeping)", "D (uninterruptible)", "T (stopped)", "t (traced)",
	"X (dead)",	 "Z (zombie)",	 "P (parked)",		"I (idle)",    "? (unknown)",
};

const char *task_state_name(enum task_state state)
{
	return state_names[state];
}

char task_state_letter(enum task_state state)
{
	return state_names[state][0];
}

struct offcpu_times offcpu_times(const struct stint_offcpu *row)
{
	struct offcpu_times t = {0};

	if (row->end_ns <= row->start_ns)
		return t;
	t.duration_ns = row->end_ns - row->start_ns;
	if (row->flags & STINT_OFFCPU_PREEMPTED)
		t.blocked_ns = 0;
	else if ((row->flags & STINT_OFFCPU_WOKEN) && row->wake_ns <= row->end_ns)
		t.blocked_ns = row->wake_ns > row->start_ns ? row->wake_ns - row->start_ns : 0;
	else
		t.blocked_ns = t.duration_ns;
	t.runqueue_ns = t.duration_ns - t.blocked_ns;
	return t;
}
