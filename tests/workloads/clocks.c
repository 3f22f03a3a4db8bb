/* SPDX-License-Identifier: MIT */
/* Asks for the time, again and again: most of it is spent in the vDSO. usage: clocks MS */
#include "workload.h"

static volatile uint64_t sum;

NOINLINE static void ask(uint64_t end_ns)
{
	uint64_t now;

	do {
		now = now_ns();
		sum += now;
	} while (now < end_ns);
}

int main(int argc, char **argv)
{
	ask(now_ns() + number_arg(argc, argv, 1, 1000, 1, 100000) * 1000000);
	return sum == 0;
}
