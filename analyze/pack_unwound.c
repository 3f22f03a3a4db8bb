/* SPDX-License-Identifier: MIT */
/* What windows were unwound to here becomes part of the recording. */
#include "analyze/pack_internal.h"

#include <stdlib.h>

struct writing {
	const struct model *m;
	struct stint_writer *w;
	struct pack_frame_ids *frames;
	uint32_t *nodes; /* ids in the packed recording of nodes that were added, as of frames */
};

static int no_memory(struct stint_err *err)
{
	return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory to pack stacks");
}

static int write_frame(struct writing *wr, uint32_t frame, uint32_t *ret_id, struct stint_err *err)
{
	int code = 0;

	*ret_id = pack_frame_id(wr->frames, frame);
	if (!*ret_id)
		code = stint_writer_intern(wr->w, STINT_FRAME, &wr->m->frames.rows[frame], ret_id, err);
	if (!code && frame >= wr->frames->n_file)
		wr->frames->added[frame - wr->frames->n_file] = *ret_id;
	return code;
}

/* The node's id in the packed recording, with all that it stands on. */
static int write_node(struct writing *wr, uint32_t node, uint32_t *ret_id, struct stint_err *err)
{
	uint32_t path[STINT_MAX_STACK_DEPTH], n = 0, n_file = wr->m->n_file_nodes;
	struct stint_node row = {0};
	int code = 0;

	for (; node >= n_file && !wr->nodes[node - n_file]; node = wr->m->nodes.rows[node].parent) {
		if (n == STINT_MAX_STACK_DEPTH)
			return stint_err_set(err, STINT_ERR_LIMIT, 0, -1, "a stack is over STINT_MAX_STACK_DEPTH");
		path[n++] = node;
	}
	row.parent = node < n_file ? node : wr->nodes[node - n_file];
	while (n > 0 && !code) {
		node = path[--n];
		code = write_frame(wr, wr->m->nodes.rows[node].frame, &row.frame, err);
		if (!code)
			code = stint_writer_intern(wr->w, STINT_NODE, &row, &row.parent, err);
		wr->nodes[node - n_file] = row.parent;
	}
	*ret_id = row.parent;
	return code;
}

static int write_unwound(struct writing *wr, const struct model_unwound *unwound, struct stint_err *err)
{
	struct stint_stack stack = {.user_end = unwound->user_end, .kernel_end = STINT_KERNEL_NOT_TAKEN};
	struct stint_unwound row = {.stack = unwound->stack};
	int code = write_node(wr, unwound->leaf, &stack.leaf, err);

	if (!code)
		code = stint_writer_intern(wr->w, STINT_STACK, &stack, &row.as_stack, err);
	return code ? code : stint_writer_add(wr->w, STINT_UNWOUND, &row, err);
}

int pack_unwound(const struct model *m, struct stint_writer *w, struct pack_frame_ids *ret_ids, struct stint_err *err)
{
	struct writing wr = {.m = m, .w = w, .frames = ret_ids};
	uint32_t i;
	int code = 0;

	ret_ids->n_file = m->n_file_frames;
	ret_ids->added = calloc(m->frames.n - m->n_file_frames + 1, sizeof(*ret_ids->added));
	wr.nodes = calloc(m->nodes.n - m->n_file_nodes + 1, sizeof(*wr.nodes));
	if (!ret_ids->added || !wr.nodes)
		code = no_memory(err);
	for (i = 0; i < m->n_unwound && !code; i++)
		code = write_unwound(&wr, &m->unwound[i], err);
	free(wr.nodes);
	return code;
}
