/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Off-CPU intervals. What is known when a thread leaves the CPU is kept with the thread; the
 * interval becomes an event when it comes on again. Every interval that begins is counted, and ends
 * as an event or as a counted loss.
 */

static __always_inline __u32 task_state(struct task_struct *task)
{
	struct task_struct___before_5_14 *old = (void *)task;

	if (bpf_core_field_exists(task->__state))
		return BPF_CORE_READ(task, __state);
	return BPF_CORE_READ(old, state);
}

static __always_inline __u16 task_syscall(struct task_struct *task)
{
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);
	__s64 number = regs->orig_ax;

	/* -1: it came by an interrupt or a fault. The numbers of 32-bit code are another table's.
	 */
	if (number < 0 || number >= EVENT_NO_SYSCALL || regs->cs != USER_CS_64)
		return EVENT_NO_SYSCALL;
	return number;
}

static __always_inline struct user_regs task_user_regs(struct task_struct *task)
{
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);

	return (struct user_regs){
		.ip = regs->ip,
		.sp = regs->sp,
		.bp = regs->bp,
		.is_64bit = regs->cs == USER_CS_64,
	};
}

/* Walks the user stack of the thread that is running. */
static __always_inline __u64 walk_task(struct scratch *scratch, struct task_struct *task, __u8 *ret_end)
{
	struct user_regs regs = task_user_regs(task);
	__u64 hash = user_stack_walk(&scratch->user, task, &regs, false);

	*ret_end = scratch->user.end;
	return hash;
}

/* The user stack of a thread that leaves. */
static __always_inline void leave_stack(struct scratch *scratch, struct task_struct *prev, struct thread *thread)
{
	struct user_regs regs = task_user_regs(prev);
	struct user_walk *walk = &scratch->user;
	__u64 salt = image_salt(prev), version = known_walk_version(), hash;
	struct known_walk *known = known_walk_of(&regs, salt);
	bool been_here;

	if (!known)
		return;
	been_here = known_walk_is_from(known, &regs, salt);
	if (been_here && known_walk_holds(known, walk, regs.sp)) {
		thread->user_stack = known->hash;
		thread->user_end = known->end;
		thread->stack_generation = known->generation;
		return;
	}
	hash = user_stack_walk(walk, prev, &regs, been_here);
	if (hash != thread->user_stack || thread->stack_generation != control.stack_generation)
		user_stack_send(walk, &thread->stack_generation);
	thread->user_stack = hash;
	thread->user_end = walk->end;
	known_walk_keep(known, walk, &regs, salt, version, thread->stack_generation);
}

static __always_inline __u64 offcpu_kernel_stack(struct task_struct *task, __u64 length_ns, __u8 *ret_end)
{
	struct scratch *scratch = scratch_get(SCRATCH_SWITCH);
	__u64 hash;
	__s64 size;

	*ret_end = KERNEL_NOT_TAKEN;
	if (length_ns < config.kernel_stack_min_ns || !scratch)
		return 0;
	size = bpf_get_task_stack(task, scratch->kernel.frames, KERNEL_STACK_BYTES, 0);
	hash = kernel_stack_finish(&scratch->kernel, size, 0, ret_end);
	if (hash)
		stack_send(&scratch->kernel, NULL);
	return hash;
}

static __always_inline void wake_fill(struct event_offcpu *ev, const struct thread *thread, __u64 since_ns)
{
	__u64 wake_ns = thread->wake_ns;

	if (ev->h.flags & EVENT_PREEMPTED)
		return;
	/*
	 * A wake-up can be seen just before the switch that it ends: the thread was already past
	 * the point of no return. It counts if it came while the thread was last running and none
	 * came later.
	 */
	if (wake_ns == 0 || wake_ns < thread->on_ns) {
		ev->h.flags |= EVENT_WAKE_UNSEEN;
		return;
	}
	ev->h.flags |= EVENT_WOKEN;
	ev->wake_ns = wake_ns < since_ns ? since_ns : wake_ns;
	ev->waker_pid = thread->waker_pid;
	ev->waker_tid = thread->waker_tid;
}

static __always_inline void offcpu_fill(struct event_offcpu *ev, struct task_struct *next, struct thread *thread,
					__u64 now, __u8 flags, bool sleeps)
{
	__u64 since_ns = flags & EVENT_OPEN_START ? control.start_ns : thread->start_ns;

	ev->h.type = EVENT_OFFCPU;
	ev->h.flags = flags;
	ev->h.cpu = bpf_get_smp_processor_id();
	ev->h.tid = next->pid;
	ev->h.time_ns = now;
	ev->pid = next->tgid;
	ev->wake_ns = 0;
	ev->waker_pid = 0;
	ev->waker_tid = 0;
	ev->state = thread->state;
	ev->reserved = 0;
	if (flags & EVENT_OPEN_START) {
		ev->start_ns = next->nvcsw + next->nivcsw;
		ev->user_stack = 0;
		ev->user_end = USER_NOT_TAKEN;
		ev->cpu_out = EVENT_NO_CPU;
		ev->syscall = EVENT_NO_SYSCALL;
		if (next->flags & PF_KTHREAD)
			ev->h.flags |= EVENT_KTHREAD;
		else
			ev->syscall = task_syscall(next);
	} else {
		ev->start_ns = thread->start_ns;
		ev->user_stack = thread->user_stack;
		ev->user_end = thread->user_end;
		ev->cpu_out = thread->cpu_out;
		ev->syscall = thread->syscall;
	}
	wake_fill(ev, thread, since_ns);
	ev->kernel_end = KERNEL_FAILED;
	ev->kernel_stack = sleeps ? offcpu_kernel_stack(next, now - since_ns, &ev->kernel_end) : 0;
}

/* sleeps: the thread is still where it blocked, for its kernel stack to be taken. */
static __always_inline void offcpu_emit(struct task_struct *next, struct thread *thread, __u64 now, __u8 flags,
					bool sleeps)
{
	struct event_offcpu_waker ev;

	if (!(flags & EVENT_OPEN_END))
		COUNT(offcpu_ended);
	if (!(flags & (EVENT_OPEN_START | EVENT_OPEN_END)) && now - thread->start_ns < config.off_cpu_min_ns) {
		COUNT(offcpu_below_min);
		return;
	}
	offcpu_fill(&ev.offcpu, next, thread, now, flags, sleeps);
	if (config.wakers == WAKERS_STACK) {
		ev.offcpu.h.type = EVENT_OFFCPU_WAKER;
		ev.waker_user_stack = thread->waker_user_stack;
		ev.waker_kernel_stack = thread->waker_kernel_stack;
		if (bpf_ringbuf_output(&ring, &ev, sizeof(ev), BPF_RB_NO_WAKEUP))
			COUNT(offcpu_ring_full);
	} else if (bpf_ringbuf_output(&ring, &ev.offcpu, sizeof(ev.offcpu), BPF_RB_NO_WAKEUP)) {
		COUNT(offcpu_ring_full);
	}
}

/*
 * It leaves the CPU, and was off it for all we know: its return went unseen, as it does on kernels
 * that hide some threads' switches from tracing, this thread coming on after one of those. How long
 * it has run says when that was.
 */
static __always_inline void unseen_return(struct task_struct *task, struct thread *thread, __u64 now)
{
	__u64 on_ns = now - (task->se.sum_exec_runtime - task->se.prev_sum_exec_runtime);

	if (on_ns > now || on_ns < thread->start_ns)
		on_ns = thread->start_ns;
	if (on_ns < thread->wake_ns)
		on_ns = thread->wake_ns;
	offcpu_emit(task, thread, on_ns, thread->flags, false);
	thread->on_ns = on_ns;
}

static __always_inline void switch_out(struct task_struct *prev, bool runnable, __u32 state, __u64 now)
{
	struct scratch *scratch = scratch_get(SCRATCH_SWITCH);
	struct thread *thread;

	if (!scratch)
		return;
	if (state & TASK_DEAD) {
		/* It doesn't come back: all that may be due is an interval that ended unseen. */
		thread = bpf_task_storage_get(&threads, prev, 0, 0);
		if (thread && thread->phase == THREAD_OFF) {
			unseen_return(prev, thread, now);
			thread->phase = THREAD_ON;
		}
		return;
	}
	COUNT(offcpu);
	thread = bpf_task_storage_get(&threads, prev, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!thread) {
		storage_failed = 1;
		COUNT(offcpu_no_storage);
		COUNT(offcpu_ended);
		return;
	}
	if (thread->phase == THREAD_OFF)
		unseen_return(prev, thread, now);
	thread->start_ns = now;
	thread->state = state;
	thread->cpu_out = bpf_get_smp_processor_id();
	thread->phase = THREAD_OFF;
	thread->flags = runnable ? EVENT_PREEMPTED : 0;
	if (prev->flags & PF_KTHREAD) {
		thread->flags |= EVENT_KTHREAD;
		thread->syscall = EVENT_NO_SYSCALL;
		thread->user_stack = 0;
		thread->user_end = USER_NONE;
		return;
	}
	thread->syscall = task_syscall(prev);
	leave_stack(scratch, prev, thread);
}

/* A target that nobody has seen before: it has been off the CPU since before recording began. */
static __always_inline struct thread *first_sight(struct task_struct *next)
{
	struct thread *thread;

	COUNT(offcpu);
	thread = bpf_task_storage_get(&threads, next, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!thread)
		storage_failed = 1;
	/* After a failure, it may as well be one that was seen and forgotten. */
	if (storage_failed) {
		COUNT(offcpu_no_storage);
		COUNT(offcpu_ended);
		if (thread)
			thread->phase = THREAD_ON;
		return NULL;
	}
	return thread;
}

static __always_inline void switch_in(struct task_struct *next, struct thread *thread, __u64 now)
{
	__u8 flags = control.phase == PHASE_STOPPING ? EVENT_OPEN_END : 0;

	if (!thread || thread->phase == THREAD_UNSEEN) {
		thread = first_sight(next);
		if (!thread)
			return;
		flags |= EVENT_OPEN_START;
	} else if (thread->phase == THREAD_OFF) {
		flags |= thread->flags;
	} else {
		return;
	}
	thread->phase = THREAD_ON;
	offcpu_emit(next, thread, now, flags, true);
	thread->on_ns = now;
}

SEC("tp_btf/sched_switch")
int on_switch(__u64 *ctx)
{
	bool preempt = ctx[0], leaves, comes;
	struct task_struct *prev = (void *)ctx[1];
	struct task_struct *next = (void *)ctx[2];
	struct thread *thread;
	__u32 state;
	__u64 now;

	if (control.phase == PHASE_IDLE)
		return 0;
	/* From the argument where there is one: the field may already say what a wake-up has made
	 * of it. */
	state = config.has_prev_state ? (__u32)ctx[3] : task_state(prev);
	leaves = control.phase == PHASE_RECORDING && (state & TASK_DEAD || is_target(prev));
	thread = bpf_task_storage_get(&threads, next, 0, 0);
	comes = (thread && thread->phase != THREAD_UNSEEN) || is_target(next);
	if (!leaves && !comes)
		return 0;
	now = bpf_ktime_get_ns();
	if (leaves)
		switch_out(prev, preempt || state == 0, preempt ? 0 : state, now);
	if (comes)
		switch_in(next, thread, now);
	return 0;
}

/* This runs in the waker's context, on its CPU, also where the wake-up itself is left to another
 * CPU. */
SEC("tp_btf/sched_waking")
int BPF_PROG(on_waking, struct task_struct *task)
{
	struct task_struct *waker;
	struct scratch *scratch;
	struct thread *thread;
	bool interrupt;
	__s64 size;
	__u8 end;

	if (control.phase != PHASE_RECORDING)
		return 0;
	thread = bpf_task_storage_get(&threads, task, 0, 0);
	if (!thread) {
		if (!is_target(task))
			return 0;
		thread = bpf_task_storage_get(&threads, task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
		if (!thread)
			return 0;
	}
	if (thread->phase == THREAD_UNSEEN)
		thread->state = task_state(task);
	thread->wake_ns = bpf_ktime_get_ns();
	if (config.wakers == WAKERS_NONE)
		return 0;
	waker = bpf_get_current_task_btf();
	interrupt = in_interrupt();
	thread->waker_pid = interrupt ? 0 : waker->tgid;
	thread->waker_tid = interrupt ? 0 : waker->pid;
	if (config.wakers != WAKERS_STACK)
		return 0;
	scratch = scratch_get(SCRATCH_WAKING);
	if (!scratch)
		return 0;
	thread->waker_user_stack = 0;
	if (!interrupt && !(waker->flags & PF_KTHREAD) && waker->pid) {
		thread->waker_user_stack = walk_task(scratch, waker, &end);
		user_stack_send(&scratch->user, NULL);
	}
	size = bpf_get_stack(ctx, scratch->kernel.frames, KERNEL_STACK_BYTES, 0);
	thread->waker_kernel_stack = kernel_stack_finish(&scratch->kernel, size, 0, &end);
	if (thread->waker_kernel_stack)
		stack_send(&scratch->kernel, NULL);
	return 0;
}
