/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Lists the targets that are off the CPU: once when recording begins, once when it stops. It
 * changes nothing, so that the kernel may run it again for a thread whose record didn't fit into
 * its buffer.
 */

struct task_record {
	struct event_task task;
	__u64 frames[EVENT_MAX_FRAMES + 1]; /* so that a masked length stays inside */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct task_record);
} task_records SEC(".maps");

static __always_inline void task_record_interval(struct event_task *rec, const struct thread *thread)
{
	bool sleeps;

	rec->tracked = 1;
	rec->flags |= thread->flags;
	rec->syscall = thread->syscall;
	rec->cpu_out = thread->cpu_out;
	rec->start_ns = thread->start_ns;
	rec->user_stack = thread->user_stack;
	rec->user_end = thread->user_end;
	/* A wake-up that came just before it went to sleep after all left it asleep. */
	sleeps = rec->state & ~TASK_WAKING;
	rec->state = thread->state;
	if (!(thread->flags & EVENT_PREEMPTED) && !sleeps && thread->wake_ns && thread->wake_ns >= thread->on_ns) {
		rec->flags |= EVENT_WOKEN;
		rec->wake_ns = thread->wake_ns;
		rec->waker_pid = thread->waker_pid;
		rec->waker_tid = thread->waker_tid;
		rec->waker_user_stack = thread->waker_user_stack;
		rec->waker_kernel_stack = thread->waker_kernel_stack;
	}
}

SEC("iter/task")
int list_off_cpu(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct task_record *rec;
	struct thread *thread;
	__u32 zero = 0;
	bool is_off;
	__u64 size;
	__s64 n;

	if (!task)
		return 0;
	/* An interval that began counts to its end, also when the thread has ceased to be a target. */
	thread = bpf_task_storage_get(&threads, task, 0, 0);
	is_off = thread && thread->phase == THREAD_OFF;
	if (!is_off && (!is_target(task) || task->exit_state))
		return 0;
	rec = bpf_map_lookup_elem(&task_records, &zero);
	if (!rec)
		return 0;
	__builtin_memset(&rec->task, 0, sizeof(rec->task));
	rec->task.pid = task->tgid;
	rec->task.tid = task->pid;
	rec->task.state = task_state(task);
	rec->task.syscall = EVENT_NO_SYSCALL;
	rec->task.cpu_out = EVENT_NO_CPU;
	rec->task.n_switches = task->nvcsw + task->nivcsw;
	rec->task.user_end = USER_NOT_TAKEN;
	if (is_off)
		task_record_interval(&rec->task, thread);
	else if ((thread && thread->phase == THREAD_ON) || task->on_cpu)
		return 0;

	if (task->flags & PF_KTHREAD) {
		rec->task.flags |= EVENT_KTHREAD;
		rec->task.user_end = USER_NONE;
	} else {
		struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);

		rec->task.ip = regs->ip;
		copy_regs(rec->task.regs, regs);
		rec->task.syscall = task_syscall(task);
	}
	rec->task.kernel_end = KERNEL_FAILED;
	size = sizeof(rec->task);
	n = bpf_get_task_stack(task, rec->frames, KERNEL_STACK_BYTES, 0);
	if (n >= (__s64)sizeof(__u64) && n <= (__s64)KERNEL_STACK_BYTES) {
		/* Verifiers before 6.2 lose the bound otherwise. */
		asm volatile("%[n] &= 1023" : [n] "+r"(n));
		rec->task.n_kernel = n / sizeof(__u64);
		rec->task.kernel_end = n == KERNEL_STACK_BYTES ? KERNEL_DEPTH : KERNEL_COMPLETE;
		size += n;
	}
	rec->task.size_bytes = size;
	bpf_seq_write(ctx->meta->seq, rec, size);
	return 0;
}
