/* SPDX-License-Identifier: MIT */
/* What events add up to, in JSON: the same keys in every command. */
#ifndef STINT_ANALYZE_METRICS_JSON_H
#define STINT_ANALYZE_METRICS_JSON_H

#include "analyze/json.h"
#include "analyze/metrics.h"

/*
 * Into the object begun: "self" and "total" samples on-CPU; off-CPU, for each of the view's metrics, an object of both.
 */
void json_metrics(struct json *j, enum view view, const struct metrics *self, const struct metrics *total);

#endif
