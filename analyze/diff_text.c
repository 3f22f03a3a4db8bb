/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <string.h>

#include "analyze/diff.h"
#include "analyze/text.h"

static struct text_short value_text(const struct diff *d, double v)
{
	struct text_short out;

	if (d->normalize == DIFF_BY_SAMPLES) {
		snprintf(out.s, sizeof(out.s), "%.2f%%", v);
		return out;
	}
	if (metric_is_time(d->by))
		return text_duration((uint64_t)(v + 0.5));
	if (v >= 999.5 && v < 1e18)
		return text_count((uint64_t)(v + 0.5));
	snprintf(out.s, sizeof(out.s), "%.3g", v);
	return out;
}

static struct text_short signed_text(const struct diff *d, double v)
{
	struct text_short magnitude = value_text(d, fabs(v)), out;

	snprintf(out.s, sizeof(out.s), "%c%.30s", v < 0 ? '-' : '+', magnitude.s);
	return out;
}

static void add_values(const struct diff *d, struct text_table *t, uint64_t v_a, uint64_t v_b)
{
	double a = diff_value(d, 0, v_a), b = diff_value(d, 1, v_b);
	char change[32] = "new";

	if (a > 0 && b > 0)
		snprintf(change, sizeof(change), "%+.1f%%", 100 * (b - a) / a);
	else if (a > 0)
		memcpy(change, "gone", 5);
	else if (!(b > 0))
		memcpy(change, "-", 2);
	text_cell(t, value_text(d, a).s);
	text_cell(t, value_text(d, b).s);
	text_cell(t, signed_text(d, b - a).s);
	text_cell(t, change);
}

static void print_side(const struct diff *d, int side, FILE *out)
{
	const struct diff_side *s = &d->sides[side];
	size_t i;

	fprintf(out, "%s: ", side ? "B" : "A");
	for (i = 0; i < s->files.n; i++) {
		if (i)
			fputs(", ", out);
		text_print_name(out, s->files.at[i]);
	}
	fprintf(out, ": %s recorded, ", text_duration(s->duration_ns).s);
	if (metric_is_time(d->by))
		fprintf(out, "%s %s\n", text_duration(s->total).s, metric_names[d->by]);
	else
		fprintf(out, "%s %s\n", text_count(s->total).s, d->by == METRIC_COUNT ? "switches" : "samples");
}

static const char *what(const struct diff *d)
{
	static const char *const names[] = {"samples", "switch count", "switch duration", "blocked time",
					    "runqueue time"};

	return names[d->by];
}

static int write_text(const struct diff *d, FILE *out, struct stint_err *err)
{
	bool with_module = d->group == DIFF_SYMBOL;
	struct text_table t = {.n_columns = with_module ? 6 : 5, .right = {true, true, true, true}};
	static const char *const headings[] = {"SYMBOL", "THREAD", "STACK"};
	bool failed;
	size_t i;

	print_side(d, 0, out);
	print_side(d, 1, out);
	fprintf(out, "%s %s%s, %s\n\n", d->view == VIEW_ON_CPU ? "On-CPU" : "Off-CPU", what(d),
		d->group != DIFF_SYMBOL ? ""
		: d->by_total		? " with callees"
					: " of the function itself",
		d->normalize == DIFF_BY_TIME ? "per second of recorded time" : "as a share of each side's total");
	text_cell(&t, "A");
	text_cell(&t, "B");
	text_cell(&t, "DIFF");
	text_cell(&t, "CHANGE");
	if (with_module)
		text_cell(&t, "MODULE");
	text_cell(&t, headings[d->group]);
	add_values(d, &t, d->sides[0].total, d->sides[1].total);
	if (with_module)
		text_cell(&t, "");
	text_cell(&t, "(total)");
	for (i = 0; i < diff_n_rows(d); i++) {
		add_values(d, &t, d->rows[i].v[0], d->rows[i].v[1]);
		if (with_module)
			text_cell_name(&t, d->rows[i].module);
		text_cell_name(&t, d->rows[i].name);
	}
	failed = t.failed;
	if (!failed)
		text_table_print(&t, out);
	text_table_done(&t);
	if (failed)
		return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory for the comparison");
	if (!d->n)
		fputs("No difference.\n", out);
	if (diff_n_rows(d) < d->n)
		fprintf(out, "... and %s more (--limit=0 shows all)\n", text_count(d->n - diff_n_rows(d)).s);
	fputc('\n', out);
	notes_print_text(&d->sides[0].notes, out, "A: ");
	notes_print_text(&d->sides[1].notes, out, "B: ");
	return 0;
}

const struct diff_emitter diff_text = {.name = "text", .write = write_text, .default_limit = 50};
