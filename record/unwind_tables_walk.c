/* SPDX-License-Identifier: MIT */
/* Walks from outside: of threads that sleep, and of stacks that were copied. */
#include <errno.h>
#include <string.h>
#include <sys/uio.h>

#include "bpf/event.h"
#include "record/unwind_tables_internal.h"

/* Whose stack is walked: the lock is held. */
struct walk {
	struct unwind_tables *tables;
	const struct unwind_proc *proc; /* NULL while it isn't known */
	pid_t pid;
	uint64_t time_ns;		    /* when the memory was copied */
	const struct unwind_memory *memory; /* NULL: the process's own */
	bool left_memory;
};

static bool read_word(void *context, uint64_t addr, uint64_t *ret)
{
	struct walk *walk = context;
	struct iovec to = {.iov_base = ret, .iov_len = sizeof(*ret)};
	struct iovec from = {.iov_base = (void *)(uintptr_t)addr, .iov_len = sizeof(*ret)};
	const struct unwind_memory *memory = walk->memory;

	if (!memory)
		return process_vm_readv(walk->pid, &to, 1, &from, 1, 0) == (ssize_t)sizeof(*ret);
	if (addr < memory->start || addr - memory->start + sizeof(*ret) > memory->size_bytes)
		return false;
	memcpy(ret, memory->bytes + (addr - memory->start), sizeof(*ret));
	return true;
}

/* A walk from outside goes on without rows as well as it can; one of copied memory can wait for them. */
static bool is_pending(const struct walk *walk, const struct unwind_map *map)
{
	if (!walk->memory)
		return false;
	if (!map)
		return true; /* it was code when the stack was copied, as far as the walk is right */
	if (map->since_ns > walk->time_ns)
		return true; /* other code was there then */
	return map->file ? map->file->state == UNWIND_FILE_NEW || map->file->state == UNWIND_FILE_EVICTED : map->lost;
}

static enum unwind_at find_row(void *context, uint64_t addr, const struct unwind_row **ret)
{
	struct walk *walk = context;
	const struct unwind_map *map;
	uint64_t pc;
	uint32_t i;

	if (!walk->proc)
		return walk->memory ? UNWIND_AT_PENDING : UNWIND_AT_UNKNOWN;
	map = unwind_proc_find(walk->proc, addr);
	if (is_pending(walk, map))
		return UNWIND_AT_PENDING;
	if (!map)
		return UNWIND_AT_NOWHERE;
	pc = addr - map->start + map->file_off;
	for (i = map->file && map->file->rows ? map->file->rows->n_chunks : 0; i-- > 0;) {
		const struct unwind_chunk *chunk = &map->file->rows->chunks[i];

		if (pc < chunk->pc)
			continue;
		*ret = unwind_store_find(&walk->tables->files.store, chunk->segment, chunk->first_row, chunk->n_rows,
					 (uint32_t)pc);
		return *ret ? UNWIND_AT_ROW : UNWIND_AT_GAP;
	}
	return UNWIND_AT_GAP;
}

enum stint_user_end unwind_tables_walk(struct unwind_tables *t, pid_t pid, const struct unwind_regs *first,
				       uint64_t *addrs, uint32_t max_addrs, uint32_t *ret_n)
{
	struct walk walk = {.tables = t, .pid = pid};
	struct unwind_process process = {.find = find_row, .read = read_word, .context = &walk};
	enum stint_user_end end;

	pthread_mutex_lock(&t->lock);
	walk.proc = unwind_procs_find(&t->procs, pid);
	end = unwind_walk(&process, first, addrs, max_addrs, ret_n);
	pthread_mutex_unlock(&t->lock);
	return end;
}

void unwind_tables_rest(struct unwind_tables *t)
{
	if (pthread_mutex_trylock(&t->lock))
		return;
	unwind_store_rest(&t->files.store);
	pthread_mutex_unlock(&t->lock);
}

enum stint_user_end unwind_tables_walk_copy(struct unwind_tables *t, const struct unwind_image *image,
					    const struct unwind_memory *memory, const struct unwind_regs *first,
					    uint64_t *addrs, uint32_t max_addrs, uint32_t *ret_n)
{
	struct walk walk = {.tables = t, .pid = image->pid, .time_ns = image->time_ns, .memory = memory};
	struct unwind_process process = {.find = find_row, .read = read_word, .context = &walk, .top = image->top};
	enum stint_user_end end;

	*ret_n = 0;
	/* Who holds the lock may be at it for a while. */
	if (pthread_mutex_trylock(&t->lock))
		return STINT_USER_WINDOW;
	walk.proc = unwind_procs_find_image(&t->procs, image->pid, image->vdso);
	end = unwind_walk(&process, first, addrs, max_addrs, ret_n);
	pthread_mutex_unlock(&t->lock);
	return end;
}
