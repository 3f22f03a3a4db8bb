/* SPDX-License-Identifier: MIT */
/*
 * The rows of each table, as writer and reader exchange them (FORMAT.md, "Tables"). Plain data without
 * padding and without pointers, but for stint_string, which is the field of a column of bytes. Times are ns of
 * CLOCK_MONOTONIC. Ids refer to the dictionary named; 0 is "none". Fields called *_str are ids of STINT_STRING.
 */
#ifndef STINT_FORMAT_ROWS_H
#define STINT_FORMAT_ROWS_H

#include <stdint.h>

/* Any bytes, usually UTF-8 text. Not NUL-terminated. A build ID is its raw bytes. */
struct stint_string {
	const uint8_t *data;
	uint64_t size;
};

enum stint_module_kind {
	STINT_MODULE_FILE = 1,	  /* an ELF file; frame addresses are file offsets */
	STINT_MODULE_KERNEL = 2,  /* the kernel; frame addresses are relative to its _text */
	STINT_MODULE_KMOD = 3,	  /* a kernel module; frame addresses are relative to its first section */
	STINT_MODULE_VDSO = 4,	  /* frame addresses are offsets in the vDSO's image */
	STINT_MODULE_ANON = 5,	  /* executable memory of one process without a file (JIT); virtual addresses */
	STINT_MODULE_UNKNOWN = 6, /* no mapping known at that time in that process; virtual addresses */
};

struct stint_module {
	uint32_t kind;	       /* enum stint_module_kind */
	uint32_t path_str;     /* as the process saw it; "[kernel]", "[vdso]", "[anon]", "[unknown]", a kmod's name */
	uint32_t build_id_str; /* 0 where there is none or it couldn't be read */
	uint32_t process;      /* for ANON and UNKNOWN: whose addresses these are; else 0 */
};

/*
 * A process image: exec makes a new row with the same pid and start_ns and the next image number, so
 * the processes are the rows whose image is 0, and a reused pid has another start_ns.
 */
struct stint_process {
	uint64_t start_ns; /* of the process; 0 when unknown */
	uint64_t image_ns; /* since when this image runs; 0 when since before the recording */
	uint32_t pid;
	uint32_t ppid;
	uint32_t image;
	uint32_t exe_str;
	uint32_t cmdline_str; /* arguments separated by NUL */
	uint32_t cgroup_str;
};

/* A thread under one name: a thread that changes its comm, or execs, gets a new row. */
struct stint_thread {
	uint64_t start_ns; /* of the thread; 0 when unknown */
	uint64_t name_ns;  /* since when it has this comm; 0 when since before the recording */
	uint32_t process;
	uint32_t tid;
	uint32_t comm_str;
	uint32_t reserved; /* 0 */
};

/* An executable mapping. It ends where a later one of the process overlaps it, at exec, or at exit. */
struct stint_mapping {
	uint64_t from_ns; /* 0 when since before the recording */
	uint64_t start;	  /* virtual address */
	uint64_t size_bytes;
	uint64_t file_off;
	uint32_t process;
	uint32_t module;
};

/* addr is where it ran: a leaf or a frame interrupted by a signal. Without it, a return address. */
#define STINT_FRAME_EXACT 1u

struct stint_frame {
	uint64_t addr; /* by the module's kind */
	uint32_t module;
	uint32_t flags; /* STINT_FRAME_* */
};

/* Stacks are paths in a tree: a node is a frame and the node of its caller. parent < the node's own id. */
struct stint_node {
	uint32_t parent; /* 0 for the outermost frame */
	uint32_t frame;
};

/* How the walk of a user stack ended. */
enum stint_user_end {
	STINT_USER_NONE = 0,	    /* there is no user stack: a kernel thread, an exec or an exit half done */
	STINT_USER_COMPLETE = 1,    /* the outermost frame was reached */
	STINT_USER_DEPTH = 2,	    /* deeper than the recorder's limit */
	STINT_USER_NO_MAPPING = 3,  /* an address outside every known mapping */
	STINT_USER_NO_ROWS = 4,	    /* a mapping without unwind information */
	STINT_USER_UNSUPPORTED = 5, /* an unwind rule that the walker doesn't have */
	STINT_USER_UNREADABLE = 6,  /* stack memory that couldn't be read */
	STINT_USER_FP_END = 7,	    /* the frame pointer chain ended: complete, or code without frame pointers */
	STINT_USER_NOT_TAKEN = 8,   /* not asked for, or lost */
	STINT_USER_WINDOW = 9,	    /* its registers and stack bytes are in the file, to be unwound offline */
};

enum stint_kernel_end {
	STINT_KERNEL_NONE = 0, /* user mode: there is no kernel stack */
	STINT_KERNEL_COMPLETE = 1,
	STINT_KERNEL_DEPTH = 2,
	STINT_KERNEL_NOT_TAKEN = 3, /* the interval was shorter than the recorder's threshold for kernel stacks */
	STINT_KERNEL_FAILED = 4,
};

/* A whole stack: user frames outermost first, the kernel's frames behind them; leaf is the innermost. */
struct stint_stack {
	uint32_t leaf;	     /* node id; 0 for a stack without a frame */
	uint32_t n_kernel;   /* how many frames from the leaf on are the kernel's */
	uint32_t user_end;   /* enum stint_user_end */
	uint32_t kernel_end; /* enum stint_kernel_end */
};

/* What samples count: "cpu-clock", a hardware event, an allocation … */
struct stint_source {
	uint32_t name_str;
	uint32_t unit_str; /* of the samples' value: "ns", "bytes", … */
	uint64_t freq_hz;  /* 0 when not sampled by frequency */
};

struct stint_sample {
	uint64_t time_ns;
	uint64_t weight; /* how many events this row stands for, at least 1 */
	uint64_t value;	 /* in the source's unit */
	uint32_t cpu;
	uint32_t thread;
	uint32_t stack;
	uint32_t source;
};

#define STINT_OFFCPU_OPEN_START	 1u  /* off since before the recording: start_ns is the recording's start */
#define STINT_OFFCPU_OPEN_END	 2u  /* still off at the end: end_ns is the recording's end; not a completed switch */
#define STINT_OFFCPU_WAKE_UNSEEN 4u  /* it blocked and came back, but no wake-up was seen */
#define STINT_OFFCPU_PREEMPTED	 8u  /* runnable when it left the CPU: no blocked part */
#define STINT_OFFCPU_WOKEN	 16u /* wake_ns is valid */

#define STINT_NO_CPU UINT32_MAX

/*
 * One interval of one thread off the CPU. switch duration = end - start = blocked + runqueue:
 * preempted: blocked = 0; woken: blocked = wake - start; otherwise blocked = end - start.
 */
struct stint_offcpu {
	uint64_t start_ns;
	uint64_t wake_ns; /* start_ns <= wake_ns <= end_ns if WOKEN; else 0 */
	uint64_t end_ns;
	uint32_t flags;	  /* STINT_OFFCPU_* */
	uint32_t cpu;	  /* where it came on again; STINT_NO_CPU if OPEN_END */
	uint32_t cpu_out; /* where it left; STINT_NO_CPU if unknown */
	uint32_t thread;
	uint32_t state;	  /* the kernel's task state bits at switch-out (1 S, 2 D, …); 0 running (preempted) */
	uint32_t syscall; /* number of the syscall it was in, plus one; 0 none */
	uint32_t stack;
	uint32_t waker; /* thread id */
	uint32_t waker_stack;
	uint32_t reserved; /* 0 */
};

enum stint_task_kind {
	STINT_TASK_FORK = 1, /* thread started other (a new process or thread) */
	STINT_TASK_EXEC = 2, /* thread is the row after the exec */
	STINT_TASK_COMM = 3, /* thread is the row with the new name */
	STINT_TASK_EXIT = 4,
};

struct stint_task {
	uint64_t time_ns;
	uint32_t kind; /* enum stint_task_kind */
	uint32_t thread;
	uint32_t other;	   /* FORK: the new thread; else 0 */
	uint32_t reserved; /* 0 */
};

/* Why something that happened isn't in the file in full. */
enum stint_loss_cause {
	STINT_LOSS_RING_FULL = 1,  /* an event found no room in the ring to user space */
	STINT_LOSS_NO_STORAGE = 2, /* the kernel had no memory to keep a thread's state */
	STINT_LOSS_BELOW_MIN = 3,  /* an off-CPU interval shorter than --off-cpu=MIN: left out on request */
	STINT_LOSS_STACK = 4,	   /* an event is there, its stack was lost */
	STINT_LOSS_TASK_EVENT = 5, /* fork, exec, comm, exit or mmap records that the kernel dropped */
	STINT_LOSS_THROTTLED = 6,  /* samples that the kernel throttled, estimated */
	STINT_LOSS_SIZE_LIMIT = 7, /* events not written since --max-size was reached */
	STINT_LOSS_OUTPUT = 8,	   /* events not written since the output failed */
	STINT_LOSS_MODULE = 9,	   /* modules whose build ID couldn't be read */
	STINT_LOSS_REPAIRED = 10,  /* rows of a block that a repair left out; blocks where the table is 0 */
	STINT_LOSS_CUT_OFF = 11,   /* threads already off the CPU at the start whose stack couldn't be read */
	STINT_LOSS_UNWIND = 12,	   /* unwind tables of files dropped, or not loaded: no memory, or a file too large */
	STINT_LOSS_WINDOW = 13,	   /* stacks that a file's unwind table came too late for, too many to be copied */
	STINT_LOSS_CPU = 14,	   /* events of CPUs that came online, until they were recorded, estimated */
};
#define STINT_N_LOSS_CAUSES 15

struct stint_loss {
	uint64_t from_ns; /* between these times */
	uint64_t to_ns;
	uint64_t count;
	uint32_t cause; /* enum stint_loss_cause */
	uint32_t table; /* enum stint_table of what was lost; 0 when several or unknown */
};

struct stint_clock {
	uint64_t monotonic_ns;
	uint64_t realtime_ns; /* CLOCK_REALTIME at the same moment */
};

/* What the kernel side counted up to time_ns, for the check "seen = in the file + in the ledger". */
struct stint_total {
	uint64_t time_ns;
	uint64_t seen;	/* events of that table since the recording began */
	uint32_t table; /* STINT_SAMPLE or STINT_OFFCPU */
	uint32_t final; /* 1 when the recorder had drained everything: the sums are exact */
};

/*
 * Facts about the recording, key and value. Keys that stint writes: "host", "kernel", "arch",
 * "recorder", "command", "freq_hz", "start_ns", "end_ns", "off_cpu_min_ns", "kernel_stack_min_ns",
 * "unwind", "wakers", "target", "n_cpus", "boot_id", "cpus_offline", "cpus_late".
 * A later row with the same key supersedes.
 */
struct stint_meta {
	uint32_t key_str;
	uint32_t value_str;
};

#define STINT_WINDOW_REGS 16
#define STINT_WINDOW_SP	  7 /* where the stack pointer is among them */
#define STINT_WINDOW_FP	  6 /* and the frame pointer */

/*
 * A user stack that was copied instead of walked: the registers of the thread, and the bytes from its stack pointer
 * on. Its stack has the end STINT_USER_WINDOW and only the innermost user frame. It holds for all such stacks that have
 * the node of that frame, whatever kernel frames are on top of it.
 */
struct stint_window {
	uint64_t time_ns;
	uint64_t ip;
	uint64_t regs[STINT_WINDOW_REGS]; /* by the architecture's DWARF numbers (x86-64: rax, rdx, rcx, rbx, rsi, …) */
	uint32_t stack;
	uint32_t process;
	struct stint_string bytes; /* at most STINT_MAX_WINDOW_BYTES; the first one is at regs[STINT_WINDOW_SP] */
};

/* What the user part of a stack was unwound to, and of those with the same node. A later row supersedes. */
struct stint_unwound {
	uint32_t stack;
	uint32_t as_stack; /* its user part and end are read in the place of the other's */
};

/* A function's name, where the recording carries it. Addresses are by the module's kind. */
struct stint_symbol {
	uint64_t addr;
	uint64_t size_bytes; /* 0 when unknown: up to the next symbol */
	uint64_t from_ns;    /* 0 when always: JIT code may reuse an address */
	uint32_t module;
	uint32_t name_str;
};

#define STINT_CHAIN_INLINED    1u /* its code stands in the function of the next level */
#define STINT_CHAIN_UNRESOLVED 2u /* looked for and not found: it has no name */

/*
 * One function of what a frame resolved to, where symbols are packed: level 0 is the innermost one, the last level the
 * function that has the code. The rows of a frame follow each other from level 0 on; a later group supersedes.
 */
struct stint_chain {
	uint64_t elf_bias; /* add to the frame's addr for the address in the ELF file's own terms */
	uint32_t frame;
	uint32_t level;
	uint32_t name_str; /* as in the symbol table: not demangled */
	uint32_t file_str; /* source file; 0 unknown */
	uint32_t line;	   /* 0 unknown */
	uint32_t flags;	   /* STINT_CHAIN_* */
	uint32_t func_off; /* last level: how far the address is behind the function's first byte, plus 1; 0 unknown */
	uint32_t reserved; /* 0 */
};

/* Where the packed symbols of a module came from, or why there were none. A later row of a module supersedes. */
struct stint_symbol_source {
	uint32_t module;
	uint32_t from_str;
	uint32_t why_str;  /* 0 when there were some */
	uint32_t reserved; /* 0 */
};

/*
 * The machine code of a function, or of a part that lies elsewhere. Exact frames and their chains tell its source
 * lines: where an address in it has no chain of its own, the one in front of it counts, if that is in this code too.
 */
struct stint_machine_code {
	uint64_t addr;	     /* of the first byte, by the module's kind */
	uint64_t size_bytes; /* of the function; more than the bytes where these were not all there, or too many */
	uint32_t module;
	uint32_t reserved;	   /* 0 */
	struct stint_string bytes; /* at most STINT_MAX_CODE_BYTES */
};

struct stint_index_entry {
	uint64_t file_off; /* of the block's header */
	uint64_t t_min_ns;
	uint64_t t_max_ns;
	uint32_t table;
	uint32_t n_rows;
	uint32_t first_id;
	uint32_t stored_bytes; /* of the payload */
	uint32_t raw_bytes;
	uint32_t seq;
	uint32_t codec;
	uint32_t flags;
};

#endif
