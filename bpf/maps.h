/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* The programs' maps, configuration and counters. */
#ifndef STINT_BPF_MAPS_H
#define STINT_BPF_MAPS_H

#include "bpf/event.h"
#include "bpf/types.h"

const volatile struct config config;

/* Shared with the recorder while the programs run. */
volatile struct control control;

/* A thread was lost track of for want of memory: from then on an unknown thread isn't proof of an
 * old sleep. */
volatile __u32 storage_failed;

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, EVENT_RING_BYTES);
} ring SEC(".maps");

/* The stacks that the recorder has been sent, by hash. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, EVENT_MAX_SENT_STACKS);
	__type(key, __u64);
	__type(value, __u8);
} sent_stacks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct event_counters);
} counters SEC(".maps");

/* The processes to record. Grows with their children, so that it is allocated as needed. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 262144);
	__type(key, __u32);
	__type(value, __u8);
} target_pids SEC(".maps");

/* Processes that become targets when they exec: the command, held until recording has begun. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16);
	__type(key, __u32);
	__type(value, __u8);
} target_execs SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, __u8);
} target_tids SEC(".maps");

struct comm_key {
	char comm[EVENT_COMM_BYTES];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 256);
	__type(key, struct comm_key);
	__type(value, __u8);
} target_comms SEC(".maps");

/* UNSEEN, the zero of new storage: it has neither left nor come on a CPU since recording began. */
enum thread_phase {
	THREAD_UNSEEN = 0,
	THREAD_ON = 1,
	THREAD_OFF = 2,
};

struct thread {
	__u64 start_ns; /* when it left the CPU */
	__u64 on_ns;	/* when it last came on */
	__u64 wake_ns;	/* of the last wake-up seen, whenever that was */
	__u64 user_stack;
	__u64 waker_user_stack;
	__u64 waker_kernel_stack;
	__u32 waker_pid;
	__u32 waker_tid;
	__u32 stack_generation; /* user_stack is known to have been sent in this generation */
	__u16 state;
	__u16 syscall;
	__u16 cpu_out;
	__u8 phase; /* enum thread_phase */
	__u8 flags; /* EVENT_PREEMPTED, EVENT_KTHREAD */
	__u8 user_end;
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct thread);
} threads SEC(".maps");

static __always_inline struct event_counters *counters_here(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&counters, &zero);
}

/* A program never leaves its CPU while it runs, and none of those that count interrupts another
 * one. */
#define COUNT(field)                                                                                                   \
	do {                                                                                                           \
		struct event_counters *counters_ = counters_here();                                                    \
		if (counters_)                                                                                         \
			counters_->field++;                                                                            \
	} while (0)

#endif
