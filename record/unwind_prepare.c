/* SPDX-License-Identifier: MIT */
#include "record/unwind_prepare.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"

#define FIRST_ROWS UNWIND_ROWS_AT_ONCE

/* Rows are hashed as they come. */
static uint64_t hash_on(uint64_t hash, const struct unwind_row *rows, uint32_t n)
{
	uint64_t both[2] = {hash, stint_hash_bytes(rows, n * sizeof(*rows))};

	return stint_hash_bytes(both, sizeof(both));
}

/* Makes room for more rows. When they are too many, or without memory, none are held any more. */
static void hold_more(struct unwind_prepared *p)
{
	uint32_t cap = 2 * p->cap_held; /* enough: a run hands on no more at a time than FIRST_ROWS */
	bool few = cap <= UNWIND_HELD_ROWS && unwind_build_functions(p->build) <= UNWIND_HELD_FDES;
	void *grown = few ? realloc(p->held, cap * sizeof(*p->held)) : NULL;

	if (!grown)
		free(p->held);
	p->held = grown;
	p->cap_held = cap;
}

static int count_rows(void *context, const struct unwind_row *rows, uint32_t n)
{
	struct unwind_prepared *p = context;

	p->hash = hash_on(p->hash, rows, n);
	if (p->held && (p->cap_held - p->n_rows < n || unwind_build_functions(p->build) > UNWIND_HELD_FDES))
		hold_more(p);
	if (p->held)
		memcpy(p->held + p->n_rows, rows, n * sizeof(*rows));
	p->n_rows += n;
	return 0;
}

int unwind_prepare(struct unwind_prepared *ret, const struct unwind_source *source, struct stint_err *err)
{
	int rc;

	*ret = (struct unwind_prepared){.cap_held = FIRST_ROWS};
	rc = unwind_build_new(&ret->build, source, err);
	if (rc)
		return rc;
	ret->held = malloc(ret->cap_held * sizeof(*ret->held));
	rc = unwind_build_run(ret->build, count_rows, ret, &ret->counts, err);
	if (rc) {
		unwind_prepared_done(ret);
		return rc;
	}
	if (ret->held) {
		unwind_build_free(ret->build);
		ret->build = NULL;
	}
	return 0;
}

void unwind_prepared_done(struct unwind_prepared *p)
{
	if (!p)
		return;
	unwind_build_free(p->build);
	free(p->held);
	*p = (struct unwind_prepared){0};
}

/* The rows of a second run: of the same number as the first ones, or no more of them. */
struct again {
	const struct unwind_prepared *prepared;
	uint32_t n;
	uint64_t hash;
	unwind_take_fn *take;
	void *context;
};

static int take_again(void *context, const struct unwind_row *rows, uint32_t n)
{
	struct again *a = context;

	if (n > a->prepared->n_rows - a->n)
		return STINT_ERR_FORMAT;
	a->n += n;
	a->hash = hash_on(a->hash, rows, n);
	return a->take(a->context, rows, n);
}

int unwind_prepared_rows(struct unwind_prepared *p, unwind_take_fn *take, void *context)
{
	struct again again = {.prepared = p, .take = take, .context = context};
	struct unwind_counts counts;
	int rc;

	if (p->held)
		return p->n_rows ? take(context, p->held, p->n_rows) : 0;
	rc = unwind_build_run(p->build, take_again, &again, &counts, NULL);
	if (!rc && (again.n != p->n_rows || again.hash != p->hash))
		return STINT_ERR_FORMAT;
	return rc;
}
