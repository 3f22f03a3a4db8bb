/* SPDX-License-Identifier: MIT */
/* The loss ledger: sums of what was lost so far go in, rows of what was lost since the last time
 * come out. */
#ifndef STINT_RECORD_LEDGER_H
#define STINT_RECORD_LEDGER_H

#include <stdint.h>

#include "base/err.h"
#include "format/rows.h"
#include "format/writer.h"

struct ledger {
	struct stint_writer *writer;		/* the caller's */
	uint64_t from_ns;			/* what is noted next was lost after this time … */
	uint64_t to_ns;				/* … and up to this one */
	uint64_t noted[STINT_N_LOSS_CAUSES][3]; /* of samples, intervals, anything else */
};

/* Begins a period that ends now; the one before ended where this one begins. */
void ledger_period(struct ledger *ledger, uint64_t now_ns);

/* total: how many rows of that table were lost for that cause since the recording began. Adds a
 * STINT_LOSS row if it grew. */
int ledger_note(struct ledger *ledger, enum stint_loss_cause cause, uint32_t table, uint64_t total,
		struct stint_err *err);

/* Everything noted of a cause. */
uint64_t ledger_total(const struct ledger *ledger, enum stint_loss_cause cause);

/* What it is, in a few words: "ring full". */
const char *ledger_cause_name(enum stint_loss_cause cause);

#endif
