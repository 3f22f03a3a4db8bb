/* SPDX-License-Identifier: MIT */
#include "record/unwind_table.h"

#include <stdlib.h>
#include <string.h>

struct filling {
	struct unwind_row *rows;
	uint32_t n, cap;
};

static int keep_rows(void *context, const struct unwind_row *rows, uint32_t n)
{
	struct filling *to = context;
	uint32_t cap = to->cap ? to->cap : 4096;
	void *grown;

	while (cap - to->n < n)
		cap *= 2;
	if (cap != to->cap) {
		grown = realloc(to->rows, cap * sizeof(*rows));
		if (!grown)
			return STINT_ERR_NOMEM;
		to->rows = grown;
		to->cap = cap;
	}
	memcpy(to->rows + to->n, rows, n * sizeof(*rows));
	to->n += n;
	return 0;
}

static int read_table(struct unwind_table *ret, const struct unwind_source *source, struct stint_err *err)
{
	struct filling to = {0};
	struct unwind_build *build;
	int rc = unwind_build_new(&build, source, err);

	*ret = (struct unwind_table){0};
	if (rc)
		return rc;
	rc = unwind_build_run(build, keep_rows, &to, &ret->counts, err);
	unwind_build_free(build);
	if (rc) {
		free(to.rows);
		*ret = (struct unwind_table){0};
		if (err && !err->code)
			stint_err_set(err, rc, 0, -1, "no memory for unwind rows");
		return rc;
	}
	ret->rows = to.rows;
	ret->n_rows = to.n;
	return 0;
}

int unwind_table_read(struct unwind_table *ret, int fd, struct stint_err *err)
{
	struct unwind_source source;
	int rc = unwind_source_of(&source, fd, err);

	*ret = (struct unwind_table){0};
	return rc ? rc : read_table(ret, &source, err);
}

int unwind_table_read_memory(struct unwind_table *ret, const void *data, size_t size_bytes, struct stint_err *err)
{
	return read_table(ret, &(struct unwind_source){.fd = -1, .data = data, .size_bytes = size_bytes}, err);
}

void unwind_table_done(struct unwind_table *table)
{
	if (!table)
		return;
	free(table->rows);
	*table = (struct unwind_table){0};
}

const struct unwind_row *unwind_table_find(const struct unwind_table *table, uint64_t file_off)
{
	uint32_t low = 0, high = table->n_rows;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (table->rows[middle].pc <= file_off)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low || UNWIND_ROW_KIND(table->rows[low - 1].kind) == UNWIND_NONE)
		return NULL;
	return &table->rows[low - 1];
}
