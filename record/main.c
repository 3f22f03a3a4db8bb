/* SPDX-License-Identifier: MIT */
/* stint-record: the command line, the last line, the exit status. */
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

#include "record/ledger.h"
#include "record/options.h"
#include "record/recorder.h"

static void print_losses(const struct recorder_summary *sum)
{
	const char *separator = "; lost: ";
	size_t i;

	for (i = 0; i < STINT_N_LOSS_CAUSES; i++) {
		if (sum->loss[i] == 0)
			continue;
		fprintf(stderr, "%s%" PRIu64 " %s", separator, sum->loss[i],
			ledger_cause_name((enum stint_loss_cause)i));
		separator = ", ";
	}
	if (separator[0] == ';')
		fputs("; nothing lost", stderr);
}

/* The last line: what was recorded, and what was lost. */
static void print_summary(const struct recorder_summary *sum)
{
	fprintf(stderr,
		"stint-record: %" PRIu64 " samples and %" PRIu64 " off-CPU intervals in %.1f s, %" PRIu64
		" bytes in %s",
		sum->samples, sum->intervals, (double)sum->duration_ns / 1e9, sum->bytes, sum->path);
	print_losses(sum);
	if (sum->size_limit)
		fputs("; stopped at --max-size", stderr);
	if (sum->targets_gone)
		fputs("; every process and thread to record has ended", stderr);
	if (sum->command_alive)
		fputs("; the command still runs", stderr);
	fputc('\n', stderr);
}

/*
 * Memory goes back to the host as soon as it is free: what was large once (a file's unwind information, a burst) isn't
 * kept for the rest of the recording, as malloc would by default, and threads share what is free.
 */
static void limit_memory(void)
{
	mallopt(M_MMAP_THRESHOLD, 128 << 10);
	mallopt(M_TRIM_THRESHOLD, 256 << 10);
	mallopt(M_ARENA_MAX, 1);
}

int main(int argc, char *argv[])
{
	static struct record_options options;
	static struct recorder_summary summary;
	struct stint_err err = STINT_ERR_INIT;
	enum options_result result;
	int rc;

	limit_memory();
	rc = record_options_parse(&options, argc, argv, &result, &err);

	if (rc) {
		fprintf(stderr, "stint-record: %s; see 'stint-record --help'\n", err.msg);
		return stint_err_exit_status(rc);
	}
	if (result == OPTIONS_DONE)
		return 0;
	rc = recorder_run(&options, &summary, &err);
	if (rc)
		fprintf(stderr, "stint-record: %s\n", err.msg);
	if (summary.kernel_note[0])
		fprintf(stderr, "stint-record: %s\n", summary.kernel_note);
	if (summary.privileges_note[0])
		fprintf(stderr, "stint-record: %s\n", summary.privileges_note);
	if (summary.cpus_offline[0])
		fprintf(stderr, "stint-record: CPU %s: offline when recording began\n", summary.cpus_offline);
	if (summary.cpus_late[0])
		fprintf(stderr,
			"stint-record: CPU %s: came online while recording; samples and process "
			"events from there are missing\n",
			summary.cpus_late);
	if (summary.path[0] && (rc == 0 || summary.duration_ns))
		print_summary(&summary);
	return rc ? stint_err_exit_status(rc) : summary.command_status;
}
