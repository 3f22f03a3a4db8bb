/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * What the BPF programs and the recorder say to each other: the events in the ring, the counters,
 * the iterator's records and the configuration. Both sides are always built together; the file
 * format is something else.
 */
#ifndef STINT_BPF_EVENT_H
#define STINT_BPF_EVENT_H

#ifndef __bpf__
#include <stdint.h>
#define EVENT_U8  uint8_t
#define EVENT_U16 uint16_t
#define EVENT_U32 uint32_t
#define EVENT_U64 uint64_t
#else
#define EVENT_U8  __u8
#define EVENT_U16 __u16
#define EVENT_U32 __u32
#define EVENT_U64 __u64
#endif

#define EVENT_MAX_FRAMES       127
#define EVENT_MAX_SENT_STACKS  16384 /* stacks that the BPF side remembers as sent */
#define EVENT_RING_BYTES       (4u << 20)
/* Of a user stack that is copied: in one event, and in all. */
#define EVENT_CHUNK_BYTES      8192u
#define EVENT_MAX_WINDOW_BYTES 65536u
#define EVENT_COMM_BYTES       16
#define EVENT_NO_SYSCALL       0xffffu
#define EVENT_NO_CPU	       0xffffu

enum event_type {
	EVENT_SAMPLE = 1,
	EVENT_OFFCPU = 2,
	EVENT_OFFCPU_WAKER = 3, /* struct event_offcpu_waker */
	EVENT_STACK = 4,
};

/* The flags of an off-CPU event; the first ones are those of the file format. */
#define EVENT_OPEN_START  1u /* first seen when it came on: off since before the recording */
#define EVENT_OPEN_END	  2u /* came on, or was still off, after the recording's end */
#define EVENT_WAKE_UNSEEN 4u
#define EVENT_PREEMPTED	  8u
#define EVENT_WOKEN	  16u
#define EVENT_KTHREAD	  64u /* no user stack to be had */

/* Every event starts with its type (a byte) and its time. */
struct event_header {
	EVENT_U8 type; /* enum event_type */
	EVENT_U8 flags;
	EVENT_U16 cpu;
	EVENT_U32 tid;
	EVENT_U64 time_ns;
};

/*
 * Stacks are named by a 64-bit hash over their addresses, how they end and, for user stacks, whose
 * they are. 0 is "none". kernel_end says why there is no kernel stack.
 */
struct event_sample {
	struct event_header h;
	EVENT_U32 pid;
	EVENT_U8 kernel_end; /* enum stint_kernel_end */
	EVENT_U8 user_end;   /* enum stint_user_end, where user_stack is 0 */
	EVENT_U16 reserved;
	EVENT_U64 period;
	EVENT_U64 user_stack;
	EVENT_U64 kernel_stack;
};

struct event_offcpu {
	struct event_header h; /* time and CPU: when and where the thread came on again */
	EVENT_U64 start_ns;    /* OPEN_START: the number of the thread's context switches so far */
	EVENT_U64 wake_ns;     /* valid if WOKEN */
	EVENT_U64 user_stack;
	EVENT_U64 kernel_stack;
	EVENT_U32 pid;
	EVENT_U32 waker_pid; /* 0 for none: an interrupt, the idle task, or not asked for */
	EVENT_U32 waker_tid;
	EVENT_U16 state;
	EVENT_U16 syscall; /* EVENT_NO_SYSCALL */
	EVENT_U16 cpu_out; /* EVENT_NO_CPU */
	EVENT_U8 kernel_end;
	EVENT_U8 user_end;
	EVENT_U32 reserved;
};

struct event_offcpu_waker {
	struct event_offcpu offcpu;
	EVENT_U64 waker_user_stack;
	EVENT_U64 waker_kernel_stack;
};

/* Flags of a stack event. */
#define EVENT_STACK_KERNEL 1u
#define EVENT_STACK_EXACT  2u  /* the first address is where it ran, not a return address */
#define EVENT_STACK_WINDOW 4u  /* struct event_window: copied instead of walked */
#define EVENT_STACK_MORE   8u  /* more of a window: its words follow struct event_stack */
#define EVENT_STACK_LATE   16u /* in place of what was sent under this name before: it was walked again */

/* In a user frame's address: a signal interrupted it there, so it is no return address either. */
#define EVENT_FRAME_EXACT (1ull << 63)

/* Sent before the first event that names it. n_frames addresses (64 bits each) follow, innermost
 * first. */
struct event_stack {
	struct event_header h; /* tid: of the thread whose stack it was */
	EVENT_U64 hash;
	EVENT_U32 pid; /* user stacks: the process */
	EVENT_U16 n_frames;
	EVENT_U8 end;	/* enum stint_user_end or stint_kernel_end */
	EVENT_U8 chunk; /* MORE: which one it is; all in front of it are full */
};

/* A user stack that was copied. stack.n_frames words (64 bits each) follow, from the stack pointer on. */
struct event_window {
	struct event_stack stack; /* with its time */
	EVENT_U64 ip;
	EVENT_U64 regs[16]; /* by DWARF number */
	EVENT_U64 vdso;	    /* its address tells the process's image from others */
	EVENT_U64 top;	    /* where the first thread's stack pointer was when the image started */
};

/* One a CPU, added up by the recorder. Everything here passed the target filter. */
struct event_counters {
	EVENT_U64 samples;	/* seen */
	EVENT_U64 offcpu;	/* intervals begun, or found open from the start */
	EVENT_U64 offcpu_ended; /* of them, those that ended before the recording did, however they
	                           fared then */
	EVENT_U64 sample_ring_full;
	EVENT_U64 offcpu_ring_full;
	EVENT_U64 offcpu_no_storage;
	EVENT_U64 offcpu_below_min;
	EVENT_U64 stack_ring_full;  /* stacks; the events that name them are counted when they are
	                              translated */
	EVENT_U64 target_full;	    /* children that found no room among the targets */
	EVENT_U64 windows_left_out; /* or cut: more than config.windows_per_second, or no room in the ring */
};

/* What the task iterator writes for each thread that is off the CPU. n_kernel addresses follow,
 * innermost first. */
struct event_task {
	EVENT_U32 size_bytes; /* of all of it */
	EVENT_U32 pid;
	EVENT_U32 tid;
	EVENT_U8 flags; /* EVENT_*; tracked says whether the interval's fields are valid */
	EVENT_U8 tracked;
	EVENT_U8 kernel_end;
	EVENT_U8 user_end;
	EVENT_U16 state;
	EVENT_U16 syscall;
	EVENT_U16 cpu_out;
	EVENT_U16 n_kernel;
	EVENT_U32 waker_pid;
	EVENT_U32 waker_tid;
	EVENT_U64 start_ns;
	EVENT_U64 wake_ns;
	EVENT_U64 user_stack;
	EVENT_U64 waker_user_stack;
	EVENT_U64 waker_kernel_stack;
	EVENT_U64 n_switches;
	/* The user registers, for walking its stack from outside: general ones by DWARF number. */
	EVENT_U64 ip;
	EVENT_U64 regs[16];
};

/* Which threads are recorded: the bits of config.targets. Any match is enough. */
#define TARGET_ALL    1u
#define TARGET_PIDS   2u /* map target_pids; their children are added as they are forked */
#define TARGET_TIDS   4u
#define TARGET_COMM   8u
#define TARGET_CGROUP 16u

enum wakers {
	WAKERS_NONE = 0,
	WAKERS_TASK = 1,
	WAKERS_STACK = 2,
};

enum unwind {
	UNWIND_BY_FP = 0,   /* frame pointers */
	UNWIND_BY_CFI = 1,  /* call frame information */
	UNWIND_BY_BOTH = 2, /* frame pointers where there is no call frame information; copied while that isn't
	                       loaded yet */
	UNWIND_BY_DUMP = 3, /* always copied, never walked */
};

/* Set once, before the programs are loaded: the verifier removes what isn't asked for. */
struct config {
	EVENT_U32 targets;
	EVENT_U32 self_pid;
	EVENT_U32 wakers;
	EVENT_U32 unwind;	      /* enum unwind */
	EVENT_U32 has_prev_state;     /* sched_switch hands over the state (5.18) */
	EVENT_U32 windows_per_second; /* of UNWIND_BY_BOTH, on all CPUs */
	EVENT_U32 window_bytes;	      /* a multiple of EVENT_CHUNK_BYTES; BY_DUMP: one chunk */
	EVENT_U32 late_stacks;	      /* the kernel can call back at a thread's return to user mode (6.18) */
	EVENT_U64 cgroup_id;
	EVENT_U64 off_cpu_min_ns;
	EVENT_U64 kernel_stack_min_ns; /* off-CPU kernel stacks from this length on; UINT64_MAX:
	                                  none */
};

enum phase {
	PHASE_IDLE = 0, /* programs are attached, nothing is recorded */
	PHASE_RECORDING = 1,
	PHASE_STOPPING = 2, /* nothing begins any more, open intervals are handed over */
};

/* Shared with the recorder while the programs run. */
struct control {
	EVENT_U32 phase; /* enum phase */
	EVENT_U32
	stack_generation; /* goes up whenever the recorder empties the map of sent stacks */
	EVENT_U64 start_ns;
	/* Written by the kernel side: */
	EVENT_U64 n_cpu_arrivals; /* how many times CPUs have come online */
	EVENT_U64 replaced_ns;	  /* when code was last mapped in the place of other code, in any process */
};

_Static_assert(sizeof(struct event_header) == 16, "ring ABI");
_Static_assert(sizeof(struct event_sample) == 48, "ring ABI");
_Static_assert(sizeof(struct event_offcpu) == 72, "ring ABI");
_Static_assert(sizeof(struct event_offcpu_waker) == 88, "ring ABI");
_Static_assert(sizeof(struct event_stack) == 32, "ring ABI");
_Static_assert(sizeof(struct event_window) == 184, "ring ABI");
_Static_assert(sizeof(struct event_task) == 216, "iterator ABI");

#endif
