/* SPDX-License-Identifier: MIT */
/* From a recording to a flame graph: the selected events' stacks under the names of their threads. */
#ifndef STINT_ANALYZE_FLAME_BUILD_H
#define STINT_ANALYZE_FLAME_BUILD_H

#include "analyze/flame.h"
#include "analyze/metrics.h"
#include "analyze/model.h"
#include "analyze/notes.h"
#include "analyze/select.h"

struct flame_request {
	struct model *m;
	struct symbolizer *symbolizer;
	enum view view;
	enum metric by; /* one that adds up: not METRIC_MAX */
	const char *file;
	const struct select_spec *spec;
	bool lines; /* functions at different lines are different */
};

#define FLAME_MAX_FACTS 5

struct flame_result {
	struct flame flame;
	struct notes notes;
	struct flame_text text; /* its strings are in here */
	struct stint_arena arena;
	const char *facts[FLAME_MAX_FACTS];
	const char **note_texts;
};

/* Fills *ret, which needs no initialization. Fails as tally_collect does; call flame_result_done in any case. */
int flame_build(struct flame_result *ret, const struct flame_request *request, struct stint_err *err);
void flame_result_done(struct flame_result *result); /* NULL and zeroed are fine */

#endif
