/* SPDX-License-Identifier: MIT */
/* The machine code in a recording, which only few commands need. */
#include "analyze/model.h"

struct code_size {
	uint64_t n_functions, n_bytes;
};

static int add_sizes(void *context, const struct stint_rows *rows, struct stint_err *err)
{
	const struct stint_machine_code *row = rows->rows;
	struct code_size *size = context;
	size_t i;

	(void)err;
	size->n_functions += rows->n_rows;
	for (i = 0; i < rows->n_rows; i++)
		size->n_bytes += row[i].bytes.size;
	return 0;
}

int model_code_size(struct model *m, uint64_t *ret_n_functions, uint64_t *ret_n_bytes, struct stint_err *err)
{
	struct code_size size = {0};
	int code = model_each_block(m, STINT_CODE, add_sizes, &size, err);

	*ret_n_functions = size.n_functions;
	*ret_n_bytes = size.n_bytes;
	return code;
}

struct adding {
	struct model *m;
	struct symbolizer *s;
	uint64_t lost;
	size_t n_bytes;
};

static int add_rows(void *context, const struct stint_rows *rows, struct stint_err *err)
{
	const struct stint_machine_code *row = rows->rows;
	struct adding *adding = context;
	size_t i;
	int code = 0;

	for (i = 0; i < rows->n_rows && !code; i++, row++) {
		uint32_t module = model_id(adding->m, STINT_MODULE, adding->m->modules.n, row->module, &adding->lost);

		if (row->bytes.size > MODEL_MAX_CODE_BYTES - adding->n_bytes)
			return stint_err_set(err, STINT_ERR_LIMIT, 0, -1, "more than %zu MB of code in the recording",
					     MODEL_MAX_CODE_BYTES >> 20);
		adding->n_bytes += (size_t)row->bytes.size;
		code = symbolizer_add_code(adding->s, module, row->addr, row->size_bytes, row->bytes.data,
					   (size_t)row->bytes.size, err);
	}
	return code;
}

int model_add_code(struct model *m, struct symbolizer *s, struct stint_err *err)
{
	struct adding adding = {.m = m, .s = s};
	int code = model_each_block(m, STINT_CODE, add_rows, &adding, err);

	m->lost_ids += adding.lost;
	return code;
}
