/* SPDX-License-Identifier: MIT */
/* What the recorder needs from the system: said when it is missing, given up when no longer needed.
 */
#ifndef STINT_RECORD_PRIVILEGES_H
#define STINT_RECORD_PRIVILEGES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/* Writes a line that says what is missing and what to do about it. False when nothing seems to be
 * missing. */
bool privileges_explain(char *line, size_t size);

/* Writes what a recording goes without, for want of a capability that it can start without. False when it has it. */
bool privileges_missed(char *line, size_t size);

/*
 * Gives up every capability of this thread that is only needed to start recording. Those that open perf events may be
 * set aside for CPUs that come later: permitted, but without effect until they are borrowed.
 */
int privileges_drop(bool sets_aside, struct stint_err *err);

/* Takes back what was set aside, or puts it there again; what isn't there is missed by what needs it. */
void privileges_borrow(bool on);

#endif
