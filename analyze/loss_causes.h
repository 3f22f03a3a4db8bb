/* SPDX-License-Identifier: MIT */
/* The causes of loss (enum stint_loss_cause) by name, the same in every output. */
#ifndef STINT_ANALYZE_LOSS_CAUSES_H
#define STINT_ANALYZE_LOSS_CAUSES_H

#include <stdint.h>

/* For machines: "ring_full", "stack" …; "unknown" for 0 and for causes that this version doesn't know. */
const char *loss_cause_key(uint32_t cause);

/*
 * For people, to be put behind "N ": "events lost: the ring to user space was full". Without a full stop; says nothing
 * about which table is concerned.
 */
const char *loss_cause_text(uint32_t cause);

#endif
