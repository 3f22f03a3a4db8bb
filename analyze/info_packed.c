/* SPDX-License-Identifier: MIT */
/* What a recording says of its own addresses: which have been packed with a name, and which nobody had one for. */
#include "analyze/info_packed.h"

#include <stdlib.h>

enum {
	NOT_PACKED,
	IN_STACK, /* and not packed */
	WITH_NAME,
	WITHOUT_NAME,
};

int info_packed_count(const struct model *m, const uint32_t *module_of, struct info_module *modules,
		      struct info_packed *ret, struct stint_err *err)
{
	uint8_t *states = calloc(m->frames.n, 1);
	uint32_t i;

	*ret = (struct info_packed){0};
	if (!states)
		return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory to count what is packed");
	for (i = 1; i < m->n_file_nodes; i++)
		states[m->nodes.rows[i].frame] = IN_STACK;
	/* Packed code has frames of its own, which no stack has. The last row of a frame counts. */
	for (i = 0; i < m->chains.n; i++) {
		const struct stint_chain *row = &m->chains.rows[i];

		if (states[row->frame] != NOT_PACKED)
			states[row->frame] = row->flags & STINT_CHAIN_UNRESOLVED ? WITHOUT_NAME : WITH_NAME;
	}
	for (i = 1; i < m->n_file_frames; i++) {
		uint32_t row = m->frames.rows[i].module;
		struct info_module *module = &modules[module_of[row]];

		if (!row)
			continue;
		module->packed.with_name += states[i] == WITH_NAME;
		module->packed.without_name += states[i] == WITHOUT_NAME;
		ret->with_name += states[i] == WITH_NAME;
		ret->without_name += states[i] == WITHOUT_NAME;
	}
	free(states);
	return 0;
}
