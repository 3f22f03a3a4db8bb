/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* Finds the unwind row of an address, and steps from a frame to its caller by it. */
#ifndef STINT_BPF_UNWIND_H
#define STINT_BPF_UNWIND_H

#include "bpf/maps.h"
#include "bpf/unwind_tables.h"
#include "bpf/window.h"

struct unwind_segments_inner {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct unwind_segment)); /* by size: an inner map's types are left
	                                                      out of BTF */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, UNWIND_MAX_SEGMENTS);
	__type(key, __u32);
	__array(values, struct unwind_segments_inner);
} unwind_segments SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct unwind_mappings);
} unwind_mappings SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, UNWIND_MAX_PROCESSES);
	__type(key, __u32);
	__type(value, struct unwind_slice);
} unwind_slices SEC(".maps");

/* What a walk knows of the address it looks at. */
struct unwind_place {
	__u64 start, end; /* of the mapping found last */
	__u64 bias;
	__u32 segment, first_row, n_rows;
};

enum unwind_found {
	UNWIND_FOUND_ROW = 0,
	UNWIND_FOUND_NO_ROW, /* a mapping, and no rule there */
	UNWIND_FOUND_NO_MAPPING,
};

/* The mapping that covers addr becomes the place's. */
static __always_inline bool unwind_find_mapping(struct unwind_place *place,
                                                const struct unwind_slice *slice, __u64 addr)
{
	struct unwind_mappings *all;
	struct unwind_mapping *m;
	__u32 zero = 0, base = slice->first, n = slice->n, half, middle, i;

	all = bpf_map_lookup_elem(&unwind_mappings, &zero);
	if (!all || n == 0)
		return false;
	for (i = 0; i < UNWIND_SLICE_STEPS && n > 1; i++) {
		half = n >> 1;
		middle = base + half;
		asm volatile("%[middle] &= 131071" : [middle] "+r"(middle));
		if (all->m[middle].start <= addr)
			base = middle;
		n -= half;
	}
	asm volatile("%[base] &= 131071" : [base] "+r"(base));
	m = &all->m[base];
	if (addr < m->start || addr >= m->end)
		return false;
	place->start = m->start;
	place->end = m->end;
	place->bias = m->bias;
	place->segment = m->segment;
	place->first_row = m->first_row;
	place->n_rows = m->n_rows;
	if (!m->used)
		m->used = 1;
	return true;
}

/* Copies the row of a file offset, where its segment has one. */
static __always_inline bool unwind_find_row(const struct unwind_place *place, __u32 pc,
                                            struct unwind_row *ret)
{
	struct unwind_segment *segment;
	__u32 zero = 0, number = place->segment, base = place->first_row, n = place->n_rows, half,
	      middle, i;
	void *inner;

	inner = bpf_map_lookup_elem(&unwind_segments, &number);
	if (!inner)
		return false;
	segment = bpf_map_lookup_elem(inner, &zero);
	if (!segment)
		return false;
	for (i = 0; i < UNWIND_SEGMENT_STEPS && n > 1; i++) {
		half = n >> 1;
		middle = base + half;
		asm volatile("%[middle] &= 262143" : [middle] "+r"(middle));
		if (segment->rows[middle].pc <= pc)
			base = middle;
		n -= half;
	}
	asm volatile("%[base] &= 262143" : [base] "+r"(base));
	*ret = segment->rows[base];
	return ret->pc <= pc && UNWIND_ROW_KIND(ret->kind) != UNWIND_NONE;
}

static __always_inline enum unwind_found unwind_find(struct unwind_place *place,
                                                     const struct unwind_slice *slice, __u64 addr,
                                                     struct unwind_row *ret)
{
	if ((addr < place->start || addr >= place->end) && !unwind_find_mapping(place, slice, addr))
		return UNWIND_FOUND_NO_MAPPING;
	if (place->segment == UNWIND_NO_SEGMENT)
		return UNWIND_FOUND_NO_ROW;
	return unwind_find_row(place, addr - place->bias, ret) ? UNWIND_FOUND_ROW
	                                                       : UNWIND_FOUND_NO_ROW;
}

/* A forked process has its parent's mappings until it maps others or execs; the recorder hears of
 * it later. */
static __always_inline void unwind_on_fork(__u32 parent_pid, __u32 child_pid)
{
	struct unwind_slice *slice;

	if (config.unwind == UNWIND_BY_FP || parent_pid == child_pid)
		return;
	slice = bpf_map_lookup_elem(&unwind_slices, &parent_pid);
	if (slice)
		bpf_map_update_elem(&unwind_slices, &child_pid, slice, BPF_ANY);
}

/* The old image's mappings are gone, and nothing is better than something false. */
static __always_inline void unwind_forget(__u32 pid)
{
	if (config.unwind != UNWIND_BY_FP)
		bpf_map_delete_elem(&unwind_slices, &pid);
}

#endif
