/* SPDX-License-Identifier: MIT */
/*
 * A recording's events in time order. Blocks of one table follow each other in time but for some overlap, and those of
 * different tables interleave; so only the blocks that overlap at the current moment are held decoded.
 *
 * A sample and a task event stand at their time; an off-CPU interval at its end, when all about it is known; a loss at
 * the end of the time in which it happened. Events of the same time come in the order of their kinds below, then as
 * they are in the file.
 */
#ifndef STINT_ANALYZE_REPLAY_H
#define STINT_ANALYZE_REPLAY_H

#include <stdint.h>

#include "analyze/model.h"
#include "analyze/select.h"
#include "base/err.h"
#include "format/rows.h"

enum replay_kind { REPLAY_TASK, REPLAY_SAMPLE, REPLAY_OFFCPU, REPLAY_LOSS };

struct replay_event {
	uint64_t time_ns; /* CLOCK_MONOTONIC */
	enum replay_kind kind;
	union { /* the row of that kind */
		struct stint_task task;
		struct stint_sample sample;
		struct stint_offcpu offcpu; /* cut to the selection's window */
		struct stint_loss loss;
	};
};

struct replay;

/*
 * Starts at the first selected event. sel may be NULL: everything; losses are selected by time alone. Off-CPU blocks
 * are decoded once here, for where their intervals end doesn't stand in a block's header. m and sel must live longer.
 */
int replay_new(struct replay **ret, struct model *m, const struct selection *sel, struct stint_err *err);
void replay_free(struct replay *r); /* NULL is fine */

/* 1 with the next event, 0 at the end, or a negative code. Damaged blocks are left out and counted in the model. */
int replay_next(struct replay *r, struct replay_event *ret, struct stint_err *err);

/* The most blocks that were held decoded at one time, for those who measure. */
size_t replay_max_open_blocks(const struct replay *r);

#endif
