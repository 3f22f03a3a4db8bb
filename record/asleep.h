/* SPDX-License-Identifier: MIT */
/*
 * The threads that were already off the CPU when recording began. BPF sees such a thread first when
 * it comes back, too late for its user stack: that is walked here, from outside, while it sleeps.
 */
#ifndef STINT_RECORD_ASLEEP_H
#define STINT_RECORD_ASLEEP_H

#include <stdint.h>

#include "base/err.h"
#include "bpf/event.h"
#include "record/stacks.h"
#include "record/unwind_tables.h"

struct asleep_thread {
	uint64_t n_switches; /* how often it had left the CPU: the same number means that it hasn't
	                        run since */
	uint32_t pid;
	uint32_t tid;
	struct user_part user;
	uint16_t state;
	uint16_t syscall; /* EVENT_NO_SYSCALL */
};

struct asleep;

int asleep_new(struct asleep **ret, struct stint_err *err);
void asleep_free(struct asleep *as); /* NULL is fine */

/* From now on stacks are walked by these tables, which must outlive the last asleep_add. */
void asleep_unwind_by(struct asleep *as, struct unwind_tables *tables);

/* From now on stacks are copied instead of walked. */
void asleep_copy(struct asleep *as);

/*
 * Adds a thread from the list of those off the CPU, and walks its user stack. *ret_unreadable tells
 * that the stack couldn't be read.
 */
int asleep_add(struct asleep *as, struct stacks *stacks, const struct event_task *task, bool *ret_unreadable,
	       struct stint_err *err);

/* The thread, as it was then; NULL when it was not among them. Valid until the next asleep_add. */
const struct asleep_thread *asleep_find(const struct asleep *as, uint32_t tid);

#endif
