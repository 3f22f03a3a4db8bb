/* SPDX-License-Identifier: MIT */
/* What walk.c tells a chain program to do: one order, one byte of answer. */
#ifndef STINT_TESTS_BENCH_CHAIN_H
#define STINT_TESTS_BENCH_CHAIN_H

#include <stdint.h>

#define CHAIN_MAX_DEPTH 120u

struct chain_order {
	int32_t prog_fd; /* a BPF program to be run at the bottom of the stack */
	uint32_t depth;	 /* calls from main's own to there: 1 to CHAIN_MAX_DEPTH */
	uint32_t n_runs;
	uint32_t evict_bytes; /* of memory to be gone through before each run; 0 for none */
};

#endif
