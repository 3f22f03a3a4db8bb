/* SPDX-License-Identifier: MIT */
#include "analyze/metrics_json.h"

void json_metrics(struct json *j, enum view view, const struct metrics *self, const struct metrics *total)
{
	enum metric metrics[N_METRICS];
	int i, n = view_metrics(view, metrics);

	if (view == VIEW_ON_CPU) {
		json_key_u64(j, "self", self->v[METRIC_SAMPLES]);
		json_key_u64(j, "total", total->v[METRIC_SAMPLES]);
		return;
	}
	for (i = 0; i < n; i++) {
		json_key(j, metric_key(metrics[i]));
		json_object_begin(j);
		json_key_u64(j, "self", self->v[metrics[i]]);
		json_key_u64(j, "total", total->v[metrics[i]]);
		json_object_end(j);
	}
}
