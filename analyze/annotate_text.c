/* SPDX-License-Identifier: MIT */
/* Annotated functions as a person reads them. */
#include "analyze/annotate_text.h"

#include <string.h>

#include "analyze/header_text.h"
#include "analyze/text.h"

static void print_share(const struct annotations *a, FILE *out, const struct metrics *metrics, const char *what)
{
	enum metric share = annotate_share_metric(a);

	fprintf(out, "%s %s (%s of all)", metric_text(a->by, metrics->v[a->by]).s, what,
		text_percent(metrics->v[share], a->tally.total.v[share]).s);
}

static void print_function_header(const struct annotations *a, const struct annotation *f, FILE *out)
{
	const struct stint_module *module = &a->m->modules.rows[f->module];
	const struct stint_string *id = &a->m->strings.rows[module->build_id_str];
	static const char *const meanings[N_METRICS] = {
		[METRIC_COUNT] = "switches",	       [METRIC_DURATION] = "off the CPU",
		[METRIC_BLOCKED] = "blocked",	       [METRIC_RUNQUEUE] = "waiting for a CPU",
		[METRIC_MAX] = "the longest interval", [METRIC_OPEN] = "still off at the end",
	};
	uint64_t i;

	text_print_name(out, f->name);
	if (f->host) {
		fputs(", inlined into ", out);
		text_print_name(out, f->host);
	}
	fputs("\n  in ", out);
	text_print_name(out, model_str(a->m, module->path_str));
	if (id->size)
		fputs(", build ID ", out);
	for (i = 0; i < id->size; i++)
		fprintf(out, "%02x", id->data[i]);
	fputs("\n  ", out);
	if (a->view == VIEW_ON_CPU) {
		print_share(a, out, &f->self, f->self.v[METRIC_SAMPLES] == 1 ? "sample in it" : "samples in it");
		fputs(", ", out);
	}
	print_share(a, out, &f->total, a->view == VIEW_ON_CPU ? "with what it calls" : meanings[a->by]);
	fputc('\n', out);
}

static void print_part_header(const struct annotation *f, FILE *out, size_t i)
{
	const struct part *part = &f->parts[i];

	if (f->n_parts > 1)
		fprintf(out, "  part %zu of %zu: ", i + 1, f->n_parts);
	else
		fputs("  ", out);
	if (part->size)
		fprintf(out, "%llx-%llx, %s byte%s", (unsigned long long)part->elf_start,
			(unsigned long long)(part->elf_start + part->size), text_count(part->size).s,
			part->size == 1 ? "" : "s");
	else
		fputs("extent unknown", out);
	if (f->n_parts > 1 && part->linkage) {
		fputs(", ", out);
		text_print_name(out, part->linkage);
	}
	if (part->why) {
		fputs("; no code: ", out);
		text_print_name(out, part->why);
	} else if (part->n_missing) {
		fprintf(out, "; the last %s bytes are not shown", text_count(part->n_missing).s);
	}
	fputc('\n', out);
}

/* Sources that were changed since tell lies. */
static void print_newer(const struct annotations *a, const struct annotation *f, FILE *out)
{
	uint64_t realtime_ns;
	size_t i, k;

	if (!recording_realtime(a->m, a->m->start_ns, &realtime_ns))
		return;
	for (i = 0; i < f->n_lines; i++) {
		const char *file = f->lines[i].file;

		if (!source_text_is_newer(a->sources, file, realtime_ns))
			continue;
		for (k = 0; k < i && (!f->lines[k].file || strcmp(f->lines[k].file, file)); k++)
			;
		if (k < i)
			continue;
		fputs("  ", out);
		text_print_name(out, file);
		fputs(" was changed after the recording was made: its lines may have moved\n", out);
	}
}

static int print_function(const struct annotations *a, const struct annotation *f, FILE *out, struct stint_err *err)
{
	size_t i;
	int code = 0;

	print_function_header(a, f, out);
	for (i = 0; i < f->n_parts; i++)
		print_part_header(f, out, i);
	print_newer(a, f, out);
	fputc('\n', out);
	if (a->group == ANNOTATE_LINES)
		return annotate_print_lines(a, f, out, err);
	if (a->order == ORDER_HOTTEST)
		return annotate_print_hottest(a, f, out, err);
	for (i = 0; i < f->n_parts && !code; i++) {
		if (f->n_parts > 1)
			fprintf(out, "%sPart %zu:\n", i ? "\n" : "", i + 1);
		code = annotate_print_part(a, f, &f->parts[i], out, err);
	}
	return code;
}

/* Several functions are listed before they are shown. */
static void print_list(const struct annotations *a, size_t n, FILE *out)
{
	struct text_table t = {.n_columns = 4, .right = {true}};
	enum metric share = annotate_share_metric(a);
	size_t i;

	text_cell(&t, "ALL");
	text_cell(&t, "MODULE");
	text_cell(&t, "FUNCTION");
	text_cell(&t, "INLINED INTO");
	fprintf(out, "%s functions match '", text_count(a->n).s);
	text_print_name(out, a->symbol);
	fputs("':\n\n", out);
	for (i = 0; i < n; i++) {
		text_cell(&t, text_percent(a->all[i].total.v[share], a->tally.total.v[share]).s);
		text_cell_name(&t, text_file_name(model_str(a->m, a->m->modules.rows[a->all[i].module].path_str)));
		text_cell_name(&t, a->all[i].name);
		text_cell_name(&t, a->all[i].host ? a->all[i].host : "");
	}
	if (!t.failed)
		text_table_print(&t, out);
	text_table_done(&t);
	if (n < a->n)
		fprintf(out, "... and %s more (--limit=0 shows all)\n", text_count(a->n - n).s);
	fputc('\n', out);
}

static int write_text(struct annotations *a, FILE *out, struct stint_err *err)
{
	size_t i, n = a->limit && a->limit < a->n ? a->limit : a->n;
	int code = 0;

	header_print_text(a->m, out);
	totals_print_text(a->m, a->view, &a->tally, a->selected, out);
	if (!a->tally.n_events)
		nothing_print_text(a->view, &a->tally, a->selected, out);
	if (a->n > 1)
		print_list(a, n, out);
	for (i = 0; i < n && !code; i++) {
		code = annotation_open(a, &a->all[i], err);
		if (!code)
			code = print_function(a, &a->all[i], out, err);
		annotation_close(&a->all[i]);
		fputc('\n', out);
	}
	if (a->n_left_out)
		fprintf(out, "More than %u functions have that name; the rest is left out.\n", ANNOTATE_MAX_FUNCTIONS);
	notes_print_text(&a->notes, out, "");
	return code;
}

const struct annotate_emitter annotate_text = {
	.name = "text", .write = write_text, .default_limit = 10, .default_rows = 20};
