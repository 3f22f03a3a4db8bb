/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "analyze/header_json.h"
#include "analyze/json.h"
#include "analyze/metrics_json.h"
#include "analyze/report.h"

static void put_shares(struct json *j, const struct report *r, const struct metrics *self, const struct metrics *total)
{
	enum metric share = report_share_metric(r);
	uint64_t whole = r->tally.total.v[share];

	json_key_percent(j, "self_pct", self->v[share], whole);
	json_key_percent(j, "total_pct", total->v[share], whole);
}

static void put_values(struct json *j, const struct report *r, const struct metrics *self, const struct metrics *total)
{
	json_metrics(j, r->view, self, total);
	put_shares(j, r, self, total);
}

static void put_total(struct json *j, const struct report *r)
{
	enum metric metrics[N_METRICS];
	int i, n = view_metrics(r->view, metrics);

	json_key(j, "total");
	json_object_begin(j);
	for (i = 0; i < n; i++)
		json_key_u64(j, metric_key(metrics[i]), r->tally.total.v[metrics[i]]);
	json_object_end(j);
}

/*
 * The frames of a stack row. The stacks in it have the same functions, but may differ in lines: a
 * line is given where they agree.
 */
static int put_frames(struct json *j, const struct report *r, const struct table_row *row, struct stint_err *err)
{
	const struct table *t = &r->table;
	const struct located *stack;
	uint32_t i, n, member;
	uint32_t *lines;
	int code = functions_of_stack(r->functions, t->members[row->first_member - 1].stack, &stack, &n, err);

	if (code)
		return code;
	lines = calloc(n, sizeof(*lines));
	if (!lines)
		return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory for a stack's lines");
	for (i = 0; i < n; i++)
		lines[i] = stack[i].symbol ? stack[i].symbol->line : 0;
	for (member = t->members[row->first_member - 1].next; member && !code; member = t->members[member - 1].next) {
		code = functions_of_stack(r->functions, t->members[member - 1].stack, &stack, &n, err);
		for (i = 0; i < n && !code; i++)
			if (stack[i].symbol && stack[i].symbol->line != lines[i])
				lines[i] = 0;
	}
	json_key(j, "frames");
	json_array_begin(j);
	for (i = 0; i < n && !code && stack[i].function; i++) {
		const struct function *function = &r->functions->all[stack[i].function];

		json_object_begin(j);
		json_key_string(j, "name", function->name);
		json_key_string(j, "module", function->module);
		json_key_string(j, "file", stack[i].symbol ? stack[i].symbol->file : NULL);
		json_key(j, "line");
		if (lines[i])
			json_u64(j, lines[i]);
		else
			json_null(j);
		json_key_bool(j, "inline", stack[i].symbol && stack[i].symbol->inlined);
		json_key_bool(j, "kernel", stack[i].kernel);
		json_object_end(j);
	}
	json_array_end(j);
	free(lines);
	return code;
}

static int put_rows(struct json *j, const struct report *r, struct stint_err *err)
{
	size_t i, n = report_rows(r, r->table.n);
	int code = 0;

	json_key_u64(j, "n_rows", r->table.n);
	json_key(j, "rows");
	json_array_begin(j);
	for (i = 0; i < n && !code; i++) {
		const struct table_row *row = &r->table.rows[i];

		json_object_begin(j);
		json_key_string(j, "name", row->name);
		if (row->module[0])
			json_key_string(j, "module", row->module);
		put_values(j, r, &row->self, &row->total);
		if (row->first_member && r->group == GROUP_STACK)
			code = put_frames(j, r, row, err);
		json_object_end(j);
	}
	json_array_end(j);
	return code;
}

static void put_tree(struct json *j, const struct report *r)
{
	size_t i, n = report_rows(r, r->tree.n);

	json_key_string(j, "symbol", r->symbol);
	json_key_u64(j, "n_nodes", r->tree.n);
	json_key(j, r->shape == SHAPE_CALLERS ? "callers" : "callees");
	json_array_begin(j);
	for (i = 0; i < n; i++) {
		const struct call_node *node = &r->tree.nodes[i];

		json_object_begin(j);
		json_key_u64(j, "depth", node->depth);
		json_key_string(j, "name", node->name);
		json_key_string(j, "module", node->module);
		put_values(j, r, &node->self, &node->total);
		json_object_end(j);
	}
	json_array_end(j);
}

static void put_histogram(struct json *j, const struct report *r)
{
	const struct histogram *h = &r->tally.histogram;
	unsigned b;

	json_key(j, "histogram");
	json_array_begin(j);
	for (b = 0; b < N_HISTOGRAM_BUCKETS; b++) {
		if (!h->n[HISTOGRAM_DURATION][b] && !h->n[HISTOGRAM_BLOCKED][b] && !h->n[HISTOGRAM_RUNQUEUE][b])
			continue;
		json_object_begin(j);
		json_key_u64(j, "from_ns", histogram_from_ns(b));
		json_key_u64(j, "to_ns", histogram_to_ns(b));
		json_key_u64(j, "duration", h->n[HISTOGRAM_DURATION][b]);
		json_key_u64(j, "blocked", h->n[HISTOGRAM_BLOCKED][b]);
		json_key_u64(j, "runqueue", h->n[HISTOGRAM_RUNQUEUE][b]);
		json_object_end(j);
	}
	json_array_end(j);
}

static int write_json(const struct report *r, FILE *out, struct stint_err *err)
{
	struct json *j = json_new(out);
	int code = 0;

	if (!j)
		return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory for JSON");
	json_object_begin(j);
	json_key_string(j, "schema", "stint.report/1");
	json_key_string(j, "view", view_names[r->view]);
	if (r->shape == SHAPE_TABLE)
		json_key_string(j, "group", group_names[r->group]);
	json_key_string(j, "by", metric_names[r->by]);
	json_key_string(j, "sort", r->by_total ? "total" : "self");
	json_key_bool(j, "selected", r->selected);
	json_recording(j, r->m);
	put_total(j, r);
	if (r->shape == SHAPE_TABLE)
		code = put_rows(j, r, err);
	else if (r->shape == SHAPE_HISTOGRAM)
		put_histogram(j, r);
	else
		put_tree(j, r);
	json_key(j, "notes");
	notes_print_json(&r->notes, j);
	json_object_end(j);
	json_free(j);
	return code;
}

const struct report_emitter report_json = {.name = "json", .write = write_json, .default_limit = 0};
