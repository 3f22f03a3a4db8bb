/* SPDX-License-Identifier: MIT */
/* A recording's events, one block at a time, by one thread or several. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "analyze/model.h"

/* A stack as the file has it, or what it was unwound to; or the twin of that time. */
static uint32_t stack_at(const struct model *m, uint32_t stack, uint64_t time_ns, uint64_t *lost)
{
	stack = model_id(m, STINT_STACK, m->n_file_stacks, stack, lost);
	if (m->as_stack && m->as_stack[stack])
		stack = m->as_stack[stack];
	return m->reused_code ? reused_code_stack(m->reused_code, stack, time_ns) : stack;
}

static void check_windows(const struct model *m, const struct stint_rows *rows, uint64_t *lost)
{
	struct stint_window *row = (struct stint_window *)rows->rows;
	size_t i;

	for (i = 0; i < rows->n_rows; i++, row++) {
		row->stack = model_id(m, STINT_STACK, m->n_file_stacks, row->stack, lost);
		row->process = model_id(m, STINT_PROCESS, m->processes.n, row->process, lost);
	}
}

/*
 * The decoded rows belong to whoever had them decoded, so lost ids are put right in place. That the
 * rows are const is for those who are called back.
 */
static void check_rows(const struct model *m, const struct stint_rows *rows, uint64_t *lost)
{
	size_t i;

	if (rows->table == STINT_SAMPLE) {
		struct stint_sample *row = (struct stint_sample *)rows->rows;

		for (i = 0; i < rows->n_rows; i++, row++) {
			row->thread = model_id(m, STINT_THREAD, m->threads.n, row->thread, lost);
			row->stack = stack_at(m, row->stack, row->time_ns, lost);
			row->source = model_id(m, STINT_SOURCE, m->sources.n, row->source, lost);
		}
	} else if (rows->table == STINT_OFFCPU) {
		struct stint_offcpu *row = (struct stint_offcpu *)rows->rows;

		for (i = 0; i < rows->n_rows; i++, row++) {
			row->thread = model_id(m, STINT_THREAD, m->threads.n, row->thread, lost);
			row->stack = stack_at(m, row->stack, row->start_ns, lost);
			row->waker = model_id(m, STINT_THREAD, m->threads.n, row->waker, lost);
			row->waker_stack = stack_at(m, row->waker_stack, row->wake_ns, lost);
		}
	} else if (rows->table == STINT_TASK) {
		struct stint_task *row = (struct stint_task *)rows->rows;

		for (i = 0; i < rows->n_rows; i++, row++) {
			row->thread = model_id(m, STINT_THREAD, m->threads.n, row->thread, lost);
			row->other = model_id(m, STINT_THREAD, m->threads.n, row->other, lost);
		}
	} else if (rows->table == STINT_WINDOW) {
		check_windows(m, rows, lost);
	}
}

struct walk {
	struct model *m;
	enum stint_table table;
	const struct model_window *window;
	model_block_fn each;
	size_t n_blocks;
	atomic_size_t next;  /* the next block that nobody has taken */
	atomic_bool stopped; /* a worker failed: the others finish early */
};

struct worker {
	struct walk *walk;
	void *context;
	pthread_t thread;
	uint64_t lost, n_damaged;
	int code;
	struct stint_err err;
};

/* Decodes block i and puts its ids right. What is wrong with it counts once, however often its rows
 * are read. */
static int read_block(const struct model *m, size_t i, struct stint_rows *rows, uint64_t *lost, uint64_t *n_damaged,
		      struct stint_err *err)
{
	uint8_t *seen = &m->block_seen[i];
	uint64_t n_lost = 0;
	int code = stint_reader_decode(m->reader, i, rows, err);

	if (code == STINT_ERR_FORMAT || code == STINT_ERR_LIMIT)
		*n_damaged += !*seen;
	else if (code)
		return code;
	else
		check_rows(m, rows, &n_lost);
	if (!*seen)
		*lost += n_lost;
	*seen = code ? MODEL_BLOCK_DAMAGED : MODEL_BLOCK_SEEN;
	return code;
}

int model_read_block(struct model *m, size_t i, struct stint_rows *rows, struct stint_err *err)
{
	return read_block(m, i, rows, &m->lost_ids, &m->n_damaged_blocks, err);
}

/* Hands block i on, unless it is damaged. */
static int work_block(struct worker *w, size_t i, struct stint_rows *rows)
{
	struct walk *walk = w->walk;
	int code = read_block(walk->m, i, rows, &w->lost, &w->n_damaged, &w->err);

	if (code == STINT_ERR_FORMAT || code == STINT_ERR_LIMIT)
		return 0;
	return code ? code : walk->each(w->context, rows, &w->err);
}

/* Takes blocks until there are none left. */
static void *work(void *arg)
{
	struct worker *w = arg;
	struct walk *walk = w->walk;
	struct stint_rows rows = {0};

	while (!atomic_load(&walk->stopped)) {
		size_t i = atomic_fetch_add(&walk->next, 1);
		const struct stint_block_info *block;

		if (i >= walk->n_blocks)
			break;
		block = stint_reader_block(walk->m->reader, i);
		if (block->table != walk->table || !model_block_overlaps(block, walk->window))
			continue;
		w->code = work_block(w, i, &rows);
		if (w->code)
			atomic_store(&walk->stopped, true);
	}
	stint_rows_done(&rows);
	return NULL;
}

int model_each_block_parallel(struct model *m, enum stint_table table, const struct model_window *window,
			      model_block_fn each, void *const *contexts, size_t n_workers, struct stint_err *err)
{
	struct walk walk = {.m = m,
			    .table = table,
			    .window = window,
			    .each = each,
			    .n_blocks = stint_reader_info(m->reader)->n_blocks};
	struct worker workers[MODEL_MAX_WORKERS] = {0};
	size_t i, n_started = 1;
	int code = 0;

	for (i = 0; i < n_workers; i++)
		workers[i] = (struct worker){.walk = &walk, .context = contexts[i], .err = STINT_ERR_INIT};
	/* This thread is the first worker. Where no more can be had, those that are there do all
	 * the work. */
	while (n_started < n_workers && !pthread_create(&workers[n_started].thread, NULL, work, &workers[n_started]))
		n_started++;
	work(&workers[0]);
	for (i = 0; i < n_started; i++) {
		if (i)
			pthread_join(workers[i].thread, NULL);
		m->lost_ids += workers[i].lost;
		m->n_damaged_blocks += workers[i].n_damaged;
		if (workers[i].code && !code) {
			code = workers[i].code;
			if (err)
				*err = workers[i].err;
		}
	}
	return code;
}

int model_each_block(struct model *m, enum stint_table table, model_block_fn each, void *context, struct stint_err *err)
{
	return model_each_block_parallel(m, table, NULL, each, &context, 1, err);
}

size_t model_n_workers(void)
{
	cpu_set_t cpus;
	size_t n;

	if (sched_getaffinity(0, sizeof(cpus), &cpus))
		return 1;
	n = (size_t)CPU_COUNT(&cpus);
	return n < MODEL_MAX_WORKERS ? n : MODEL_MAX_WORKERS;
}
