/* SPDX-License-Identifier: MIT */
/*
 * Names of code that was compiled at run time (Node, Java, Python …), for the addresses that the recording has. Read
 * from the process's perf-PID.map and jit-PID.dump, in its own mount namespace, while it runs and once more when it
 * has ended: descriptors are kept, so its end takes nothing away.
 */
#ifndef STINT_RECORD_JIT_MAPS_H
#define STINT_RECORD_JIT_MAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/map.h"
#include "format/writer.h"

#define JIT_MAX_PROCESSES  128		/* at a time, each with up to three descriptors */
#define JIT_MAX_ADDRESSES  16384u	/* of one process; later ones stay without a name */
#define JIT_MAX_FILE_BYTES (256u << 20) /* what stands further behind isn't read */

struct jit_process;

struct jit_maps {
	struct stint_writer *writer;
	struct jit_process *processes; /* a list */
	unsigned n_processes;
	struct stint_map written; /* hashes of the symbols in the file */
};

void jit_maps_init(struct jit_maps *jm, struct stint_writer *writer);
void jit_maps_done(struct jit_maps *jm); /* zeroed is fine */

/* What is known of a process; NULL at the limit or without memory. It is there until jit_process_finish. */
struct jit_process *jit_process_get(struct jit_maps *jm, pid_t pid);

/* An address is in the recording, in that per-process module (STINT_MODULE). exact as in STINT_FRAME_EXACT. */
void jit_process_address(struct jit_process *jp, uint64_t addr, bool exact, uint32_t module);

/* Is this path a jitdump's? Compilers map it, to tell profilers of it. */
bool jit_is_dump(const char *path);
void jit_process_dump(struct jit_process *jp, const char *path);

enum jit_reading {
	JIT_READ_GROWN, /* maps that have grown: cheap, for calling often. It tells since when a name holds */
	JIT_READ_ALL,	/* and new addresses; every second or so */
	JIT_READ_LAST,
};

/*
 * Writes the symbols (STINT_SYMBOL) that became known since the last time. A process whose files took long to read
 * waits until that is a small part of the time, but not the last time.
 */
int jit_maps_read(struct jit_maps *jm, enum jit_reading reading, struct stint_err *err);

/* The same for one process, for the last time; frees it. NULL is fine. */
int jit_process_finish(struct jit_maps *jm, struct jit_process *jp, struct stint_err *err);

size_t jit_maps_bytes(const struct jit_maps *jm);

#endif
