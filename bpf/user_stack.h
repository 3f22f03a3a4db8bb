/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Walks a user stack: registers in, frames and the reason for stopping out. The stack's memory is
 * read through a window: a read costs about the same whether it brings 16 bytes or 2 KB, and a
 * window usually holds many frames.
 */
#ifndef STINT_BPF_USER_STACK_H
#define STINT_BPF_USER_STACK_H

#include "bpf/stack.h"

#define WINDOW_WORDS  256
#define WINDOW_BYTES  (WINDOW_WORDS * 8)
#define PAGE_BYTES    4096ull
#define USER_ADDR_MIN 4096ull
#define USER_ADDR_MAX 0x00fffffffffff000ull /* with five-level page tables */

struct user_regs {
	__u64 ip, sp, bp;
	bool is_64bit;
};

/* One a CPU and kind of program: too large for a program's stack. */
struct user_walk {
	__u64 ip, sp, bp;
	__u64 hash;
	__u64 window_start; /* address of window[0] */
	__u64 window_bytes; /* valid ones, from the start on */
	__u32 n_frames;
	__u32 end;
	__u64 window[WINDOW_WORDS];
	struct stack_message msg;
};

/* Brings the words at addr and addr + 8 into the window. */
static __always_inline bool window_fill(struct user_walk *walk, __u64 addr)
{
	__u64 size = WINDOW_BYTES;

	walk->window_start = addr;
	walk->window_bytes = WINDOW_BYTES;
	if (bpf_probe_read_user(walk->window, WINDOW_BYTES, (void *)addr) == 0)
		return true;
	/* The stack's end is near: take what the page has. */
	size = PAGE_BYTES - (addr & (PAGE_BYTES - 1));
	if (size < WINDOW_BYTES && size >= 16 &&
	    bpf_probe_read_user(walk->window, size, (void *)addr) == 0) {
		walk->window_bytes = size;
		return true;
	}
	walk->window_bytes = 0;
	return false;
}

/* The two words at addr: a frame's saved frame pointer and its return address. */
static __always_inline bool user_read_pair(struct user_walk *walk, __u64 addr, __u64 *ret_first,
                                           __u64 *ret_second)
{
	__u64 off = addr - walk->window_start;

	if (addr < walk->window_start || off + 16 > walk->window_bytes) {
		if (!window_fill(walk, addr))
			return false;
		off = 0;
	}
	off >>= 3;
	/* The verifier has lost sight of the bound by now: state it again where the compiler can't
	 * remove it. */
	asm volatile("%[off] &= 255" : [off] "+r"(off));
	*ret_first = walk->window[off];
	if (off > WINDOW_WORDS - 2)
		return false;
	*ret_second = walk->window[off + 1];
	return true;
}

static __always_inline void user_push(struct user_walk *walk, __u64 addr)
{
	__u32 n = walk->n_frames;

	if (n >= EVENT_MAX_FRAMES)
		return;
	asm volatile("%[n] &= 127" : [n] "+r"(n));
	walk->msg.frames[n] = addr;
	walk->n_frames = n + 1;
	walk->hash = hash_mix(walk->hash, addr);
}

/*
 * One frame by its frame pointer. A chain that ends, or that leads where no chain would (down the
 * stack, to odd addresses), is code without frame pointers or the outermost frame: they can't be
 * told apart.
 */
static __always_inline bool user_step_fp(struct user_walk *walk)
{
	__u64 bp = walk->bp, caller_bp, ret;

	if (bp < walk->sp || bp & 7 || bp > USER_ADDR_MAX) {
		walk->end = USER_FP_END;
		return false;
	}
	if (!user_read_pair(walk, bp, &caller_bp, &ret)) {
		walk->end = USER_UNREADABLE;
		return false;
	}
	if (ret < USER_ADDR_MIN || ret > USER_ADDR_MAX) {
		walk->end = USER_FP_END;
		return false;
	}
	if (walk->n_frames >= EVENT_MAX_FRAMES) {
		walk->end = USER_DEPTH;
		return false;
	}
	walk->ip = ret;
	walk->sp = bp + 16;
	walk->bp = caller_bp;
	user_push(walk, ret);
	return true;
}

struct user_walk_loop {
	struct user_walk *walk;
};

static long user_step(__u32 i, struct user_walk_loop *loop)
{
	return user_step_fp(loop->walk) ? 0 : 1;
}

/* Walks into walk->msg, which is complete but for its header's time. Returns the stack's hash,
 * never 0. */
static __always_inline __u64 user_stack_walk(struct user_walk *walk, struct task_struct *task,
                                             const struct user_regs *regs)
{
	struct user_walk_loop loop = {.walk = walk};

	walk->ip = regs->ip;
	walk->sp = regs->sp;
	walk->bp = regs->bp;
	walk->hash = image_salt(task);
	walk->window_start = 0;
	walk->window_bytes = 0;
	walk->n_frames = 0;
	walk->end = USER_DEPTH;
	user_push(walk, regs->ip);
	if (!regs->is_64bit)
		walk->end = USER_UNSUPPORTED;
	else
		bpf_loop(EVENT_MAX_FRAMES + 1, user_step, &loop, 0);

	walk->hash = hash_mix(walk->hash, walk->end) | 1;
	walk->msg.stack.h.type = EVENT_STACK;
	walk->msg.stack.h.flags = EVENT_STACK_EXACT;
	walk->msg.stack.h.tid = task->pid;
	walk->msg.stack.pid = task->tgid;
	walk->msg.stack.hash = walk->hash;
	walk->msg.stack.n_frames = walk->n_frames;
	walk->msg.stack.end = walk->end;
	return walk->hash;
}

#endif
