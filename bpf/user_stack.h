/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Walks a user stack: registers in, frames and the reason for stopping out. Each frame is left by
 * its row of the unwind tables (call frame information), or by its frame pointer where there is no
 * row: code made at run time, assembly, processes whose tables aren't there yet. Rule for rule the
 * same as record/unwind_walk.c.
 */
#ifndef STINT_BPF_USER_STACK_H
#define STINT_BPF_USER_STACK_H

#include "bpf/dump.h"
#include "bpf/stack.h"
#include "bpf/unwind.h"
#include "bpf/window.h"

#define USER_ADDR_MIN 4096ull
#define USER_ADDR_MAX 0x00fffffffffff000ull /* with five-level page tables */

struct user_regs {
	__u64 ip, sp, bp;
	bool is_64bit;
};

/* Where the registers other than ip, sp and bp of the frame in hand can be read. */
enum other_regs {
	OTHER_REGS_LOST = 0,
	OTHER_REGS_TASK,   /* the thread's own: it is the innermost frame */
	OTHER_REGS_SIGNAL, /* in the signal frame at signal_sp */
};

/* One a CPU and kind of program: too large for a program's stack. */
struct user_walk {
	__u64 ip, sp, bp;
	__u64 signal_sp;
	__u64 hash;
	__u32 n_frames;
	__u32 end;
	__u8 exact; /* ip is where it ran, not a return address */
	__u8 bp_lost;
	__u8 guessed;	  /* ip comes of a frame pointer */
	__u8 no_window;	  /* it goes on without rows: there were too many windows */
	__u8 used_others; /* the walk depends on registers other than ip, sp and bp */
	__u32 others;	  /* enum other_regs */
	__u32 kind;	  /* enum scratch_kind */
	__u32 row_cache;  /* enum row_cache_kind */
	struct unwind_place place;
	struct window window;
	struct stack_message msg;
};

/* Byte offsets of the registers by DWARF number: in struct pt_regs, and in a signal frame from its
 * stack pointer on. */
const __u8 pt_regs_off[16] = {80, 96, 88, 40, 104, 112, 32, 152, 72, 64, 56, 48, 24, 16, 8, 0};
const __u8 sigcontext_off[16] = {144, 136, 152, 128, 112, 104, 120, 160, 40, 48, 56, 64, 72, 80, 88, 96};

/* Ends the walk. */
static __always_inline bool user_end(struct user_walk *walk, __u32 why)
{
	walk->end = why;
	return false;
}

static __always_inline void user_push(struct user_walk *walk)
{
	__u64 addr = walk->exact && walk->n_frames ? walk->ip | EVENT_FRAME_EXACT : walk->ip;
	__u32 n = walk->n_frames;

	asm volatile("%[n] &= 127" : [n] "+r"(n));
	walk->msg.frames[n] = addr;
	walk->n_frames = n + 1;
	walk->hash = hash_mix(walk->hash, addr);
}

/* The frame in hand becomes its caller. */
static __always_inline bool user_enter(struct user_walk *walk, __u64 ip, __u64 sp)
{
	walk->ip = ip;
	walk->sp = sp;
	walk->exact = 0;
	walk->others = OTHER_REGS_LOST;
	return true;
}

/*
 * One frame by its frame pointer. A chain that ends, or that leads where no chain would (down the
 * stack, to odd addresses), is code without frame pointers or the outermost frame: they can't be
 * told apart.
 */
static __always_inline bool user_step_fp(struct user_walk *walk, __u32 otherwise)
{
	__u64 bp = walk->bp, caller_bp, ret;

	if (walk->bp_lost)
		return user_end(walk, otherwise);
	if (bp < walk->sp || bp & 7 || bp > USER_ADDR_MAX || !window_read(&walk->window, bp, &caller_bp) ||
	    !window_read(&walk->window, bp + 8, &ret))
		return user_end(walk, otherwise);
	if (ret < USER_ADDR_MIN || ret > USER_ADDR_MAX)
		return user_end(walk, ret ? otherwise : USER_FP_END);
	walk->bp = caller_bp;
	walk->guessed = 1;
	return user_enter(walk, ret, bp + 16);
}

/* The registers that a signal interrupted, from the frame that the kernel made for its handler. */
static __always_inline bool user_step_signal(struct user_walk *walk)
{
	__u64 sp = walk->sp, ip;

	if (!window_read(&walk->window, sp + UNWIND_SIGNAL_FP, &walk->bp) ||
	    !window_read(&walk->window, sp + UNWIND_SIGNAL_SP, &walk->sp) ||
	    !window_read(&walk->window, sp + UNWIND_SIGNAL_IP, &ip))
		return user_end(walk, USER_UNREADABLE);
	walk->ip = ip;
	walk->signal_sp = sp;
	walk->others = OTHER_REGS_SIGNAL;
	walk->exact = 1;
	walk->bp_lost = 0;
	return true;
}

/* Any register of the frame in hand. Rare: only assembly and prologues that realign the stack need
 * it. */
static __always_inline bool user_other_reg(struct user_walk *walk, __u32 reg, __u64 *ret)
{
	void *at;

	reg &= 15;
	walk->used_others = 1;
	walk->window.notes.n = WINDOW_NOTES; /* that isn't a word of the stack */
	if (walk->others == OTHER_REGS_TASK) {
		at = (void *)bpf_task_pt_regs(bpf_get_current_task_btf());
		return bpf_probe_read_kernel(ret, sizeof(*ret), at + pt_regs_off[reg]) == 0;
	}
	if (walk->others == OTHER_REGS_SIGNAL)
		return bpf_probe_read_user(ret, sizeof(*ret), (void *)(walk->signal_sp + sigcontext_off[reg])) == 0;
	return false;
}

/* The register that the row's CFA is computed from. */
static __always_inline bool user_base(struct user_walk *walk, __u32 kind, __u32 arg, __u64 *ret)
{
	if (kind == UNWIND_REG)
		return user_other_reg(walk, arg, ret) || user_end(walk, USER_UNSUPPORTED);
	if (kind == UNWIND_FP || kind == UNWIND_DEREF_FP) {
		*ret = walk->bp;
		return !walk->bp_lost || user_end(walk, USER_UNSUPPORTED);
	}
	*ret = walk->sp;
	return true;
}

static __always_inline bool user_cfa(struct user_walk *walk, const struct unwind_row *row, __u64 base, __u64 *ret)
{
	__u32 kind = UNWIND_ROW_KIND(row->kind);

	if (kind == UNWIND_SP || kind == UNWIND_FP) {
		*ret = base + (__s64)UNWIND_ROW_OFFSET(row) * 8;
	} else if (kind == UNWIND_PLT) {
		*ret = base + ((walk->ip & 15) >= (__u64)row->cfa ? 16 : 8);
	} else {
		*ret = base + (__s64)row->cfa * 8;
		if (kind == UNWIND_DEREF_SP || kind == UNWIND_DEREF_FP) {
			if (!window_read(&walk->window, *ret, ret))
				return user_end(walk, USER_UNREADABLE);
			*ret += 8 * UNWIND_ROW_ARG(row->kind);
		}
	}
	return true;
}

/* The caller's frame pointer. */
static __always_inline bool user_restore_bp(struct user_walk *walk, __u32 rule, __u64 base, __u64 cfa)
{
	if (rule == UNWIND_FP_SAME)
		return true;
	walk->bp_lost = rule > UNWIND_FP_MAX && rule != UNWIND_FP_AT_BASE;
	if (walk->bp_lost)
		return true;
	return window_read(&walk->window, rule == UNWIND_FP_AT_BASE ? base : cfa - 8 * rule, &walk->bp) ||
	       user_end(walk, USER_UNREADABLE);
}

/*
 * A frame whose CFA is in a register that the callee keeps for it. The callee has saved it, unless
 * it is where the thread runs and has not got to that yet, or has put it back already.
 */
static __always_inline bool user_step_kept(struct user_walk *walk, const struct unwind_row *row)
{
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(bpf_get_current_task_btf());
	__u64 at = walk->sp - 8ull * row->fp, base, cfa, ip;
	__u32 reg = UNWIND_ROW_ARG(row->kind) & 15;

	if (walk->n_frames == 2 && at < regs->sp) {
		walk->used_others = 1;
		if (bpf_probe_read_kernel(&base, sizeof(base), (void *)regs + pt_regs_off[reg]))
			return user_end(walk, USER_UNSUPPORTED);
	} else if (!window_read(&walk->window, at, &base)) {
		return user_end(walk, USER_UNREADABLE);
	}
	cfa = base + (__s64)row->cfa * 8;
	if (!window_read(&walk->window, cfa - 8, &ip))
		return user_end(walk, USER_UNREADABLE);
	return user_enter(walk, ip, cfa);
}

static __always_inline bool user_step_row(struct user_walk *walk, const struct unwind_row *row)
{
	__u32 kind = UNWIND_ROW_KIND(row->kind), arg = UNWIND_ROW_ARG(row->kind);
	__u64 base, cfa, ip;

	if (kind == UNWIND_END)
		return user_end(walk, USER_COMPLETE);
	if (kind == UNWIND_UNSUPPORTED)
		return user_end(walk, USER_UNSUPPORTED);
	walk->guessed = 0;
	if (kind == UNWIND_SIGNAL)
		return user_step_signal(walk);
	if (kind == UNWIND_KEPT)
		return user_step_kept(walk, row);
	if (!user_base(walk, kind, arg, &base) || !user_cfa(walk, row, base, &cfa))
		return false;
	if (kind == UNWIND_RA_REG) {
		if (!user_other_reg(walk, arg, &ip))
			return user_end(walk, USER_UNSUPPORTED);
		return user_enter(walk, ip, cfa);
	}
	/* The frame pointer lies below the return address: one window has both. */
	if (!user_restore_bp(walk, row->fp, base, cfa))
		return false;
	if (!window_read(&walk->window, cfa - 8, &ip))
		return user_end(walk, USER_UNREADABLE);
	return user_enter(walk, ip, cfa);
}

/*
 * Code without rows is where a program starts when its stack is as the kernel made it (the start of
 * ld.so), or when a caller's frame pointer is 0: the ABI's mark of the outermost frame. Where rows are
 * only not there yet, that register may hold anything.
 */
static __always_inline bool user_is_outermost(const struct user_walk *walk, bool pending)
{
	struct task_struct *task = bpf_get_current_task_btf();

	if (!pending && walk->bp == 0 && !walk->bp_lost && !walk->exact)
		return true;
	return walk->sp == BPF_CORE_READ(task, mm, start_stack);
}

#define SYSCALL_EXECVE	 59
#define SYSCALL_EXECVEAT 322

/* The registers are still those of the image that exec has just done away with. */
static __always_inline bool user_in_exec(void)
{
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(bpf_get_current_task_btf());

	return regs->orig_ax == SYSCALL_EXECVE || regs->orig_ax == SYSCALL_EXECVEAT;
}

/*
 * The rows of the frame in hand may be there in a moment. True when its stack is to be copied, for a later walk from
 * its innermost frame on; else it goes on as if there were none.
 */
static __always_inline bool user_wants_window(struct user_walk *walk)
{
	if (config.unwind != UNWIND_BY_BOTH || walk->no_window)
		return false;
	walk->no_window = !dump_allowed();
	return !walk->no_window;
}

/*
 * The common step, which needs nobody's help: a return address in the mapping of the frame before
 * whose row is cached and computes the CFA from sp, all of it in the window. False where it isn't
 * that, with nothing changed.
 */
static __always_inline bool user_step_common(struct user_walk *walk, struct row_cache *cache)
{
	__u64 addr = walk->ip - 1, table = walk->place.table, row, rule, at, bp_at;
	__u32 pc;

	if (walk->n_frames >= EVENT_MAX_FRAMES || walk->exact || walk->guessed || !table ||
	    addr < walk->place.found.start || addr >= walk->place.found.end)
		return false;
	pc = addr - walk->place.found.bias;
	if (!row_cache_get(row_cache_set(cache, table, pc), table, pc, &row) || ROW_CACHE_KIND(row) != ROW_CACHE_SP)
		return false;
	at = walk->sp - walk->window.start - 8 + ROW_CACHE_CFA(row);
	if (at & 7 || at >= WINDOW_BYTES || at + 8 > walk->window.bytes)
		return false;
	rule = ROW_CACHE_FP(row);
	if (rule != UNWIND_FP_SAME) {
		bp_at = at + 8 - 8 * rule;
		if (rule > UNWIND_FP_MAX || bp_at > at)
			return false;
		asm volatile("%[bp_at] &= 0x7f8" : [bp_at] "+r"(bp_at));
		walk->bp = *(__u64 *)((void *)walk->window.words + bp_at);
		walk->bp_lost = 0;
		window_note(&walk->window, walk->window.start + bp_at, walk->bp);
	}
	asm volatile("%[at] &= 0x7f8" : [at] "+r"(at));
	user_push(walk);
	walk->sp += ROW_CACHE_CFA(row);
	walk->ip = *(__u64 *)((void *)walk->window.words + at);
	window_note(&walk->window, walk->window.start + at, walk->ip);
	return true;
}

/* Takes down the frame in hand and goes on to its caller. False when the walk has ended. */
static __always_inline bool user_step(struct user_walk *walk, struct row_cache *cache)
{
	__u32 found, why = USER_NO_MAPPING;
	struct unwind_row row;
	bool pending;

	if (walk->ip == 0)
		return user_end(walk, USER_COMPLETE);
	if (walk->n_frames >= EVENT_MAX_FRAMES)
		return user_end(walk, USER_DEPTH);
	if (config.unwind == UNWIND_BY_FP) {
		user_push(walk);
		return user_step_fp(walk, USER_FP_END);
	}
	/* A call may be the last instruction of its function: what counts is where the call is. */
	found = unwind_find(&walk->place, cache, walk->exact ? walk->ip : walk->ip - 1, &row);
	if (found >= UNWIND_FOUND_NO_MAPPING && walk->n_frames == 0 && user_in_exec())
		return user_end(walk, USER_NONE);
	pending = found == UNWIND_FOUND_PENDING;
	if (pending || found == UNWIND_FOUND_UNKNOWN) {
		if (user_wants_window(walk))
			return user_end(walk, USER_WINDOW);
		found = pending ? UNWIND_FOUND_NO_ROW : UNWIND_FOUND_NO_MAPPING;
	}
	if (found == UNWIND_FOUND_NO_MAPPING && walk->guessed)
		return user_end(walk, USER_NO_ROWS); /* that was no frame pointer */
	if (found == UNWIND_FOUND_NO_MAPPING && walk->n_frames && walk->place.slice.n)
		return user_end(walk, USER_NO_MAPPING); /* no code, by all that is known */
	user_push(walk);
	if (found == UNWIND_FOUND_ROW)
		return user_step_row(walk, &row);
	if (found == UNWIND_FOUND_NO_ROW) {
		if (user_is_outermost(walk, pending))
			return user_end(walk, USER_COMPLETE);
		why = USER_NO_ROWS;
	}
	if (config.unwind == UNWIND_BY_CFI)
		return user_end(walk, why);
	return user_step_fp(walk, why);
}

#define USER_COMMON_STEPS 8 /* at a time */

struct user_walk_loop {
	struct user_walk *walk;
	struct row_cache *cache; /* NULL without tables */
};

static long user_step_loop(__u32 i, struct user_walk_loop *loop)
{
	__u32 n;

	if (config.unwind == UNWIND_BY_FP)
		return user_step(loop->walk, NULL) ? 0 : 1;
	for (n = 0; n < USER_COMMON_STEPS; n++) {
		if (!user_step_common(loop->walk, loop->cache))
			break;
	}
	return user_step(loop->walk, loop->cache) ? 0 : 1;
}

static __always_inline void user_walk_start(struct user_walk *walk, struct task_struct *task,
					    const struct user_regs *regs, bool notes)
{
	walk->ip = regs->ip;
	walk->sp = regs->sp;
	walk->bp = regs->bp;
	walk->hash = image_salt(task);
	walk->n_frames = 0;
	walk->end = USER_DEPTH;
	walk->exact = 1;
	walk->bp_lost = 0;
	walk->guessed = 0;
	walk->no_window = walk->row_cache == ROW_CACHE_LATE; /* its sample is in the file, without a copy */
	walk->others = OTHER_REGS_TASK;
	walk->used_others = 0;
	walk->window.start = 0;
	walk->window.bytes = 0;
	walk->window.limit = (task->mm->start_stack | (PAGE_BYTES - 1)) + 1;
	walk->window.notes.n = notes ? 0 : WINDOW_NOTES;
	walk->window.notes.bytes = 0;
	walk->window.notes.base = regs->sp;
	if (unwind_by_tables())
		unwind_start(&walk->place, task);
}

/* Copies the stack. Where it can't, the walk ends as far as it got. */
static __always_inline __u64 user_dump(struct user_walk *walk, struct task_struct *task)
{
	__u32 kind = walk->kind;
	struct dump *dump = bpf_map_lookup_elem(&dumps, &kind);
	__u64 hash = dump ? dump_take(dump, task) : 0;

	if (hash)
		return hash;
	walk->end = USER_UNREADABLE;
	if (walk->n_frames == 0 && user_in_exec())
		walk->end = USER_NONE;
	else if (walk->n_frames == 0)
		user_push(walk);
	return 0;
}

/*
 * Walks into walk->msg, which is complete but for its header's time, or copies the stack: walk->end is then
 * USER_WINDOW. What was read goes into the window's notes if they are wanted. Returns the stack's hash, never 0.
 */
static __always_inline __u64 user_stack_walk(struct user_walk *walk, struct task_struct *task,
					     const struct user_regs *regs, bool notes)
{
	struct user_walk_loop loop = {.walk = walk};
	__u64 hash;

	user_walk_start(walk, task, regs, notes);
	if (unwind_by_tables())
		loop.cache = bpf_map_lookup_elem(&row_caches, &walk->row_cache);
	if (!regs->is_64bit || (unwind_by_tables() && !loop.cache)) {
		user_push(walk);
		walk->end = USER_UNSUPPORTED;
	} else if (!task->mm) {
		walk->end = USER_NONE; /* it exits, and has given its memory up */
	} else if (config.unwind == UNWIND_BY_DUMP) {
		walk->end = USER_WINDOW;
	} else {
		bpf_loop(EVENT_MAX_FRAMES + 1, user_step_loop, &loop, 0);
	}
	if (config.unwind >= UNWIND_BY_BOTH && walk->end == USER_WINDOW) {
		hash = user_dump(walk, task);
		if (hash)
			return hash;
	}
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

/* Sends what user_stack_walk has made, once, as stack_send does. */
static __always_inline void user_stack_send(struct user_walk *walk, __u32 *generation)
{
	__u32 kind = walk->kind;
	struct dump *dump;

	if (config.unwind >= UNWIND_BY_BOTH && walk->end == USER_WINDOW) {
		dump = bpf_map_lookup_elem(&dumps, &kind);
		if (dump)
			dump_send(dump, generation);
	} else {
		stack_send(&walk->msg, generation);
	}
}

#endif
