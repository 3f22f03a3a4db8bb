/* SPDX-License-Identifier: MIT */
#include "record/recorder_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "record/clock.h"
#include "record/facts.h"
#include "record/privileges.h"

#define POLL_MS		      10
#define BUSY_POLL_MS	      2
/* A round that brought more than this is followed by the next one sooner. */
#define BUSY_BYTES	      (640u << 10)
/* A program on another CPU may have taken its time a little before the round, and be sending its
 * event only now. */
#define SETTLE_NS	      2000000ull
#define EXPIRE_AFTER_NS	      2000000000ull
#define JIT_POLL_NS	      100000000ull
#define STALE_STACKS_NS	      200000000ull /* between stacks being forgotten for new code at old addresses */
/* For --max-size: what a row may take at most, and what a flush may write besides. */
#define ROW_BYTES_MAX	      48u
#define MARGIN_BYTES	      (8u << 10)
#define CHECK_SIZE_EVERY      64u	 /* events: each may bring a stack */
#define MAX_WINDOW_BYTES      (4u << 20) /* of copied stacks, held at a time */
#define INDEX_BYTES_PER_FLUSH (10 * 48u)

static uint64_t rows_written(const struct recorder *r)
{
	uint64_t n = 0;
	int table;

	for (table = 1; table < STINT_INDEX; table++)
		n += stint_writer_rows(r->writer, (enum stint_table)table);
	return n;
}

static int on_asleep(void *context, const struct event_task *task, struct stint_err *err)
{
	struct recorder *r = context;

	return translate_asleep(&r->translate, task, err);
}

/* Threads off the CPU now, with the mappings of now. */
static int list_asleep(struct recorder *r, struct stint_err *err)
{
	int rc = sideband_drain(r->sideband, err);

	if (rc == 0)
		rc = sideband_apply(r->sideband, clock_now_ns(), r->tasks, err);
	return rc ? rc : session_list(r->session, on_asleep, r, err);
}

static int recorder_begin(struct recorder *r, struct stint_err *err)
{
	const char *source, *unit;
	int rc;

	/* Once before, for those that come back at once, and once after, for those that have just
	 * gone to sleep. */
	rc = list_asleep(r, err);
	r->translate.start_ns = clock_now_ns();
	session_begin(r->session, r->translate.start_ns);
	if (rc == 0)
		rc = list_asleep(r, err);
	r->translate.listed_ns = clock_now_ns();
	r->ledger.to_ns = r->translate.start_ns;
	r->flushed_ns = r->translate.start_ns;
	source = session_source(r->session, &unit);
	if (rc == 0 && source)
		rc = facts_source(r->writer, source, unit, r->options->freq_hz, &r->translate.source, err);
	if (rc == 0)
		rc = facts_begin(r->writer, r->options, r->translate.start_ns, err);
	if (rc == 0)
		rc = facts_cpus(r->writer, "cpus_offline", &r->offline, err);
	if (rc == 0)
		rc = stint_writer_flush(r->writer, err);
	if (rc == 0 && r->options->command)
		rc = command_release(&r->command, err);
	return rc;
}

/* The round has to be interrupted, for what it has brought so far to be written. */
static bool holds_much(const struct recorder *r)
{
	return batch_full(&r->batch) || stacks_window_bytes(r->stacks) > MAX_WINDOW_BYTES;
}

/*
 * A ring event: stacks are taken in at once, the rest waits for its turn, and so do copied stacks, which need their
 * process's mappings of that time. Nonzero ends the round.
 */
static int on_ring_event(void *context, const void *event, size_t size)
{
	const struct event_header *header = event;
	struct recorder *r = context;

	r->round_bytes += size;
	if (size >= sizeof(*header) && header->type == EVENT_STACK)
		r->callback_status = stacks_add(r->stacks, event, size, r->err);
	if (r->callback_status == 0 && (header->type != EVENT_STACK || header->flags & EVENT_STACK_WINDOW))
		r->callback_status = batch_add(&r->batch, event, size, r->err);
	return r->callback_status || holds_much(r);
}

static int flush(struct recorder *r, struct stint_err *err)
{
	struct event_counters counters;
	int rc = session_counters(r->session, &counters, err);

	if (rc == 0)
		rc = windows_settle(r->windows, clock_now_ns() - r->options->flush_ns, err);
	if (rc == 0)
		rc = recorder_note_losses(r, &counters, err);
	if (rc == 0)
		rc = recorder_write_totals(r, &counters, false, err);
	if (rc == 0)
		rc = tasks_read_jit(r->tasks, JIT_READ_ALL, err);
	if (rc == 0)
		rc = tasks_write_names(r->tasks, false, err);
	if (rc == 0)
		rc = facts_clock(r->writer, err);
	recorder_note_late_cpus(r);
	if (rc == 0)
		rc = stint_writer_flush(r->writer, err);
	r->flushed_ns = clock_now_ns();
	r->n_flushes++;
	if (rc)
		return rc;
	r->rows_at_flush = rows_written(r);
	r->windows_at_flush = windows_written_bytes(r->windows);
	r->samples_at_flush = stint_writer_rows(r->writer, STINT_SAMPLE);
	r->offcpu_at_flush = stint_writer_rows(r->writer, STINT_OFFCPU);
	tasks_expire(r->tasks, r->flushed_ns - EXPIRE_AFTER_NS);
	return 0;
}

/* Would the file, with all that is pending and its end, pass the limit? Then pending rows are
 * written now. */
static int check_size(struct recorder *r, struct stint_err *err)
{
	uint64_t max = r->options->max_bytes, reserve;
	int rc;

	if (max == 0)
		return 0;
	reserve = OUTPUT_RESERVE_BYTES + MARGIN_BYTES + r->n_flushes * INDEX_BYTES_PER_FLUSH;
	if (stint_writer_size_bytes(r->writer) + reserve + (rows_written(r) - r->rows_at_flush) * ROW_BYTES_MAX +
		    (windows_written_bytes(r->windows) - r->windows_at_flush) + windows_unwritten_bytes(r->windows) <
	    max)
		return 0;
	/* Those that wait are written, too: at the end there would be no room for them. */
	rc = windows_settle(r->windows, UINT64_MAX, err);
	if (rc == 0)
		rc = flush(r, err);
	if (rc == 0 && stint_writer_size_bytes(r->writer) + reserve + MARGIN_BYTES >= max) {
		r->size_limit = true;
		r->stop = true;
	}
	return rc;
}

/* Translates the events up to that time, each after what the kernel reported of tasks before it. */
static int apply(struct recorder *r, uint64_t until_ns, struct stint_err *err)
{
	size_t i;
	int rc = 0;

	batch_sort(&r->batch);
	for (i = 0; i < r->batch.n && rc == 0 && !r->size_limit; i++) {
		const struct event_header *event = &r->batch.events[i].h;

		if (event->time_ns > until_ns)
			break;
		rc = sideband_apply(r->sideband, event->time_ns, r->tasks, err);
		if (rc == 0)
			rc = translate_event(&r->translate, event, err);
		if (rc == 0 && (i % CHECK_SIZE_EVERY == CHECK_SIZE_EVERY - 1 || event->type == EVENT_STACK))
			rc = check_size(r, err);
	}
	batch_remove(&r->batch, i);
	if (rc == 0)
		rc = sideband_apply(r->sideband, until_ns, r->tasks, err);
	return rc;
}

static int on_still_asleep(void *context, const struct event_task *task, struct stint_err *err)
{
	struct recorder *r = context;
	int rc = task->tracked ? stacks_keep(r->stacks, task->user_stack, err) : 0;

	return rc ? rc : stacks_keep(r->stacks, task->waker_user_stack, err);
}

/* Forgets stacks, on both sides, but for those that threads off the CPU will name once they are
 * back. */
static int forget_stacks(struct recorder *r, struct stint_err *err)
{
	int rc = session_forget_stacks(r->session, err);

	stacks_rotate(r->stacks);
	return rc ? rc : session_list(r->session, on_still_asleep, r, err);
}

/*
 * Stacks are known by their addresses. Where a process has loaded other code at the same ones, they must come anew; a
 * process that does so all the time has to wait.
 */
static bool stacks_are_stale(struct recorder *r, uint64_t now_ns)
{
	if (now_ns - r->stacks_forgotten_ns < STALE_STACKS_NS || !tasks_code_replaced(r->tasks))
		return false;
	r->stacks_forgotten_ns = now_ns;
	return true;
}

/* One round: everything that was in the ring when it began is in the file's hands, or waits in the
 * batch to settle. */
static int drain(struct recorder *r, uint64_t settle_ns, struct stint_err *err)
{
	uint64_t began_ns = clock_now_ns(), until_ns;
	bool more;
	int rc;

	r->round_bytes = 0;
	r->err = err;
	do {
		r->callback_status = 0;
		(void)session_drain(r->session, on_ring_event, r);
		if (r->callback_status)
			return r->callback_status;
		more = holds_much(r);
		rc = sideband_drain(r->sideband, err);
		if (rc)
			return rc;
		until_ns = began_ns - settle_ns;
		/* A full batch has to make room: its older half goes, settled or not. */
		if (more) {
			batch_sort(&r->batch);
			if (r->batch.n && r->batch.events[r->batch.n / 2].h.time_ns > until_ns)
				until_ns = r->batch.events[r->batch.n / 2].h.time_ns;
		}
		rc = apply(r, until_ns, err);
		if (rc)
			return rc;
	} while (more && !r->size_limit);
	rc = windows_settle(r->windows, 0, err);
	if (rc)
		return rc;
	return stacks_full(r->stacks) || stacks_are_stale(r, began_ns) ? forget_stacks(r, err) : 0;
}

static void take_signals(struct recorder *r)
{
	struct signal_taken taken;

	while (signals_take(&r->signals, &taken)) {
		/* With a command, the first one is the command's; a terminal has sent it there
		 * itself. */
		if (r->options->command && !r->command.ended && r->signals.n_stops == 1) {
			if (!taken.from_terminal)
				command_signal(&r->command, taken.number);
			continue;
		}
		r->stop = true;
	}
}

/* What replaces a function at its address is noticed soon, so that events have the name of their time. */
static int poll_jit(struct recorder *r, struct stint_err *err)
{
	uint64_t now = clock_now_ns();

	if (now - r->jit_polled_ns < JIT_POLL_NS)
		return 0;
	r->jit_polled_ns = now;
	return tasks_read_jit(r->tasks, JIT_READ_GROWN, err);
}

static int recorder_loop(struct recorder *r, struct stint_err *err)
{
	uint64_t now, end_ns = r->options->duration_ns ? r->translate.start_ns + r->options->duration_ns : UINT64_MAX;
	int rc = 0, wait_ms = POLL_MS;

	while (rc == 0 && !r->stop) {
		now = clock_now_ns();
		if (now >= end_ns)
			break;
		if (end_ns - now < (uint64_t)wait_ms * 1000000)
			wait_ms = (int)((end_ns - now) / 1000000) + 1;
		signals_wait(&r->signals, wait_ms);
		take_signals(r);
		if (r->options->command && command_ended(&r->command))
			r->stop = true;
		recorder_check_targets(r);
		recorder_follow_cpus(r);
		rc = drain(r, SETTLE_NS, err);
		wait_ms = r->round_bytes > BUSY_BYTES ? BUSY_POLL_MS : POLL_MS;
		if (rc == 0 && clock_now_ns() - r->flushed_ns >= r->options->flush_ns)
			rc = flush(r, err);
		else if (rc == 0)
			rc = poll_jit(r, err);
		if (rc == 0)
			rc = check_size(r, err);
	}
	return rc;
}

static int on_open_end(void *context, const struct event_task *task, struct stint_err *err)
{
	struct recorder *r = context;
	int rc;

	if (r->size_limit)
		return 0;
	rc = translate_open_end(&r->translate, task, err);
	return rc ? rc : check_size(r, err);
}

static int on_left_out_end(void *context, const struct event_task *task, struct stint_err *err)
{
	struct recorder *r = context;

	return translate_left_out_end(&r->translate, task, err);
}

static int on_left_out(void *context, const void *event, size_t size)
{
	struct recorder *r = context;

	(void)size;
	translate_left_out(&r->translate, event);
	return 0;
}

/* Past the size limit, and everything stands still: what is still to come is no row, but must be
 * right in the sums. */
static int leave_out(struct recorder *r, struct stint_err *err)
{
	size_t i;

	for (i = 0; i < r->batch.n; i++)
		translate_left_out(&r->translate, &r->batch.events[i].h);
	(void)session_drain(r->session, on_left_out, r);
	return session_list(r->session, on_left_out_end, r, err);
}

/* Nothing begins any more; what is under way is handed over, once; then the sums are drawn. */
static int recorder_end(struct recorder *r, struct stint_err *err)
{
	struct event_counters counters;
	int rc = 0;

	signals_release(&r->signals);
	r->output.ending = true;
	session_stop(r->session);
	r->translate.end_ns = clock_now_ns();
	if (!r->size_limit) {
		rc = drain(r, 0, err);
		if (rc == 0)
			rc = session_list(r->session, on_open_end, r, err);
	}
	session_detach(r->session);
	if (rc == 0 && !r->size_limit)
		rc = drain(r, 0, err);
	if (rc == 0 && !r->size_limit)
		rc = apply(r, UINT64_MAX, err);
	if (rc == 0 && r->size_limit)
		rc = leave_out(r, err);
	if (rc == 0)
		rc = windows_settle(r->windows, UINT64_MAX, err);
	if (rc == 0)
		rc = session_counters(r->session, &counters, err);
	if (rc == 0)
		rc = recorder_note_losses(r, &counters, err);
	if (rc == 0)
		rc = recorder_note_size_limit(r, &counters, err);
	if (rc == 0)
		rc = recorder_write_totals(r, &counters, true, err);
	if (rc == 0 && !r->size_limit)
		rc = tasks_read_jit(r->tasks, JIT_READ_LAST, err);
	if (rc == 0 && !r->size_limit)
		rc = tasks_write_names(r->tasks, true, err);
	if (rc == 0)
		rc = facts_clock(r->writer, err);
	recorder_note_late_cpus(r);
	if (rc == 0)
		rc = facts_cpus(r->writer, "cpus_late", &r->late, err);
	if (rc == 0)
		rc = facts_end(r->writer, r->translate.end_ns, err);
	if (rc == 0)
		rc = stint_writer_finish(r->writer, err);
	return rc;
}

/* The output failed: what was seen and isn't in the file for sure, the last line tells instead of
 * the ledger. */
static void count_unwritten(struct recorder *r, struct recorder_summary *ret)
{
	struct event_counters n;
	uint64_t seen, told;

	session_stop(r->session);
	session_detach(r->session);
	ret->samples = r->samples_at_flush;
	ret->intervals = r->offcpu_at_flush;
	if (session_counters(r->session, &n, NULL))
		return;
	seen = n.samples + recorder_offcpu_seen(r, &n, false);
	told = ret->samples + n.sample_ring_full + ret->intervals + n.offcpu_ring_full + n.offcpu_no_storage +
	       n.offcpu_below_min;
	/* Open intervals are in the file, but not among those that ended. */
	ret->loss[STINT_LOSS_OUTPUT] = seen > told ? seen - told : 0;
}

static void summarize(struct recorder *r, struct recorder_summary *ret)
{
	size_t i;

	if (!r->writer)
		return;
	ret->samples = stint_writer_rows(r->writer, STINT_SAMPLE);
	ret->intervals = stint_writer_rows(r->writer, STINT_OFFCPU);
	ret->bytes = stint_writer_size_bytes(r->writer);
	if (r->translate.start_ns)
		ret->duration_ns = (r->translate.end_ns ? r->translate.end_ns : clock_now_ns()) - r->translate.start_ns;
	for (i = 0; i < STINT_N_LOSS_CAUSES; i++)
		ret->loss[i] = ledger_total(&r->ledger, (enum stint_loss_cause)i);
	ret->size_limit = r->size_limit;
	ret->targets_gone = r->targets_gone;
	if (r->kernel && kernel_syms_warning(r->kernel))
		snprintf(ret->kernel_note, sizeof(ret->kernel_note), "%s", kernel_syms_warning(r->kernel));
	(void)privileges_missed(ret->privileges_note, sizeof(ret->privileges_note));
	(void)cpus_text(&r->offline, ret->cpus_offline);
	(void)cpus_text(&r->late, ret->cpus_late);
	snprintf(ret->path, sizeof(ret->path), "%s", r->output.path);
}

static void recorder_done(struct recorder *r)
{
	unwind_tables_free(r->unwind);
	session_free(r->session);
	sideband_free(r->sideband);
	batch_done(&r->batch);
	translate_done(&r->translate);
	asleep_free(r->asleep);
	stacks_free(r->stacks);
	windows_free(r->windows);
	kernel_syms_free(r->kernel);
	tasks_free(r->tasks);
	stint_writer_free(r->writer);
	command_done(&r->command);
	signals_done(&r->signals);
	free(r->opened_ns);
}

int recorder_run(const struct record_options *options, struct recorder_summary *ret, struct stint_err *err)
{
	struct recorder *r = calloc(1, sizeof(*r));
	bool begun;
	int rc, close_rc;

	memset(ret, 0, sizeof(*ret));
	if (!r)
		return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory for the recorder");
	r->options = options;
	r->output.fd = -1;
	rc = recorder_open(r, err);
	if (rc == 0)
		rc = recorder_begin(r, err);
	if (rc == 0)
		rc = output_publish(&r->output, err);
	signals_begun();
	/* A directory of somebody else takes rights that only root has, and only until now. */
	if (rc == 0)
		rc = privileges_drop(true, err);
	begun = rc == 0;
	if (rc == 0)
		rc = recorder_loop(r, err);
	if (rc == 0)
		rc = recorder_end(r, err);
	summarize(r, ret);
	if (rc && begun)
		count_unwritten(r, ret);
	if (options->command && r->command.pid) {
		ret->command_alive = !command_ended(&r->command);
		ret->command_status = ret->command_alive ? 0 : command_exit_status(&r->command);
	}
	recorder_done(r);
	/* A recording that never began is no file worth keeping. */
	close_rc = output_close(&r->output, rc ? NULL : err);
	if (!begun)
		ret->path[0] = 0;
	free(r);
	return rc ? rc : close_rc;
}
