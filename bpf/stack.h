/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* A stack in the making, its hash, and sending it to the recorder once. */
#ifndef STINT_BPF_STACK_H
#define STINT_BPF_STACK_H

#include "bpf/maps.h"

/* The message as it is sent: the header of event.h with room for all frames. */
struct stack_message {
	struct event_stack stack;
	__u64 frames[EVENT_MAX_FRAMES + 1];
};

#define HASH_MULTIPLIER 0x9e3779b97f4a7c15ull

static __always_inline __u64 hash_mix(__u64 hash, __u64 value)
{
	hash = (hash ^ value) * HASH_MULTIPLIER;
	return hash ^ hash >> 29;
}

/* Tells one process image's addresses from another's: pids and addresses are used again, by exec as
 * well. */
static __always_inline __u64 image_salt(struct task_struct *task)
{
	struct task_struct *leader = task->group_leader;

	return hash_mix(hash_mix(task->tgid, leader->start_time), task->self_exec_id);
}

/*
 * Sends the message unless the recorder has this stack already. Where the map of sent stacks has no
 * room, the stack is sent each time; where the ring has none, it isn't remembered as sent.
 * generation, which may be NULL, is set once the stack is known to have been sent in that
 * generation. False where the ring has no room.
 */
static __always_inline bool send_once(void *msg, __u64 hash, __u64 size, __u32 *generation)
{
	__u32 now = control.stack_generation;
	__u8 one = 1;
	bool kept;

	if (!bpf_map_lookup_elem(&sent_stacks, &hash)) {
		kept = bpf_map_update_elem(&sent_stacks, &hash, &one, BPF_ANY) == 0;
		if (bpf_ringbuf_output(&ring, msg, size, BPF_RB_NO_WAKEUP)) {
			if (kept)
				bpf_map_delete_elem(&sent_stacks, &hash);
			/* Another CPU may have taken it for sent meanwhile: nobody relies on that.
			 */
			__sync_fetch_and_add(&control.stack_generation, 1);
			COUNT(stack_ring_full);
			return false;
		}
		if (!kept)
			return true;
	}
	if (generation)
		*generation = now;
	return true;
}

static __always_inline void stack_send(struct stack_message *msg, __u32 *generation)
{
	__u64 n = msg->stack.n_frames;

	if (n > EVENT_MAX_FRAMES)
		n = EVENT_MAX_FRAMES;
	send_once(msg, msg->stack.hash, sizeof(msg->stack) + n * sizeof(__u64), generation);
}

#endif
