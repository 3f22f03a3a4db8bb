// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * CPUs that come and go. The perf events of a CPU end for good when it goes offline, and nothing tells who holds them;
 * so the recorder opens new ones on each CPU that has come online since it opened the last ones.
 */

/* When each CPU came online last, by id; 0 where none did. As many as there can be, set before loading. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} cpu_arrivals SEC(".maps");

/*
 * Steps are taken in both directions, and most of them also by CPUs that stay online, when a driver comes or goes. Only
 * the last one to being online is never taken but by a CPU that arrives: perf's own step lies behind it by then, and
 * threads can run there from now on. A CPU takes a step down when its target lies below it.
 */
SEC("tp_btf/cpuhp_enter")
int BPF_PROG(on_cpu_step, unsigned int cpu, int target, int step)
{
	const int last = (int)bpf_core_enum_value(enum cpuhp_state, CPUHP_AP_ACTIVE);
	__u64 *arrival_ns;
	__u32 key = cpu;

	if (step != last || target < last)
		return 0;
	arrival_ns = bpf_map_lookup_elem(&cpu_arrivals, &key);
	if (arrival_ns)
		*arrival_ns = bpf_ktime_get_ns();
	__sync_fetch_and_add(&control.n_cpu_arrivals, 1);
	return 0;
}
