/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* Follows the target processes' children, and tells new threads from those that slept when
 * recording began. */

SEC("tp_btf/sched_process_fork")
int BPF_PROG(on_fork, struct task_struct *parent, struct task_struct *child)
{
	__u32 parent_pid = parent->tgid, child_pid = child->tgid;
	struct thread *thread;
	__u8 one = 1;

	if (config.targets & TARGET_PIDS && parent_pid != child_pid && bpf_map_lookup_elem(&target_pids, &parent_pid) &&
	    bpf_map_update_elem(&target_pids, &child_pid, &one, BPF_ANY))
		COUNT(target_full);
	unwind_on_fork(parent_pid, child_pid);

	if (control.phase != PHASE_RECORDING || !is_target(child))
		return 0;
	thread = bpf_task_storage_get(&threads, child, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (thread)
		thread->phase = THREAD_ON;
	else
		storage_failed = 1;
	return 0;
}

/* The command behind "--" becomes a target at its exec: what the recorder's own child did before is
 * nobody's business. */
SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_exec, struct task_struct *task)
{
	__u32 pid = task->tgid;
	struct thread *thread;
	__u8 one = 1;

	unwind_on_exec(task);
	if (!bpf_map_lookup_elem(&target_execs, &pid))
		return 0;
	bpf_map_delete_elem(&target_execs, &pid);
	if (bpf_map_update_elem(&target_pids, &pid, &one, BPF_ANY))
		COUNT(target_full);
	thread = bpf_task_storage_get(&threads, task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (thread && thread->phase == THREAD_UNSEEN)
		thread->phase = THREAD_ON;
	return 0;
}

/* The kernel has chosen addresses for a new mapping: those of a whole library, before any of its code is there. */
SEC("tp_btf/vm_unmapped_area")
int BPF_PROG(on_map, unsigned long addr, struct vm_unmapped_area_info *info)
{
	if ((long)addr > 0) /* no error */
		unwind_on_map(bpf_get_current_task_btf(), addr, addr + info->length);
	return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_exit, struct task_struct *task)
{
	__u32 pid = task->tgid, tid = task->pid;

	/* An id may be used again: a thread's once it is gone, a process's once its last thread is. */
	if (config.targets & TARGET_TIDS)
		bpf_map_delete_elem(&target_tids, &tid);
	if (task->signal->live.counter != 0)
		return 0;
	if (config.targets & TARGET_PIDS)
		bpf_map_delete_elem(&target_pids, &pid);
	unwind_forget(pid);
	return 0;
}
