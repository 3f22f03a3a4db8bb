/* SPDX-License-Identifier: MIT */
/*
 * The BPF side as the recorder sees it: programs loaded, attached, drained and stopped. The only
 * module that knows libbpf. A session belongs to one thread.
 */
#ifndef STINT_RECORD_SESSION_H
#define STINT_RECORD_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "bpf/event.h"
#include "record/sideband.h"
#include "record/unwind_bpf.h"

struct session;

struct session_options {
	struct config config; /* has_prev_state and self_pid are filled in by the session */
	uint32_t freq_hz;     /* 0: no samples */
	bool off_cpu;
};

/* Loads the programs. Nothing runs yet. Fails with STINT_ERR_SYSTEM, with a message that says what
 * to do about it. */
int session_new(struct session **ret, const struct session_options *options, struct stint_err *err);
void session_free(struct session *s); /* detaches; NULL is fine */

/* The maps of bpf/unwind.h, for the unwind tables; they stay the session's. */
void session_unwind_maps(const struct session *s, struct unwind_map_fds *ret);

/* Targets, before or after attaching. */
int session_add_pid(struct session *s, pid_t pid, struct stint_err *err);
int session_add_tid(struct session *s, pid_t tid, struct stint_err *err);
int session_add_comm(struct session *s, const char *comm, struct stint_err *err);
int session_add_exec(struct session *s, pid_t pid, struct stint_err *err); /* a target from its next exec on */

/* Whether any process or thread that was added, or that descends from one, still exists. */
bool session_targets_left(const struct session *s);

/* Attaches everything; what happens is recorded from session_begin on. sideband takes note of
 * throttling. */
int session_attach(struct session *s, const struct sideband *sideband, struct stint_err *err);

/*
 * How many times CPUs have come online since session_new, and when one of them did so last; 0 where none did, or where
 * this kernel doesn't tell.
 */
uint64_t session_cpu_arrivals(const struct session *s);
uint64_t session_cpu_arrival_ns(const struct session *s, int cpu);

/*
 * Samples a CPU anew, after session_attach: its event ended when it went offline. Needs what session_attach needed.
 * Returns 0 also where the CPU isn't online. After a failure, what was open there still is.
 */
int session_reopen(struct session *s, int cpu, const struct sideband *sideband, struct stint_err *err);

/* What samples count: the name of the event that could be had, and ns or cycles as their unit. */
const char *session_source(const struct session *s, const char **ret_unit);

/* Starts recording. Times are CLOCK_MONOTONIC. */
void session_begin(struct session *s, uint64_t now_ns);

/*
 * From its return on, nothing begins any more: no sample, no interval. Open intervals still become
 * events, marked EVENT_OPEN_END, as their threads come on the CPU.
 */
void session_stop(struct session *s);

/* Ends that, too: from its return on, the ring doesn't grow and the counters stand still. */
void session_detach(struct session *s);

/*
 * Hands over what is in the ring: each(context, event, size) in the order of the ring. It may
 * return nonzero to stop after that event. Returns how many were handed over.
 */
size_t session_drain(struct session *s, int (*each)(void *context, const void *event, size_t size), void *context);

/* All CPUs' counters, added up. */
int session_counters(const struct session *s, struct event_counters *ret, struct stint_err *err);

/* Calls back for each target that is off the CPU now. A nonzero return of each stops and is
 * returned. */
int session_list(struct session *s, int (*each)(void *context, const struct event_task *task, struct stint_err *err),
		 void *context, struct stint_err *err);

/* Empties the kernel's map of sent stacks: each will be sent again at its next use. */
int session_forget_stacks(struct session *s, struct stint_err *err);

#endif
