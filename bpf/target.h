/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* Which threads are recorded: decided before any other work is done. */
#ifndef STINT_BPF_TARGET_H
#define STINT_BPF_TARGET_H

#include "bpf/maps.h"

#define MAX_CGROUP_LEVELS 32

/* Is the thread's cgroup the one asked for, or below it? Its own level is as far as there are
 * ancestors. */
static __always_inline bool cgroup_matches(struct task_struct *task)
{
	struct cgroup *cgrp = task->cgroups->dfl_cgrp;
	struct cgroup *ancestor;
	int i, level = cgrp->level;
	__u64 id;

	for (i = 0; i < MAX_CGROUP_LEVELS && i <= level; i++) {
		if (bpf_core_field_exists(cgrp->ancestors)) {
			ancestor = NULL;
			bpf_probe_read_kernel(&ancestor, sizeof(ancestor),
					      (void *)cgrp + bpf_core_field_offset(struct cgroup, ancestors) +
						      i * sizeof(ancestor));
			id = BPF_CORE_READ(ancestor, kn, id);
		} else {
			id = 0;
			bpf_probe_read_kernel(&id, sizeof(id),
					      (void *)cgrp + bpf_core_field_offset(struct cgroup___ids, ancestor_ids) +
						      i * sizeof(id));
		}
		if (id == config.cgroup_id)
			return true;
	}
	return false;
}

static __always_inline bool is_target(struct task_struct *task)
{
	__u32 tgid = task->tgid;
	__u32 tid = task->pid;

	if (tid == 0 || tgid == config.self_pid)
		return false;
	if (config.targets & TARGET_ALL)
		return true;
	if (config.targets & TARGET_PIDS && bpf_map_lookup_elem(&target_pids, &tgid))
		return true;
	if (config.targets & TARGET_TIDS && bpf_map_lookup_elem(&target_tids, &tid))
		return true;
	if (config.targets & TARGET_COMM) {
		struct comm_key key = {};

		bpf_probe_read_kernel_str(key.comm, sizeof(key.comm), task->comm);
		if (bpf_map_lookup_elem(&target_comms, &key))
			return true;
	}
	return config.targets & TARGET_CGROUP && cgroup_matches(task);
}

#endif
