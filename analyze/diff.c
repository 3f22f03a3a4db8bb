/* SPDX-License-Identifier: MIT */
#include "analyze/diff.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analyze/aggregate.h"
#include "analyze/header_text.h"
#include "analyze/text.h"
#include "analyze/unwind.h"

const char *const diff_group_names[] = {"symbol", "thread", "stack", NULL};
const char *const diff_normalize_names[] = {"time", "samples", NULL};

static int no_memory(struct stint_err *err)
{
	return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory for the rows of the comparison");
}

static int add_value(struct diff *d, int side, const char *name, const char *module, size_t module_len, uint64_t v,
		     struct stint_err *err)
{
	struct stint_buf key;
	uint32_t id;
	bool is_new;
	int code;

	stint_buf_init(&key, INT32_MAX);
	stint_buf_bytes(&key, name, strlen(name) + 1);
	stint_buf_bytes(&key, module, module_len);
	code = stint_buf_status(&key);
	if (!code)
		code = stint_intern_put(&d->keys, key.data, key.len, &id, &is_new);
	stint_buf_done(&key);
	if (code)
		return no_memory(err);
	if (is_new && d->n == d->cap) {
		size_t cap = d->cap ? d->cap * 2 : 256;
		struct diff_row *rows = realloc(d->rows, cap * sizeof(*rows));

		if (!rows)
			return no_memory(err);
		d->rows = rows;
		d->cap = cap;
	}
	if (is_new) {
		d->rows[d->n] = (struct diff_row){
			.name = stint_arena_strndup(&d->arena, name, strlen(name)),
			.module = stint_arena_strndup(&d->arena, module, module_len),
		};
		if (!d->rows[d->n].name || !d->rows[d->n].module)
			return no_memory(err);
		d->n++;
	}
	d->rows[id - 1].v[side] += v;
	return 0;
}

/* "/usr/lib/libc.so.6" is "libc.so": a function of a library stays the same through its versions.
 */
static const char *unversioned(const char *path, size_t *ret_len)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash && slash[1] ? slash + 1 : path;
	const char *so = strstr(name, ".so.");

	*ret_len = so ? (size_t)(so - name) + 3 : strlen(name);
	return name;
}

/* What is read of one recording. */
struct source {
	struct model *m;
	struct symbolizer *symbolizer;
	struct functions functions;
	struct labels labels;
	struct selection *sel;
	struct tally tally;
};

static int add_table(struct diff *d, int side, struct source *s, struct stint_err *err)
{
	enum group_by group = d->group == DIFF_SYMBOL  ? GROUP_SYMBOL
			      : d->group == DIFF_STACK ? GROUP_STACK
						       : GROUP_COMM;
	struct table table;
	size_t i, len;
	int code = table_make(&table, &s->tally, group, &s->labels, &s->functions, err);

	if (code)
		return code;
	for (i = 0; i < table.n && !code; i++) {
		const struct table_row *row = &table.rows[i];
		const char *module = unversioned(row->module, &len);

		code = add_value(d, side, row->name, module, len, (d->by_total ? &row->total : &row->self)->v[d->by],
				 err);
	}
	table_done(&table);
	return code;
}

static int add_folded(struct diff *d, int side, struct source *s, struct stint_err *err)
{
	size_t i;
	int code = 0;

	for (i = 0; i < s->tally.n && !code; i++) {
		char *name = NULL;

		code = diff_folded_name(&s->functions, &s->labels, s->tally.rows[i].key, &name, err);
		if (!code)
			code = add_value(d, side, name, "", 0, s->tally.rows[i].sums.v[d->by], err);
		free(name);
	}
	return code;
}

static uint64_t selected_ns(const struct source *s)
{
	uint64_t from = s->sel->from_ns > s->m->start_ns ? s->sel->from_ns : s->m->start_ns;
	uint64_t to = s->sel->to_ns < s->m->end_ns ? s->sel->to_ns : s->m->end_ns;

	return to > from ? to - from : 0;
}

/* Samples a second say nothing between recordings that were sampled at different rates. */
static int note_freq(struct diff *d, int side, const struct model *m, struct stint_err *err)
{
	uint64_t freq_hz = recording_freq_hz(m);

	if (d->view != VIEW_ON_CPU || d->normalize != DIFF_BY_TIME || !freq_hz)
		return 0;
	if (!d->freq_hz)
		d->freq_hz = freq_hz;
	if (d->freq_hz == freq_hz)
		return 0;
	return notes_add(&d->sides[side].notes, err, "freq-differs", 1,
			 "A recording was sampled at %s Hz, the first one at %s Hz: "
			 "--normalize=samples can compare them",
			 text_count(freq_hz).s, text_count(d->freq_hz).s);
}

static int add_notes(struct diff *d, int side, struct source *s, struct stint_err *err)
{
	struct notes *notes = &d->sides[side].notes;
	int code = notes_file(notes, s->m, err);

	if (!code)
		code = note_freq(d, side, s->m, err);
	if (!code)
		code = notes_ledger(notes, s->m, d->view, s->sel, err);
	if (!code && (d->group == DIFF_SYMBOL || d->group == DIFF_STACK)) {
		code = notes_stacks(notes, s->m, d->view, &s->tally, err);
		if (!code)
			code = notes_symbols(notes, d->view, &s->tally, &s->functions, err);
	}
	return code;
}

static int load(struct diff *d, struct source *s, const struct select_spec *select,
		const struct symbolizer_options *symbols, struct stint_err *err)
{
	enum tally_key key = d->group == DIFF_THREAD ? TALLY_THREAD : TALLY_STACK;
	int code = unwind_windows(s->m, symbols, err);

	if (!code)
		code = model_symbolizer(s->m, symbols, &s->symbolizer, err);
	if (!code)
		code = functions_init(&s->functions, s->m, s->symbolizer, err);
	if (!code)
		code = labels_init(&s->labels, s->m, err);
	if (!code)
		code = selection_new(&s->sel, select, s->m, s->symbolizer, err);
	if (!code)
		code = tally_collect(&s->tally, s->m, s->sel, d->view, d->group == DIFF_FOLDED ? TALLY_COMM_STACK : key,
				     err);
	return code;
}

int diff_add(struct diff *d, int side, const char *file, const struct select_spec *select,
	     const struct symbolizer_options *symbols, struct stint_err *err)
{
	struct source s = {0};
	int code = model_open(&s.m, file, err);

	if (code)
		return code;
	code = load(d, &s, select, symbols, err);
	if (!code)
		code = d->group == DIFF_FOLDED ? add_folded(d, side, &s, err) : add_table(d, side, &s, err);
	if (!code)
		code = add_notes(d, side, &s, err);
	model_failed(s.m, code, err);
	if (!code) {
		d->sides[side].duration_ns += selected_ns(&s);
		d->sides[side].total += s.tally.total.v[d->by];
	}
	tally_done(&s.tally);
	selection_free(s.sel);
	labels_done(&s.labels);
	functions_done(&s.functions);
	symbolizer_free(s.symbolizer);
	model_free(s.m);
	return code;
}

static uint64_t divisor(const struct diff *d, int side)
{
	return d->normalize == DIFF_BY_TIME ? d->sides[side].duration_ns : d->sides[side].total;
}

double diff_value(const struct diff *d, int side, uint64_t v)
{
	double scale = d->normalize == DIFF_BY_TIME ? 1e9 : 100;

	return divisor(d, side) ? (double)v * scale / (double)divisor(d, side) : 0;
}

const char *diff_unit(const struct diff *d)
{
	if (d->normalize == DIFF_BY_SAMPLES)
		return "%";
	return d->view == VIEW_ON_CPU ? "samples/s" : d->by == METRIC_COUNT ? "switches/s" : "ns/s";
}

/* Compared without rounding: a * divisor of b = b * divisor of a. */
static bool is_equal(const struct diff *d, const struct diff_row *row)
{
	return (unsigned __int128)row->v[0] * divisor(d, 1) == (unsigned __int128)row->v[1] * divisor(d, 0);
}

static int by_change(const void *a, const void *b, void *arg)
{
	const struct diff_row *ra = a, *rb = b;
	const struct diff *d = arg;
	double ca = fabs(diff_value(d, 1, ra->v[1]) - diff_value(d, 0, ra->v[0]));
	double cb = fabs(diff_value(d, 1, rb->v[1]) - diff_value(d, 0, rb->v[0]));
	int name;

	if (d->group != DIFF_FOLDED && ca != cb)
		return ca > cb ? -1 : 1;
	name = strcmp(ra->name, rb->name);
	return name ? name : strcmp(ra->module, rb->module);
}

int diff_finish(struct diff *d, struct stint_err *err)
{
	size_t i, n = 0;
	int side;

	for (side = 0; side < 2 && d->normalize == DIFF_BY_TIME; side++)
		if (!d->sides[side].duration_ns)
			return stint_err_set(err, STINT_ERR_UNSUPPORTED, 0, -1,
					     "side %s has no recorded time to normalize by; try "
					     "--normalize=samples",
					     side ? "B" : "A");
	for (i = 0; i < d->n; i++)
		if (d->group == DIFF_FOLDED ? d->rows[i].v[0] || d->rows[i].v[1] : !is_equal(d, &d->rows[i]))
			d->rows[n++] = d->rows[i];
	d->n = n;
	if (n)
		qsort_r(d->rows, n, sizeof(*d->rows), by_change, d);
	return 0;
}

void diff_done(struct diff *d)
{
	int side;

	if (!d)
		return;
	for (side = 0; side < 2; side++) {
		string_list_done(&d->sides[side].files);
		notes_done(&d->sides[side].notes);
	}
	free(d->rows);
	stint_intern_done(&d->keys);
	stint_arena_done(&d->arena);
	memset(d, 0, sizeof(*d));
}
