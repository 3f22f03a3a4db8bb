/* SPDX-License-Identifier: MIT */
/* The ways to write events one after the other. */
#ifndef STINT_ANALYZE_REPLAY_EMIT_H
#define STINT_ANALYZE_REPLAY_EMIT_H

#include <stdint.h>
#include <stdio.h>

#include "analyze/functions.h"
#include "analyze/json.h"
#include "analyze/model.h"
#include "analyze/replay.h"
#include "base/err.h"

enum stacks_mode { STACKS_LINE, STACKS_FULL, STACKS_NONE };

/* What the emitters need to know. All of it is the caller's. */
struct replay_view {
	const struct model *m;
	struct functions *functions; /* NULL with STACKS_NONE */
	enum stacks_mode stacks;
	uint32_t depth; /* functions shown of a stack, from the leaf on; 0: all */
	FILE *out;
	struct json *json; /* of the JSON emitter */
	uint64_t n_events; /* written so far, losses included */
};

/* Each returns 0 or a code; errors of out stay in out. begin and end may be NULL. */
struct replay_emitter {
	int (*begin)(struct replay_view *v, struct stint_err *err);
	int (*event)(struct replay_view *v, const struct replay_event *event, struct stint_err *err);
	int (*end)(struct replay_view *v, struct stint_err *err);
};

extern const struct replay_emitter replay_text, replay_json;

/* How many functions of n to show. */
static inline uint32_t replay_shown(const struct replay_view *v, uint32_t n)
{
	return v->depth && v->depth < n ? v->depth : n;
}

#endif
