/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* The hash of a kernel stack that a helper has written into a message. */
#ifndef STINT_BPF_KERNEL_STACK_H
#define STINT_BPF_KERNEL_STACK_H

#include "bpf/stack.h"

#define KERNEL_STACK_BYTES (EVENT_MAX_FRAMES * sizeof(__u64))

struct kernel_hash_loop {
	struct stack_message *msg;
	__u64 hash;
	__u32 n;
};

static long kernel_hash_step(__u32 i, struct kernel_hash_loop *loop)
{
	if (i >= loop->n)
		return 1;
	asm volatile("%[i] &= 127" : [i] "+r"(i));
	loop->hash = hash_mix(loop->hash, loop->msg->frames[i]);
	return 0;
}

/*
 * Completes the message after bpf_get_stack or bpf_get_task_stack returned size bytes. Returns the
 * stack's hash, or 0 where there is none; *ret_end says how it ended. flags is EVENT_STACK_EXACT or
 * 0.
 */
static __always_inline __u64 kernel_stack_finish(struct stack_message *msg, __s64 size, __u8 flags, __u8 *ret_end)
{
	struct kernel_hash_loop loop = {.msg = msg, .hash = flags};

	if (size < (__s64)sizeof(__u64)) {
		*ret_end = KERNEL_FAILED;
		return 0;
	}
	loop.n = (__u32)size / sizeof(__u64);
	*ret_end = loop.n >= EVENT_MAX_FRAMES ? KERNEL_DEPTH : KERNEL_COMPLETE;
	bpf_loop(EVENT_MAX_FRAMES, kernel_hash_step, &loop, 0);
	/* An even hash: user stacks have odd ones. */
	loop.hash = (hash_mix(loop.hash, *ret_end) | 2) & ~1ull;
	msg->stack.h.type = EVENT_STACK;
	msg->stack.h.flags = EVENT_STACK_KERNEL | flags;
	msg->stack.h.tid = 0;
	msg->stack.pid = 0;
	msg->stack.hash = loop.hash;
	msg->stack.n_frames = loop.n;
	msg->stack.end = *ret_end;
	return loop.hash;
}

#endif
