/* SPDX-License-Identifier: MIT */
/*
 * The kernel's own record of fork, exec, comm, exit and mmap (perf's software "dummy" event, one ring a CPU), with
 * build IDs and CLOCK_MONOTONIC times: complete also for processes that live less than a millisecond.
 */
#ifndef STINT_RECORD_SIDEBAND_H
#define STINT_RECORD_SIDEBAND_H

#include <stdint.h>

#include "base/err.h"
#include "record/tasks.h"

struct sideband;

/* Starts collecting at once. Needs CAP_PERFMON or root; says so where it is missing. */
int sideband_new(struct sideband **ret, struct stint_err *err);
void sideband_free(struct sideband *sb); /* NULL is fine */

/* Copies all that the kernel has reported so far out of its rings, into time order. Cheap when there is nothing. */
int sideband_drain(struct sideband *sb, struct stint_err *err);

/* Hands every collected record up to and including until_ns to tasks, in time order. Call after sideband_drain. */
int sideband_apply(struct sideband *sb, uint64_t until_ns, struct tasks *tasks, struct stint_err *err);

uint64_t sideband_lost(const struct sideband *sb);      /* records that the kernel dropped so far */
uint64_t sideband_throttled(const struct sideband *sb); /* samples throttled on events redirected here */

/* The perf event of a CPU, for redirecting another event's output (PERF_EVENT_IOC_SET_OUTPUT); -1 if there is none. */
int sideband_fd(const struct sideband *sb, int cpu);

#endif
