/* SPDX-License-Identifier: MIT */
/* The executable mappings of the processes that are unwound, and their slices in the kernel's
 * array. */
#ifndef STINT_RECORD_UNWIND_PROCS_H
#define STINT_RECORD_UNWIND_PROCS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/map.h"
#include "record/unwind_bpf.h"
#include "record/unwind_files.h"

/* Images that ended are remembered for so long, and so many of them. */
#define UNWIND_ENDED_NS	 3000000000ull
#define UNWIND_MAX_ENDED 512u

struct unwind_map {
	uint64_t start, end;
	uint64_t file_off;
	uint64_t since_ns;	  /* in the place of other code since then; 0 where there was none */
	struct unwind_file *file; /* NULL: memory without a file, or one that can't be examined */
	bool lost;		  /* it had a file, which nobody could open in time */
};

/* Entries of the array of mappings; shared by a process and those forked from it. */
struct unwind_run {
	uint32_t first, n;
	uint32_t n_users;
};

struct unwind_proc {
	pid_t pid;
	uint64_t as_of_ns;	 /* maps have what was mapped until then */
	uint64_t vdso;		 /* its address tells this image from the one before; 0 for none */
	struct unwind_map *maps; /* sorted, apart */
	uint32_t n_maps, cap_maps;
	struct unwind_run *run; /* NULL while it has none */
	bool dirty;		/* maps and run differ */
	uint64_t ended_ns;	/* of those that are remembered */
};

struct unwind_procs {
	int slices_fd;
	struct unwind_view *mappings; /* a struct unwind_mappings, shared with the kernel; not owned */
	struct unwind_extents extents;
	struct unwind_files *files;
	struct unwind_proc **procs;
	uint32_t n_procs, cap_procs;
	struct stint_map by_pid; /* -> index + 1 */
	uint64_t n_left_out;	 /* processes or mappings for which there was no room */
	/* Images that have ended, the oldest first: for walks of stacks that were copied before. */
	struct unwind_proc *ended[UNWIND_MAX_ENDED];
	uint32_t n_ended;
};

int unwind_procs_init(struct unwind_procs *procs, struct unwind_files *files, int slices_fd,
		      struct unwind_view *mappings);
void unwind_procs_done(struct unwind_procs *procs);

struct unwind_proc *unwind_procs_find(const struct unwind_procs *procs, pid_t pid);
struct unwind_proc *unwind_procs_add(struct unwind_procs *procs, pid_t pid); /* NULL without memory */
void unwind_procs_remove(struct unwind_procs *procs, pid_t pid, uint64_t now_ns);

/* The child starts with the parent's mappings; an unknown parent's child is left unknown. */
void unwind_procs_fork(struct unwind_procs *procs, pid_t parent, pid_t child, uint64_t now_ns);

/* Adds or replaces what is mapped there, since that time. Returns false without memory. */
bool unwind_proc_map(struct unwind_proc *proc, const struct unwind_map *map, uint64_t time_ns);
void unwind_proc_clear(struct unwind_proc *proc);
void unwind_procs_exec(struct unwind_procs *procs, struct unwind_proc *proc, uint64_t now_ns);

/* The image with this vDSO, also if it has just ended. NULL when none is known. */
const struct unwind_proc *unwind_procs_find_image(const struct unwind_procs *procs, pid_t pid, uint64_t vdso);

const struct unwind_map *unwind_proc_find(const struct unwind_proc *proc, uint64_t addr);

/* Marks the processes that map the file (NULL: any that was evicted) for being written anew. */
void unwind_procs_touch(struct unwind_procs *procs, const struct unwind_file *file);

/* Writes every dirty process's mappings to the kernel. */
void unwind_procs_commit(struct unwind_procs *procs, uint64_t now_ns);

/* Reads which mappings walks have used since the last time into their files' used_ns, and forgets what ended. */
void unwind_procs_sweep(struct unwind_procs *procs, uint64_t now_ns);

#endif
