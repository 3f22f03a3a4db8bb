/* SPDX-License-Identifier: MIT */
/* The causes of losses in words. */
#ifndef STINT_ANALYZE_LOSS_H
#define STINT_ANALYZE_LOSS_H

#include <stdbool.h>
#include <stdint.h>

/* "ring-full", "below-min" …, by enum stint_loss_cause; "unknown-cause" for 0 and what is unknown
 * here. */
const char *loss_name(uint32_t cause);

/* What it means, to stand after a number: "events found no room …". */
const char *loss_meaning(uint32_t cause, bool one);

#endif
