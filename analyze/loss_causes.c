/* SPDX-License-Identifier: MIT */
#include "analyze/loss_causes.h"

#include <stddef.h>

#include "format/rows.h"

static const struct {
	const char *key, *text;
} causes[STINT_N_LOSS_CAUSES] = {
	[0] = {"unknown", "events lost for a reason that this version doesn't know"},
	[STINT_LOSS_RING_FULL] = {"ring_full", "events lost: the ring to user space was full"},
	[STINT_LOSS_NO_STORAGE] = {"no_storage", "events lost: the kernel had no memory to keep a thread's state"},
	[STINT_LOSS_BELOW_MIN] = {"below_min", "off-CPU intervals left out on request: shorter than --off-cpu=MIN"},
	[STINT_LOSS_STACK] = {"stack", "events without their stack: it was lost"},
	[STINT_LOSS_TASK_EVENT] = {"task_event", "fork, exec, comm, exit or mmap records dropped by the kernel"},
	[STINT_LOSS_THROTTLED] = {"throttled", "samples throttled by the kernel"},
	[STINT_LOSS_SIZE_LIMIT] = {"size_limit", "events not written: --max-size was reached"},
	[STINT_LOSS_OUTPUT] = {"output", "events not written: the output failed"},
	[STINT_LOSS_MODULE] = {"module", "mapped files whose build ID couldn't be read"},
	[STINT_LOSS_REPAIRED] = {"repaired", "rows left out by a repair"},
	[STINT_LOSS_CUT_OFF] = {"cut_off", "threads already off the CPU at the start whose stack couldn't be read"},
};

const char *loss_cause_key(uint32_t cause)
{
	return causes[cause < STINT_N_LOSS_CAUSES && causes[cause].key ? cause : 0].key;
}

const char *loss_cause_text(uint32_t cause)
{
	return causes[cause < STINT_N_LOSS_CAUSES && causes[cause].text ? cause : 0].text;
}
