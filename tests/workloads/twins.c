/* SPDX-License-Identifier: MIT */
/*
 * twins [N] [SLEEP_US]: sleeps N times, now under one of two functions, now under the other, for
 * some times each. Their frames are alike: the registers and the stack pointer are the same in
 * every sleep, and only a return address in the middle of the stack tells where it is.
 */
#include "workload.h"

static uint64_t n_left, n_right;

NOINLINE void sleep_here(uint64_t ns)
{
	raw_sleep_ns(ns);
	__asm__ volatile("" ::: "memory");
}

NOINLINE void left_twin(uint64_t ns)
{
	sleep_here(ns);
	__asm__ volatile("# left" ::: "memory");
}

NOINLINE void right_twin(uint64_t ns)
{
	sleep_here(ns);
	__asm__ volatile("# right" ::: "memory");
}

int main(int argc, char **argv)
{
	/* Runs of one, two, three and more of each. */
	static const char order[] = "lrllrrlllrrrlllllrrrrrrrr";
	uint64_t n = number_arg(argc, argv, 1, 200, 1, 1000000);
	uint64_t us = number_arg(argc, argv, 2, 2000, 1, 10000000);
	uint64_t i;

	for (i = 0; i < n; i++) {
		if (order[i % (sizeof(order) - 1)] == 'l') {
			left_twin(us * 1000);
			n_left++;
		} else {
			right_twin(us * 1000);
			n_right++;
		}
	}
	say("pid", (uint64_t)getpid());
	say("left", n_left);
	say("right", n_right);
	return 0;
}
