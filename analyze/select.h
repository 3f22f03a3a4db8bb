/* SPDX-License-Identifier: MIT */
/*
 * Which events a command looks at. A struct select_spec holds what the user asked for, from the
 * option group "Selection"; a struct selection is that made ready for one recording: a bit per
 * thread and per stack, so that filtering costs next to nothing per event.
 *
 * What is selected must match every option given; within one option any of its values will do. A
 * time window [from, to) holds the samples taken in it and the off-CPU intervals that overlap it.
 * --state, --syscall, --min and
 * --max speak of intervals: with one of them, no sample is selected.
 */
#ifndef STINT_ANALYZE_SELECT_H
#define STINT_ANALYZE_SELECT_H

#include <stdbool.h>
#include <stdint.h>

#include "analyze/model.h"
#include "analyze/options.h"
#include "base/err.h"
#include "format/rows.h"

/* Zeroed selects everything. */
struct select_spec {
	struct string_list pids, tids, cpus; /* numbers, checked */
	struct string_list comms;	     /* names or shell patterns */
	struct string_list states;	     /* letters, checked */
	struct string_list syscalls;	     /* names or numbers; a name's meaning depends on the recording */
	struct string_list symbols, modules; /* extended regular expressions, checked */
	struct time_point from, to;
	bool has_min, has_max;
	uint64_t min_ns, max_ns;
};

extern const struct argp select_argp; /* its input is a struct select_spec */
void select_spec_done(struct select_spec *spec);

/* True when an option is given that only off-CPU intervals can match; *ret_option is its name. */
bool select_needs_offcpu(const struct select_spec *spec, const char **ret_option);

/* True when names are needed to select: model_symbolizer must be given to selection_new. */
bool select_needs_symbols(const struct select_spec *spec);

struct selection {
	bool all; /* nothing was asked for: everything is selected */
	bool no_samples;
	uint64_t from_ns, to_ns; /* CLOCK_MONOTONIC; to_ns is UINT64_MAX where there is no end */
	uint64_t min_ns, max_ns; /* 0 and UINT64_MAX where there is no limit */
	uint64_t *threads;	 /* bits by thread id; NULL: any */
	uint64_t *stacks;	 /* bits by stack id; NULL: any */
	uint64_t *cpus;		 /* bits below SELECT_MAX_CPUS; NULL: any */
	uint64_t *syscalls;	 /* bits below SELECT_MAX_SYSCALLS; NULL: any */
	uint32_t states;	 /* bits of enum task_state; 0: any */
};

#define SELECT_MAX_CPUS	    65536u
#define SELECT_MAX_SYSCALLS 65536u

/*
 * Makes a selection for this recording. symbolizer may be NULL where select_needs_symbols says no.
 * Fails with STINT_ERR_USAGE (a system call that the recording's machine doesn't have, a window
 * that ends before it starts) or STINT_ERR_NOMEM.
 */
int selection_new(struct selection **ret, const struct select_spec *spec, const struct model *m,
		  struct symbolizer *symbolizer, struct stint_err *err);
void selection_free(struct selection *sel); /* NULL is fine */

bool selection_sample(const struct selection *sel, const struct stint_sample *row);
bool selection_offcpu(const struct selection *sel, const struct stint_offcpu *row);
bool selection_task(const struct selection *sel, const struct stint_task *row);

/*
 * Cuts a selected interval to the window, as if only the window had been recorded: what reaches
 * beyond its end is still open there. So the sums of neighbouring windows add up to those of both
 * together.
 */
void selection_clip(const struct selection *sel, struct stint_offcpu *row);

/* A thread's state when it left the CPU, as ps shows it. */
enum task_state {
	TASK_RUNNING,	  /* R: preempted, or yielded */
	TASK_SLEEPING,	  /* S */
	TASK_DISK_SLEEP,  /* D */
	TASK_STOPPED,	  /* T */
	TASK_TRACED,	  /* t */
	TASK_DEAD,	  /* X */
	TASK_ZOMBIE,	  /* Z */
	TASK_PARKED,	  /* P */
	TASK_IDLE,	  /* I */
	TASK_STATE_OTHER, /* ? */
};
#define N_TASK_STATES 10

enum task_state offcpu_state(const struct stint_offcpu *row);
const char *task_state_name(enum task_state state); /* "S (sleeping)" */
char task_state_letter(enum task_state state);

/* The CPU an interval counts for: where the thread came on again, or where it left if it hasn't. */
static inline uint32_t offcpu_cpu(const struct stint_offcpu *row)
{
	return row->cpu != STINT_NO_CPU ? row->cpu : row->cpu_out;
}

/* duration = blocked + runqueue, by the rule in format/rows.h; each is 0 rather than negative for
 * absurd rows. */
struct offcpu_times {
	uint64_t duration_ns, blocked_ns, runqueue_ns;
};
struct offcpu_times offcpu_times(const struct stint_offcpu *row);

#endif
