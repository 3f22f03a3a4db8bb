/* SPDX-License-Identifier: MIT */
/* What the tests of analysis share: a made-up recording in memory, as a model. */
#ifndef STINT_TESTS_ANALYZE_UTIL_H
#define STINT_TESTS_ANALYZE_UTIL_H

#include "analyze/functions.h"
#include "analyze/labels.h"
#include "analyze/model.h"
#include "base/buf.h"
#include "tests/tools/random_recording.h"

static inline int util_write(void *context, const void *data, size_t size, struct stint_err *err)
{
	(void)err;
	stint_buf_bytes(context, data, size);
	return stint_buf_status(context);
}

/* A random recording's bytes, in a buffer to be freed with stint_buf_done. */
static inline struct stint_buf util_recording(const struct random_recording *r)
{
	struct stint_buf buf;

	stint_buf_init(&buf, (size_t)1 << 30);
	random_recording_write(r, (struct stint_sink){util_write, &buf});
	return buf;
}

/* A model with all that is needed to make tables of it. */
struct util_model {
	struct stint_buf bytes;
	struct model *m;
	struct symbolizer *symbolizer;
	struct functions functions;
	struct labels labels;
};

static inline void util_model_init(struct util_model *u, const struct random_recording *r)
{
	struct symbolizer_options options = {.inlines = true};

	u->bytes = util_recording(r);
	RANDOM_MUST(model_open_memory(&u->m, u->bytes.data, u->bytes.len, err));
	RANDOM_MUST(model_symbolizer(u->m, &options, &u->symbolizer, err));
	RANDOM_MUST(functions_init(&u->functions, u->m, u->symbolizer, err));
	RANDOM_MUST(labels_init(&u->labels, u->m, err));
}

static inline void util_model_done(struct util_model *u)
{
	labels_done(&u->labels);
	functions_done(&u->functions);
	symbolizer_free(u->symbolizer);
	model_free(u->m);
	stint_buf_done(&u->bytes);
}

#endif
