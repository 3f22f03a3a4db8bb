/* SPDX-License-Identifier: MIT */
#include "record/ledger.h"

static size_t slot_of(uint32_t table)
{
	return table == STINT_SAMPLE ? 0 : table == STINT_OFFCPU ? 1 : 2;
}

void ledger_period(struct ledger *ledger, uint64_t now_ns)
{
	ledger->from_ns = ledger->to_ns;
	ledger->to_ns = now_ns;
}

int ledger_note(struct ledger *ledger, enum stint_loss_cause cause, uint32_t table, uint64_t total,
		struct stint_err *err)
{
	uint64_t *noted = &ledger->noted[cause][slot_of(table)];
	struct stint_loss row = {.from_ns = ledger->from_ns, .to_ns = ledger->to_ns, .cause = cause, .table = table};

	if (total <= *noted)
		return 0;
	row.count = total - *noted;
	*noted = total;
	return stint_writer_add(ledger->writer, STINT_LOSS, &row, err);
}

uint64_t ledger_total(const struct ledger *ledger, enum stint_loss_cause cause)
{
	return ledger->noted[cause][0] + ledger->noted[cause][1] + ledger->noted[cause][2];
}

const char *ledger_cause_name(enum stint_loss_cause cause)
{
	static const char *const names[STINT_N_LOSS_CAUSES] = {
		[STINT_LOSS_RING_FULL] = "events that found the ring full",
		[STINT_LOSS_NO_STORAGE] = "intervals for want of kernel memory",
		[STINT_LOSS_BELOW_MIN] = "intervals below --off-cpu=MIN, left out on request",
		[STINT_LOSS_STACK] = "stacks",
		[STINT_LOSS_TASK_EVENT] = "fork, exec, exit and mmap records",
		[STINT_LOSS_THROTTLED] = "samples that the kernel throttled (estimated)",
		[STINT_LOSS_SIZE_LIMIT] = "events past --max-size",
		[STINT_LOSS_OUTPUT] = "events after the output failed",
		[STINT_LOSS_MODULE] = "modules' build IDs",
		[STINT_LOSS_REPAIRED] = "repaired rows",
		[STINT_LOSS_CUT_OFF] = "stacks of threads that slept at the start",
		[STINT_LOSS_WINDOW] = "copies of stacks while unwind tables were being loaded",
		[STINT_LOSS_UNWIND] = "unwind tables: no memory, or files too large",
		[STINT_LOSS_CPU] = "samples, and what processes did, on CPUs that came online (estimated)",
	};

	return names[cause];
}
