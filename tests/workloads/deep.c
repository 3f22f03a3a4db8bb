/* SPDX-License-Identifier: MIT */
/*
 * deep [DEPTH] [SLEEPS] [BURN_MS]: go_down() calls itself until DEPTH frames of it are on the
 * stack; down there at_the_bottom() sleeps some times for 1 ms each, then burns CPU.
 */
#include "workload.h"

static volatile uint64_t sink;

NOINLINE void at_the_bottom(uint64_t n_sleeps, uint64_t burn_ms)
{
	uint64_t deadline;

	for (uint64_t i = 0; i < n_sleeps; i++)
		raw_sleep_ns(1000000);
	deadline = clock_now_ns(CLOCK_THREAD_CPUTIME_ID) + burn_ms * 1000000u;
	while (clock_now_ns(CLOCK_THREAD_CPUTIME_ID) < deadline)
		for (int i = 0; i < 10000; i++)
			sink += (uint64_t)i;
}

NOINLINE void go_down(uint64_t depth, uint64_t n_sleeps, uint64_t burn_ms)
{
	if (depth > 1)
		go_down(depth - 1, n_sleeps, burn_ms);
	else
		at_the_bottom(n_sleeps, burn_ms);
	__asm__ volatile("" ::: "memory");
}

int main(int argc, char **argv)
{
	uint64_t depth = number_arg(argc, argv, 1, 50, 1, 100000);
	uint64_t n_sleeps = number_arg(argc, argv, 2, 50, 1, 100000);
	uint64_t burn_ms = number_arg(argc, argv, 3, 200, 0, 60000);

	go_down(depth, n_sleeps, burn_ms);
	say("pid", (uint64_t)getpid());
	say("depth", depth);
	say("sleeps", n_sleeps);
	return 0;
}
