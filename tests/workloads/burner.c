/* SPDX-License-Identifier: MIT */
/*
 * burner [MS] [PERCENT]: burns about MS ms of CPU, PERCENT of the work in burn_most(), the rest in
 * burn_rest(), and prints what each of them took by the thread's CPU clock.
 */
#include "workload.h"

#define UNIT 20000u

static volatile uint64_t sink;

#define BURN(units)                                                                                                    \
	do {                                                                                                           \
		uint64_t x = 88172645463325252u;                                                                       \
		for (uint64_t i = 0; i < (units)*UNIT; i++) {                                                          \
			x ^= x << 13;                                                                                  \
			x ^= x >> 7;                                                                                   \
			x ^= x << 17;                                                                                  \
		}                                                                                                      \
		sink += x;                                                                                             \
	} while (0)

NOINLINE void burn_most(uint64_t units)
{
	BURN(units);
}

NOINLINE void burn_rest(uint64_t units)
{
	BURN(units);
}

int main(int argc, char **argv)
{
	uint64_t ms = number_arg(argc, argv, 1, 2000, 1, 600000);
	uint64_t percent = number_arg(argc, argv, 2, 70, 1, 99);
	uint64_t most_ns = 0, rest_ns = 0;

	while (most_ns + rest_ns < ms * 1000000u) {
		uint64_t start = clock_now_ns(CLOCK_THREAD_CPUTIME_ID), middle;

		burn_most(percent);
		middle = clock_now_ns(CLOCK_THREAD_CPUTIME_ID);
		burn_rest(100 - percent);
		most_ns += middle - start;
		rest_ns += clock_now_ns(CLOCK_THREAD_CPUTIME_ID) - middle;
	}
	say("pid", (uint64_t)getpid());
	say("most_ns", most_ns);
	say("rest_ns", rest_ns);
	return 0;
}
