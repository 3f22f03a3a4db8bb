/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The few kernel types and fields that the programs read. libbpf finds each field's place in the
 * running kernel's BTF (CO-RE), so building needs no vmlinux.h. A ___suffix marks another kernel's
 * shape of the same type.
 */
#ifndef STINT_BPF_TYPES_H
#define STINT_BPF_TYPES_H

typedef unsigned char __u8;
typedef unsigned short __u16;
typedef unsigned int __u32;
typedef unsigned long long __u64;
typedef signed char __s8;
typedef short __s16;
typedef int __s32;
typedef long long __s64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u64 __be64;
typedef __u32 __wsum;

#ifndef bool
typedef _Bool bool;
#define true 1
#define false 0
#endif
#ifndef NULL
#define NULL ((void *)0)
#endif

/* Numbers of the kernel's user-space interface. */
enum bpf_map_type {
	BPF_MAP_TYPE_HASH = 1,
	BPF_MAP_TYPE_ARRAY = 2,
	BPF_MAP_TYPE_PERCPU_ARRAY = 6,
	BPF_MAP_TYPE_LRU_HASH = 9,
	BPF_MAP_TYPE_ARRAY_OF_MAPS = 12,
	BPF_MAP_TYPE_RINGBUF = 27,
	BPF_MAP_TYPE_TASK_STORAGE = 29,
};

enum {
	BPF_ANY = 0,
	BPF_NOEXIST = 1,
	BPF_F_NO_PREALLOC = 1,
	BPF_F_MMAPABLE = 1024,
	BPF_F_USER_STACK = 256,
	BPF_LOCAL_STORAGE_GET_F_CREATE = 1,
	BPF_RB_NO_WAKEUP = 1,
};

#define EBUSY 16

/* Its values differ between kernels: to be asked for with bpf_core_enum_value. */
enum cpuhp_state {
	CPUHP_AP_ACTIVE = 1,
};

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct pt_regs {
	unsigned long r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di;
	unsigned long orig_ax;
	unsigned long ip;
	__u16 cs;
	unsigned long flags;
	unsigned long sp;
};

typedef struct {
	void *vdso;
} mm_context_t;

struct mm_struct {
	mm_context_t context;
	unsigned long start_code;
	unsigned long start_stack;
};

struct super_block {
	__u32 s_dev;
};

struct inode {
	struct super_block *i_sb;
	unsigned long i_ino;
	__s64 i_size;
	__s64 i_mtime_sec;
	__u32 i_mtime_nsec;
};

struct timespec64 {
	__s64 tv_sec;
	long tv_nsec;
};

struct inode___before_6_11 {
	struct timespec64 __i_mtime;
};

struct inode___before_6_7 {
	struct timespec64 i_mtime;
};

struct file {
	struct inode *f_inode;
};

struct vm_area_struct {
	unsigned long vm_start;
	unsigned long vm_end;
	unsigned long vm_flags;
	unsigned long vm_pgoff;
	struct file *vm_file;
};

struct vm_unmapped_area_info {
	unsigned long length;
};

struct kernfs_node {
	__u64 id;
};

struct cgroup {
	int level;
	struct kernfs_node *kn;
	struct cgroup *ancestors[]; /* 6.1 */
};

struct cgroup___ids {
	int level;
	__u64 ancestor_ids[]; /* before */
};

struct css_set {
	struct cgroup *dfl_cgrp;
};

typedef struct {
	int counter;
} atomic_t;

struct signal_struct {
	atomic_t live;
};

struct sched_entity {
	__u64 sum_exec_runtime;
	__u64 prev_sum_exec_runtime; /* as it was when the thread came on */
};

struct task_struct {
	unsigned int __state;
	struct sched_entity se;
	unsigned int flags;
	unsigned int personality;
	int on_cpu;
	int exit_state;
	int pid;
	int tgid;
	unsigned long nvcsw;
	unsigned long nivcsw;
	__u64 self_exec_id;
	__u64 start_time;
	char comm[16];
	struct mm_struct *mm;
	struct task_struct *group_leader;
	struct signal_struct *signal;
	struct css_set *cgroups;
};

struct task_struct___before_5_14 {
	long state;
};

struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
};

struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
};

#pragma clang attribute pop

/* The context of a perf_event program: fixed by the kernel's user-space interface, 8 bytes a
 * register. */
struct bpf_perf_event_data {
	unsigned long r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di;
	unsigned long orig_ax, ip, cs, flags, sp, ss;
	__u64 sample_period;
	__u64 addr;
};

/* What the kernel calls back by, kept in a map's value. It and its functions are found by name, with these types. */
struct bpf_task_work {
	__u64 __opaque;
} __attribute__((aligned(8)));

struct bpf_map {
	int unused;
};

extern int bpf_task_work_schedule_resume_impl(struct task_struct *task, struct bpf_task_work *tw, void *map__map,
					      int (*callback)(struct bpf_map *, void *, void *), void *aux__prog)
	__attribute__((weak, section(".ksyms")));
extern void bpf_preempt_disable(void) __attribute__((weak, section(".ksyms")));
extern void bpf_preempt_enable(void) __attribute__((weak, section(".ksyms")));

#define VM_EXEC 4ul

#define ADDR_NO_RANDOMIZE 0x0040000u /* a personality */

#define PF_KTHREAD 0x00200000u

#define TASK_DEAD   0x80u
#define TASK_WAKING 0x200u

/* The code segments of user mode. */
#define USER_CS_64 0x33u

/* The file format's numbers that the programs give out (format/rows.h). */
#define USER_NONE	 0
#define USER_COMPLETE	 1
#define USER_DEPTH	 2
#define USER_NO_MAPPING	 3
#define USER_NO_ROWS	 4
#define USER_UNSUPPORTED 5
#define USER_UNREADABLE	 6
#define USER_FP_END	 7
#define USER_NOT_TAKEN	 8
#define USER_WINDOW	 9

#define KERNEL_NONE	 0
#define KERNEL_COMPLETE	 1
#define KERNEL_DEPTH	 2
#define KERNEL_NOT_TAKEN 3
#define KERNEL_FAILED	 4

#endif
