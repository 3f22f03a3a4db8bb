/* SPDX-License-Identifier: MIT */
/*
 * spin [MILLIONS]: a fixed amount of work on the CPU, for measuring what something else takes from
 * it. Prints the time it took.
 */
#include "workload.h"

NOINLINE uint64_t spin(uint64_t n)
{
	uint64_t x = 88172645463325252u;

	for (uint64_t i = 0; i < n; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
	}
	return x;
}

int main(int argc, char **argv)
{
	uint64_t n = number_arg(argc, argv, 1, 500, 1, 1000000) * 1000000u;
	uint64_t started = now_ns(), result = spin(n);

	say("wall_ns", now_ns() - started);
	say("result", result);
	return 0;
}
