/* SPDX-License-Identifier: MIT */
/* A report as CSV. What was lost has no place in it, so that goes to standard error. */
#include "analyze/csv.h"
#include "analyze/report.h"

static void put_value_names(FILE *out, const struct report *r)
{
	enum metric metrics[N_METRICS];
	int i, n = view_metrics(r->view, metrics);

	for (i = 0; i < n; i++) {
		char name[64];

		snprintf(name, sizeof(name), "%s%sself", r->view == VIEW_ON_CPU ? "" : metric_key(metrics[i]),
			 r->view == VIEW_ON_CPU ? "" : "_");
		csv_text(out, false, name);
		snprintf(name, sizeof(name), "%s%stotal", r->view == VIEW_ON_CPU ? "" : metric_key(metrics[i]),
			 r->view == VIEW_ON_CPU ? "" : "_");
		csv_text(out, false, name);
	}
	csv_text(out, false, "self_pct");
	csv_text(out, false, "total_pct");
	csv_end(out);
}

static void put_values(FILE *out, const struct report *r, const struct metrics *self, const struct metrics *total)
{
	enum metric metrics[N_METRICS], share = report_share_metric(r);
	int i, n = view_metrics(r->view, metrics);

	for (i = 0; i < n; i++) {
		csv_u64(out, false, self->v[metrics[i]]);
		csv_u64(out, false, total->v[metrics[i]]);
	}
	csv_percent(out, false, self->v[share], r->tally.total.v[share]);
	csv_percent(out, false, total->v[share], r->tally.total.v[share]);
	csv_end(out);
}

static void put_table(FILE *out, const struct report *r)
{
	size_t i, n = report_rows(r, r->table.n);

	csv_text(out, true, "name");
	csv_text(out, false, "module");
	put_value_names(out, r);
	for (i = 0; i < n; i++) {
		csv_text(out, true, r->table.rows[i].name);
		csv_text(out, false, r->table.rows[i].module);
		put_values(out, r, &r->table.rows[i].self, &r->table.rows[i].total);
	}
}

static void put_tree(FILE *out, const struct report *r)
{
	size_t i, n = report_rows(r, r->tree.n);

	csv_text(out, true, "depth");
	csv_text(out, false, "name");
	csv_text(out, false, "module");
	put_value_names(out, r);
	for (i = 0; i < n; i++) {
		csv_u64(out, true, r->tree.nodes[i].depth);
		csv_text(out, false, r->tree.nodes[i].name);
		csv_text(out, false, r->tree.nodes[i].module);
		put_values(out, r, &r->tree.nodes[i].self, &r->tree.nodes[i].total);
	}
}

static void put_histogram(FILE *out, const struct report *r)
{
	const struct histogram *h = &r->tally.histogram;
	unsigned b;

	fputs("from_ns,to_ns,duration,blocked,runqueue\r\n", out);
	for (b = 0; b < N_HISTOGRAM_BUCKETS; b++) {
		if (!h->n[HISTOGRAM_DURATION][b] && !h->n[HISTOGRAM_BLOCKED][b] && !h->n[HISTOGRAM_RUNQUEUE][b])
			continue;
		csv_u64(out, true, histogram_from_ns(b));
		csv_u64(out, false, histogram_to_ns(b));
		csv_u64(out, false, h->n[HISTOGRAM_DURATION][b]);
		csv_u64(out, false, h->n[HISTOGRAM_BLOCKED][b]);
		csv_u64(out, false, h->n[HISTOGRAM_RUNQUEUE][b]);
		csv_end(out);
	}
}

static int write_csv(const struct report *r, FILE *out, struct stint_err *err)
{
	(void)err;
	if (r->shape == SHAPE_TABLE)
		put_table(out, r);
	else if (r->shape == SHAPE_HISTOGRAM)
		put_histogram(out, r);
	else
		put_tree(out, r);
	notes_print_text(&r->notes, stderr, "stint report: ");
	return 0;
}

const struct report_emitter report_csv = {.name = "csv", .write = write_csv, .default_limit = 0};
