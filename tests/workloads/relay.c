/* SPDX-License-Identifier: MIT */
/*
 * relay [RUNNERS] [LAPS]: threads in a ring; each one waits in wait_for_baton() and wakes the next
 * one. The baton's hops are 1 ms apart or more: every runner is asleep when it comes. Prints
 * runner=INDEX,TID and how often each was woken.
 */
#include "workload.h"

#define MAX_RUNNERS 32

static uint32_t batons[MAX_RUNNERS];
static pid_t tids[MAX_RUNNERS];
static uint64_t woken[MAX_RUNNERS];
static uint64_t n_runners, n_laps;
static pthread_barrier_t all_here;

NOINLINE int wait_for_baton(uint32_t *baton)
{
	int slept = 0;

	while (!__atomic_load_n(baton, __ATOMIC_ACQUIRE))
		if (raw_futex(baton, FUTEX_WAIT, 0) == 0)
			slept = 1;
	__atomic_store_n(baton, 0, __ATOMIC_RELEASE);
	return slept;
}

NOINLINE void carry_baton(void)
{
	raw_sleep_ns(1000000);
}

NOINLINE void pass_baton(uint32_t *baton)
{
	__atomic_store_n(baton, 1, __ATOMIC_RELEASE);
	raw_futex(baton, FUTEX_WAKE, 1);
}

static void *run(void *arg)
{
	uint32_t me = (uint32_t)(uintptr_t)arg;
	char name[16];

	tids[me] = (pid_t)syscall(SYS_gettid);
	snprintf(name, sizeof name, "runner-%u", me);
	pthread_setname_np(pthread_self(), name);
	pthread_barrier_wait(&all_here);
	for (uint64_t lap = 0; lap < n_laps; lap++) {
		if (me != 0 || lap != 0)
			woken[me] += (uint64_t)wait_for_baton(&batons[me]);
		else
			raw_sleep_ns(10000000);
		carry_baton();
		if (lap + 1 == n_laps && me + 1 == n_runners)
			break;
		wait_until_blocked(getpid(), tids[(me + 1) % n_runners], SYS_futex);
		pass_baton(&batons[(me + 1) % n_runners]);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t threads[MAX_RUNNERS];

	n_runners = number_arg(argc, argv, 1, 5, 2, MAX_RUNNERS);
	n_laps = number_arg(argc, argv, 2, 40, 1, 100000);
	pthread_barrier_init(&all_here, NULL, (unsigned int)n_runners);
	for (uint64_t i = 0; i < n_runners; i++)
		start_thread(&threads[i], run, (void *)(uintptr_t)i);
	for (uint64_t i = 0; i < n_runners; i++)
		pthread_join(threads[i], NULL);
	say("pid", (uint64_t)getpid());
	for (uint64_t i = 0; i < n_runners; i++)
		printf("runner=%d,%llu\n", tids[i], (unsigned long long)woken[i]);
	return 0;
}
