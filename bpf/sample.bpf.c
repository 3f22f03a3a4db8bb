/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* On-CPU samples: a perf event on each CPU. */

static __always_inline void sample_kernel(struct bpf_perf_event_data *ctx, struct scratch *scratch,
					  struct event_sample *ev)
{
	__s64 size = bpf_get_stack(ctx, scratch->kernel.frames, KERNEL_STACK_BYTES, 0);

	ev->kernel_stack = kernel_stack_finish(&scratch->kernel, size, EVENT_STACK_EXACT, &ev->kernel_end);
	if (ev->kernel_stack)
		stack_send(&scratch->kernel, NULL);
}

SEC("perf_event")
int on_sample(struct bpf_perf_event_data *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct scratch *scratch = scratch_get(SCRATCH_SAMPLE);
	struct event_sample ev = {.h.type = EVENT_SAMPLE};
	struct user_regs regs;

	if (control.phase != PHASE_RECORDING || !is_target(task) || !scratch)
		return 0;
	COUNT(samples);
	ev.h.cpu = bpf_get_smp_processor_id();
	ev.h.tid = task->pid;
	ev.h.time_ns = bpf_ktime_get_ns();
	ev.pid = task->tgid;
	ev.period = ctx->sample_period;
	ev.user_end = USER_NONE;
	ev.kernel_end = KERNEL_NONE;
	if ((ctx->cs & 3) == 0)
		sample_kernel(ctx, scratch, &ev);
	if (task->flags & PF_KTHREAD)
		goto emit;
	/* In the kernel, the registers that user mode left at its door. */
	if ((ctx->cs & 3) != 0) {
		regs.ip = ctx->ip;
		regs.sp = ctx->sp;
		regs.bp = ctx->bp;
		regs.is_64bit = ctx->cs == USER_CS_64;
		/* Or the compiler reads both kinds of registers by one computed address, which the verifier refuses. */
		barrier_var(regs.ip);
		barrier_var(regs.sp);
		barrier_var(regs.bp);
	} else {
		regs = task_user_regs(task);
	}
	ev.user_stack = user_stack_walk(&scratch->user, task, &regs, false);
	ev.user_end = scratch->user.end;
	if (late_stack_promise(&scratch->user, task, &regs, ev.h.time_ns))
		ev.user_stack = scratch->user.hash;
	user_stack_send(&scratch->user, NULL);
emit:
	if (bpf_ringbuf_output(&ring, &ev, sizeof(ev), BPF_RB_NO_WAKEUP))
		COUNT(sample_ring_full);
	return 0;
}
