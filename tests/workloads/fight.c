/* SPDX-License-Identifier: MIT */
/*
 * fight [THREADS] [ROUNDS] [HOLD_US]: threads fight for one lock that hands itself on: the thread
 * that unlocks writes its id to the first waiter and wakes it, once that is truly asleep in lock_wait(). A holder
 * sleeps while it holds the lock, so that there are waiters. Prints how often each thread
 * was woken by each other: woken=WAITER,WAKER,COUNT.
 */
#include "workload.h"

#define MAX_THREADS 16

struct waiter {
	uint32_t word;	/* 0 until the lock was handed over */
	uint32_t waker; /* index of the thread that did it */
	pid_t tid;
	struct waiter *next;
};

static pthread_spinlock_t queue_lock;
static struct waiter *queue_head, **queue_tail = &queue_head;
static int held;
static uint64_t woken[MAX_THREADS][MAX_THREADS];
static pid_t tids[MAX_THREADS];
static uint64_t n_threads, n_rounds, hold_ns;
static pthread_barrier_t all_here;

/* Returns 1 when the thread slept and was woken. */
NOINLINE int lock_wait(struct waiter *self)
{
	int slept = 0;

	while (!__atomic_load_n(&self->word, __ATOMIC_ACQUIRE))
		if (raw_futex(&self->word, FUTEX_WAIT, 0) == 0)
			slept = 1;
	return slept;
}

NOINLINE void lock_take(uint32_t me)
{
	struct waiter self = {.tid = tids[me]};

	pthread_spin_lock(&queue_lock);
	if (!held) {
		held = 1;
		pthread_spin_unlock(&queue_lock);
		return;
	}
	*queue_tail = &self;
	queue_tail = &self.next;
	pthread_spin_unlock(&queue_lock);
	if (lock_wait(&self))
		woken[me][self.waker]++;
}

NOINLINE void lock_give(uint32_t me)
{
	struct waiter *first;

	pthread_spin_lock(&queue_lock);
	first = queue_head;
	if (!first) {
		held = 0;
		pthread_spin_unlock(&queue_lock);
		return;
	}
	queue_head = first->next;
	if (!queue_head)
		queue_tail = &queue_head;
	pthread_spin_unlock(&queue_lock);
	first->waker = me;
	wait_until_blocked(getpid(), first->tid, SYS_futex);
	__atomic_store_n(&first->word, 1, __ATOMIC_RELEASE);
	raw_futex(&first->word, FUTEX_WAKE, 1);
}

NOINLINE void hold_lock(void)
{
	raw_sleep_ns(hold_ns);
}

static void *fighter(void *arg)
{
	uint32_t me = (uint32_t)(uintptr_t)arg;
	char name[16];

	tids[me] = (pid_t)syscall(SYS_gettid);
	snprintf(name, sizeof name, "fighter-%u", me);
	pthread_setname_np(pthread_self(), name);
	pthread_barrier_wait(&all_here);
	for (uint64_t i = 0; i < n_rounds; i++) {
		lock_take(me);
		hold_lock();
		lock_give(me);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t threads[MAX_THREADS];
	uint64_t total = 0;

	n_threads = number_arg(argc, argv, 1, 4, 2, MAX_THREADS);
	n_rounds = number_arg(argc, argv, 2, 50, 1, 100000);
	hold_ns = number_arg(argc, argv, 3, 2000, 1, 1000000) * 1000;
	pthread_spin_init(&queue_lock, PTHREAD_PROCESS_PRIVATE);
	pthread_barrier_init(&all_here, NULL, (unsigned int)n_threads);
	for (uint64_t i = 0; i < n_threads; i++)
		start_thread(&threads[i], fighter, (void *)(uintptr_t)i);
	for (uint64_t i = 0; i < n_threads; i++)
		pthread_join(threads[i], NULL);

	say("pid", (uint64_t)getpid());
	for (uint64_t i = 0; i < n_threads; i++) {
		for (uint64_t j = 0; j < n_threads; j++) {
			if (!woken[i][j])
				continue;
			printf("woken=%d,%d,%llu\n", tids[i], tids[j], (unsigned long long)woken[i][j]);
			total += woken[i][j];
		}
	}
	say("contended", total);
	return 0;
}
