/* SPDX-License-Identifier: MIT */
/*
 * Sleeps in the resolver of an indirect function, which the dynamic linker calls when the function is first used. On
 * the stack below is its trampoline, which aligns the stack and keeps the old stack pointer in rbx. Two parts of one
 * program.
 */
#ifdef LIBRARY
#include <time.h>

static volatile int sink;

static int real(int n)
{
	return n + sink;
}

static int (*choose(void))(int)
{
	struct timespec pause = {.tv_nsec = 20000000};

	while (sink >= 0) {
		nanosleep(&pause, NULL);
		sink++;
	}
	return real;
}

int indirect(int n) __attribute__((ifunc("choose")));
#else
#include <stdio.h>

int indirect(int n);

int main(int argc, char **argv)
{
	(void)argv;
	printf("ready\n");
	fflush(stdout);
	return indirect(argc) + argc;
}
#endif
