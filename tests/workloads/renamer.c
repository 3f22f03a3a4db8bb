/* SPDX-License-Identifier: MIT */
/* renamer [SLEEPS]: one thread under three names, one after the other, sleeping SLEEPS times for 1
 * ms under each. */
#include <sys/prctl.h>

#include "workload.h"

NOINLINE void sleep_under_name(void)
{
	raw_sleep_ns(1000000);
}

int main(int argc, char **argv)
{
	static const char *const names[] = {"name-one", "name-two", "name three"};
	uint64_t n = number_arg(argc, argv, 1, 50, 1, 100000);

	for (int i = 0; i < 3; i++) {
		prctl(PR_SET_NAME, names[i]);
		for (uint64_t k = 0; k < n; k++)
			sleep_under_name();
	}
	say("pid", (uint64_t)getpid());
	say("sleeps_per_name", n);
	return 0;
}
