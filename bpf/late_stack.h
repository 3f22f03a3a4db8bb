/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * A sample may come while the thread's own stack isn't mapped. When a page is written that fork has left shared, the
 * kernel clears the page's entry, flushes it from the TLB with interrupts off, and enters the copy: a timer that was
 * held back fires in between. The page is there again before the thread goes on. Where the kernel can call back at a
 * thread's return to user mode (6.18), the walk is made up for then: registers and stack are still those of the sample.
 */
#ifndef STINT_BPF_LATE_STACK_H
#define STINT_BPF_LATE_STACK_H

#include "bpf/scratch.h"

#define LATE_STACKS	       1024u /* under way at a time */
#define LATE_FAILURES_A_SECOND 16u   /* stacks that are never readable aren't tried again and again */
#define LATE_PERIOD_SHIFT      30    /* of ns: about a second */

/* Whose stack was promised. */
struct late_name {
	__u64 hash; /* the sample knows it by */
	__u64 ip, sp, bp, salt;
};

struct late_stack {
	struct late_name name;
	struct bpf_task_work work; /* the kernel's: nobody else reads it */
};

/* By hash. No LRU, for the sake of samples in NMIs. What is never called back keeps its place. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, LATE_STACKS);
	__type(key, __u64);
	__type(value, struct late_stack);
} late_stacks SEC(".maps");

volatile __u64 late_period;
volatile __u32 late_failed; /* in this period */

/* Programs may race for the last few, which does no harm. */
static __always_inline bool late_allowed(__u64 now_ns)
{
	__u64 period = now_ns >> LATE_PERIOD_SHIFT;

	if (late_period != period) {
		late_period = period;
		late_failed = 0;
	}
	return late_failed < LATE_FAILURES_A_SECOND;
}

/* Sends the walk again, under the name that its sample has. */
static __always_inline void late_send(struct user_walk *walk, __u64 hash)
{
	__u64 n = walk->n_frames;

	if (n > EVENT_MAX_FRAMES)
		n = EVENT_MAX_FRAMES;
	walk->msg.stack.hash = hash;
	walk->msg.stack.h.flags = EVENT_STACK_EXACT | EVENT_STACK_LATE;
	if (bpf_ringbuf_output(&ring, &walk->msg, sizeof(walk->msg.stack) + n * sizeof(__u64), BPF_RB_NO_WAKEUP))
		COUNT(stack_ring_full);
}

/* Only while the thread is where it was sampled: a signal's handler or another image has other registers. */
static __always_inline void late_walk(struct task_struct *task, const struct late_name *late)
{
	struct scratch *scratch = scratch_get(SCRATCH_LATE);
	struct user_regs regs = task_user_regs(task);

	if (!scratch || control.phase != PHASE_RECORDING || regs.ip != late->ip || regs.sp != late->sp ||
	    regs.bp != late->bp || image_salt(task) != late->salt)
		return;
	user_stack_walk(&scratch->user, task, &regs, false);
	if (scratch->user.end == USER_UNREADABLE)
		__sync_fetch_and_add(&late_failed, 1);
	else if (scratch->user.end != USER_NONE && scratch->user.end != USER_WINDOW)
		late_send(&scratch->user, late->hash);
}

/* In the thread itself, about to return to user mode. Nobody else may use this CPU's scratch meanwhile. */
static int late_stack_take(struct bpf_map *map, void *key, void *value)
{
	struct late_name late = ((struct late_stack *)value)->name;

	bpf_preempt_disable();
	late_walk(bpf_get_current_task_btf(), &late);
	bpf_preempt_enable();
	bpf_map_delete_elem(&late_stacks, &late.hash);
	return 0;
}

/*
 * Gives a walk that ended for want of memory a name of its own, under which it is sent again once it has succeeded.
 * False where that can't be: it stays as it is.
 */
static __always_inline bool late_stack_promise(struct user_walk *walk, struct task_struct *task,
					       const struct user_regs *regs, __u64 now_ns)
{
	struct late_stack fresh = {.name = {.ip = regs->ip, .sp = regs->sp, .bp = regs->bp}}, *late;
	__u64 hash;

	if (!config.late_stacks || config.unwind == UNWIND_BY_DUMP || walk->end != USER_UNREADABLE ||
	    !late_allowed(now_ns))
		return false;
	hash = hash_mix(hash_mix(walk->hash, task->pid), now_ns) | 1;
	fresh.name.hash = hash;
	fresh.name.salt = image_salt(task);
	if (bpf_map_update_elem(&late_stacks, &hash, &fresh, BPF_NOEXIST))
		return false;
	late = bpf_map_lookup_elem(&late_stacks, &hash);
	if (!late)
		return false;
	if (bpf_task_work_schedule_resume_impl(task, &late->work, &late_stacks, late_stack_take, NULL)) {
		bpf_map_delete_elem(&late_stacks, &hash);
		return false;
	}
	walk->hash = hash;
	walk->msg.stack.hash = hash;
	return true;
}

#endif
