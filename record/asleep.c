/* SPDX-License-Identifier: MIT */
#include "record/asleep.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "base/map.h"
#include "format/rows.h"
#include "record/clock.h"

#define MAX_THREADS   (1u << 16) /* more than this start without their stacks */
#define WINDOW_WORDS  256
#define USER_ADDR_MIN 4096u
#define USER_ADDR_MAX 0x00fffffffffff000ull
#define PAGE_BYTES    4096u

struct asleep {
	struct stint_map by_tid; /* index in threads plus one */
	struct asleep_thread *threads;
	size_t n, cap;
	struct unwind_tables *tables; /* NULL: by frame pointer */
	bool copy;		      /* not walked at all */
};

int asleep_new(struct asleep **ret, struct stint_err *err)
{
	*ret = calloc(1, sizeof(**ret));
	if (!*ret)
		return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory for sleeping threads");
	return 0;
}

void asleep_free(struct asleep *as)
{
	if (!as)
		return;
	stint_map_done(&as->by_tid);
	free(as->threads);
	free(as);
}

/* A piece of another process's stack. */
struct window {
	pid_t pid;
	uint64_t start;
	size_t n_words;
	uint64_t words[WINDOW_WORDS];
};

static bool window_fill(struct window *win, uint64_t addr)
{
	size_t size = sizeof(win->words), in_page = PAGE_BYTES - (addr & (PAGE_BYTES - 1));
	struct iovec local = {.iov_base = win->words};
	struct iovec remote = {.iov_base = (void *)(uintptr_t)addr};
	ssize_t n;

	local.iov_len = remote.iov_len = size;
	n = process_vm_readv(win->pid, &local, 1, &remote, 1, 0);
	if (n < 16 && in_page < size) {
		local.iov_len = remote.iov_len = in_page;
		n = process_vm_readv(win->pid, &local, 1, &remote, 1, 0);
	}
	win->start = addr;
	win->n_words = n > 0 ? (size_t)n / 8 : 0;
	return win->n_words >= 2;
}

/* May this process's memory be read, and is the process still there? */
static bool stack_readable(pid_t pid, uint64_t sp)
{
	uint64_t word;
	struct iovec local = {.iov_base = &word, .iov_len = sizeof(word)};
	struct iovec remote = {.iov_base = (void *)(uintptr_t)sp, .iov_len = sizeof(word)};

	return process_vm_readv(pid, &local, 1, &remote, 1, 0) > 0 || errno == EFAULT;
}

/* The walk of bpf/user_stack.h, by frame pointer, for a thread that sleeps. Returns how the stack
 * ended. */
static enum stint_user_end walk(const struct event_task *task, uint64_t *frames, size_t *ret_n)
{
	struct window win = {.pid = (pid_t)task->pid};
	uint64_t bp = task->regs[UNWIND_REG_FP], sp = task->regs[UNWIND_REG_SP], ret;
	size_t at, n = 0;

	frames[n++] = task->ip;
	*ret_n = n;
	for (;;) {
		if (bp < sp || bp & 7 || bp > USER_ADDR_MAX)
			return STINT_USER_FP_END;
		at = (bp - win.start) / 8;
		if (bp < win.start || at + 2 > win.n_words || (bp - win.start) & 7) {
			if (!window_fill(&win, bp))
				return STINT_USER_UNREADABLE;
			at = 0;
		}
		ret = win.words[at + 1];
		if (ret < USER_ADDR_MIN || ret > USER_ADDR_MAX)
			return STINT_USER_FP_END;
		if (n == EVENT_MAX_FRAMES)
			return STINT_USER_DEPTH;
		frames[n++] = ret;
		*ret_n = n;
		sp = bp + 16;
		bp = win.words[at];
	}
}

static enum stint_user_end walk_by_tables(const struct asleep *as, const struct event_task *task, uint64_t *frames,
					  size_t *ret_n)
{
	struct unwind_regs regs = {.ip = task->ip, .all = true, .fp_known = true, .exact = true};
	enum stint_user_end end;
	uint32_t n;

	memcpy(regs.r, task->regs, sizeof(regs.r));
	end = unwind_tables_walk(as->tables, (pid_t)task->pid, &regs, frames, EVENT_MAX_FRAMES, &n);
	*ret_n = n;
	return end;
}

void asleep_copy(struct asleep *as)
{
	as->copy = true;
}

void asleep_unwind_by(struct asleep *as, struct unwind_tables *tables)
{
	as->tables = tables;
}

/* As the programs in the kernel do it; stacks_user_window takes it from there. NULL without memory. */
static struct event_window *copy_stack(const struct event_task *task)
{
	uint64_t sp = task->regs[UNWIND_REG_SP], n = 0;
	struct event_window *window = malloc(sizeof(*window) + EVENT_CHUNK_BYTES);
	struct iovec local, remote;
	ssize_t size;

	if (!window)
		return NULL;
	*window = (struct event_window){.stack = {.h = {.type = EVENT_STACK,
							.flags = EVENT_STACK_EXACT | EVENT_STACK_WINDOW,
							.tid = task->tid,
							.time_ns = clock_now_ns()},
						  .pid = task->pid,
						  .end = STINT_USER_WINDOW},
					.ip = task->ip};
	memcpy(window->regs, task->regs, sizeof(window->regs));
	while (n < EVENT_CHUNK_BYTES) {
		local.iov_len = PAGE_BYTES - ((sp + n) & (PAGE_BYTES - 1));
		if (local.iov_len > EVENT_CHUNK_BYTES - n)
			local.iov_len = EVENT_CHUNK_BYTES - n;
		remote.iov_len = local.iov_len;
		local.iov_base = (uint8_t *)(window + 1) + n;
		remote.iov_base = (void *)(uintptr_t)(sp + n);
		size = process_vm_readv((pid_t)task->pid, &local, 1, &remote, 1, 0);
		n += size > 0 ? (uint64_t)size : 0;
		if (size < (ssize_t)local.iov_len)
			break;
	}
	window->stack.n_frames = (uint16_t)(n / sizeof(uint64_t));
	return window;
}

static int user_part(const struct asleep *as, struct stacks *stacks, const struct event_task *task,
		     struct user_part *ret, struct stint_err *err)
{
	uint64_t frames[EVENT_MAX_FRAMES];
	struct event_window *window;
	enum stint_user_end end;
	size_t n;

	if (as->copy) {
		window = copy_stack(task);
		if (!window)
			return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory for sleeping threads");
		return stacks_user_window(stacks, window, ret, err);
	}
	end = as->tables ? walk_by_tables(as, task, frames, &n) : walk(task, frames, &n);
	return stacks_user(stacks, (pid_t)task->pid, frames, n, end, ret, err);
}

static struct asleep_thread *thread_new(struct asleep *as, uint32_t tid)
{
	size_t cap = as->cap ? 2 * as->cap : 256;
	struct asleep_thread *threads;
	uint64_t *index;

	if (as->n == as->cap) {
		threads = realloc(as->threads, cap * sizeof(*threads));
		if (!threads)
			return NULL;
		as->threads = threads;
		as->cap = cap;
	}
	index = stint_map_put(&as->by_tid, tid, NULL);
	if (!index)
		return NULL;
	if (*index == 0)
		*index = ++as->n;
	return &as->threads[*index - 1];
}

int asleep_add(struct asleep *as, struct stacks *stacks, const struct event_task *task, bool *ret_unreadable,
	       struct stint_err *err)
{
	struct asleep_thread *thread;

	*ret_unreadable = as->n >= MAX_THREADS;
	if (as->n >= MAX_THREADS)
		return 0;
	thread = thread_new(as, task->tid);
	if (!thread)
		return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory for sleeping threads");
	thread->n_switches = task->n_switches;
	thread->pid = task->pid;
	thread->tid = task->tid;
	thread->state = task->state;
	thread->syscall = task->syscall;
	thread->user.leaf = 0;
	thread->user.end = STINT_USER_NONE;
	if (task->flags & EVENT_KTHREAD)
		return 0;
	if (!stack_readable((pid_t)task->pid, task->regs[UNWIND_REG_SP])) {
		*ret_unreadable = true;
		thread->user.end = STINT_USER_NOT_TAKEN;
		return 0;
	}
	return user_part(as, stacks, task, &thread->user, err);
}

const struct asleep_thread *asleep_find(const struct asleep *as, uint32_t tid)
{
	const uint64_t *index = stint_map_get(&as->by_tid, tid);

	return index ? &as->threads[*index - 1] : NULL;
}
