/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Copies a user stack instead of walking it: registers and the bytes from the stack pointer on, to be
 * unwound elsewhere. With --unwind=dump equal copies have the same hash, so that they are sent once
 * like any stack: an idle thread's is.
 */
#ifndef STINT_BPF_DUMP_H
#define STINT_BPF_DUMP_H

#include "bpf/stack.h"
#include "bpf/window.h"

#define DUMP_WORDS	 (EVENT_CHUNK_BYTES / 8)
#define DUMP_PAGES	 (EVENT_CHUNK_BYTES / PAGE_BYTES + 1) /* that a chunk can touch */
#define DUMP_CHUNKS	 (EVENT_MAX_WINDOW_BYTES / EVENT_CHUNK_BYTES)
#define DUMP_HASH_WORDS	 16 /* at a time */
#define DUMP_HASH_ROUNDS (DUMP_WORDS / DUMP_HASH_WORDS)
#define DUMP_ABOVE_TOP	 64 /* bytes: what the first function looks at */

/* A message, with one of two headers in front of the words. */
struct dump {
	union {
		struct event_window window;
		struct {
			__u8 unused[sizeof(struct event_window) - sizeof(struct event_stack)];
			struct event_stack more;
		};
	};
	__u64 words[DUMP_WORDS + PAGE_BYTES / 8]; /* the last page may be read past the end */
	__u64 sp, size;				  /* of all of it */
};

/* One a CPU and kind of program that takes stacks when something happens. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 3);
	__type(key, __u32);
	__type(value, struct dump);
} dumps SEC(".maps");

/* How many were taken in place of a walk in this period, of about a second. */
volatile __u64 dump_period;
volatile __u32 dump_taken;

/* In DWARF's order. */
static __always_inline void copy_regs(__u64 *to, const struct pt_regs *regs)
{
	to[0] = regs->ax;
	to[1] = regs->dx;
	to[2] = regs->cx;
	to[3] = regs->bx;
	to[4] = regs->si;
	to[5] = regs->di;
	to[6] = regs->bp;
	to[7] = regs->sp;
	to[8] = regs->r8;
	to[9] = regs->r9;
	to[10] = regs->r10;
	to[11] = regs->r11;
	to[12] = regs->r12;
	to[13] = regs->r13;
	to[14] = regs->r14;
	to[15] = regs->r15;
}

/* May one be taken in place of a walk? Programs may race for the last few, which does no harm. */
static __always_inline bool dump_allowed(void)
{
	__u64 period = bpf_ktime_get_ns() >> 30;

	if (dump_period != period) {
		dump_period = period;
		dump_taken = 0;
	}
	if (dump_taken >= config.windows_per_second) {
		COUNT(windows_left_out);
		return false;
	}
	__sync_fetch_and_add(&dump_taken, 1);
	return true;
}

/*
 * Copies a chunk. Where that faults, near the end of the memory there is, it goes page by page. Returns how many bytes
 * there are.
 */
static __always_inline __u64 dump_copy(struct dump *dump, __u64 addr, __u64 size)
{
	__u64 n = PAGE_BYTES - (addr & (PAGE_BYTES - 1)), at;
	int i;

	if (size > EVENT_CHUNK_BYTES)
		size = EVENT_CHUNK_BYTES;
	if (bpf_probe_read_user(dump->words, size, (void *)addr) == 0)
		return size;
	if (bpf_probe_read_user(dump->words, n, (void *)addr))
		return 0;
	for (i = 1; i < DUMP_PAGES && n < size; i++) {
		at = n;
		asm volatile("%[at] &= %[mask]" : [at] "+r"(at) : [mask] "i"(EVENT_CHUNK_BYTES - 1));
		if (bpf_probe_read_user((void *)dump->words + at, PAGE_BYTES, (void *)(addr + n)))
			break;
		n += PAGE_BYTES;
	}
	return n < size ? n : size;
}

/* How much of a stack is wanted: what lies above its first frame, where that is known, nobody needs. */
static __always_inline __u64 dump_size(struct task_struct *task, __u64 sp, __u64 top)
{
	__u64 above = top - sp + DUMP_ABOVE_TOP;

	if (task->pid == task->tgid && sp <= top && above < config.window_bytes)
		return above & ~7ull;
	return config.window_bytes;
}

struct dump_hash_loop {
	struct dump *dump;
	__u64 lane[4];
	__u32 n_words;
};

/* Four at a time: what costs is how long one waits for the one before. */
static long dump_hash_step(__u32 i, struct dump_hash_loop *loop)
{
	__u64 *words;
	__u32 at = i * DUMP_HASH_WORDS;
	int k;

	if (at >= loop->n_words)
		return 1;
	asm volatile("%[at] &= %[mask]" : [at] "+r"(at) : [mask] "i"(DUMP_WORDS - 1));
	words = loop->dump->words + at;
#pragma unroll
	for (k = 0; k < DUMP_HASH_WORDS; k++)
		loop->lane[k & 3] = hash_mix(loop->lane[k & 3], words[k]);
	return 0;
}

static __always_inline __u64 dump_hash(struct dump *dump, __u64 hash, __u32 n_words)
{
	struct dump_hash_loop loop = {.dump = dump, .lane = {hash, 1, 2, 3}, .n_words = n_words};
	int i;

	/* Whole rounds are hashed: what stands behind the last word isn't to count. */
	for (i = 0; i < DUMP_HASH_WORDS; i++) {
		__u32 at = n_words + i;

		asm volatile("%[at] &= %[mask]" : [at] "+r"(at) : [mask] "i"(2 * DUMP_WORDS - 1));
		if (at < DUMP_WORDS + DUMP_HASH_WORDS)
			dump->words[at] = 0;
	}
	bpf_loop(DUMP_HASH_ROUNDS, dump_hash_step, &loop, 0);
	for (i = 0; i < 16; i++)
		loop.lane[0] = hash_mix(loop.lane[0], dump->window.regs[i]);
	for (i = 1; i < 4; i++)
		loop.lane[0] = hash_mix(loop.lane[0], loop.lane[i]);
	return hash_mix(loop.lane[0], n_words) | 1;
}

/* What to call it. Long windows come rarely, and aren't looked through. */
static __always_inline __u64 dump_name(struct dump *dump, struct task_struct *task, __u32 n_words)
{
	__u64 hash = hash_mix(image_salt(task), dump->window.ip);

	if (config.unwind == UNWIND_BY_DUMP)
		return dump_hash(dump, hash, n_words);
	return hash_mix(hash_mix(hash, task->pid), dump->window.stack.h.time_ns) | 1;
}

/*
 * Copies the beginning of the running thread's stack into a complete message. Returns its hash, or 0 where the stack
 * can't be read.
 */
static __always_inline __u64 dump_take(struct dump *dump, struct task_struct *task)
{
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);
	__u32 n_words;

	copy_regs(dump->window.regs, regs);
	dump->window.ip = regs->ip;
	dump->window.vdso = (__u64)task->mm->context.vdso;
	dump->window.top = task->mm->start_stack;
	dump->sp = dump->window.regs[7];
	dump->size = dump_size(task, dump->sp, dump->window.top);
	n_words = dump_copy(dump, dump->sp, dump->size) / 8;
	if (n_words == 0)
		return 0;
	dump->window.stack.h.type = EVENT_STACK;
	dump->window.stack.h.flags = EVENT_STACK_EXACT | EVENT_STACK_WINDOW;
	dump->window.stack.h.tid = task->pid;
	dump->window.stack.h.time_ns = bpf_ktime_get_ns();
	dump->window.stack.pid = task->tgid;
	dump->window.stack.n_frames = n_words;
	dump->window.stack.end = USER_WINDOW;
	dump->window.stack.hash = dump_name(dump, task, n_words);
	return dump->window.stack.hash;
}

/* The rest of it, chunk by chunk. What finds no room leaves the window shorter. */
static __always_inline void dump_send_rest(struct dump *dump)
{
	__u64 n_words, off, hash = dump->window.stack.hash;
	int i;

	dump->more.h.type = EVENT_STACK;
	dump->more.h.flags = EVENT_STACK_MORE;
	dump->more.hash = hash;
	for (i = 1; i < DUMP_CHUNKS; i++) {
		off = (__u64)i * EVENT_CHUNK_BYTES;
		if (off >= dump->size)
			break;
		n_words = dump_copy(dump, dump->sp + off, dump->size - off) / 8;
		if (n_words == 0)
			break;
		if (n_words > DUMP_WORDS)
			n_words = DUMP_WORDS;
		dump->more.n_frames = n_words;
		dump->more.chunk = i;
		if (bpf_ringbuf_output(&ring, &dump->more, sizeof(dump->more) + n_words * 8, BPF_RB_NO_WAKEUP)) {
			COUNT(windows_left_out);
			break;
		}
		if (n_words < DUMP_WORDS)
			break;
	}
}

static __always_inline void dump_send(struct dump *dump, __u32 *generation)
{
	__u64 n_words = dump->window.stack.n_frames;

	if (n_words > DUMP_WORDS)
		n_words = DUMP_WORDS;
	if (send_once(dump, dump->window.stack.hash, sizeof(dump->window) + n_words * 8, generation) &&
	    config.unwind == UNWIND_BY_BOTH && n_words == DUMP_WORDS)
		dump_send_rest(dump);
}

#endif
