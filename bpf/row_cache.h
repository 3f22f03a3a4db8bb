/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The unwind rows found last on this CPU, by file and address: most frames are met again and again,
 * and a search through a large file's rows is the dearest part of a frame.
 */
#ifndef STINT_BPF_ROW_CACHE_H
#define STINT_BPF_ROW_CACHE_H

#include "bpf/unwind_tables.h"

#define ROW_CACHE_SETS 1024u

/*
 * Tables are named by where they lie, in one generation of the tables: it goes up before and after
 * tables are dropped, so that what was found meanwhile is forgotten, too. A row's pc is the one
 * that was looked up.
 */
struct cached_row {
	__u64 table;
	__u64 row; /* ROW_CACHE_PACK */
};

/* pc, frame pointer's rule, kind, and at the top the offset: in bytes where the kind is
 * ROW_CACHE_SP, that is UNWIND_SP with an offset that fits. */
#define ROW_CACHE_PACK(pc, kind, fp, cfa) ((__u32)(pc) | (__u64)(fp) << 32 | (__u64)(kind) << 40 | (__u64)(cfa) << 48)
#define ROW_CACHE_PC(row)		  ((__u32)(row))
#define ROW_CACHE_FP(row)		  ((__u8)((row) >> 32))
#define ROW_CACHE_KIND(row)		  ((__u8)((row) >> 40))
#define ROW_CACHE_CFA(row)		  ((__s64)(row) >> 48)
#define ROW_CACHE_SP			  15u /* no enum unwind_kind */

/* Two rows share a place, so that few frames of a stack push each other out. */
struct cached_rows {
	struct cached_row way[2];
};

struct row_cache {
	struct cached_rows sets[ROW_CACHE_SETS];
};

/* One for each kind of program that another one doesn't interrupt. */
enum row_cache_kind {
	ROW_CACHE_SCHED = 0,
	ROW_CACHE_SAMPLE = 1,
	ROW_CACHE_LATE = 2,
	N_ROW_CACHES,
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, N_ROW_CACHES);
	__type(key, __u32);
	__type(value, struct row_cache);
} row_caches SEC(".maps");

/* Segments have 2^18 rows, and there are 2^10. Never that of an unused entry, 0, but for a mapping
 * without rows. */
static __always_inline __u64 row_cache_table(const struct unwind_mapping *mapping, __u64 generation)
{
	if (mapping->segment >= UNWIND_MAX_SEGMENTS) /* none, or not loaded yet */
		return 0;
	return generation << 29 | 1ull << 28 | (__u64)mapping->segment << 18 | mapping->first_row;
}

static __always_inline struct cached_rows *row_cache_set(struct row_cache *cache, __u64 table, __u32 pc)
{
	__u64 set = (pc ^ table) * 0x9e3779b1u >> 16;

	asm volatile("%[set] &= 0x7fe0" : [set] "+r"(set));
	return (void *)cache->sets + set;
}

/* False where it isn't cached. */
static __always_inline bool row_cache_get(const struct cached_rows *set, __u64 table, __u32 pc, __u64 *ret)
{
	*ret = set->way[0].row;
	if (ROW_CACHE_PC(*ret) == pc && set->way[0].table == table)
		return true;
	*ret = set->way[1].row;
	return ROW_CACHE_PC(*ret) == pc && set->way[1].table == table;
}

static __always_inline void row_cache_put(struct cached_rows *set, __u64 table, __u32 pc, const struct unwind_row *row)
{
	bool is_sp = row->kind == UNWIND_SP && row->cfa > -4096 && row->cfa < 4096;

	set->way[1] = set->way[0];
	set->way[0].table = table;
	if (is_sp)
		set->way[0].row = ROW_CACHE_PACK(pc, ROW_CACHE_SP, row->fp, row->cfa * 8);
	else
		set->way[0].row = ROW_CACHE_PACK(pc, row->kind, row->fp, row->cfa);
}

static __always_inline void row_cache_unpack(__u64 row, struct unwind_row *ret)
{
	ret->pc = ROW_CACHE_PC(row);
	ret->kind = ROW_CACHE_KIND(row);
	ret->fp = ROW_CACHE_FP(row);
	ret->cfa = ROW_CACHE_CFA(row);
	if (ret->kind == ROW_CACHE_SP) {
		ret->kind = UNWIND_SP;
		ret->cfa = ROW_CACHE_CFA(row) >> 3;
	}
}

#endif
