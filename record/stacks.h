/* SPDX-License-Identifier: MIT */
/*
 * From the hashes that BPF events carry to stack rows. A stack's addresses come once from the ring;
 * they become frames of the file when an event first uses them, so that they are read with the
 * mappings of that time.
 */
#ifndef STINT_RECORD_STACKS_H
#define STINT_RECORD_STACKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "bpf/event.h"
#include "format/writer.h"
#include "record/kernel_syms.h"
#include "record/tasks.h"
#include "record/windows.h"

struct stacks;

/* The four must outlive it. */
int stacks_new(struct stacks **ret, struct stint_writer *writer, struct tasks *tasks, struct kernel_syms *kernel,
	       struct windows *windows, struct stint_err *err);
void stacks_free(struct stacks *st); /* NULL is fine */

/* Takes a stack in, as it came from the ring: size bytes, checked. */
int stacks_add(struct stacks *st, const struct event_stack *stack, size_t size, struct stint_err *err);

/* A user stack that was walked here: n addresses, innermost first. */
int stacks_user(struct stacks *st, pid_t pid, const uint64_t *frames, size_t n, uint32_t end, struct user_part *ret,
		struct stint_err *err);

/* The same for one that was copied here: its words behind it, freed in any case. */
int stacks_user_window(struct stacks *st, struct event_window *window, struct user_part *ret, struct stint_err *err);

/*
 * Copied stacks take much memory, and so are turned into rows when their time has come, whoever names them and when.
 * Unknown hashes are fine.
 */
int stacks_place_window(struct stacks *st, uint64_t hash, struct stint_err *err);
size_t stacks_window_bytes(const struct stacks *st); /* of those that wait for that */

/* The row (STINT_STACK) of kernel frames on top of a user part. */
int stacks_kernel_on(struct stacks *st, const struct user_part *user, const uint64_t *frames, size_t n,
		     uint32_t kernel_end, uint32_t *ret_stack, struct stint_err *err);

/* How an event names its stack. Where a hash is 0, the end beside it says why. */
struct stack_ref {
	uint64_t user, kernel;
	uint8_t user_end, kernel_end;
	const struct user_part *part; /* not NULL: used in place of the user hash */
};

/*
 * The row of that stack. *ret_lost tells that a part of it never arrived: the row is then without
 * that part, and says so.
 */
int stacks_row(struct stacks *st, const struct stack_ref *ref, uint32_t *ret_stack, bool *ret_lost,
	       struct stint_err *err);

/* The user part alone of a hash; lost ones give an empty part. */
int stacks_user_part(struct stacks *st, uint64_t hash, struct user_part *ret, bool *ret_lost, struct stint_err *err);

/*
 * Should the kernel's map of sent stacks be emptied? It is nearly full, or the stacks here take
 * much memory. After doing so, call stacks_rotate: those that were not used since the last time are
 * forgotten.
 */
bool stacks_full(const struct stacks *st);
void stacks_rotate(struct stacks *st);

/*
 * After stacks_rotate: a sleeping thread will name this user stack when it comes back, however much
 * later. It is in the tree from now on, and outlives the next rotation. 0 and unknown hashes are
 * fine.
 */
int stacks_keep(struct stacks *st, uint64_t hash, struct stint_err *err);

#endif
