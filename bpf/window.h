/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Reads a user stack's memory through a window: a read costs about the same whether it brings 16
 * bytes or 2 KB, and a window usually holds many frames.
 */
#ifndef STINT_BPF_WINDOW_H
#define STINT_BPF_WINDOW_H

#include "bpf/maps.h"

#define WINDOW_WORDS 256
#define WINDOW_BYTES (WINDOW_WORDS * 8)
#define PAGE_BYTES   4096ull

#define WINDOW_NOTES 32u

/* The words that were read, for bpf/known_walk.h. */
struct window_notes {
	__u64 base;
	__u32 n;		/* WINDOW_NOTES: not wanted, or not all of them could be noted */
	__u32 bytes;		/* from base to the end of the last one */
	__u16 at[WINDOW_NOTES]; /* offsets from base */
	__u64 words[WINDOW_NOTES];
};

struct window {
	struct window_notes notes;
	__u64 start; /* address of words[0] */
	__u64 bytes; /* valid ones, from the start on */
	__u64 limit; /* where the first stack's frames end, and pages may be absent: reading on
	                is a fault, which costs as much as hundreds of frames */
	__u64 words[WINDOW_WORDS];
};

/* Brings the word at addr, and what follows it, into the window. */
static __always_inline bool window_fill(struct window *w, __u64 addr)
{
	__u64 size = WINDOW_BYTES;

	if (addr < w->limit && w->limit - addr < size)
		size = w->limit - addr;
	w->start = addr;
	w->bytes = size;
	if (bpf_probe_read_user(w->words, size, (void *)addr) == 0)
		return true;
	/* The stack's end is near: take what the page has. */
	size = PAGE_BYTES - (addr & (PAGE_BYTES - 1));
	if (size < WINDOW_BYTES && size >= 8 && bpf_probe_read_user(w->words, size, (void *)addr) == 0) {
		w->bytes = size;
		return true;
	}
	w->bytes = 0;
	return false;
}

static __always_inline void window_note(struct window *w, __u64 addr, __u64 word)
{
	struct window_notes *notes = &w->notes;
	__u64 at = addr - notes->base;
	__u32 n = notes->n;

	if (n >= WINDOW_NOTES)
		return;
	if (at > WINDOW_BYTES - 8) {
		notes->n = WINDOW_NOTES;
		return;
	}
	asm volatile("%[n] &= 31" : [n] "+r"(n));
	notes->at[n] = at;
	notes->words[n] = word;
	notes->n = n + 1;
	if (notes->bytes < at + 8)
		notes->bytes = at + 8;
}

static __always_inline bool window_read(struct window *w, __u64 addr, __u64 *ret)
{
	__u64 off = addr - w->start;

	if (addr & 7)
		return false;
	if (addr < w->start || off + 8 > w->bytes) {
		if (!window_fill(w, addr))
			return false;
		off = 0;
	}
	off >>= 3;
	/* The verifier has lost sight of the bound by now: state it again where the compiler can't
	 * remove it. */
	asm volatile("%[off] &= 255" : [off] "+r"(off));
	*ret = w->words[off];
	window_note(w, addr, *ret);
	return true;
}

#endif
