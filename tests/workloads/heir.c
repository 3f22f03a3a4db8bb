/* SPDX-License-Identifier: MIT */
/*
 * heir [MS]: for so long, forks children at the bottom of a stack of 100 pages. Each child returns through all of them
 * and writes to each, which the kernel copies for it, as the parent has them still.
 */
#include <sys/wait.h>

#include "workload.h"

#define PAGE_BYTES 4096u

NOINLINE static pid_t come_back(uint64_t n_pages)
{
	volatile char page[PAGE_BYTES];
	pid_t pid;

	page[0] = page[PAGE_BYTES - 1] = 1;
	pid = n_pages > 1 ? come_back(n_pages - 1) : fork();
	if (pid == 0)
		page[0] = page[PAGE_BYTES - 1] = 2;
	return pid;
}

int main(int argc, char **argv)
{
	uint64_t end_ns = clock_now_ns(CLOCK_MONOTONIC) + number_arg(argc, argv, 1, 1000, 1, 60000) * 1000000u;
	uint64_t n_forks = 0;
	pid_t pid;

	while (clock_now_ns(CLOCK_MONOTONIC) < end_ns) {
		pid = come_back(100);
		if (pid == 0)
			_exit(0);
		if (pid < 0 || waitpid(pid, NULL, 0) != pid)
			return 1;
		n_forks++;
	}
	say("forks", n_forks);
	return 0;
}
