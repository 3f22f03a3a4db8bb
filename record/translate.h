/* SPDX-License-Identifier: MIT */
/* From BPF events, in time order, to the rows of the file. */
#ifndef STINT_RECORD_TRANSLATE_H
#define STINT_RECORD_TRANSLATE_H

#include <stdint.h>

#include "base/err.h"
#include "base/map.h"
#include "bpf/event.h"
#include "format/writer.h"
#include "record/asleep.h"
#include "record/stacks.h"
#include "record/tasks.h"

/* The pointers are the caller's. */
struct translate {
	struct stint_writer *writer;
	struct tasks *tasks;
	struct stacks *stacks;
	struct asleep *asleep;
	uint32_t source;	/* row id (STINT_SOURCE) of what samples count */
	uint64_t start_ns;	/* of the recording */
	uint64_t listed_ns;	/* when the list of threads asleep at the start was complete */
	uint64_t end_ns;	/* of the recording; 0 while it runs */
	struct stint_map ended; /* by tid: their OPEN_END row is written */

	uint64_t samples_without_stack; /* rows whose stack was lost */
	uint64_t offcpu_without_stack;
	uint64_t cut_off;	 /* open from the start, and their stack couldn't be read */
	uint64_t offcpu_ignored; /* counted by BPF, but no interval of this recording */
	uint64_t offcpu_open;	 /* rows that were still open at the end */
	uint64_t offcpu_listed;	 /* found in the final list, not counted by BPF */
};

void translate_done(struct translate *tr); /* frees what it owns: the map */

/* A sample, an interval, or a stack that was copied. */
int translate_event(struct translate *tr, const struct event_header *event, struct stint_err *err);

/* A thread off the CPU when recording began. */
int translate_asleep(struct translate *tr, const struct event_task *task, struct stint_err *err);

/* A thread off the CPU when recording ended: its open interval. end_ns is set. */
int translate_open_end(struct translate *tr, const struct event_task *task, struct stint_err *err);

/*
 * The same where there is no room for more rows: these keep the counters right that the sums are
 * made of. Call them once the programs are detached, the first for what is left of the events.
 */
void translate_left_out(struct translate *tr, const struct event_header *event);
int translate_left_out_end(struct translate *tr, const struct event_task *task, struct stint_err *err);

#endif
