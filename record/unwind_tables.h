/* SPDX-License-Identifier: MIT */
/*
 * Keeps the kernel's unwind tables in step with the processes: a thread of its own hears of every
 * new process and mapping, prepares the rows of files not seen before, and writes them where the
 * walker looks. It takes nothing from the thread that drains the ring but CPU time.
 */
#ifndef STINT_RECORD_UNWIND_TABLES_H
#define STINT_RECORD_UNWIND_TABLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "format/rows.h"
#include "record/unwind_bpf.h"
#include "record/unwind_walk.h"

#define UNWIND_DEFAULT_MEMORY (256ull << 20)

struct unwind_tables;

struct unwind_tables_options {
	struct unwind_map_fds maps; /* they stay the caller's */
	const pid_t *pids;	    /* these processes and their descendants; all when n_pids is 0 */
	size_t n_pids;
	uint64_t memory_bytes;	   /* for rows; 0 for the default */
	bool (*interrupted)(void); /* asked while unwind_tables_new is at it; NULL: it never is */
};

/*
 * Reads the processes there are, prepares their tables and starts the thread. When it returns,
 * walks of processes that ran before are complete, unless it was interrupted. Fails with STINT_ERR_SYSTEM, _NOMEM.
 */
int unwind_tables_new(struct unwind_tables **ret, const struct unwind_tables_options *options, struct stint_err *err);
void unwind_tables_free(struct unwind_tables *tables); /* stops the thread, whatever it is at; NULL is fine */

/*
 * Watches a CPU anew for mappings, after the event there ended with the CPU's going offline. Returns 0, also for NULL,
 * or an errno: ENODEV while it is offline. Needs what unwind_tables_new needed.
 */
int unwind_tables_reopen(struct unwind_tables *tables, int cpu);

/*
 * How often a table was dropped or not loaded, or a process's mappings left out, for want of room.
 * Waits for nobody. 0 for NULL.
 */
uint64_t unwind_tables_left_out(const struct unwind_tables *tables);

/*
 * Walks the stack of a thread that sleeps, from outside, by the same rules as the walker in the
 * kernel. regs are its user registers. Fills addrs (innermost first; EVENT_FRAME_EXACT set in those
 * that a signal interrupted) and says how the walk ended.
 */
enum stint_user_end unwind_tables_walk(struct unwind_tables *tables, pid_t pid, const struct unwind_regs *regs,
				       uint64_t *addrs, uint32_t max_addrs, uint32_t *ret_n);

/*
 * Gives back the memory that walks from outside have made use of, after some of them, unless others are at it.
 */
void unwind_tables_rest(struct unwind_tables *tables);

/* A process's image, which may be gone: those that have just ended are remembered for a moment. */
struct unwind_image {
	pid_t pid;
	uint64_t vdso;	  /* its address */
	uint64_t top;	  /* where its first stack pointer was */
	uint64_t time_ns; /* when it was copied */
};

/* A copy of a part of its memory. */
struct unwind_memory {
	uint64_t start;
	const uint8_t *bytes;
	size_t size_bytes;
};

/*
 * The same for a stack that was copied. STINT_USER_WINDOW: it can't be walked now, for want of tables that may come
 * or because others are at them; STINT_USER_UNREADABLE: it goes on outside of the copy. Never waits.
 */
enum stint_user_end unwind_tables_walk_copy(struct unwind_tables *tables, const struct unwind_image *image,
					    const struct unwind_memory *memory, const struct unwind_regs *regs,
					    uint64_t *addrs, uint32_t max_addrs, uint32_t *ret_n);

#endif
