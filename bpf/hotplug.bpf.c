// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * CPUs that come and go. The perf events of a CPU end for good when it goes offline, and nothing tells who holds them;
 * so the recorder opens new ones on each CPU that has taken a step in either direction since it opened the last ones.
 */

/* When each CPU took its last step so far, by id; 0 where none did. As many as there can be, set before loading. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} cpu_steps SEC(".maps");

SEC("tp_btf/cpuhp_enter")
int BPF_PROG(on_cpu_step, unsigned int cpu)
{
	__u32 key = cpu;
	__u64 *step_ns = bpf_map_lookup_elem(&cpu_steps, &key);

	if (step_ns)
		*step_ns = bpf_ktime_get_ns();
	__sync_fetch_and_add(&control.n_cpu_steps, 1);
	return 0;
}
