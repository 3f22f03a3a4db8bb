/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* Working memory that is too large for a program's stack: one set a CPU, one for each kind of
 * program. */
#ifndef STINT_BPF_SCRATCH_H
#define STINT_BPF_SCRATCH_H

#include "bpf/kernel_stack.h"
#include "bpf/known_walk.h"
#include "bpf/user_stack.h"

/*
 * Kinds whose programs could interrupt each other don't share. The scheduler's programs run with
 * interrupts off; a sample can be an NMI, which interrupts even those.
 */
enum scratch_kind {
	SCRATCH_SWITCH = 0,
	SCRATCH_WAKING = 1,
	SCRATCH_SAMPLE = 2,
	SCRATCH_ITERATOR = 3,
	SCRATCH_LATE = 4,
	N_SCRATCH,
};

struct scratch {
	struct user_walk user;
	struct stack_message kernel;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, N_SCRATCH);
	__type(key, __u32);
	__type(value, struct scratch);
} scratches SEC(".maps");

static __always_inline struct scratch *scratch_get(__u32 kind)
{
	struct scratch *scratch = bpf_map_lookup_elem(&scratches, &kind);

	if (scratch) {
		scratch->user.kind = kind;
		scratch->user.row_cache = kind == SCRATCH_SAMPLE ? ROW_CACHE_SAMPLE
					  : kind == SCRATCH_LATE ? ROW_CACHE_LATE
								 : ROW_CACHE_SCHED;
	}
	return scratch;
}

#endif
