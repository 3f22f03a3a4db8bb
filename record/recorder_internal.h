/* SPDX-License-Identifier: MIT */
/* What the recorder's setup and its loop share. */
#ifndef STINT_RECORD_RECORDER_INTERNAL_H
#define STINT_RECORD_RECORDER_INTERNAL_H

#include "record/batch.h"
#include "record/command.h"
#include "record/cpus.h"
#include "record/ledger.h"
#include "record/output.h"
#include "record/recorder.h"
#include "record/session.h"
#include "record/signals.h"
#include "record/translate.h"
#include "record/unwind_tables.h"

struct recorder {
	const struct record_options *options;
	struct output output;
	struct stint_writer *writer;
	struct tasks *tasks;
	struct kernel_syms *kernel;
	struct sideband *sideband;
	struct session *session;
	struct unwind_tables *unwind; /* NULL with frame pointers alone */
	struct windows *windows;
	struct stacks *stacks;
	struct asleep *asleep;
	struct translate translate;
	struct ledger ledger;
	struct batch batch;
	struct command command;
	struct signals signals;
	/* CPUs that were online when last seen, and are recorded; present ones that were not online at the start; and
	 * those that have come since, where nothing could be opened. */
	struct cpus watched, offline, late;
	int n_cpus;
	uint64_t *opened_ns;		   /* by CPU: when what is open there was opened, or a little before */
	uint64_t n_cpu_arrivals;	   /* session_cpu_arrivals, as far as they were followed */
	uint64_t n_cpus_came, cpu_gaps_ns; /* while recording; for how long they were not recorded, in all */
	struct stint_err *err;		   /* of the callback that is running */
	int callback_status;
	size_t round_bytes; /* that the ring held in this round, or in the last one */
	uint64_t flushed_ns;
	uint64_t jit_polled_ns;
	uint64_t stacks_forgotten_ns;
	uint64_t targets_checked_ns;
	uint64_t n_flushes;
	uint64_t rows_at_flush;	   /* of all tables */
	uint64_t windows_at_flush; /* their bytes */
	uint64_t samples_at_flush, offcpu_at_flush;
	bool stop;
	bool size_limit;
	bool targets_gone;
};

/*
 * Opens the output and everything behind it, attaches the programs and gives up privileges. Nothing
 * is recorded yet. After a failure, *r holds what had been opened.
 */
int recorder_open(struct recorder *r, struct stint_err *err);

/* Every now and then, stops a recording that has nothing left to record. */
void recorder_check_targets(struct recorder *r);

/* recorder_cpus.c: the CPUs there are before anything is opened on them; *r holds what was allocated. */
int recorder_note_cpus(struct recorder *r, struct stint_err *err);

/* Opens anew what has ended on CPUs that have come online since the last time. */
void recorder_follow_cpus(struct recorder *r);

/* Notes CPUs that are online and not recorded. */
void recorder_note_late_cpus(struct recorder *r);

/* Samples that may have been missed on CPUs that came online, estimated; at least one for each time. */
uint64_t recorder_missed_on_cpus(const struct recorder *r);

/*
 * recorder_sums.c: what was seen, and what was lost. recorder_note_losses begins a new period of the ledger;
 * recorder_note_size_limit comes behind it, at the end.
 */
int recorder_note_losses(struct recorder *r, const struct event_counters *n, struct stint_err *err);
int recorder_note_size_limit(struct recorder *r, const struct event_counters *n, struct stint_err *err);
int recorder_write_totals(struct recorder *r, const struct event_counters *n, bool final, struct stint_err *err);

/*
 * The intervals that the totals promise: those that ended. At the end that is all that began and were not written as
 * open ones, so that an interval that got lost on its way would show, and open ones for which there was no room count,
 * too.
 */
uint64_t recorder_offcpu_seen(const struct recorder *r, const struct event_counters *n, bool final);

#endif
