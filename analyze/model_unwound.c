/* SPDX-License-Identifier: MIT */
/* Which stacks are to be read as others, by what the recording says. */
#include <stdlib.h>

#include "analyze/model.h"

int model_read_unwound(struct model *m, struct stint_err *err)
{
	uint32_t i, stack, as_stack;

	if (!m->unwounds.n)
		return 0;
	m->as_stack = calloc(m->stacks.n, sizeof(*m->as_stack));
	if (!m->as_stack)
		return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory for a table of stacks");
	for (i = 0; i < m->unwounds.n; i++) {
		const struct stint_unwound *row = &m->unwounds.rows[i];

		stack = model_id(m, STINT_STACK, m->stacks.n, row->stack, &m->lost_ids);
		as_stack = model_id(m, STINT_STACK, m->stacks.n, row->as_stack, &m->lost_ids);
		if (stack && as_stack)
			m->as_stack[stack] = as_stack;
	}
	return 0;
}

bool model_wants_unwinding(const struct model *m)
{
	uint32_t i;

	for (i = 1; m->n_windows && i < m->n_file_stacks; i++) {
		uint32_t as_stack = m->as_stack ? m->as_stack[i] : 0;

		if (m->stacks.rows[as_stack ? as_stack : i].user_end == STINT_USER_WINDOW)
			return true;
	}
	return false;
}
