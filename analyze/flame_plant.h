/* SPDX-License-Identifier: MIT */
/* From sums by thread name and stack to the flame graph's tree. */
#ifndef STINT_ANALYZE_FLAME_PLANT_H
#define STINT_ANALYZE_FLAME_PLANT_H

#include "analyze/flame.h"
#include "analyze/functions.h"
#include "analyze/tally.h"

/*
 * Fills *ret, which needs no initialization, from a tally by TALLY_COMM_STACK, without the rows in
 * which the metric is 0. STINT_ERR_NOMEM; STINT_ERR_LIMIT past FLAME_MAX_NODES. Call flame_done in
 * any case.
 */
int flame_plant(struct flame *ret, const struct tally *tally, struct functions *functions, enum metric by,
		struct stint_err *err);

#endif
