/* SPDX-License-Identifier: MIT */
/*
 * A program whose stack is walked: it calls down through as many different functions as it is told,
 * and runs a BPF program there. Built twice, with and without frame pointers. Functions differ in
 * the size of their frames and in the registers they save, and lie among thousands of others, so
 * that its unwind table is as long as a server's.
 */
#include <linux/bpf.h>

#include "tests/bench/chain.h"
#include "tests/workloads/workload.h"

#define EVICT_MAX_BYTES (64u << 20)

static struct chain_order order;
static char *evict;

typedef uint64_t chain_function(uint32_t depth, uint64_t x);
static chain_function *const chain[];

NOINLINE static uint64_t run(void)
{
	union bpf_attr attr = {.test = {.prog_fd = (uint32_t)order.prog_fd}};
	uint32_t i, at;

	for (i = 0; i < order.n_runs; i++) {
		for (at = 0; at < order.evict_bytes; at += 64)
			evict[at]++;
		if (raw_syscall(SYS_bpf, BPF_PROG_TEST_RUN, (long)&attr, sizeof(attr), 0) < 0)
			exit(1);
	}
	return i;
}

/* How many values live across the call says how many registers are saved. */
#define FRAME(number)                                                                                                  \
	NOINLINE static uint64_t frame_##number(uint32_t depth, uint64_t x)                                            \
	{                                                                                                              \
		volatile char room[8 + 0x##number * 37 % 168];                                                         \
		uint64_t y = x * 3 + 0x##number, z = x ^ y << 7, ret;                                                  \
                                                                                                                       \
		room[0] = (char)y;                                                                                     \
		ret = depth > 1 ? chain[depth - 2](depth - 1, y) : run();                                              \
		ret += (uint64_t)room[0];                                                                              \
		if (0x##number % 4 > 0)                                                                                \
			ret ^= x;                                                                                      \
		if (0x##number % 4 > 1)                                                                                \
			ret += y;                                                                                      \
		if (0x##number % 4 > 2)                                                                                \
			ret ^= z;                                                                                      \
		return ret;                                                                                            \
	}

#define OTHER(number)                                                                                                  \
	__attribute__((used)) NOINLINE static uint64_t other_##number(uint64_t x, uint64_t y)                          \
	{                                                                                                              \
		return chain[x & 7]((uint32_t)y & 3, x) + x * y;                                                       \
	}

/* Four-digit numbers, so that all names differ. */
#define OTHERS_4(n) OTHER(n##0) OTHER(n##1) OTHER(n##2) OTHER(n##3)
#define OTHERS_32(n)                                                                                                   \
	OTHERS_4(n##0)                                                                                                 \
	OTHERS_4(n##1) OTHERS_4(n##2) OTHERS_4(n##3) OTHERS_4(n##4) OTHERS_4(n##5) OTHERS_4(n##6) OTHERS_4(n##7)
#define PLACE(n) FRAME(n) OTHERS_32(n)
#define NAME(n)	 frame_##n,

#define SIXTEEN(do, n)                                                                                                 \
	do                                                                                                             \
	(n##0) do(n##1) do(n##2) do(n##3) do(n##4) do(n##5) do(n##6) do(n##7) do(n##8) do(n##9) do(n##A) do(n##B) do(  \
		n##C) do(n##D) do(n##E) do(n##F)
#define ALL(do)                                                                                                        \
	SIXTEEN(do, 0)                                                                                                 \
	SIXTEEN(do, 1) SIXTEEN(do, 2) SIXTEEN(do, 3) SIXTEEN(do, 4) SIXTEEN(do, 5) SIXTEEN(do, 6) SIXTEEN(do, 7)

ALL(PLACE)

static chain_function *const chain[] = {ALL(NAME)};

int main(void)
{
	char done = 1;

	/* The row cache and the counters are a CPU's. */
	pin_to_cpu(0);
	evict = malloc(EVICT_MAX_BYTES);
	if (!evict || write(STDOUT_FILENO, &done, 1) != 1)
		return 1;
	memset(evict, 1, EVICT_MAX_BYTES);
	while (read(STDIN_FILENO, &order, sizeof(order)) == (ssize_t)sizeof(order)) {
		if (order.depth == 0 || order.depth > CHAIN_MAX_DEPTH || order.evict_bytes > EVICT_MAX_BYTES)
			return 2;
		done = (char)chain[order.depth - 1](order.depth, order.depth);
		if (write(STDOUT_FILENO, &done, 1) != 1)
			return 1;
	}
	return 0;
}
