/* SPDX-License-Identifier: MIT */
#include "analyze/replay.h"

#include <stdlib.h>
#include <string.h>

/* A row and when its event is. */
struct timed_row {
	uint64_t time_ns;
	uint32_t row;
};

/*
 * A run of rows in time order: a block, or all losses. It is opened when the merge gets to the time at which its first
 * event may be.
 */
struct source {
	uint64_t time_ns; /* of the next event; a lower bound while it isn't open */
	enum replay_kind kind;
	size_t block;
	bool open;
	struct stint_rows rows;
	struct timed_row *order;
	size_t n, at;
};

struct replay {
	struct model *m;
	const struct selection *sel;
	struct source *sources;
	struct source **heap; /* heap[0] is the earliest */
	size_t n_sources, n_heap;
	size_t n_open, max_open;
};

static int no_memory(struct stint_err *err)
{
	return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory for the events");
}

/* ---- what is selected, and when it is ---- */

static bool overlaps_window(const struct replay *r, uint64_t from_ns, uint64_t to_ns)
{
	return !r->sel || (to_ns >= r->sel->from_ns && from_ns < r->sel->to_ns);
}

/* Makes an event of a row. False when it isn't selected. */
static bool event_of(const struct replay *r, enum replay_kind kind, const struct stint_rows *rows, size_t i,
		     struct replay_event *ret)
{
	ret->kind = kind;
	switch (kind) {
	case REPLAY_TASK:
		ret->task = ((const struct stint_task *)rows->rows)[i];
		ret->time_ns = ret->task.time_ns;
		return !r->sel || selection_task(r->sel, &ret->task);
	case REPLAY_SAMPLE:
		ret->sample = ((const struct stint_sample *)rows->rows)[i];
		ret->time_ns = ret->sample.time_ns;
		return !r->sel || selection_sample(r->sel, &ret->sample);
	case REPLAY_OFFCPU:
		ret->offcpu = ((const struct stint_offcpu *)rows->rows)[i];
		if (r->sel && !selection_offcpu(r->sel, &ret->offcpu))
			return false;
		if (r->sel)
			selection_clip(r->sel, &ret->offcpu);
		ret->time_ns = ret->offcpu.end_ns;
		return true;
	case REPLAY_LOSS:
		ret->loss = ((const struct stint_loss *)rows->rows)[i];
		ret->time_ns = ret->loss.to_ns;
		return overlaps_window(r, ret->loss.from_ns, ret->loss.to_ns);
	}
	return false;
}

/* ---- the heap ---- */

/* At equal times a source that isn't open yet goes first: what is in it may come before the others. */
static bool earlier(const struct source *a, const struct source *b)
{
	if (a->time_ns != b->time_ns)
		return a->time_ns < b->time_ns;
	if (a->open != b->open)
		return !a->open;
	if (a->kind != b->kind)
		return a->kind < b->kind;
	return a->block < b->block;
}

static void heap_sink(struct replay *r, size_t i)
{
	for (;;) {
		size_t first = i, child = 2 * i + 1;
		struct source *swap;

		if (child < r->n_heap && earlier(r->heap[child], r->heap[first]))
			first = child;
		if (child + 1 < r->n_heap && earlier(r->heap[child + 1], r->heap[first]))
			first = child + 1;
		if (first == i)
			return;
		swap = r->heap[i];
		r->heap[i] = r->heap[first];
		r->heap[first] = swap;
		i = first;
	}
}

static void heap_remove_first(struct replay *r)
{
	r->heap[0] = r->heap[--r->n_heap];
	heap_sink(r, 0);
}

/* ---- sources ---- */

static int compare_rows(const void *a, const void *b)
{
	const struct timed_row *ra = a, *rb = b;

	if (ra->time_ns != rb->time_ns)
		return ra->time_ns < rb->time_ns ? -1 : 1;
	return ra->row < rb->row ? -1 : ra->row > rb->row;
}

/* Finds the selected rows and puts them in order. */
static int order_rows(const struct replay *r, struct source *s, struct stint_err *err)
{
	size_t i;

	s->order = malloc((s->rows.n_rows + 1) * sizeof(*s->order));
	if (!s->order)
		return no_memory(err);
	for (i = 0; i < s->rows.n_rows; i++) {
		struct replay_event event;

		if (event_of(r, s->kind, &s->rows, i, &event))
			s->order[s->n++] = (struct timed_row){.time_ns = event.time_ns, .row = (uint32_t)i};
	}
	qsort(s->order, s->n, sizeof(*s->order), compare_rows);
	return 0;
}

static void source_close(struct replay *r, struct source *s)
{
	if (s->kind != REPLAY_LOSS) {
		r->n_open -= s->order != NULL;
		stint_rows_done(&s->rows);
	}
	free(s->order);
	s->order = NULL;
}

static bool is_damage(int code)
{
	return code == STINT_ERR_FORMAT || code == STINT_ERR_LIMIT || code == STINT_ERR_NOTFOUND;
}

static int source_open(struct replay *r, struct source *s, struct stint_err *err)
{
	s->open = true;
	if (s->kind != REPLAY_LOSS) {
		int code = model_read_block(r->m, s->block, &s->rows, err);

		if (code)
			return is_damage(code) ? 0 : code;
		if (++r->n_open > r->max_open)
			r->max_open = r->n_open;
	}
	return order_rows(r, s, err);
}

/* The earliest end of the selected intervals in a block; false when it has none. */
static int first_end(struct replay *r, size_t block, struct stint_rows *rows, uint64_t *ret_ns, bool *ret_any,
		     struct stint_err *err)
{
	int code = model_read_block(r->m, block, rows, err);
	size_t i;

	*ret_any = false;
	*ret_ns = UINT64_MAX;
	if (code)
		return is_damage(code) ? 0 : code;
	for (i = 0; i < rows->n_rows; i++) {
		struct replay_event event;

		if (!event_of(r, REPLAY_OFFCPU, rows, i, &event))
			continue;
		*ret_any = true;
		if (event.time_ns < *ret_ns)
			*ret_ns = event.time_ns;
	}
	return 0;
}

static void add_source(struct replay *r, enum replay_kind kind, size_t block, uint64_t time_ns)
{
	r->sources[r->n_sources++] = (struct source){.kind = kind, .block = block, .time_ns = time_ns};
}

static int add_blocks(struct replay *r, size_t n_blocks, struct stint_err *err)
{
	struct stint_rows rows = {0};
	int code = 0;
	size_t i;

	for (i = 0; i < n_blocks && !code; i++) {
		const struct stint_block_info *block = stint_reader_block(r->m->reader, i);
		uint64_t time_ns;
		bool any;

		if (!overlaps_window(r, block->t_min_ns, block->t_max_ns))
			continue;
		if (block->table == STINT_TASK) {
			add_source(r, REPLAY_TASK, i, block->t_min_ns);
		} else if (block->table == STINT_SAMPLE) {
			add_source(r, REPLAY_SAMPLE, i, block->t_min_ns);
		} else if (block->table == STINT_OFFCPU) {
			code = first_end(r, i, &rows, &time_ns, &any, err);
			if (!code && any)
				add_source(r, REPLAY_OFFCPU, i, time_ns);
		}
	}
	stint_rows_done(&rows);
	return code;
}

static int add_losses(struct replay *r, struct stint_err *err)
{
	struct source *s = &r->sources[r->n_sources];
	int code;

	add_source(r, REPLAY_LOSS, 0, 0);
	s->rows = (struct stint_rows){.table = STINT_LOSS, .n_rows = r->m->losses.n, .rows = r->m->losses.rows};
	s->open = true;
	code = order_rows(r, s, err);
	if (s->n)
		s->time_ns = s->order[0].time_ns;
	else
		r->n_sources--;
	if (!s->n)
		free(s->order);
	return code;
}

int replay_new(struct replay **ret, struct model *m, const struct selection *sel, struct stint_err *err)
{
	size_t n_blocks = stint_reader_info(m->reader)->n_blocks, i;
	struct replay *r = calloc(1, sizeof(*r));
	int code = STINT_ERR_NOMEM;

	if (!r)
		return no_memory(err);
	r->m = m;
	r->sel = sel;
	r->sources = calloc(n_blocks + 1, sizeof(*r->sources));
	r->heap = calloc(n_blocks + 1, sizeof(*r->heap));
	if (!r->sources || !r->heap)
		no_memory(err);
	else
		code = add_blocks(r, n_blocks, err);
	if (!code)
		code = add_losses(r, err);
	if (code) {
		replay_free(r);
		return code;
	}
	for (i = 0; i < r->n_sources; i++)
		r->heap[r->n_heap++] = &r->sources[i];
	for (i = r->n_heap / 2; i-- > 0;)
		heap_sink(r, i);
	*ret = r;
	return 0;
}

void replay_free(struct replay *r)
{
	size_t i;

	if (!r)
		return;
	for (i = 0; i < r->n_sources; i++)
		source_close(r, &r->sources[i]);
	free(r->sources);
	free(r->heap);
	free(r);
}

int replay_next(struct replay *r, struct replay_event *ret, struct stint_err *err)
{
	while (r->n_heap) {
		struct source *s = r->heap[0];
		bool found = false;

		if (!s->open) {
			int code = source_open(r, s, err);

			if (code)
				return code;
		} else {
			found = event_of(r, s->kind, &s->rows, s->order[s->at].row, ret);
			s->at++;
		}
		if (s->at < s->n) {
			s->time_ns = s->order[s->at].time_ns;
			heap_sink(r, 0);
		} else {
			heap_remove_first(r);
			source_close(r, s);
		}
		if (found)
			return 1;
	}
	return 0;
}

size_t replay_max_open_blocks(const struct replay *r)
{
	return r->max_open;
}
