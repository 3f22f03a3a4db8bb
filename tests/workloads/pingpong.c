/* SPDX-License-Identifier: MIT */
/*
 * pingpong [MS] [PAIRS] [PIN]: pairs of threads that wake each other through futexes for MS ms. PIN
 * 1 puts both threads of a pair on one CPU, so that a round trip is two switches; 0 leaves them to
 * the scheduler. Prints the round trips, the time of one, and how often the players left a CPU by
 * the kernel's own count.
 */
#include "workload.h"

#define MAX_PAIRS 64

struct pair {
	uint32_t ball; /* whose turn it is: 0 ping, 1 pong, 2 the end */
	uint64_t n_round_trips, blocked[2], preempted[2];
	int cpu; /* -1: not pinned */
	char padding[64];
};

struct player {
	struct pair *pair;
	uint32_t side;
};

static struct pair pairs[MAX_PAIRS];
static uint64_t deadline_ns;

NOINLINE void wait_for_ball(struct pair *pair, uint32_t side)
{
	uint32_t ball;

	while ((ball = __atomic_load_n(&pair->ball, __ATOMIC_ACQUIRE)) == 1 - side)
		raw_futex(&pair->ball, FUTEX_WAIT, ball);
}

NOINLINE void hit_ball(struct pair *pair, uint32_t to)
{
	__atomic_store_n(&pair->ball, to, __ATOMIC_RELEASE);
	raw_futex(&pair->ball, FUTEX_WAKE, 1);
}

static void *play(void *arg)
{
	struct player *self = arg;
	struct pair *pair = self->pair;
	uint64_t blocked, preempted;

	pthread_setname_np(pthread_self(), self->side ? "pong" : "ping");
	if (pair->cpu >= 0)
		pin_to_cpu(pair->cpu);
	switches_so_far(&blocked, &preempted);
	for (;;) {
		wait_for_ball(pair, self->side);
		if (pair->ball == 2)
			break;
		if (self->side == 0) {
			pair->n_round_trips++;
			if (now_ns() >= deadline_ns) {
				hit_ball(pair, 2);
				break;
			}
		}
		hit_ball(pair, 1 - self->side);
	}
	switches_so_far(&pair->blocked[self->side], &pair->preempted[self->side]);
	pair->blocked[self->side] -= blocked;
	pair->preempted[self->side] -= preempted;
	return NULL;
}

int main(int argc, char **argv)
{
	uint64_t ms = number_arg(argc, argv, 1, 1000, 1, 600000);
	uint64_t n_pairs = number_arg(argc, argv, 2, 1, 1, MAX_PAIRS);
	uint64_t pin = number_arg(argc, argv, 3, 0, 0, 1);
	long n_cpus = sysconf(_SC_NPROCESSORS_ONLN);
	pthread_t threads[MAX_PAIRS][2];
	struct player players[MAX_PAIRS][2];
	uint64_t started = now_ns(), elapsed, n = 0, blocked = 0, preempted = 0;

	deadline_ns = started + ms * 1000000u;
	for (uint64_t i = 0; i < n_pairs; i++) {
		pairs[i].cpu = pin ? (int)(i % (uint64_t)n_cpus) : -1;
		for (uint32_t side = 0; side < 2; side++) {
			players[i][side] = (struct player){.pair = &pairs[i], .side = side};
			start_thread(&threads[i][side], play, &players[i][side]);
		}
	}
	for (uint64_t i = 0; i < n_pairs; i++) {
		for (uint32_t side = 0; side < 2; side++)
			pthread_join(threads[i][side], NULL);
		n += pairs[i].n_round_trips;
		blocked += pairs[i].blocked[0] + pairs[i].blocked[1];
		preempted += pairs[i].preempted[0] + pairs[i].preempted[1];
	}
	elapsed = now_ns() - started;
	say("pid", (uint64_t)getpid());
	say("round_trips", n);
	say("ns_per_round_trip", n ? elapsed * n_pairs / n : 0);
	say("blocked_switches", blocked);
	say("preempted_switches", preempted);
	return 0;
}
