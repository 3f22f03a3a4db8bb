/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* Finds the unwind row of an address, and steps from a frame to its caller by it. */
#ifndef STINT_BPF_UNWIND_H
#define STINT_BPF_UNWIND_H

#include "bpf/maps.h"
#include "bpf/row_cache.h"
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

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, UNWIND_MAX_FILES);
	__type(key, struct unwind_file_key);
	__type(value, struct unwind_file_rows);
} unwind_files SEC(".maps");

/* What was looked up here, by process, until the recorder comes round to it. */
struct unwind_fresh {
	__u64 vdso, generation;
	__u32 n;
	struct unwind_mapping m[UNWIND_MAX_FRESH];
};

/* Allocated beforehand, and no LRU: those take locks that an NMI, which samples may be, could find taken for ever. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__type(key, __u32);
	__type(value, struct unwind_fresh);
} unwind_fresh SEC(".maps");

/*
 * Addresses where a process has mapped code in the place of other code: one library after another one was unloaded.
 * There its slice doesn't count until it is of a later time.
 */
struct unwind_replaced {
	__u64 start, end;
	__u64 time_ns; /* the last time */
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, struct unwind_replaced);
} unwind_replaced SEC(".maps");

const __u64 unwind_no_fresh[sizeof(struct unwind_fresh) / 8]; /* too large for a stack */

/* The process that is walked, and where in it the walk is. */
struct unwind_place {
	struct unwind_slice slice;    /* n is 0 while there is none */
	__u64 replaced, replaced_end; /* where it doesn't count */
	__u64 generation;	      /* of the tables when the walk began, or before */
	__u64 vdso;
	__u32 pid;
	__u32 looked_up;	     /* mappings looked up in this walk: more than one can't be */
	struct unwind_mapping found; /* the last one */
	__u64 table;		     /* its rows' name in the row cache; 0 when it has none */
};

enum unwind_found {
	UNWIND_FOUND_ROW = 0,
	UNWIND_FOUND_NO_ROW,	 /* a mapping, and no rule there */
	UNWIND_FOUND_PENDING,	 /* a mapping whose rows aren't loaded yet */
	UNWIND_FOUND_NO_MAPPING, /* no code, by all that is known */
	UNWIND_FOUND_UNKNOWN,	 /* nothing is known of the process yet, and the kernel couldn't be asked */
};

static __always_inline bool unwind_by_tables(void)
{
	return config.unwind == UNWIND_BY_CFI || config.unwind == UNWIND_BY_BOTH;
}

static __always_inline struct unwind_mappings *unwind_all_mappings(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&unwind_mappings, &zero);
}

/* What the slice of a process doesn't know yet; NULL as a rule. */
static __always_inline struct unwind_replaced *unwind_replaced_since(__u32 pid, const struct unwind_slice *slice)
{
	struct unwind_replaced *replaced;

	if (slice->as_of_ns >= control.replaced_ns)
		return NULL;
	replaced = bpf_map_lookup_elem(&unwind_replaced, &pid);
	return replaced && slice->as_of_ns < replaced->time_ns ? replaced : NULL;
}

static __always_inline void unwind_start(struct unwind_place *place, struct task_struct *task)
{
	struct unwind_mappings *all = unwind_all_mappings();
	struct unwind_replaced *replaced;
	struct unwind_slice *slice;

	place->generation = all ? all->generation : 0;
	barrier_var(place);
	place->pid = task->tgid;
	place->vdso = (__u64)task->mm->context.vdso;
	place->looked_up = 0;
	place->found.start = place->found.end = 0;
	place->slice.n = 0;
	place->replaced = place->replaced_end = 0;
	slice = bpf_map_lookup_elem(&unwind_slices, &place->pid);
	if (!slice || slice->vdso != place->vdso)
		return;
	place->slice = *slice;
	replaced = unwind_replaced_since(place->pid, slice);
	if (replaced) {
		place->replaced = replaced->start;
		place->replaced_end = replaced->end;
	}
}

/* The recorder's last mapping that begins at addr or before it, or else its first one. NULL when there is none. */
static __always_inline struct unwind_mapping *unwind_last_prepared(const struct unwind_place *place, __u64 addr)
{
	struct unwind_mappings *all = unwind_all_mappings();
	__u32 base = place->slice.first, n = place->slice.n, half, middle, i;

	if (!all || n == 0)
		return NULL;
	for (i = 0; i < UNWIND_SLICE_STEPS && n > 1; i++) {
		half = n >> 1;
		middle = base + half;
		asm volatile("%[middle] &= 131071" : [middle] "+r"(middle));
		if (all->m[middle].start <= addr)
			base = middle;
		n -= half;
	}
	asm volatile("%[base] &= 131071" : [base] "+r"(base));
	return &all->m[base];
}

static __always_inline bool unwind_is_replaced(const struct unwind_place *place, __u64 addr)
{
	return addr >= place->replaced && addr < place->replaced_end;
}

/* The recorder's mapping that covers addr. */
static __always_inline bool unwind_find_prepared(struct unwind_place *place, __u64 addr)
{
	struct unwind_mapping *m = unwind_last_prepared(place, addr);

	if (!m || addr < m->start || addr >= m->end || unwind_is_replaced(place, addr))
		return false;
	place->found = *m;
	if (!m->used)
		m->used = 1;
	return true;
}

/* What was looked up before in this image, and is still valid; NULL when there is nothing. */
static __always_inline struct unwind_fresh *unwind_fresh_of(const struct unwind_place *place)
{
	struct unwind_fresh *fresh = bpf_map_lookup_elem(&unwind_fresh, &place->pid);

	if (!fresh || fresh->vdso != place->vdso || fresh->generation != place->generation)
		return NULL;
	return fresh;
}

/*
 * Threads of a process may write the same entry at a time: one that is a mixture doesn't fit its
 * check.
 */
static __always_inline __u32 unwind_fresh_check(const struct unwind_mapping *m)
{
	return 1 |
	       (m->start >> 12 ^ m->end >> 11 ^ m->bias >> 10 ^ m->segment << 20 ^ m->first_row << 2 ^ m->n_rows << 7);
}

static __always_inline bool unwind_find_fresh(struct unwind_place *place, __u64 addr)
{
	struct unwind_fresh *fresh = unwind_fresh_of(place);
	__u32 i;

	if (!fresh)
		return false;
	for (i = 0; i < UNWIND_MAX_FRESH; i++) {
		if (addr >= fresh->m[i].start && addr < fresh->m[i].end) {
			place->found = fresh->m[i];
			return place->found.used == unwind_fresh_check(&place->found);
		}
	}
	return false;
}

/* What is wanted of a mapping, taken while it can't go away. */
struct unwind_vma {
	struct unwind_file_key key;
	__u64 start, end, bias;
	__u64 vdso;
	bool executable;
};

static __always_inline __s64 unwind_mtime_ns(const struct inode *inode)
{
	const struct inode___before_6_11 *before_6_11 = (const void *)inode;
	const struct inode___before_6_7 *before_6_7 = (const void *)inode;

	if (bpf_core_field_exists(inode->i_mtime_sec))
		return BPF_CORE_READ(inode, i_mtime_sec) * 1000000000ll + BPF_CORE_READ(inode, i_mtime_nsec);
	if (bpf_core_field_exists(before_6_11->__i_mtime))
		return BPF_CORE_READ(before_6_11, __i_mtime.tv_sec) * 1000000000ll +
		       BPF_CORE_READ(before_6_11, __i_mtime.tv_nsec);
	return BPF_CORE_READ(before_6_7, i_mtime.tv_sec) * 1000000000ll + BPF_CORE_READ(before_6_7, i_mtime.tv_nsec);
}

static long unwind_take_vma(struct task_struct *task, struct vm_area_struct *vma, struct unwind_vma *ret)
{
	struct file *file = vma->vm_file;
	struct inode *inode;

	ret->executable = vma->vm_flags & VM_EXEC;
	ret->start = vma->vm_start;
	ret->end = vma->vm_end;
	ret->bias = ret->start;
	ret->key.dev = ret->key.size_bytes = ret->key.mtime_ns = 0;
	ret->key.ino = ret->start == ret->vdso ? UNWIND_VDSO_INO : 0;
	if (file) {
		ret->bias -= (__u64)vma->vm_pgoff << 12;
		inode = BPF_CORE_READ(file, f_inode);
		ret->key.dev = BPF_CORE_READ(inode, i_sb, s_dev);
		ret->key.ino = BPF_CORE_READ(inode, i_ino);
		ret->key.size_bytes = BPF_CORE_READ(inode, i_size);
		ret->key.mtime_ns = unwind_mtime_ns(inode);
	}
	return 0;
}

/* The rows of the file that cover a file offset, and the addresses for which they do. */
static __always_inline bool unwind_choose_chunk(const struct unwind_file_rows *rows, const struct unwind_vma *vma,
						__u64 addr, struct unwind_mapping *ret)
{
	__u64 pc = addr - vma->bias;
	bool found = false;
	__u32 i;

	ret->start = vma->start;
	ret->end = vma->end;
	ret->bias = vma->bias;
	for (i = 0; i < UNWIND_FILE_CHUNKS; i++) {
		__u64 at = rows->chunk[i].pc + vma->bias;

		if (i >= rows->n_chunks)
			break;
		if (rows->chunk[i].pc > pc) {
			if (at < ret->end)
				ret->end = at;
			break;
		}
		if (at > ret->start)
			ret->start = at;
		ret->segment = rows->chunk[i].segment;
		ret->first_row = rows->chunk[i].first_row;
		ret->n_rows = rows->chunk[i].n_rows;
		found = true;
	}
	return found;
}

/* Keeps what was looked up: as of the generation that the walk began in, as rows may have been dropped meanwhile. */
static __always_inline void unwind_keep(struct unwind_place *place)
{
	struct unwind_fresh *fresh = unwind_fresh_of(place);
	__u32 at;

	if (!fresh) {
		bpf_map_update_elem(&unwind_fresh, &place->pid, unwind_no_fresh, BPF_ANY);
		fresh = bpf_map_lookup_elem(&unwind_fresh, &place->pid);
		if (!fresh)
			return;
		fresh->vdso = place->vdso;
		fresh->generation = place->generation;
	}
	at = fresh->n;
	if (at >= UNWIND_MAX_FRESH)
		return;
	__sync_fetch_and_add(&fresh->n, 1);
	place->found.used = unwind_fresh_check(&place->found);
	fresh->m[at] = place->found;
}

/* What a walk without rows is, where the recorder hasn't told of the process or of what is mapped there yet. */
static __always_inline enum unwind_found unwind_not_known(const struct unwind_place *place, __u64 addr)
{
	if (unwind_is_replaced(place, addr))
		return UNWIND_FOUND_PENDING;
	return place->slice.n ? UNWIND_FOUND_NO_MAPPING : UNWIND_FOUND_UNKNOWN;
}

/*
 * Asks the kernel what is mapped there. With interrupts off this succeeds once in a program's run.
 * Returns UNWIND_FOUND_ROW for a mapping that was found, and is kept. A file that the recorder hasn't told of is
 * pending, and is asked for again.
 */
static __always_inline enum unwind_found unwind_look_up(struct unwind_place *place, struct task_struct *task,
							__u64 addr)
{
	struct unwind_vma vma = {.vdso = place->vdso};
	struct unwind_file_rows *rows;
	long failed = bpf_find_vma(task, addr, unwind_take_vma, &vma, 0);

	if (failed == -EBUSY)
		return unwind_not_known(place, addr);
	if (failed || !vma.executable)
		return UNWIND_FOUND_NO_MAPPING;
	rows = bpf_map_lookup_elem(&unwind_files, &vma.key);
	if (!rows && vma.key.ino)
		return UNWIND_FOUND_PENDING;
	if (!rows || !unwind_choose_chunk(rows, &vma, addr, &place->found)) {
		place->found.start = vma.start;
		place->found.end = vma.end;
		place->found.segment = UNWIND_NO_SEGMENT;
	}
	unwind_keep(place);
	return UNWIND_FOUND_ROW;
}

static __always_inline enum unwind_found unwind_find_mapping(struct unwind_place *place, __u64 addr)
{
	if (unwind_find_prepared(place, addr) || unwind_find_fresh(place, addr))
		return UNWIND_FOUND_ROW;
	if (place->looked_up)
		return unwind_not_known(place, addr);
	place->looked_up = 1;
	return unwind_look_up(place, bpf_get_current_task_btf(), addr);
}

/* Copies the row of a file offset, where its segment has one. */
static __always_inline bool unwind_find_row(const struct unwind_mapping *mapping, __u32 pc, struct unwind_row *ret)
{
	__u32 zero = 0, number = mapping->segment, base = mapping->first_row;
	__u32 n = mapping->n_rows, half, middle, i;
	struct unwind_segment *segment;
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

static __always_inline enum unwind_found unwind_find(struct unwind_place *place, struct row_cache *cache, __u64 addr,
						     struct unwind_row *ret)
{
	enum unwind_found found;
	struct cached_rows *set;
	__u64 cached;
	__u32 pc;

	if (addr < place->found.start || addr >= place->found.end) {
		found = unwind_find_mapping(place, addr);
		if (found != UNWIND_FOUND_ROW) {
			place->found.start = place->found.end = 0; /* half of one may be there */
			return found;
		}
		place->table = row_cache_table(&place->found, place->generation);
	}
	if (!place->table && place->found.segment == UNWIND_PENDING_SEGMENT)
		return UNWIND_FOUND_PENDING;
	if (!place->table)
		return UNWIND_FOUND_NO_ROW;
	pc = addr - place->found.bias;
	set = row_cache_set(cache, place->table, pc);
	if (row_cache_get(set, place->table, pc, &cached)) {
		row_cache_unpack(cached, ret);
		return UNWIND_FOUND_ROW;
	}
	if (!unwind_find_row(&place->found, pc, ret))
		return UNWIND_FOUND_NO_ROW;
	row_cache_put(set, place->table, pc, ret);
	return UNWIND_FOUND_ROW;
}

/* A forked process has its parent's mappings until it maps others or execs. */
static __always_inline void unwind_on_fork(__u32 parent_pid, __u32 child_pid)
{
	struct unwind_replaced *replaced;
	struct unwind_slice *slice;

	if (!unwind_by_tables() || parent_pid == child_pid)
		return;
	slice = bpf_map_lookup_elem(&unwind_slices, &parent_pid);
	if (!slice)
		return;
	replaced = unwind_replaced_since(parent_pid, slice);
	if (replaced)
		bpf_map_update_elem(&unwind_replaced, &child_pid, replaced, BPF_ANY);
	bpf_map_update_elem(&unwind_slices, &child_pid, slice, BPF_ANY);
}

/* What was looked up here is void where something else is mapped now. */
static __always_inline void unwind_drop_fresh(const struct unwind_place *place, __u64 start, __u64 end)
{
	struct unwind_fresh *fresh = unwind_fresh_of(place);
	bool overlaps = false;
	__u32 i;

	if (!fresh)
		return;
	for (i = 0; i < UNWIND_MAX_FRESH; i++)
		overlaps |= fresh->m[i].start < end && fresh->m[i].end > start;
	if (overlaps)
		bpf_map_delete_elem(&unwind_fresh, &place->pid);
}

/* Something is being mapped in this process. Where its slice has code, that doesn't count any more. */
static __always_inline void unwind_on_map(struct task_struct *task, __u64 start, __u64 end)
{
	struct unwind_replaced now = {.start = start, .end = end};
	struct unwind_mappings *all = unwind_all_mappings();
	struct unwind_mapping *m;
	struct unwind_place place;

	if (!unwind_by_tables() || !task->mm)
		return;
	unwind_start(&place, task);
	unwind_drop_fresh(&place, start, end);
	m = unwind_last_prepared(&place, end - 1);
	if (!all || !m || m->start >= end || m->end <= start)
		return;
	if (place.replaced_end) {
		now.start = place.replaced < start ? place.replaced : start;
		now.end = place.replaced_end > end ? place.replaced_end : end;
	}
	now.time_ns = bpf_ktime_get_ns();
	bpf_map_update_elem(&unwind_replaced, &place.pid, &now, BPF_ANY);
	control.replaced_ns = now.time_ns;
	__sync_fetch_and_add(&all->version, 1);
}

/*
 * The new image's program and its interpreter: here, with interrupts on, several mappings can be
 * looked up, and what is mapped later is found one at a time.
 */
static __always_inline void unwind_on_exec(struct task_struct *task)
{
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);
	__u32 pid = task->tgid;
	struct unwind_place place;

	if (!unwind_by_tables())
		return;
	/* Its vDSO is where the one before was: what is known of that image would pass for this one's. */
	if (task->personality & ADDR_NO_RANDOMIZE) {
		bpf_map_delete_elem(&unwind_slices, &pid);
		bpf_map_delete_elem(&unwind_fresh, &pid);
	}
	unwind_start(&place, task);
	unwind_look_up(&place, task, regs->ip);
	unwind_look_up(&place, task, BPF_CORE_READ(task, mm, start_code));
}

/* The pid may be used again. */
static __always_inline void unwind_forget(__u32 pid)
{
	if (!unwind_by_tables())
		return;
	bpf_map_delete_elem(&unwind_slices, &pid);
	bpf_map_delete_elem(&unwind_fresh, &pid);
	bpf_map_delete_elem(&unwind_replaced, &pid);
}

#endif
