/* SPDX-License-Identifier: MIT */
/*
 * What the kernel reports of processes and their executable mappings, for the unwind tables alone:
 * the recording's own sideband is read in batches, and tables are wanted at once.
 */
#ifndef STINT_RECORD_UNWIND_WATCH_H
#define STINT_RECORD_UNWIND_WATCH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct unwind_watch;

enum unwind_event_kind {
	UNWIND_EVENT_MMAP,
	UNWIND_EVENT_EXEC,
	UNWIND_EVENT_FORK, /* of a process, not of a thread */
	UNWIND_EVENT_EXIT, /* of a process's first thread */
};

struct unwind_event {
	uint64_t time_ns;
	uint32_t kind; /* enum unwind_event_kind */
	pid_t pid;
	pid_t parent;			      /* FORK */
	uint64_t start, size_bytes, file_off; /* MMAP */
	uint64_t dev, ino;		      /* ino 0: not a file */
	bool is_vdso;
};

int unwind_watch_new(struct unwind_watch **ret, struct stint_err *err);
void unwind_watch_free(struct unwind_watch *watch); /* NULL is fine */

/* Waits until something was reported, timeout_ms have passed, or stop_fd is readable. */
void unwind_watch_wait(struct unwind_watch *watch, int stop_fd, int timeout_ms);

/*
 * Opens the ring of a CPU anew: the old one ended when the CPU went offline. Returns 0 or an errno, ENODEV for a CPU
 * that is offline. The next unwind_watch_read takes the new one, and says that reports were lost; never call both at
 * once.
 */
int unwind_watch_reopen(struct unwind_watch *watch, int cpu);

/*
 * Everything reported so far, in time order; valid until the next call. Sets *ret_lost when the
 * kernel dropped reports since the last call.
 */
void unwind_watch_read(struct unwind_watch *watch, const struct unwind_event **ret, size_t *ret_n, bool *ret_lost);

#endif
