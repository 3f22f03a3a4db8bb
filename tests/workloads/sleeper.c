/* SPDX-License-Identifier: MIT */
/* sleeper [N] [SLEEP_US]: sleeps exactly N times, always in sleep_here(), and times each sleep
 * itself. */
#include "workload.h"

static uint64_t slept_ns, n_sleeps;

NOINLINE void sleep_here(uint64_t ns)
{
	uint64_t before = now_ns();

	if (raw_sleep_ns(ns) == 0)
		n_sleeps++;
	slept_ns += now_ns() - before;
}

NOINLINE void sleep_middle(uint64_t ns)
{
	sleep_here(ns);
	__asm__ volatile("" ::: "memory");
}

NOINLINE void sleep_outer(uint64_t n, uint64_t ns)
{
	uint64_t before, blocked, preempted;

	/* Who is preempted between setting the timer and leaving for it may find it expired, and not leave at all. */
	while (n_sleeps < n) {
		switches_so_far(&before, &preempted);
		sleep_middle(ns);
		switches_so_far(&blocked, &preempted);
		n_sleeps -= blocked == before;
	}
}

int main(int argc, char **argv)
{
	uint64_t n = number_arg(argc, argv, 1, 200, 1, 1000000);
	uint64_t us = number_arg(argc, argv, 2, 5000, 1, 10000000);
	uint64_t blocked, preempted;

	sleep_outer(n, us * 1000);
	switches_so_far(&blocked, &preempted);
	say("pid", (uint64_t)getpid());
	say("sleeps", n_sleeps);
	say("slept_ns", slept_ns);
	say("blocked_switches", blocked);
	say("preempted_switches", preempted);
	return 0;
}
