/* SPDX-License-Identifier: MIT */
#include "analyze/model_add.h"

#include <stdlib.h>
#include <string.h>

#include "base/map.h"

/* The rows of one dictionary by what is in them. */
struct row_index {
	struct stint_intern rows;
	uint32_t *ids; /* by number in rows, from 0 on */
	uint32_t cap_ids;
	uint32_t cap_rows; /* that the dictionary's array has room for */
};

struct model_add {
	struct model *m;
	struct row_index frames, nodes, stacks;
};

static int no_memory(struct stint_err *err)
{
	return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory to unwind stacks");
}

/* The row's place in the index; *ret_new tells whether its id is still to be set. */
static int index_row(struct row_index *index, const void *row, size_t size, uint32_t **ret_id, bool *ret_new,
		     struct stint_err *err)
{
	uint32_t number;

	if (stint_intern_put(&index->rows, row, size, &number, ret_new))
		return no_memory(err);
	if (number > index->cap_ids) {
		uint32_t cap = index->cap_ids ? 2 * index->cap_ids : 1024;
		uint32_t *ids = realloc(index->ids, cap * sizeof(*ids));

		if (!ids)
			return no_memory(err);
		index->ids = ids;
		index->cap_ids = cap;
	}
	*ret_id = &index->ids[number - 1];
	return 0;
}

static int index_all(struct row_index *index, const void *rows, uint32_t n, size_t size, struct stint_err *err)
{
	uint32_t i, *id = NULL;
	bool is_new;
	int code = 0;

	index->cap_rows = n;
	for (i = 1; i < n && !code; i++) {
		code = index_row(index, (const uint8_t *)rows + i * size, size, &id, &is_new, err);
		if (!code && is_new)
			*id = i;
	}
	return code;
}

int model_add_new(struct model_add **ret, struct model *m, struct stint_err *err)
{
	struct model_add *add = calloc(1, sizeof(*add));
	int code;

	*ret = NULL;
	if (!add)
		return no_memory(err);
	add->m = m;
	code = index_all(&add->frames, m->frames.rows, m->frames.n, sizeof(*m->frames.rows), err);
	if (!code)
		code = index_all(&add->nodes, m->nodes.rows, m->nodes.n, sizeof(*m->nodes.rows), err);
	if (!code)
		code = index_all(&add->stacks, m->stacks.rows, m->stacks.n, sizeof(*m->stacks.rows), err);
	if (code)
		model_add_free(add);
	else
		*ret = add;
	return code;
}

static void index_done(struct row_index *index)
{
	stint_intern_done(&index->rows);
	free(index->ids);
}

void model_add_free(struct model_add *add)
{
	if (!add)
		return;
	index_done(&add->frames);
	index_done(&add->nodes);
	index_done(&add->stacks);
	free(add);
}

/* rows points to the model's array of *n rows, which may move. */
static int add_row(struct row_index *index, void **rows, uint32_t *n, size_t size, const void *row, uint32_t *ret_id,
		   struct stint_err *err)
{
	uint32_t *id = NULL, cap;
	bool is_new;
	int code = index_row(index, row, size, &id, &is_new, err);
	void *grown;

	if (code)
		return code;
	if (!is_new) {
		*ret_id = *id;
		return 0;
	}
	if (*n > STINT_MAX_DICTIONARY_ROWS)
		return stint_err_set(err, STINT_ERR_LIMIT, 0, -1,
				     "unwinding gives more rows than STINT_MAX_DICTIONARY_ROWS");
	if (*n >= index->cap_rows) {
		cap = 2 * *n + 1024;
		grown = realloc(*rows, cap * size);
		if (!grown)
			return no_memory(err);
		*rows = grown;
		index->cap_rows = cap;
	}
	memcpy((uint8_t *)*rows + *n * size, row, size);
	*ret_id = *id = (*n)++;
	return 0;
}

int model_add_frame(struct model_add *add, const struct stint_frame *row, uint32_t *ret_id, struct stint_err *err)
{
	struct model *m = add->m;
	void *rows = m->frames.rows;
	int code = add_row(&add->frames, &rows, &m->frames.n, sizeof(*row), row, ret_id, err);

	m->frames.rows = rows;
	return code;
}

int model_add_node(struct model_add *add, const struct stint_node *row, uint32_t *ret_id, struct stint_err *err)
{
	struct model *m = add->m;
	void *rows = m->nodes.rows;
	int code = add_row(&add->nodes, &rows, &m->nodes.n, sizeof(*row), row, ret_id, err);

	m->nodes.rows = rows;
	return code;
}

int model_add_stack(struct model_add *add, const struct stint_stack *row, uint32_t *ret_id, struct stint_err *err)
{
	struct model *m = add->m;
	void *rows = m->stacks.rows;
	int code = add_row(&add->stacks, &rows, &m->stacks.n, sizeof(*row), row, ret_id, err);

	m->stacks.rows = rows;
	return code;
}
