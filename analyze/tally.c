/* SPDX-License-Identifier: MIT */
#include "analyze/tally.h"

#include <stdlib.h>
#include <string.h>

#include "analyze/labels.h"

struct collector {
	const struct model *m;
	const struct selection *sel;
	enum tally_key key;
	const uint32_t *namesakes; /* of TALLY_COMM_STACK: by thread, the first one of its name */
	struct tally tally;
};

static struct tally_row *tally_row(struct tally *t, uint64_t key)
{
	bool is_new;
	uint64_t *at = stint_map_put(&t->index, key, &is_new);

	if (!at)
		return NULL;
	if (!is_new)
		return &t->rows[*at];
	if (t->n == t->cap) {
		size_t cap = t->cap ? t->cap * 2 : 256;
		struct tally_row *rows = realloc(t->rows, cap * sizeof(*rows));

		if (!rows) {
			stint_map_remove(&t->index, key);
			return NULL;
		}
		t->rows = rows;
		t->cap = cap;
	}
	*at = t->n;
	t->rows[t->n] = (struct tally_row){.key = key};
	return &t->rows[t->n++];
}

static int no_memory(struct stint_err *err)
{
	return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory to add up the events");
}

static uint64_t sample_key(const struct collector *c, const struct stint_sample *row)
{
	switch (c->key) {
	case TALLY_STACK:
		return row->stack;
	case TALLY_THREAD:
		return row->thread;
	case TALLY_CPU:
		return row->cpu;
	case TALLY_THREAD_STACK:
		return (uint64_t)row->thread << 32 | row->stack;
	case TALLY_THREAD_END:
		return (uint64_t)row->thread << 32 | c->m->stacks.rows[row->stack].user_end;
	case TALLY_COMM_STACK:
		return (uint64_t)c->namesakes[row->thread] << 32 | row->stack;
	default:
		return 0;
	}
}

static int collect_samples(void *context, const struct stint_rows *rows, struct stint_err *err)
{
	struct collector *c = context;
	const struct stint_sample *row = rows->rows;
	size_t i;

	c->tally.n_seen += rows->n_rows;
	for (i = 0; i < rows->n_rows; i++, row++) {
		struct tally_row *to;

		if (c->sel && !selection_sample(c->sel, row))
			continue;
		to = tally_row(&c->tally, sample_key(c, row));
		if (!to)
			return no_memory(err);
		metrics_add_sample(&to->sums, row);
		c->tally.n_events++;
	}
	return 0;
}

static uint64_t offcpu_key(const struct collector *c, const struct stint_offcpu *row)
{
	switch (c->key) {
	case TALLY_STACK:
		return row->stack;
	case TALLY_THREAD:
		return row->thread;
	case TALLY_CPU:
		return offcpu_cpu(row);
	case TALLY_STATE:
		return offcpu_state(row);
	case TALLY_SYSCALL:
		return row->syscall;
	case TALLY_WAKER:
		return row->waker;
	case TALLY_THREAD_STACK:
		return (uint64_t)row->thread << 32 | row->stack;
	case TALLY_THREAD_END:
		return (uint64_t)row->thread << 32 | c->m->stacks.rows[row->stack].user_end;
	case TALLY_COMM_STACK:
		return (uint64_t)c->namesakes[row->thread] << 32 | row->stack;
	}
	return 0;
}

static int collect_offcpu(void *context, const struct stint_rows *rows, struct stint_err *err)
{
	struct collector *c = context;
	const struct stint_offcpu *from = rows->rows;
	size_t i;

	c->tally.n_seen += rows->n_rows;
	for (i = 0; i < rows->n_rows; i++) {
		struct stint_offcpu row = from[i];
		struct tally_row *to;

		if (c->sel) {
			if (!selection_offcpu(c->sel, &row))
				continue;
			selection_clip(c->sel, &row);
		}
		to = tally_row(&c->tally, offcpu_key(c, &row));
		if (!to)
			return no_memory(err);
		metrics_add_offcpu(&to->sums, &row);
		histogram_add(&c->tally.histogram, &row);
		c->tally.n_events++;
	}
	return 0;
}

static int by_key(const void *a, const void *b)
{
	uint64_t ka = ((const struct tally_row *)a)->key, kb = ((const struct tally_row *)b)->key;

	return ka < kb ? -1 : ka > kb;
}

/* Which worker saw what is chance: sums and order must not show it. */
static int merge(struct tally *to, const struct tally *from, struct stint_err *err)
{
	size_t i;

	for (i = 0; i < from->n; i++) {
		struct tally_row *row = tally_row(to, from->rows[i].key);

		if (!row)
			return no_memory(err);
		metrics_add(&row->sums, &from->rows[i].sums);
	}
	histogram_merge(&to->histogram, &from->histogram);
	to->n_events += from->n_events;
	to->n_seen += from->n_seen;
	return 0;
}

/* Names are compared as texts: one text may have several ids. */
static int find_namesakes(uint32_t **ret, const struct model *m, struct stint_err *err)
{
	uint32_t *namesakes = calloc((size_t)m->threads.n + 1, sizeof(*namesakes));
	uint32_t *first = calloc((size_t)m->threads.n + 1, sizeof(*first)); /* by name */
	struct stint_intern names = {0};
	uint32_t i, id;
	bool is_new, failed = !namesakes || !first;

	for (i = 0; i < m->threads.n && !failed; i++) {
		const char *name = comm_label(m, i);

		failed = stint_intern_put(&names, name, strlen(name), &id, &is_new) != 0;
		if (failed)
			break;
		if (is_new)
			first[id] = i;
		namesakes[i] = first[id];
	}
	stint_intern_done(&names);
	free(first);
	if (failed) {
		free(namesakes);
		return no_memory(err);
	}
	*ret = namesakes;
	return 0;
}

/* How many rows are in blocks outside of the window, by their headers. */
static uint64_t count_skipped(const struct model *m, enum stint_table table, const struct model_window *window)
{
	size_t i, n = stint_reader_info(m->reader)->n_blocks;
	uint64_t sum = 0;

	for (i = 0; i < n; i++) {
		const struct stint_block_info *block = stint_reader_block(m->reader, i);

		if (block->table == table && !model_block_overlaps(block, window))
			sum += block->n_rows;
	}
	return sum;
}

/* Adds up, each in its own collector, what the workers find. */
static int collect(struct collector *collectors, size_t n, struct model *m, enum view view, struct stint_err *err)
{
	const struct selection *sel = collectors[0].sel;
	enum stint_table table = view == VIEW_ON_CPU ? STINT_SAMPLE : STINT_OFFCPU;
	const struct model_window times = {sel ? sel->from_ns : 0, sel ? sel->to_ns : 0};
	const struct model_window *window = sel && !sel->all ? &times : NULL;
	void *contexts[MODEL_MAX_WORKERS];
	size_t i;

	for (i = 0; i < n; i++)
		contexts[i] = &collectors[i];
	collectors[0].tally.n_seen = count_skipped(m, table, window);
	return model_each_block_parallel(m, table, window, view == VIEW_ON_CPU ? collect_samples : collect_offcpu,
					 contexts, n, err);
}

int tally_collect(struct tally *ret, struct model *m, const struct selection *sel, enum view view, enum tally_key key,
		  struct stint_err *err)
{
	struct collector *collectors = calloc(MODEL_MAX_WORKERS, sizeof(*collectors));
	uint32_t *namesakes = NULL;
	size_t i, n = model_n_workers();
	int code = key == TALLY_COMM_STACK ? find_namesakes(&namesakes, m, err) : 0;

	memset(ret, 0, sizeof(*ret));
	if (!collectors && !code)
		code = no_memory(err);
	if (code) {
		free(collectors);
		free(namesakes);
		return code;
	}
	for (i = 0; i < n; i++)
		collectors[i] = (struct collector){.m = m, .sel = sel, .key = key, .namesakes = namesakes};
	code = collect(collectors, n, m, view, err);
	for (i = 1; i < n && !code; i++)
		code = merge(&collectors[0].tally, &collectors[i].tally, err);
	for (i = 1; i < n; i++)
		tally_done(&collectors[i].tally);
	*ret = collectors[0].tally;
	free(collectors);
	free(namesakes);
	if (code) {
		tally_done(ret);
		return code;
	}
	if (ret->n)
		qsort(ret->rows, ret->n, sizeof(*ret->rows), by_key);
	for (i = 0; i < ret->n; i++)
		metrics_add(&ret->total, &ret->rows[i].sums);
	return 0;
}

void tally_done(struct tally *t)
{
	if (!t)
		return;
	free(t->rows);
	stint_map_done(&t->index);
	memset(t, 0, sizeof(*t));
}
