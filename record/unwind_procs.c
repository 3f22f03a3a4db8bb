/* SPDX-License-Identifier: MIT */
#include "record/unwind_procs.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "record/unwind_bpf.h"

int unwind_procs_init(struct unwind_procs *procs, struct unwind_files *files, int slices_fd,
		      struct unwind_view *mappings)
{
	*procs = (struct unwind_procs){.slices_fd = slices_fd, .mappings = mappings, .files = files};
	return unwind_extents_init(&procs->extents, UNWIND_MAX_MAPPINGS);
}

static void release_maps(struct unwind_proc *proc)
{
	uint32_t i;

	for (i = 0; i < proc->n_maps; i++)
		if (proc->maps[i].file)
			proc->maps[i].file->n_maps--;
	proc->n_maps = 0;
}

static void forget_ended(struct unwind_procs *procs, uint32_t n)
{
	uint32_t i;

	for (i = 0; i < n; i++) {
		release_maps(procs->ended[i]);
		free(procs->ended[i]->maps);
		free(procs->ended[i]);
	}
	procs->n_ended -= n;
	memmove(procs->ended, procs->ended + n, procs->n_ended * sizeof(procs->ended[0]));
}

/* Takes the mappings of an image that ends. Without memory for that, it is forgotten at once. */
static void remember(struct unwind_procs *procs, struct unwind_proc *proc, uint64_t now_ns)
{
	struct unwind_proc *ended = proc->n_maps ? malloc(sizeof(*ended)) : NULL;

	if (ended && procs->n_ended == UNWIND_MAX_ENDED)
		forget_ended(procs, UNWIND_MAX_ENDED / 8);
	if (ended) {
		*ended = (struct unwind_proc){.pid = proc->pid,
					      .vdso = proc->vdso,
					      .maps = proc->maps,
					      .n_maps = proc->n_maps,
					      .ended_ns = now_ns};
		procs->ended[procs->n_ended++] = ended;
		proc->maps = NULL;
		proc->n_maps = proc->cap_maps = 0;
	}
	unwind_proc_clear(proc);
}

void unwind_procs_done(struct unwind_procs *procs)
{
	if (!procs)
		return;
	while (procs->n_procs)
		unwind_procs_remove(procs, procs->procs[procs->n_procs - 1]->pid, 0);
	forget_ended(procs, procs->n_ended);
	free(procs->procs);
	stint_map_done(&procs->by_pid);
	unwind_extents_done(&procs->extents);
}

struct unwind_proc *unwind_procs_find(const struct unwind_procs *procs, pid_t pid)
{
	const uint64_t *index = stint_map_get(&procs->by_pid, (uint64_t)pid);

	return index ? procs->procs[*index] : NULL;
}

struct unwind_proc *unwind_procs_add(struct unwind_procs *procs, pid_t pid)
{
	struct unwind_proc *proc = unwind_procs_find(procs, pid);
	uint64_t *index;

	if (proc)
		return proc;
	if (procs->n_procs == procs->cap_procs) {
		uint32_t cap = procs->cap_procs ? 2 * procs->cap_procs : 64;
		void *grown = cap > UNWIND_MAX_PROCESSES ? NULL : realloc(procs->procs, cap * sizeof(*procs->procs));

		if (!grown) {
			procs->n_left_out++;
			return NULL;
		}
		procs->procs = grown;
		procs->cap_procs = cap;
	}
	proc = calloc(1, sizeof(*proc));
	index = proc ? stint_map_put(&procs->by_pid, (uint64_t)pid, NULL) : NULL;
	if (!index) {
		free(proc);
		procs->n_left_out++;
		return NULL;
	}
	*index = procs->n_procs;
	proc->pid = pid;
	procs->procs[procs->n_procs++] = proc;
	return proc;
}

static void run_put(struct unwind_procs *procs, struct unwind_run *run, uint64_t now_ns)
{
	if (!run || --run->n_users)
		return;
	unwind_extents_give(&procs->extents, run->first, run->n, now_ns);
	free(run);
}

const struct unwind_proc *unwind_procs_find_image(const struct unwind_procs *procs, pid_t pid, uint64_t vdso)
{
	const struct unwind_proc *proc = unwind_procs_find(procs, pid);
	uint32_t i;

	if (proc && proc->vdso == vdso)
		return proc;
	for (i = procs->n_ended; i-- > 0;)
		if (procs->ended[i]->pid == pid && procs->ended[i]->vdso == vdso)
			return procs->ended[i];
	return NULL;
}

void unwind_procs_exec(struct unwind_procs *procs, struct unwind_proc *proc, uint64_t now_ns)
{
	remember(procs, proc, now_ns);
}

void unwind_proc_clear(struct unwind_proc *proc)
{
	release_maps(proc);
	proc->vdso = 0;
	proc->dirty = true;
}

void unwind_procs_remove(struct unwind_procs *procs, pid_t pid, uint64_t now_ns)
{
	uint64_t *index = stint_map_get(&procs->by_pid, (uint64_t)pid), *moved;
	uint32_t key = (uint32_t)pid;
	struct unwind_proc *proc;

	if (!index)
		return;
	proc = procs->procs[*index];
	unwind_bpf_delete(procs->slices_fd, &key);
	remember(procs, proc, now_ns);
	run_put(procs, proc->run, now_ns);
	procs->procs[*index] = procs->procs[--procs->n_procs];
	moved = stint_map_get(&procs->by_pid, (uint64_t)procs->procs[*index]->pid);
	if (moved)
		*moved = *index;
	stint_map_remove(&procs->by_pid, (uint64_t)pid);
	free(proc->maps);
	free(proc);
}

/* Makes room for one more mapping at index i. */
static bool make_room(struct unwind_proc *proc, uint32_t i)
{
	if (proc->n_maps == proc->cap_maps) {
		uint32_t cap = proc->cap_maps ? 2 * proc->cap_maps : 16;
		void *grown = cap > UNWIND_MAX_SLICE ? NULL : realloc(proc->maps, cap * sizeof(*proc->maps));

		if (!grown)
			return false;
		proc->maps = grown;
		proc->cap_maps = cap;
	}
	memmove(&proc->maps[i + 1], &proc->maps[i], (proc->n_maps - i) * sizeof(*proc->maps));
	proc->n_maps++;
	return true;
}

static void drop(struct unwind_proc *proc, uint32_t i)
{
	if (proc->maps[i].file)
		proc->maps[i].file->n_maps--;
	memmove(&proc->maps[i], &proc->maps[i + 1], (proc->n_maps - i - 1) * sizeof(*proc->maps));
	proc->n_maps--;
}

/* Cuts the range out of what is mapped. Returns where a mapping of that range belongs, UINT32_MAX
 * without memory. */
static uint32_t cut_out(struct unwind_proc *proc, uint64_t start, uint64_t end)
{
	uint32_t i = 0;

	while (i < proc->n_maps && proc->maps[i].end <= start)
		i++;
	while (i < proc->n_maps && proc->maps[i].start < end) {
		struct unwind_map *map = &proc->maps[i];

		if (map->start >= start && map->end <= end) {
			drop(proc, i);
		} else if (map->start < start && map->end > end) {
			if (!make_room(proc, i))
				return UINT32_MAX;
			map = &proc->maps[i];
			map[1].file_off += end - map[1].start;
			map[1].start = end;
			map->end = start;
			if (map->file)
				map->file->n_maps++;
			return i + 1;
		} else if (map->start < start) {
			map->end = start;
			i++;
		} else {
			map->file_off += end - map->start;
			map->start = end;
			break;
		}
	}
	return i;
}

static bool has_code(const struct unwind_proc *proc, uint64_t start, uint64_t end)
{
	uint32_t i = 0;

	while (i < proc->n_maps && proc->maps[i].end <= start)
		i++;
	return i < proc->n_maps && proc->maps[i].start < end;
}

bool unwind_proc_map(struct unwind_proc *proc, const struct unwind_map *map, uint64_t time_ns)
{
	bool replaces = has_code(proc, map->start, map->end);
	uint32_t i;

	proc->dirty = true;
	if (time_ns > proc->as_of_ns)
		proc->as_of_ns = time_ns;
	i = cut_out(proc, map->start, map->end);
	if (i == UINT32_MAX || !make_room(proc, i))
		return false;
	proc->maps[i] = *map;
	if (replaces)
		proc->maps[i].since_ns = time_ns;
	if (map->file)
		map->file->n_maps++;
	return true;
}

const struct unwind_map *unwind_proc_find(const struct unwind_proc *proc, uint64_t addr)
{
	uint32_t low = 0, high = proc->n_maps;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (proc->maps[middle].end <= addr)
			low = middle + 1;
		else
			high = middle;
	}
	return low < proc->n_maps && addr >= proc->maps[low].start ? &proc->maps[low] : NULL;
}

void unwind_procs_fork(struct unwind_procs *procs, pid_t parent_pid, pid_t child_pid, uint64_t now_ns)
{
	struct unwind_proc *parent = unwind_procs_find(procs, parent_pid), *child;
	uint32_t i;

	if (!parent || parent_pid == child_pid)
		return;
	unwind_procs_remove(procs, child_pid, now_ns);
	child = unwind_procs_add(procs, child_pid);
	if (!child)
		return;
	child->maps = calloc(parent->n_maps + 1u, sizeof(*child->maps));
	if (!child->maps)
		return;
	child->cap_maps = parent->n_maps + 1u;
	child->n_maps = parent->n_maps;
	child->vdso = parent->vdso;
	child->as_of_ns = parent->as_of_ns;
	memcpy(child->maps, parent->maps, parent->n_maps * sizeof(*child->maps));
	for (i = 0; i < child->n_maps; i++)
		if (child->maps[i].file)
			child->maps[i].file->n_maps++;
	child->dirty = parent->dirty || !parent->run;
	if (child->dirty)
		return;
	child->run = parent->run;
	child->run->n_users++;
	/* The kernel side has done the same already, unless the fork was before it was watching. */
	unwind_bpf_update(procs->slices_fd, &(uint32_t){(uint32_t)child_pid},
			  &(struct unwind_slice){child->vdso, child->as_of_ns, child->run->first, child->run->n});
}

void unwind_procs_touch(struct unwind_procs *procs, const struct unwind_file *file)
{
	uint32_t i, j;

	for (i = 0; i < procs->n_procs; i++) {
		struct unwind_proc *proc = procs->procs[i];

		for (j = 0; j < proc->n_maps && !proc->dirty; j++) {
			const struct unwind_file *mapped = proc->maps[j].file;

			proc->dirty = mapped && (file ? mapped == file : mapped->state == UNWIND_FILE_EVICTED);
		}
	}
}

/*
 * The kernel's entries for one mapping: one for each chunk of its file's rows that it can reach.
 * Returns how many; writes them when to isn't NULL.
 */
static uint32_t write_map(const struct unwind_map *map, struct unwind_mapping *to)
{
	const struct unwind_rows *rows = map->file ? map->file->rows : NULL;
	uint64_t bias = map->start - map->file_off;
	uint32_t i, n = 0;

	for (i = 0; rows && i < rows->n_chunks; i++) {
		const struct unwind_chunk *chunk = &rows->chunks[i];
		uint64_t start = chunk->pc + bias;
		uint64_t end = i + 1 < rows->n_chunks ? chunk[1].pc + bias : map->end;

		if (chunk->pc < map->file_off)
			start = map->start;
		if (i + 1 < rows->n_chunks && chunk[1].pc <= map->file_off)
			continue;
		if (start >= map->end)
			break;
		if (end > map->end)
			end = map->end;
		if (to)
			to[n] = (struct unwind_mapping){.start = start,
							.end = end,
							.bias = bias,
							.segment = chunk->segment,
							.first_row = chunk->first_row,
							.n_rows = chunk->n_rows};
		n++;
	}
	if (n)
		return n;
	if (to)
		*to = (struct unwind_mapping){.start = map->start,
					      .end = map->end,
					      .segment = map->file && map->file->state == UNWIND_FILE_NEW
								 ? UNWIND_PENDING_SEGMENT
								 : UNWIND_NO_SEGMENT};
	return 1;
}

static struct unwind_run *run_new(struct unwind_procs *procs, uint32_t n, uint64_t now_ns)
{
	struct unwind_run *run = malloc(sizeof(*run));

	if (!run)
		return NULL;
	*run = (struct unwind_run){.n = n, .n_users = 1};
	if (n && !unwind_extents_take(&procs->extents, n, now_ns, &run->first)) {
		free(run);
		return NULL;
	}
	return run;
}

/* A run's entries in the kernel's array; NULL when the kernel doesn't hand them over. */
static struct unwind_mapping *run_entries(struct unwind_procs *procs, const struct unwind_run *run)
{
	return unwind_view_get(procs->mappings, offsetof(struct unwind_mappings, m[run->first]),
			       run->n * sizeof(struct unwind_mapping));
}

static void commit(struct unwind_procs *procs, struct unwind_proc *proc, uint64_t now_ns)
{
	uint32_t key = (uint32_t)proc->pid, i, n = 0;
	struct unwind_run *run, *old = proc->run;
	struct unwind_mapping *to;

	for (i = 0; i < proc->n_maps; i++)
		n += write_map(&proc->maps[i], NULL);
	run = n <= UNWIND_MAX_SLICE ? run_new(procs, n, now_ns) : NULL;
	proc->dirty = false;
	proc->run = run;
	to = run ? run_entries(procs, run) : NULL;
	if (to) {
		for (i = 0; i < proc->n_maps; i++)
			to += write_map(&proc->maps[i], to);
		__atomic_thread_fence(__ATOMIC_RELEASE);
	}
	if (!to || unwind_bpf_update(procs->slices_fd, &key,
				     &(struct unwind_slice){proc->vdso, proc->as_of_ns, run->first, run->n})) {
		procs->n_left_out++;
		unwind_bpf_delete(procs->slices_fd, &key);
	}
	run_put(procs, old, now_ns);
}

void unwind_procs_commit(struct unwind_procs *procs, uint64_t now_ns)
{
	uint32_t i;

	for (i = 0; i < procs->n_procs; i++)
		if (procs->procs[i]->dirty)
			commit(procs, procs->procs[i], now_ns);
}

/* The entries stand in the order of the process's mappings, so that both can be gone through
 * together. */
void unwind_procs_sweep(struct unwind_procs *procs, uint64_t now_ns)
{
	uint32_t i, j;

	for (i = 0; i < procs->n_ended && procs->ended[i]->ended_ns + UNWIND_ENDED_NS < now_ns;)
		i++;
	forget_ended(procs, i);
	for (i = 0; i < procs->n_procs; i++) {
		struct unwind_proc *proc = procs->procs[i];
		struct unwind_mapping *m = proc->run ? run_entries(procs, proc->run) : NULL;
		struct unwind_mapping *end = m ? m + proc->run->n : NULL;

		for (j = 0; !proc->dirty && m < end && j < proc->n_maps; j++) {
			for (; m < end && m->start < proc->maps[j].end; m++) {
				if (!m->used)
					continue;
				m->used = 0;
				if (proc->maps[j].file)
					proc->maps[j].file->used_ns = now_ns;
			}
		}
	}
}
