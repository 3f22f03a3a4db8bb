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

/* Gives up every capability that is only needed to start recording. */
int privileges_drop(struct stint_err *err);

#endif
