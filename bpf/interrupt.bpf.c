/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Tells whether an interrupt is being handled: what it wakes, it wakes itself, and not the thread
 * that it interrupted. The kernel's own counter for this can't be read everywhere, so these follow
 * the timer's and the devices' interrupts by their tracepoints, and the soft interrupts behind them,
 * in which most timers expire. Those of the network don't count: they run on behalf of the thread
 * that raised them, as on the loopback device.
 */

/* Numbers of soft interrupts: part of the tracepoints' interface. */
#define SOFTIRQ_NET_TX 2u
#define SOFTIRQ_NET_RX 3u

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} interrupt_depth SEC(".maps");

static __always_inline void interrupt_enter(void)
{
	__u32 zero = 0, *depth = bpf_map_lookup_elem(&interrupt_depth, &zero);

	if (depth)
		++*depth;
}

static __always_inline void interrupt_leave(void)
{
	__u32 zero = 0, *depth = bpf_map_lookup_elem(&interrupt_depth, &zero);

	/* The programs may have been attached in the middle of one. */
	if (depth && *depth)
		--*depth;
}

static __always_inline bool in_interrupt(void)
{
	__u32 zero = 0, *depth = bpf_map_lookup_elem(&interrupt_depth, &zero);

	return depth && *depth;
}

SEC("tp_btf/local_timer_entry")
int on_timer_entry(void *ctx)
{
	interrupt_enter();
	return 0;
}

SEC("tp_btf/local_timer_exit")
int on_timer_exit(void *ctx)
{
	interrupt_leave();
	return 0;
}

SEC("tp_btf/irq_handler_entry")
int on_irq_entry(void *ctx)
{
	interrupt_enter();
	return 0;
}

SEC("tp_btf/irq_handler_exit")
int on_irq_exit(void *ctx)
{
	interrupt_leave();
	return 0;
}

static __always_inline bool is_network(__u64 vector)
{
	return vector == SOFTIRQ_NET_TX || vector == SOFTIRQ_NET_RX;
}

SEC("tp_btf/softirq_entry")
int on_softirq_entry(__u64 *ctx)
{
	if (!is_network(ctx[0]))
		interrupt_enter();
	return 0;
}

SEC("tp_btf/softirq_exit")
int on_softirq_exit(__u64 *ctx)
{
	if (!is_network(ctx[0]))
		interrupt_leave();
	return 0;
}
