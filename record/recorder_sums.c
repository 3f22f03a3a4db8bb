/* SPDX-License-Identifier: MIT */
/* What was seen, what is in the file, and what was lost: the ledger and the totals. */
#include "record/clock.h"
#include "record/recorder_internal.h"

/* The kernel says for how long it held samples back, not how many there would have been: an
 * estimate. */
static uint64_t throttled_samples(const struct recorder *r)
{
	uint64_t held_ns = sideband_throttled_ns(r->sideband, clock_now_ns());
	uint64_t n = (uint64_t)((double)held_ns * r->options->freq_hz / 1e9 + 0.5);
	uint64_t n_times = sideband_throttled(r->sideband);

	return n > n_times ? n : n_times;
}

/* The losses so far, as the ledger wants them. */
int recorder_note_losses(struct recorder *r, const struct event_counters *n, struct stint_err *err)
{
	const struct {
		enum stint_loss_cause cause;
		uint32_t table;
		uint64_t total;
	} losses[] = {
		{STINT_LOSS_RING_FULL, STINT_SAMPLE, n->sample_ring_full},
		{STINT_LOSS_RING_FULL, STINT_OFFCPU, n->offcpu_ring_full},
		{STINT_LOSS_NO_STORAGE, STINT_OFFCPU, n->offcpu_no_storage},
		{STINT_LOSS_BELOW_MIN, STINT_OFFCPU, n->offcpu_below_min},
		{STINT_LOSS_STACK, STINT_SAMPLE, r->translate.samples_without_stack},
		{STINT_LOSS_STACK, STINT_OFFCPU, r->translate.offcpu_without_stack},
		{STINT_LOSS_TASK_EVENT, STINT_TASK, sideband_lost(r->sideband) + n->target_full},
		{STINT_LOSS_THROTTLED, STINT_SAMPLE, throttled_samples(r)},
		{STINT_LOSS_MODULE, STINT_MODULE, tasks_unreadable_modules(r->tasks)},
		{STINT_LOSS_CUT_OFF, STINT_OFFCPU, r->translate.cut_off},
		{STINT_LOSS_UNWIND, STINT_MODULE, unwind_tables_left_out(r->unwind)},
		{STINT_LOSS_WINDOW, STINT_WINDOW, n->windows_left_out},
		{STINT_LOSS_CPU, 0, recorder_missed_on_cpus(r)},
	};
	size_t i;
	int rc = 0;

	ledger_period(&r->ledger, clock_now_ns());
	for (i = 0; i < sizeof(losses) / sizeof(losses[0]) && rc == 0; i++)
		rc = ledger_note(&r->ledger, losses[i].cause, losses[i].table, losses[i].total, err);
	return rc;
}

uint64_t recorder_offcpu_seen(const struct recorder *r, const struct event_counters *n, bool final)
{
	const struct translate *tr = &r->translate;

	if (!final)
		return n->offcpu_ended - tr->offcpu_ignored;
	return n->offcpu + tr->offcpu_listed - tr->offcpu_ignored - tr->offcpu_open;
}

int recorder_write_totals(struct recorder *r, const struct event_counters *n, bool final, struct stint_err *err)
{
	struct stint_total row = {.time_ns = clock_now_ns(), .final = final, .table = STINT_SAMPLE, .seen = n->samples};
	int rc = stint_writer_add(r->writer, STINT_TOTAL, &row, err);

	row.table = STINT_OFFCPU;
	row.seen = recorder_offcpu_seen(r, n, final);
	return rc ? rc : stint_writer_add(r->writer, STINT_TOTAL, &row, err);
}

/* Past the size limit events are only counted: everything that the totals have and the file
 * doesn't. */
int recorder_note_size_limit(struct recorder *r, const struct event_counters *n, struct stint_err *err)
{
	uint64_t samples = stint_writer_rows(r->writer, STINT_SAMPLE) + n->sample_ring_full;
	uint64_t offcpu = stint_writer_rows(r->writer, STINT_OFFCPU) - r->translate.offcpu_open + n->offcpu_ring_full +
			  n->offcpu_no_storage + n->offcpu_below_min;
	uint64_t seen = recorder_offcpu_seen(r, n, true);
	int rc = 0;

	if (!r->size_limit)
		return 0;
	if (n->samples > samples)
		rc = ledger_note(&r->ledger, STINT_LOSS_SIZE_LIMIT, STINT_SAMPLE, n->samples - samples, err);
	if (rc == 0 && seen > offcpu)
		rc = ledger_note(&r->ledger, STINT_LOSS_SIZE_LIMIT, STINT_OFFCPU, seen - offcpu, err);
	return rc;
}
