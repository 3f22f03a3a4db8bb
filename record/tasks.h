/* SPDX-License-Identifier: MIT */
/*
 * Processes, threads and executable mappings as they are at each moment of the recording, and their rows in the
 * file's dictionaries. Fed in time order: first a snapshot of /proc, then fork, exec, comm, exit and mmap events.
 */
#ifndef STINT_RECORD_TASKS_H
#define STINT_RECORD_TASKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "format/writer.h"
#include "record/jit_maps.h"

struct tasks;

int tasks_new(struct tasks **ret, struct stint_writer *writer, struct stint_err *err);
void tasks_free(struct tasks *t); /* NULL is fine */

/*
 * By default every process that forks, execs or exits goes to the file with its mappings (--all). After
 * tasks_follow_none only those followed and the children they start from then on do, and those that tasks_thread
 * and tasks_user_frame are asked for. tasks_follow takes a process before or after it is known.
 */
void tasks_follow_none(struct tasks *t);
int tasks_follow(struct tasks *t, pid_t pid, struct stint_err *err);

/* Also write a STINT_SYMBOL for the vDSO's functions that frames are in. Off by default. */
void tasks_embed_vdso(struct tasks *t, bool embed);

/*
 * Also write a STINT_SYMBOL for functions compiled at run time that frames are in, where the process tells of them in
 * perf-PID.map or jit-PID.dump. Off by default. tasks_read_jit reads what these files have by now (see jit_maps_read);
 * a process's exit does it by itself.
 */
void tasks_embed_jit(struct tasks *t, bool embed);
int tasks_read_jit(struct tasks *t, enum jit_reading reading, struct stint_err *err);

/*
 * Also write a STINT_SYMBOL for functions in files that frames are in, by the files' symbol tables. Off by default.
 * tasks_write_names looks up what is new: call it every second or so, and a last time at the end.
 */
void tasks_embed_names(struct tasks *t, bool embed);
int tasks_write_names(struct tasks *t, bool last, struct stint_err *err);

/*
 * Reads the processes (all when n_pids is 0), their threads and mappings from /proc. Those that end meanwhile are
 * skipped.
 */
int tasks_snapshot(struct tasks *t, const pid_t *pids, size_t n_pids, struct stint_err *err);

/* What the kernel reported. comm and path are NUL-terminated; build_id may be NULL. */
int tasks_on_fork(struct tasks *t, uint64_t time_ns, pid_t pid, pid_t tid, pid_t parent_pid, pid_t parent_tid,
		  struct stint_err *err);

/* exe: with exec, the path of the new executable where the caller knows it already, or NULL to look into /proc. */
int tasks_on_comm(struct tasks *t, uint64_t time_ns, pid_t pid, pid_t tid, const char *comm, bool exec, const char *exe,
		  struct stint_err *err);
int tasks_on_exit(struct tasks *t, uint64_t time_ns, pid_t pid, pid_t tid, struct stint_err *err);

struct tasks_mmap {
	uint64_t start, size_bytes, file_off;
	const uint8_t *build_id; /* NULL: unknown, it is then read from the file if that is still there */
	uint32_t build_id_size;
	uint64_t dev, ino; /* of the file; ino 0 where unknown */
	const char *path;
	bool executable;
};
int tasks_on_mmap(struct tasks *t, uint64_t time_ns, pid_t pid, const struct tasks_mmap *map, struct stint_err *err);

/* Reports were lost: mappings may be missing from here on, and are read again where an address isn't found. */
void tasks_on_lost(struct tasks *t);

/*
 * Has a process mapped code since the last call where it had other code before (a library where another one was)?
 * Stacks that were seen before may then have the same addresses as others now.
 */
bool tasks_code_replaced(struct tasks *t);

/* The row of the thread as it is now (STINT_THREAD), made from /proc or from nothing when it was unknown. */
int tasks_thread(struct tasks *t, pid_t pid, pid_t tid, uint32_t *ret_thread, struct stint_err *err);

/* tasks_thread for a thread that is recorded, and not met as another's waker: its process is followed from now on. */
int tasks_recorded_thread(struct tasks *t, pid_t pid, pid_t tid, uint32_t *ret_thread, struct stint_err *err);

/*
 * The row of a user address in that process now (STINT_FRAME): file and offset where a mapping is known, else
 * ANON or UNKNOWN.
 */
int tasks_user_frame(struct tasks *t, pid_t pid, uint64_t addr, uint32_t frame_flags, uint32_t *ret_frame,
		     struct stint_err *err);

/* The row of the process's image as it is now (STINT_PROCESS), with its mappings. */
int tasks_process(struct tasks *t, pid_t pid, uint32_t *ret_process, struct stint_err *err);

/* Forgets processes that ended before this time, to keep memory bounded. */
void tasks_expire(struct tasks *t, uint64_t before_ns);

uint64_t tasks_unreadable_modules(const struct tasks *t); /* for STINT_LOSS_MODULE */
size_t tasks_memory_bytes(const struct tasks *t);	  /* heap held now */

#endif
