/* SPDX-License-Identifier: MIT */
/*
 * CPUs that come and go while recording. What perf has opened on a CPU ends for good when that goes offline; once it
 * is back, or comes for the first time, all of it is opened anew, and what may have been missed until then is in the
 * ledger.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "record/clock.h"
#include "record/privileges.h"
#include "record/recorder_internal.h"

static void set_bit(struct cpus *cpus, int cpu, bool to)
{
	const uint64_t bit = 1ull << (cpu % 64);

	cpus->bits[cpu / 64] = to ? cpus->bits[cpu / 64] | bit : cpus->bits[cpu / 64] & ~bit;
}

int recorder_note_cpus(struct recorder *r, struct stint_err *err)
{
	struct cpus present;
	int cpu, n_cpus = cpus_n_ids();

	/* Where nobody says, all of them are. */
	if (!cpus_read(&r->watched, "online") || !cpus_read(&present, "present"))
		memset(&r->watched, 0xff, sizeof(r->watched));
	else
		r->offline = cpus_without(&present, &r->watched);
	r->opened_ns = calloc((size_t)n_cpus, sizeof(*r->opened_ns));
	if (!r->opened_ns)
		return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory for the list of CPUs");
	r->n_cpus = n_cpus;
	for (cpu = 0; cpu < n_cpus; cpu++)
		r->opened_ns[cpu] = clock_now_ns();
	return 0;
}

/* Opens everything that is to be had on a CPU. Returns an errno: ENODEV while it isn't online. */
static int reopen(struct recorder *r, int cpu)
{
	struct stint_err err = STINT_ERR_INIT;
	int sys_errno = sideband_reopen(r->sideband, cpu, clock_now_ns());

	if (sys_errno == 0)
		sys_errno = unwind_tables_reopen(r->unwind, cpu);
	if (sys_errno == 0 && session_reopen(r->session, cpu, r->sideband, &err))
		sys_errno = EINVAL;
	return sys_errno;
}

/* It may have been at work since it came. Nobody counted what happened there: an estimate. */
static void note_gap(struct recorder *r, uint64_t arrival_ns)
{
	r->n_cpus_came++;
	r->cpu_gaps_ns += clock_now_ns() - arrival_ns;
	tasks_on_lost(r->tasks);
}

static void follow(struct recorder *r, int cpu)
{
	uint64_t now_ns = clock_now_ns(), arrival_ns = session_cpu_arrival_ns(r->session, cpu);
	int sys_errno;

	if (arrival_ns < r->opened_ns[cpu])
		return;
	/* Where it is gone again by now, its next arrival is waited for. */
	sys_errno = reopen(r, cpu);
	if (sys_errno == ENODEV)
		return;
	r->opened_ns[cpu] = now_ns;
	set_bit(&r->watched, cpu, sys_errno == 0);
	set_bit(&r->late, cpu, sys_errno != 0);
	if (sys_errno == 0)
		note_gap(r, arrival_ns);
}

void recorder_follow_cpus(struct recorder *r)
{
	uint64_t n_arrivals = session_cpu_arrivals(r->session);
	int cpu;

	if (n_arrivals == r->n_cpu_arrivals)
		return;
	r->n_cpu_arrivals = n_arrivals;
	privileges_borrow(true);
	for (cpu = 0; cpu < r->n_cpus; cpu++)
		follow(r, cpu);
	privileges_borrow(false);
}

void recorder_note_late_cpus(struct recorder *r)
{
	struct cpus online, late;
	size_t i;

	if (!cpus_read(&online, "online"))
		return;
	late = cpus_without(&online, &r->watched);
	for (i = 0; i < CPUS_MAX / 64; i++) {
		r->late.bits[i] |= late.bits[i];
		r->watched.bits[i] &= online.bits[i];
	}
}

uint64_t recorder_missed_on_cpus(const struct recorder *r)
{
	uint64_t n = (uint64_t)((double)r->cpu_gaps_ns * r->options->freq_hz / 1e9 + 0.5);

	return n > r->n_cpus_came ? n : r->n_cpus_came;
}
