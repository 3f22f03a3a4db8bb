/* SPDX-License-Identifier: MIT */
/*
 * The kernel's own record of fork, exec, comm, exit and mmap (perf's software "dummy" event, one ring a CPU), with
 * build IDs and CLOCK_MONOTONIC times: complete also for processes that live less than a millisecond.
 */
#ifndef STINT_RECORD_SIDEBAND_H
#define STINT_RECORD_SIDEBAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "record/tasks.h"

struct sideband;

/*
 * Starts collecting at once: call it before tasks_snapshot, so that nothing falls between the two. Needs CAP_PERFMON or
 * root; says so where it is missing. CPUs that are offline are left out.
 */
int sideband_new(struct sideband **ret, struct stint_err *err);
void sideband_free(struct sideband *sb); /* NULL is fine */

/*
 * Copies everything that the kernel has reported so far out of its rings, into time order. Cheap when there is nothing:
 * one memory read a CPU. What finds no room (4 MiB) stays in the kernel's rings until records were applied.
 */
int sideband_drain(struct sideband *sb, struct stint_err *err);

/*
 * Hands every collected record up to and including until_ns to tasks, in time order. Call after sideband_drain, and
 * drain after reading the events that are to be seen in this order: a record is complete in its ring a moment after
 * its time.
 */
int sideband_apply(struct sideband *sb, uint64_t until_ns, struct tasks *tasks, struct stint_err *err);

/* Records that the kernel dropped so far: exact from Linux 6.0 on, before only up to the next one that found room. */
uint64_t sideband_lost(const struct sideband *sb);

/*
 * Opens the ring of a CPU anew: the old one ended when the CPU went offline. Returns 0 or an errno: ENODEV for a CPU
 * that is offline, which keeps its old one, as after every other failure.
 */
int sideband_reopen(struct sideband *sb, int cpu, uint64_t now_ns);

/* How often, and for how long until now, the kernel throttled events redirected here; it doesn't count the samples. */
uint64_t sideband_throttled(const struct sideband *sb);
uint64_t sideband_throttled_ns(const struct sideband *sb, uint64_t now_ns);

/* The perf event of a CPU, to redirect another event's output to (PERF_EVENT_IOC_SET_OUTPUT); -1 if there is none. */
int sideband_fd(const struct sideband *sb, int cpu);

bool sideband_has_build_ids(const struct sideband *sb);	 /* Linux 5.12; else they are read from the files */
uint64_t sideband_records(const struct sideband *sb);	 /* collected so far */
size_t sideband_memory_bytes(const struct sideband *sb); /* rings included */

#endif
