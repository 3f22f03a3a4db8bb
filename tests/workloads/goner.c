/* SPDX-License-Identifier: MIT */
/*
 * goner [THREADS] [ROUNDS]: a process whose threads are asleep, in doomed_sleep(), when their end
 * comes. In each round the main thread execs this program again (the last time it exits), which
 * kills the others in their sleep.
 */
#include "workload.h"

static pthread_barrier_t all_here;

NOINLINE void doomed_sleep(void)
{
	for (;;)
		raw_sleep_ns(3600ull * 1000000000u);
}

static void *doomed(void *arg)
{
	(void)arg;
	pthread_setname_np(pthread_self(), "doomed");
	pthread_barrier_wait(&all_here);
	doomed_sleep();
	return NULL;
}

int main(int argc, char **argv)
{
	uint64_t n_threads = number_arg(argc, argv, 1, 8, 1, 1000);
	uint64_t rounds = number_arg(argc, argv, 2, 5, 1, 1000);
	char threads_text[24], rounds_text[24];
	pthread_t thread;

	pthread_barrier_init(&all_here, NULL, (unsigned int)n_threads + 1);
	for (uint64_t i = 0; i < n_threads; i++)
		start_thread(&thread, doomed, NULL);
	pthread_barrier_wait(&all_here);
	usleep(10000);
	if (rounds > 1) {
		snprintf(threads_text, sizeof threads_text, "%llu", (unsigned long long)n_threads);
		snprintf(rounds_text, sizeof rounds_text, "%llu", (unsigned long long)rounds - 1);
		execl("/proc/self/exe", argv[0], threads_text, rounds_text, (char *)NULL);
		perror("exec");
		return 1;
	}
	say("pid", (uint64_t)getpid());
	return 0;
}
