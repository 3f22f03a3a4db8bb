/* SPDX-License-Identifier: MIT */
/* One recording, from the first check to the last row. */
#ifndef STINT_RECORD_RECORDER_H
#define STINT_RECORD_RECORDER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "format/rows.h"
#include "record/cpus.h"
#include "record/options.h"

/* What the last line says. */
struct recorder_summary {
	uint64_t samples;   /* in the file */
	uint64_t intervals; /* in the file, open ones included */
	uint64_t bytes;
	uint64_t duration_ns;
	uint64_t loss[STINT_N_LOSS_CAUSES];
	bool size_limit;    /* stopped by --max-size */
	bool targets_gone;  /* stopped because every process and thread to record has ended */
	bool command_alive; /* the command still runs */
	int command_status; /* what to exit with for the command; 0 without one */
	char cpus_offline[CPUS_TEXT_BYTES], cpus_late[CPUS_TEXT_BYTES];
	char path[4096]; /* "-" for standard output */
	/* What the recording goes without, and what to do about it; or empty. */
	char kernel_note[256], privileges_note[256];
};

/*
 * Records until the time is up, a signal asks for the end, or the command, or all of --pid and
 * --tid, have ended. SIGINT, SIGTERM, SIGCHLD and SIGPIPE are handled from here on. Returns 0, or a
 * code with a message; *ret then tells what had been recorded by that time, with an empty path when
 * nothing was.
 */
int recorder_run(const struct record_options *options, struct recorder_summary *ret, struct stint_err *err);

#endif
