/* SPDX-License-Identifier: MIT */
/*
 * crowd [N]: N threads, each with a name of its own, asleep for good in crowd_sleep(), behind 0 to 59
 * frames of go_deeper(). Says ready=1 once all of them have started, and stays so until it is killed or
 * its standard input ends.
 */
#include "workload.h"

static pthread_barrier_t all_here;

static volatile unsigned bottom;

NOINLINE void crowd_sleep(void)
{
	while (bottom == 0)
		raw_sleep_ns(3600ull * 1000000000u);
}

NOINLINE void go_deeper(unsigned n)
{
	if (n == bottom)
		crowd_sleep();
	else
		go_deeper(n - 1);
	__asm__ volatile(""); /* no tail call */
}

static void *one(void *arg)
{
	uintptr_t me = (uintptr_t)arg;
	char name[16];

	snprintf(name, sizeof name, "crowd-%u", (unsigned)me);
	pthread_setname_np(pthread_self(), name);
	pthread_barrier_wait(&all_here);
	go_deeper((unsigned)(me % 60));
	return NULL;
}

int main(int argc, char **argv)
{
	uint64_t n = number_arg(argc, argv, 1, 4000, 1, 20000);
	pthread_attr_t attr;
	pthread_t thread;
	char byte;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 64u << 10);
	pthread_barrier_init(&all_here, NULL, (unsigned)n + 1);
	for (uint64_t i = 0; i < n; i++) {
		int rc = pthread_create(&thread, &attr, one, (void *)(uintptr_t)i);

		if (rc) {
			fprintf(stderr, "pthread_create: %s\n", strerror(rc));
			return 1;
		}
	}
	pthread_barrier_wait(&all_here);
	usleep(200000);
	say("pid", (uint64_t)getpid());
	say("ready", 1);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	return 0;
}
