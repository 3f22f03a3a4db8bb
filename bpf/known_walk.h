/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Threads leave the CPU again and again from the same places. A walk depends on the registers, on
 * the words of the stack that it read, on the process's image and on the unwind tables: while all
 * of these are what they were when a thread last left from there, so is the stack, and it needn't
 * be walked. A CPU remembers some walks; where two have the same place in memory, the later one
 * stays.
 */
#ifndef STINT_BPF_KNOWN_WALK_H
#define STINT_BPF_KNOWN_WALK_H

#include "bpf/user_stack.h"

#define KNOWN_WALKS 64u

struct known_walk {
	__u64 ip, sp, bp;
	__u64 salt;    /* the image; 0: unused */
	__u64 version; /* of the tables before the walk */
	__u64 hash;
	__u32 end;
	__u32 generation;	/* of stacks, in which it was sent */
	__u32 n_words;		/* 0: it has been here once, or isn't worth being remembered */
	__u32 bytes;		/* of the stack, from sp on */
	__u16 at[WINDOW_NOTES]; /* the words' offsets from sp */
	__u64 words[WINDOW_NOTES];
};

struct known_walks {
	struct known_walk walks[KNOWN_WALKS];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct known_walks);
} known_walks SEC(".maps");

/* Where the walk from there is or would be remembered. */
static __always_inline struct known_walk *known_walk_of(const struct user_regs *regs, __u64 salt)
{
	__u64 number = hash_mix(hash_mix(salt, regs->ip), regs->sp) >> 40;
	__u32 zero = 0;
	struct known_walks *all = bpf_map_lookup_elem(&known_walks, &zero);

	asm volatile("%[number] &= 63" : [number] "+r"(number));
	return all ? &all->walks[number] : NULL;
}

/* Where the tables stand; 0 without tables. */
static __always_inline __u64 known_walk_version(void)
{
	struct unwind_mappings *all;

	if (!unwind_by_tables())
		return 0;
	all = unwind_all_mappings();
	return all ? all->version : 0;
}

static __always_inline bool known_walk_is_from(const struct known_walk *known, const struct user_regs *regs, __u64 salt)
{
	return known->ip == regs->ip && known->sp == regs->sp && known->bp == regs->bp && known->salt == salt;
}

/* Is this walk, which is from there, still what a walk would come to, and its stack sent? */
static __always_inline bool known_walk_holds(const struct known_walk *known, struct user_walk *walk, __u64 sp)
{
	__u32 i, n = known->n_words, bytes = known->bytes;
	__u64 at, differ = 0;

	if (n == 0 || known->generation != control.stack_generation || known->version != known_walk_version())
		return false;
	if (bytes == 0 || bytes > WINDOW_BYTES || bpf_probe_read_user(walk->window.words, bytes, (void *)sp))
		return false;
	for (i = 0; i < WINDOW_NOTES && i < n; i++) {
		at = known->at[i];
		asm volatile("%[at] &= 0x7f8" : [at] "+r"(at));
		differ |= *(__u64 *)((void *)walk->window.words + at) ^ known->words[i];
	}
	return differ == 0;
}

/* Remembers a walk that has just ended, whose stack was sent in that generation. */
static __always_inline void known_walk_keep(struct known_walk *known, const struct user_walk *walk,
					    const struct user_regs *regs, __u64 salt, __u64 version, __u32 generation)
{
	const struct window_notes *notes = &walk->window.notes;
	__u32 i, n = notes->n;

	known->ip = regs->ip;
	known->sp = regs->sp;
	known->bp = regs->bp;
	known->salt = salt;
	known->n_words = 0;
	if (n >= WINDOW_NOTES || regs->sp & 7 || walk->no_window || walk->used_others ||
	    !(walk->end == USER_COMPLETE || walk->end == USER_FP_END))
		return;
	for (i = 0; i < WINDOW_NOTES && i < n; i++) {
		known->at[i] = notes->at[i];
		known->words[i] = notes->words[i];
	}
	known->version = version;
	known->hash = walk->hash;
	known->end = walk->end;
	known->generation = generation;
	known->bytes = notes->bytes;
	known->n_words = n;
}

#endif
