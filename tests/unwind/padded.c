/* SPDX-License-Identifier: MIT */
/*
 * Sleeps again and again at the bottom of a known stack, whose frames are as large as PADDING says: two builds are the
 * same program but for the rules by which it is unwound. Prints "ready" once it is there.
 */
#include <stdio.h>
#include <time.h>

static __attribute__((noinline)) char leaf(volatile char *room)
{
	struct timespec pause = {.tv_nsec = 2000000};

	nanosleep(&pause, NULL);
	return room[0];
}

static __attribute__((noinline)) char inner(char c)
{
	volatile char room[PADDING];

	room[0] = c;
	return leaf(room) + room[0];
}

static __attribute__((noinline)) char outer(char c)
{
	volatile char room[2 * PADDING];

	room[0] = room[PADDING] = c;
	return inner(room[PADDING]) + room[0];
}

int main(void)
{
	volatile char zero = 0;

	printf("ready\n");
	fflush(stdout);
	for (;;)
		outer(zero);
	return 0;
}
