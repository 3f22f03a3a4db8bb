/* SPDX-License-Identifier: MIT */
#include "analyze/loss.h"

#include "format/rows.h"

static const struct {
	const char *name, *one, *many;
} causes[STINT_N_LOSS_CAUSES] = {
	[0] = {"unknown-cause", "loss of a kind that is unknown to this version",
	       "losses of kinds that are unknown to this version"},
	[STINT_LOSS_RING_FULL] = {"ring-full", "event was lost: the ring between kernel and recorder was full",
				  "events were lost: the ring between kernel and recorder was full"},
	[STINT_LOSS_NO_STORAGE] = {"no-storage", "event was lost: the kernel had no memory for a thread's state",
				   "events were lost: the kernel had no memory for a thread's state"},
	[STINT_LOSS_BELOW_MIN] = {"below-min", "interval was left out on request: shorter than --off-cpu=MIN",
				  "intervals were left out on request: shorter than --off-cpu=MIN"},
	[STINT_LOSS_STACK] = {"stack", "event is there without its stack, which was lost",
			      "events are there without their stacks, which were lost"},
	[STINT_LOSS_TASK_EVENT] = {"task-event",
				   "fork, exec, exit or mmap record was dropped by the kernel: "
				   "names or files may be missing",
				   "fork, exec, exit or mmap records were dropped by the kernel: "
				   "names or files may be missing"},
	[STINT_LOSS_THROTTLED] = {"throttled", "sample was throttled by the kernel (estimated from how long it did)",
				  "samples were throttled by the kernel (estimated from how long it did)"},
	[STINT_LOSS_SIZE_LIMIT] = {"size-limit", "event was not written: --max-size was reached",
				   "events were not written: --max-size was reached"},
	[STINT_LOSS_OUTPUT] = {"output", "event was not written: the output failed",
			       "events were not written: the output failed"},
	[STINT_LOSS_MODULE] = {"module", "file's build ID could not be read", "files' build IDs could not be read"},
	[STINT_LOSS_REPAIRED] = {"repaired", "row, or block of unknown rows, was left out by a repair",
				 "rows, or blocks of unknown rows, were left out by a repair"},
	[STINT_LOSS_CUT_OFF] = {"cut-off", "thread was off the CPU at the start, and its stack could not be read",
				"threads were off the CPU at the start, and their stacks could not be read"},
	[STINT_LOSS_WINDOW] =
		{"window", "stack may be cut short: it came before a file's unwind table, and could not be copied",
		 "stacks may be cut short: they came before files' unwind tables, and could not be copied"},
	[STINT_LOSS_UNWIND] =
		{"unwind",
		 "unwind table was left out for want of memory (--unwind-memory), or since its file is too large: "
		 "stacks are cut short",
		 "unwind tables were left out for want of memory (--unwind-memory), or since their files are too "
		 "large: stacks are cut short"},
	[STINT_LOSS_CPU] = {"cpu-came",
			    "sample, and what processes did, may be missing: a CPU came online (estimated from how "
			    "long it took to notice)",
			    "samples, and what processes did, may be missing: CPUs came online (estimated from how "
			    "long it took to notice)"},
};

const char *loss_name(uint32_t cause)
{
	return causes[cause < STINT_N_LOSS_CAUSES ? cause : 0].name;
}

const char *loss_meaning(uint32_t cause, bool one)
{
	if (cause >= STINT_N_LOSS_CAUSES)
		cause = 0;
	return one ? causes[cause].one : causes[cause].many;
}
