// SPDX-License-Identifier: MIT
/*
 * Ways of walking the user stack of the thread that runs them (BPF_PROG_TEST_RUN), for walk.c to
 * time by the kernel's run-time statistics: the recorder's own walker, and the kernel's walk by
 * frame pointers, which is also perf's.
 */
#include "bpf/types.h"

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

#include "bpf/scratch.h"

__u32 n_frames, end; /* of the last walk */
__u32 kernel_bytes;  /* room for the kernel's addresses: its walk ends there at the latest */

SEC("raw_tp/sys_enter")
int walk_nothing(void *ctx)
{
	return 0;
}

SEC("raw_tp/sys_enter")
int walk_stint(void *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct pt_regs *task_regs = (struct pt_regs *)bpf_task_pt_regs(task);
	struct scratch *scratch = scratch_get(SCRATCH_SWITCH);
	struct user_regs regs = {
		.ip = task_regs->ip,
		.sp = task_regs->sp,
		.bp = task_regs->bp,
		.is_64bit = true,
	};

	if (!scratch)
		return 0;
	user_stack_walk(&scratch->user, task, &regs, false);
	n_frames = scratch->user.n_frames;
	end = scratch->user.end;
	return 0;
}

SEC("raw_tp/sys_enter")
int walk_kernel(void *ctx)
{
	struct scratch *scratch = scratch_get(SCRATCH_WAKING);
	__u32 room = kernel_bytes;
	long size;

	if (!scratch || room > KERNEL_STACK_BYTES)
		return 0;
	size = bpf_get_stack(ctx, scratch->kernel.frames, room, BPF_F_USER_STACK);
	n_frames = size > 0 ? (__u32)size / sizeof(__u64) : 0;
	end = 0;
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
