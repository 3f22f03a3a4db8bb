/* SPDX-License-Identifier: MIT */
/* The clock of a recording: CLOCK_MONOTONIC, which is BPF's and perf's too. */
#ifndef STINT_RECORD_CLOCK_H
#define STINT_RECORD_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static inline uint64_t clock_now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

#endif
