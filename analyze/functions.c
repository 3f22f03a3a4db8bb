/* SPDX-License-Identifier: MIT */
#include "analyze/functions.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

/* What a frame stands for; n is 0 until it is looked up. */
struct frame_functions {
	const struct symbol *symbols;
	uint32_t *ids;
	uint32_t n;
};

static int no_memory(struct stint_err *err)
{
	return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory for the functions' names");
}

int functions_init(struct functions *f, const struct model *m, struct symbolizer *symbolizer, struct stint_err *err)
{
	memset(f, 0, sizeof(*f));
	f->m = m;
	f->symbolizer = symbolizer;
	f->cap = 256;
	f->all = calloc(f->cap, sizeof(*f->all));
	f->frames = calloc((size_t)m->frames.n + 1, sizeof(*f->frames));
	if (!f->all || !f->frames) {
		functions_done(f);
		return no_memory(err);
	}
	f->all[0] = (struct function){.name = "[no stack]", .module = "", .resolved = true};
	f->n = 1;
	return 0;
}

void functions_done(struct functions *f)
{
	uint32_t i;

	if (!f)
		return;
	for (i = 0; f->frames && i < f->m->frames.n; i++)
		free(f->frames[i].ids);
	free(f->frames);
	free(f->all);
	free(f->stack);
	stint_intern_done(&f->identities);
	memset(f, 0, sizeof(*f));
}

/* The id of the function by that name in that module. */
static int identify(struct functions *f, const struct symbol *symbol, const char *module, uint32_t *ret,
		    struct stint_err *err)
{
	const char *slash = symbol->file ? strrchr(symbol->file, '/') : NULL;
	bool with_line = f->by_line && symbol->file && symbol->line, is_new;
	struct stint_buf key;
	int code;

	stint_buf_init(&key, INT32_MAX);
	stint_buf_bytes(&key, symbol->name, strlen(symbol->name));
	if (with_line)
		stint_buf_printf(&key, ":%s:%" PRIu32, slash ? slash + 1 : symbol->file, symbol->line);
	stint_buf_u8(&key, 0);
	stint_buf_bytes(&key, module, strlen(module));
	code = stint_buf_status(&key);
	if (!code)
		code = stint_intern_put(&f->identities, key.data, key.len, ret, &is_new);
	stint_buf_done(&key);
	if (code)
		return no_memory(err);
	if (!is_new)
		return 0;
	if (f->n == f->cap) {
		struct function *all = realloc(f->all, (size_t)f->cap * 2 * sizeof(*all));

		if (!all)
			return no_memory(err);
		f->all = all;
		f->cap *= 2;
	}
	/* Interned ids start at 1, as functions do: they grow together. */
	f->all[f->n++] =
		(struct function){.name = with_line ? (const char *)f->identities.entries[*ret - 1].data : symbol->name,
				  .module = module,
				  .resolved = symbol->resolved};
	return 0;
}

static int look_up(struct functions *f, uint32_t frame_id, struct stint_err *err)
{
	const struct stint_frame *frame = &f->m->frames.rows[frame_id];
	const char *module = model_str(f->m, f->m->modules.rows[frame->module].path_str);
	struct frame_functions *to = &f->frames[frame_id];
	struct symbol_chain chain;
	uint32_t i;
	int code;

	code = symbolizer_lookup(f->symbolizer, frame->module, frame->addr, frame->flags & STINT_FRAME_EXACT, &chain,
				 err);
	if (code)
		return code;
	to->ids = calloc(chain.n, sizeof(*to->ids));
	if (!to->ids)
		return no_memory(err);
	for (i = 0; i < chain.n && !code; i++)
		code = identify(f, &chain.symbols[i], module, &to->ids[i], err);
	to->symbols = chain.symbols;
	to->n = code ? 0 : chain.n;
	return code;
}

static int reserve(struct functions *f, uint32_t n, struct stint_err *err)
{
	uint32_t cap = f->cap_stack ? f->cap_stack : 256;
	struct located *stack;

	if (n <= f->cap_stack)
		return 0;
	while (cap < n)
		cap *= 2;
	stack = realloc(f->stack, cap * sizeof(*stack));
	if (!stack)
		return no_memory(err);
	f->stack = stack;
	f->cap_stack = cap;
	return 0;
}

/* Appends what a frame stands for, innermost first, to the n functions in f->stack. */
static int append_frame(struct functions *f, uint32_t frame_id, bool kernel, uint32_t *n, struct stint_err *err)
{
	const struct frame_functions *frame = &f->frames[frame_id];
	uint32_t k;
	int code = frame->n ? 0 : look_up(f, frame_id, err);

	if (!code)
		code = reserve(f, *n + frame->n, err);
	for (k = 0; k < frame->n && !code; k++)
		f->stack[(*n)++] = (struct located){.function = frame->ids[k],
						    .symbol = &frame->symbols[k],
						    .module = f->m->frames.rows[frame_id].module,
						    .kernel = kernel};
	return code;
}

int functions_of_frame(struct functions *f, uint32_t frame, bool kernel, const struct located **ret, uint32_t *ret_n,
		       struct stint_err *err)
{
	int code;

	*ret_n = 0;
	code = append_frame(f, frame, kernel, ret_n, err);
	*ret = f->stack;
	return code;
}

int functions_of_stack(struct functions *f, uint32_t stack, const struct located **ret, uint32_t *ret_n,
		       struct stint_err *err)
{
	uint32_t ids[STINT_MAX_STACK_DEPTH];
	uint32_t i, n = 0, n_frames = model_stack_frames(f->m, stack, ids);
	uint32_t n_kernel = stack < f->m->stacks.n ? f->m->stacks.rows[stack].n_kernel : 0;
	int code = reserve(f, 1, err);

	for (i = 0; i < n_frames && !code; i++)
		code = append_frame(f, ids[i], i < n_kernel, &n, err);
	if (code)
		return code;
	if (!n)
		f->stack[n++] = (struct located){0};
	*ret = f->stack;
	*ret_n = n;
	return 0;
}

int functions_of_leaf(struct functions *f, uint32_t stack, struct located *ret, struct stint_err *err)
{
	const struct stint_stack *row = &f->m->stacks.rows[stack < f->m->stacks.n ? stack : 0];
	uint32_t frame = f->m->nodes.rows[row->leaf].frame;

	*ret = (struct located){0};
	if (!row->leaf)
		return 0;
	if (!f->frames[frame].n && look_up(f, frame, err))
		return STINT_ERR_NOMEM;
	*ret = (struct located){.function = f->frames[frame].ids[0],
				.symbol = &f->frames[frame].symbols[0],
				.module = f->m->frames.rows[frame].module,
				.kernel = row->n_kernel > 0};
	return 0;
}
