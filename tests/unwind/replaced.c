/* SPDX-License-Identifier: MIT */
/*
 * Sleeps many times in a call through each library in turn, each unloaded before the next is loaded, which then lies at
 * the same addresses. Prints where each lies; "ready" once it can be recorded. usage: replaced MILLISECONDS LIBRARY...
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static int nap(volatile char *room)
{
	struct timespec pause = {.tv_nsec = 2000000};

	nanosleep(&pause, NULL);
	return room[0];
}

int main(int argc, char **argv)
{
	long n_ms = argc > 1 ? strtol(argv[1], NULL, 10) : 0;
	int i;

	printf("ready\n");
	for (i = 2; i < argc; i++) {
		void *handle = dlopen(argv[i], RTLD_NOW);
		int (*call)(int (*)(volatile char *));
		struct timespec now;
		long until;

		if (!handle)
			return 1;
		*(void **)&call = dlsym(handle, "call_back");
		printf("at=%p\n", *(void **)&call);
		fflush(stdout);
		clock_gettime(CLOCK_MONOTONIC, &now);
		until = now.tv_sec * 1000 + now.tv_nsec / 1000000 + n_ms;
		do {
			call(nap);
			clock_gettime(CLOCK_MONOTONIC, &now);
		} while (now.tv_sec * 1000 + now.tv_nsec / 1000000 < until);
		dlclose(handle);
	}
	return 0;
}
