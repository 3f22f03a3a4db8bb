/* SPDX-License-Identifier: MIT */
#include "analyze/unwind.h"

#include <stdlib.h>
#include <string.h>

#include "analyze/window_walk.h"
#include "base/map.h"

struct unwinding {
	struct model *m;
	struct model_add *add;
	struct window_walker *walker;
	struct stint_map parts; /* node of a copied stack: what it is (part_of) */
	uint32_t cap_unwound;
};

/* A user stack that is known: the node of its leaf, and how it ends. */
struct part {
	uint32_t leaf, end;
};

static int no_memory(struct stint_err *err)
{
	return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory to unwind stacks");
}

/* The node of a stack's innermost user frame, 0 where it has none. */
static uint32_t user_node(const struct model *m, const struct stint_stack *stack)
{
	uint32_t node = stack->leaf, i;

	for (i = 0; i < stack->n_kernel && node; i++)
		node = m->nodes.rows[node].parent;
	return node;
}

static uint32_t n_frames(const struct model *m, uint32_t node)
{
	uint32_t n = 0;

	for (; node && n < STINT_MAX_STACK_DEPTH; node = m->nodes.rows[node].parent)
		n++;
	return n;
}

static struct part part_of(const struct unwinding *un, uint32_t node)
{
	const uint64_t *slot = stint_map_get(&un->parts, node);

	return slot ? (struct part){(uint32_t)(*slot >> 8), (uint32_t)*slot & 255} : (struct part){0, 0};
}

static int set_part(struct unwinding *un, uint32_t node, struct part part, struct stint_err *err)
{
	uint64_t *slot = stint_map_put(&un->parts, node, NULL);

	if (!slot)
		return no_memory(err);
	*slot = (uint64_t)part.leaf << 8 | (part.end & 255);
	return 0;
}

/* What the recording itself says. */
static int read_unwound(struct unwinding *un, struct stint_err *err)
{
	struct model *m = un->m;
	uint32_t i, stack, as_stack, node;
	int code = 0;

	for (i = 0; i < m->unwounds.n && !code; i++) {
		const struct stint_unwound *row = &m->unwounds.rows[i];
		struct part part;

		stack = model_id(m, STINT_STACK, m->n_file_stacks, row->stack, &m->lost_ids);
		as_stack = model_id(m, STINT_STACK, m->n_file_stacks, row->as_stack, &m->lost_ids);
		node = user_node(m, &m->stacks.rows[stack]);
		part.leaf = user_node(m, &m->stacks.rows[as_stack]);
		part.end = m->stacks.rows[as_stack].user_end;
		if (node && part.leaf)
			code = set_part(un, node, part, err);
	}
	return code;
}

/* For those who write what was found. */
static int keep_result(struct unwinding *un, uint32_t stack, struct part part, struct stint_err *err)
{
	struct model *m = un->m;

	if (m->n_unwound == un->cap_unwound) {
		uint32_t cap = un->cap_unwound ? 2 * un->cap_unwound : 1024;
		struct model_unwound *unwound = realloc(m->unwound, cap * sizeof(*unwound));

		if (!unwound)
			return no_memory(err);
		m->unwound = unwound;
		un->cap_unwound = cap;
	}
	m->unwound[m->n_unwound++] = (struct model_unwound){stack, part.leaf, part.end};
	return 0;
}

static int unwind(struct unwinding *un, const struct stint_window *window, uint32_t node, struct stint_err *err)
{
	struct part before = part_of(un, node), part = {0};
	struct window_frames frames;
	struct stint_node row = {0};
	uint32_t i;
	int code;

	code = window_walk(un->walker, window, un->m->nodes.rows[node].frame, &frames, err);
	/* Where it was packed, files may have been that aren't here. */
	if (code || !frames.n || (frames.end == STINT_USER_WINDOW && frames.n <= n_frames(un->m, before.leaf)))
		return code;
	for (i = frames.n; i > 0 && !code; i--) {
		row.frame = frames.ids[i - 1];
		code = model_add_node(un->add, &row, &row.parent, err);
	}
	part = (struct part){row.parent, frames.end};
	if (!code)
		code = set_part(un, node, part, err);
	return code ? code : keep_result(un, window->stack, part, err);
}

static int unwind_block(void *context, const struct stint_rows *rows, struct stint_err *err)
{
	const struct stint_window *windows = rows->rows;
	struct unwinding *un = context;
	size_t i;
	int code = 0;

	for (i = 0; i < rows->n_rows && !code; i++) {
		const struct stint_stack *stack = &un->m->stacks.rows[windows[i].stack];
		uint32_t node = user_node(un->m, stack);
		struct part part = part_of(un, node);

		if (node && stack->user_end == STINT_USER_WINDOW && (!part.leaf || part.end == STINT_USER_WINDOW))
			code = unwind(un, &windows[i], node, err);
	}
	return code;
}

/* The frames of the kernel, innermost first and n of them, on top of a user stack. */
static int add_kernel(struct unwinding *un, const uint32_t *frames, uint32_t n, uint32_t *leaf, struct stint_err *err)
{
	struct stint_node row = {.parent = *leaf};
	int code = 0;

	for (; n > 0 && !code; n--) {
		row.frame = frames[n - 1];
		code = model_add_node(un->add, &row, &row.parent, err);
	}
	*leaf = row.parent;
	return code;
}

/* All stacks of the file with a user part that is known by now. */
static int replace_stacks(struct unwinding *un, struct stint_err *err)
{
	struct model *m = un->m;
	uint32_t frames[STINT_MAX_STACK_DEPTH], i;
	int code = 0;

	for (i = 1; i < m->n_file_stacks && !code; i++) {
		struct stint_stack row = m->stacks.rows[i];
		struct part part;

		if (row.user_end != STINT_USER_WINDOW || row.n_kernel > STINT_MAX_STACK_DEPTH)
			continue;
		part = part_of(un, user_node(m, &row));
		if (!part.leaf)
			continue;
		model_stack_frames(m, i, frames);
		row.leaf = part.leaf;
		row.user_end = part.end;
		code = add_kernel(un, frames, row.n_kernel, &row.leaf, err);
		if (!code)
			code = model_add_stack(un->add, &row, &m->as_stack[i], err);
	}
	return code;
}

/* What there is to say of the files that weren't found outlives them. */
static int keep_whys(const struct unwinding *un, struct stint_err *err)
{
	struct model *m = un->m;
	uint32_t i;

	for (i = 0; i < m->modules.n; i++) {
		const char *why = window_walker_why(un->walker, i);

		if (!why)
			continue;
		m->unwind_whys[i] = stint_arena_strndup(&m->arena, why, strlen(why));
		if (!m->unwind_whys[i])
			return no_memory(err);
	}
	return 0;
}

static int start(struct unwinding *un, const struct symbolizer_options *options, struct stint_err *err)
{
	struct model *m = un->m;
	int code;

	m->as_stack = calloc(m->n_file_stacks, sizeof(*m->as_stack));
	m->unwind_whys = calloc(m->modules.n, sizeof(*m->unwind_whys));
	if (!m->as_stack || !m->unwind_whys)
		return no_memory(err);
	code = model_add_new(&un->add, m, err);
	return code ? code : window_walker_new(&un->walker, m, un->add, options, err);
}

int unwind_windows(struct model *m, const struct symbolizer_options *options, struct stint_err *err)
{
	struct unwinding un = {.m = m};
	int code;

	if (!model_has_copied_stacks(m) || m->as_stack)
		return 0;
	code = start(&un, options, err);
	if (!code)
		code = read_unwound(&un, err);
	if (!code)
		code = model_each_block(m, STINT_WINDOW, unwind_block, &un, err);
	if (!code)
		code = keep_whys(&un, err);
	if (!code)
		code = replace_stacks(&un, err);
	window_walker_free(un.walker);
	model_add_free(un.add);
	stint_map_done(&un.parts);
	m->n_plain_frames = m->frames.n;
	m->n_plain_stacks = m->stacks.n;
	return code ? code : reused_code_find(&m->reused_code, m, err);
}
