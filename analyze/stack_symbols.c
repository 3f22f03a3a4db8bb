/* SPDX-License-Identifier: MIT */
#include "analyze/stack_symbols.h"

#include <stdlib.h>
#include <string.h>

#include "format/layout.h"

static int reserve(struct stack_symbols *out, uint32_t n, struct stint_err *err)
{
	struct stack_symbol *grown;
	uint32_t cap = out->cap ? out->cap : 64;

	if (n <= out->cap)
		return 0;
	while (cap < n)
		cap *= 2;
	grown = realloc(out->at, cap * sizeof(*grown));
	if (!grown)
		return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory for a stack's functions");
	out->at = grown;
	out->cap = cap;
	return 0;
}

int stack_symbols_get(struct stack_symbols *out, const struct model *m, struct symbolizer *s, uint32_t stack,
		      struct stint_err *err)
{
	uint32_t ids[STINT_MAX_STACK_DEPTH];
	uint32_t n = model_stack_frames(m, stack, ids);
	uint32_t n_kernel = stack < m->stacks.n ? m->stacks.rows[stack].n_kernel : 0;
	uint32_t i, k;

	out->n = 0;
	for (i = 0; i < n; i++) {
		const struct stint_frame *frame = &m->frames.rows[ids[i]];
		struct symbol_chain chain;
		int rc = symbolizer_lookup(s, frame->module, frame->addr, frame->flags & STINT_FRAME_EXACT, &chain, err);

		if (rc)
			return rc;
		rc = reserve(out, out->n + chain.n, err);
		if (rc)
			return rc;
		for (k = 0; k < chain.n; k++) {
			out->at[out->n++] = (struct stack_symbol){.symbol = &chain.symbols[k],
								  .frame = ids[i],
								  .module = frame->module,
								  .kernel = i < n_kernel};
		}
	}
	return 0;
}

void stack_symbols_done(struct stack_symbols *out)
{
	if (!out)
		return;
	free(out->at);
	memset(out, 0, sizeof(*out));
}
