/* SPDX-License-Identifier: MIT */
/* A report as a person reads it: which recording, how much in all, the rows, and what was lost. */
#include <string.h>

#include "analyze/header_text.h"
#include "analyze/report.h"
#include "analyze/text.h"

static const char *const headings[N_METRICS] = {"SAMPLES",  "SWITCHES", "DURATION", "BLOCKED",
						"RUNQUEUE", "MAX",	"OPEN"};

static bool has_two_sides(const struct report *r)
{
	return r->shape != SHAPE_TABLE || (group_is_of_stacks(r->group) && r->group != GROUP_STACK);
}

/* Shares first, then the numbers of the side that sorts; the name, which may be very long, comes last. */
static void add_headings(const struct report *r, struct text_table *t, const char *name, const char *module)
{
	enum metric metrics[N_METRICS];
	int i, n = view_metrics(r->view, metrics);

	memset(t, 0, sizeof(*t));
	for (i = 0; i < TEXT_MAX_COLUMNS; i++)
		t->right[i] = true;
	t->n_columns = n + (has_two_sides(r) ? 2 : 1) + (name ? 1 : 0) + (module ? 1 : 0);
	if (name)
		t->right[t->n_columns - 1] = false;
	if (module)
		t->right[t->n_columns - 2] = false;
	text_cell(t, has_two_sides(r) ? "SELF" : "SHARE");
	if (has_two_sides(r))
		text_cell(t, "TOTAL");
	for (i = 0; i < n; i++)
		text_cell(t, headings[metrics[i]]);
	if (module)
		text_cell(t, module);
	if (name)
		text_cell(t, name);
}

static void add_values(const struct report *r, struct text_table *t, const struct metrics *self,
		       const struct metrics *total, bool by_total)
{
	enum metric metrics[N_METRICS], share = report_share_metric(r);
	uint64_t whole = r->tally.total.v[share];
	int i, n = view_metrics(r->view, metrics);

	text_cell(t, text_percent(self->v[share], whole).s);
	if (has_two_sides(r))
		text_cell(t, text_percent(total->v[share], whole).s);
	for (i = 0; i < n; i++)
		text_cell(t, metric_text(metrics[i], (by_total ? total : self)->v[metrics[i]]).s);
}

static void print_more(const struct report *r, size_t n, FILE *out)
{
	if (report_rows(r, n) < n)
		fprintf(out, "... and %s more (--limit=0 shows all)\n", text_count(n - report_rows(r, n)).s);
}

static int finish(struct text_table *t, struct stint_err *err)
{
	bool failed = t->failed;

	text_table_done(t);
	return failed ? stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory for the report") : 0;
}

static int print_table(const struct report *r, FILE *out, struct stint_err *err)
{
	bool with_module = r->group == GROUP_SYMBOL || r->group == GROUP_LINE;
	size_t i, n = report_rows(r, r->table.n);
	struct text_table t;
	char name[32];

	for (i = 0; group_names[r->group][i] && i < sizeof(name) - 1; i++)
		name[i] = (char)(group_names[r->group][i] - 'a' + 'A');
	name[i] = '\0';
	add_headings(r, &t, name, with_module ? "MODULE" : NULL);
	for (i = 0; i < n; i++) {
		const struct table_row *row = &r->table.rows[i];

		add_values(r, &t, &row->self, &row->total, r->by_total);
		if (with_module)
			text_cell_name(&t, text_file_name(row->module));
		text_cell_name(&t, row->name);
	}
	if (!t.failed)
		text_table_print(&t, out);
	print_more(r, r->table.n, out);
	return finish(&t, err);
}

static int print_stack(const struct report *r, const struct table_row *row, FILE *out, struct stint_err *err)
{
	const struct located *stack;
	uint32_t i, n;
	int code = functions_of_stack(r->functions, r->table.members[row->first_member - 1].stack, &stack, &n, err);

	for (i = 0; i < n && !code; i++) {
		const struct function *function = &r->functions->all[stack[i].function];

		fputs("        ", out);
		text_print_name(out, function->name);
		if (stack[i].symbol && stack[i].symbol->inlined)
			fputs(" (inlined)", out);
		if (function->module[0]) {
			fputs("  ", out);
			text_print_name(out, text_file_name(function->module));
		}
		fputc('\n', out);
	}
	return code;
}

static int print_stacks(const struct report *r, FILE *out, struct stint_err *err)
{
	size_t i, n = report_rows(r, r->table.n);
	struct text_table t;
	int code = 0, finished;

	add_headings(r, &t, NULL, NULL);
	for (i = 0; i < n; i++)
		add_values(r, &t, &r->table.rows[i].self, &r->table.rows[i].total, false);
	if (!t.failed)
		text_table_print_row(&t, 0, out);
	for (i = 0; i < n && !code && !t.failed; i++) {
		text_table_print_row(&t, i + 1, out);
		code = print_stack(r, &r->table.rows[i], out, err);
	}
	print_more(r, r->table.n, out);
	finished = finish(&t, code ? NULL : err);
	return code ? code : finished;
}

/* A deep tree is indented no further than this: its depth is then said by a number. */
#define MAX_INDENT 40

static int print_tree(const struct report *r, FILE *out, struct stint_err *err)
{
	size_t i, n = report_rows(r, r->tree.n);
	struct text_table t;
	struct stint_buf buf;

	fprintf(out, "%s of ", r->shape == SHAPE_CALLERS ? "Callers" : "Callees");
	text_print_name(out, r->symbol);
	fputs(r->shape == SHAPE_CALLERS ? ", outward from it; TOTAL is what comes through a line\n\n"
					: ", inward from it; TOTAL is what comes through a line, SELF what ends "
					  "there\n\n",
	      out);
	add_headings(r, &t, r->shape == SHAPE_CALLERS ? "CALLER" : "CALLEE", "MODULE");
	stint_buf_init(&buf, INT32_MAX);
	for (i = 0; i < n; i++) {
		const struct call_node *node = &r->tree.nodes[i];
		int indent = node->depth < MAX_INDENT ? (int)node->depth : MAX_INDENT;

		add_values(r, &t, &node->self, &node->total, true);
		text_cell_name(&t, text_file_name(node->module));
		stint_buf_reset(&buf);
		stint_buf_printf(&buf, "%*s", indent * 2, "");
		if (node->depth > MAX_INDENT)
			stint_buf_printf(&buf, "(%u) ", node->depth);
		stint_buf_bytes(&buf, node->name, strlen(node->name) + 1);
		t.failed |= stint_buf_status(&buf) != 0;
		if (!t.failed)
			text_cell_name(&t, (const char *)buf.data);
	}
	stint_buf_done(&buf);
	if (!t.failed)
		text_table_print(&t, out);
	print_more(r, r->tree.n, out);
	return finish(&t, err);
}

#define BAR_WIDTH 40

static const char bar[] = "########################################";
_Static_assert(sizeof(bar) == BAR_WIDTH + 1, "the bar is as long as it says");

static int print_histogram(const struct report *r, FILE *out, struct stint_err *err)
{
	const struct histogram *h = &r->tally.histogram;
	int shown = r->by == METRIC_BLOCKED    ? HISTOGRAM_BLOCKED
		    : r->by == METRIC_RUNQUEUE ? HISTOGRAM_RUNQUEUE
					       : HISTOGRAM_DURATION;
	static const char *const names[] = {"DURATION", "BLOCKED", "RUNQUEUE"};
	struct text_table t = {.n_columns = 6, .right = {true, true, true, true, true, false}};
	unsigned b, first = N_HISTOGRAM_BUCKETS, last = 0;
	uint64_t most = 1;
	int k;

	for (b = 0; b < N_HISTOGRAM_BUCKETS; b++) {
		for (k = 0; k < N_HISTOGRAMS; k++) {
			if (!h->n[k][b])
				continue;
			first = b < first ? b : first;
			last = b;
		}
		most = h->n[shown][b] > most ? h->n[shown][b] : most;
	}
	fprintf(out, "Completed intervals by length; the bars show %s\n\n", metric_names[METRIC_DURATION + shown]);
	text_cell(&t, "FROM");
	text_cell(&t, "TO");
	for (k = 0; k < N_HISTOGRAMS; k++)
		text_cell(&t, names[k]);
	text_cell(&t, "");
	for (b = first; b <= last && b < N_HISTOGRAM_BUCKETS; b++) {
		unsigned length = (unsigned)((double)h->n[shown][b] * BAR_WIDTH / (double)most + 0.5);

		text_cell(&t, text_duration(histogram_from_ns(b)).s);
		text_cell(&t, text_duration(histogram_to_ns(b)).s);
		for (k = 0; k < N_HISTOGRAMS; k++)
			text_cell(&t, text_count(h->n[k][b]).s);
		text_cell(&t, bar + BAR_WIDTH - (length <= BAR_WIDTH ? length : BAR_WIDTH));
	}
	if (!t.failed)
		text_table_print(&t, out);
	return finish(&t, err);
}

static int write_text(const struct report *r, FILE *out, struct stint_err *err)
{
	int code = 0;

	header_print_text(r->m, out);
	totals_print_text(r->m, r->view, &r->tally, r->selected, out);
	if (!r->tally.n_events)
		nothing_print_text(r->view, &r->tally, r->selected, out);
	else if (r->shape == SHAPE_HISTOGRAM)
		code = print_histogram(r, out, err);
	else if (r->shape != SHAPE_TABLE)
		code = print_tree(r, out, err);
	else if (r->group == GROUP_STACK)
		code = print_stacks(r, out, err);
	else
		code = print_table(r, out, err);
	if (code)
		return code;
	fputc('\n', out);
	notes_print_text(&r->notes, out, "");
	return 0;
}

const struct report_emitter report_text = {.name = "text", .write = write_text, .default_limit = 50};
