/* SPDX-License-Identifier: MIT */
#include "analyze/flame_build.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "analyze/flame_plant.h"
#include "analyze/header_text.h"
#include "analyze/text.h"
#include "base/buf.h"

#define MAX_TEXT_BYTES (1u << 20)

static int no_memory(struct stint_err *err)
{
	return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory for the flame graph");
}

static const char *keep(struct flame_result *r, const struct stint_buf *text)
{
	return stint_buf_status(text) ? NULL : stint_arena_strndup(&r->arena, text->data, text->len);
}

static const char *unit_of(enum metric by)
{
	switch (by) {
	case METRIC_SAMPLES:
		return "samples";
	case METRIC_COUNT:
		return "switches";
	case METRIC_OPEN:
		return "intervals";
	default:
		return "ns";
	}
}

static const char *view_text(const struct flame_request *q)
{
	switch (q->by) {
	case METRIC_SAMPLES:
		return "on-CPU samples";
	case METRIC_COUNT:
		return "off-CPU switches";
	case METRIC_BLOCKED:
		return "off-CPU time, blocked";
	case METRIC_RUNQUEUE:
		return "off-CPU time, waiting for a CPU";
	case METRIC_OPEN:
		return "off-CPU intervals still open";
	default:
		return "off-CPU time";
	}
}

static void put_list(struct stint_buf *out, const char *option, const struct string_list *list)
{
	size_t i;

	for (i = 0; i < list->n; i++)
		stint_buf_printf(out, " --%s=%s", option, list->at[i]);
}

static void put_point(struct stint_buf *out, const char *option, const struct time_point *point)
{
	if (!point->given)
		return;
	if (point->relative)
		stint_buf_printf(out, " --%s=%.7g%%", option, (double)point->value / 1e7);
	else
		stint_buf_printf(out, " --%s=%.9gs", option, (double)point->value / 1e9);
}

/* The selection as its options; nothing where everything is selected. */
static void put_selection(struct stint_buf *out, const struct select_spec *spec)
{
	put_list(out, "pid", &spec->pids);
	put_list(out, "tid", &spec->tids);
	put_list(out, "comm", &spec->comms);
	put_list(out, "cpu", &spec->cpus);
	put_list(out, "state", &spec->states);
	put_list(out, "syscall", &spec->syscalls);
	put_point(out, "from", &spec->from);
	put_point(out, "to", &spec->to);
	if (spec->has_min)
		stint_buf_printf(out, " --min=%" PRIu64 "ns", spec->min_ns);
	if (spec->has_max)
		stint_buf_printf(out, " --max=%" PRIu64 "ns", spec->max_ns);
	put_list(out, "symbol", &spec->symbols);
	put_list(out, "module", &spec->modules);
}

/* The line that says which recording it is, as the tables have it. */
static const char *header(struct flame_result *r, const struct model *m)
{
	const char *kept = NULL;
	char *text = NULL;
	size_t size = 0;
	FILE *memory = open_memstream(&text, &size);

	if (!memory)
		return NULL;
	header_print_text(m, memory);
	if (!fclose(memory))
		kept = stint_arena_strndup(&r->arena, text, strcspn(text, "\n"));
	free(text);
	return kept;
}

static int tell_facts(struct flame_result *r, const struct flame_request *q, struct stint_err *err)
{
	const char *slash = strrchr(q->file, '/');
	struct stint_buf text;
	size_t n = 0;

	stint_buf_init(&text, MAX_TEXT_BYTES);
	stint_buf_printf(&text, "%s: %s", view_text(q), slash ? slash + 1 : q->file);
	r->text.title = keep(r, &text);
	r->facts[n++] = header(r, q->m);
	if (q->view == VIEW_ON_CPU && recording_freq_hz(q->m)) {
		stint_buf_reset(&text);
		stint_buf_printf(&text, "sampled at %" PRIu64 " Hz", recording_freq_hz(q->m));
		r->facts[n++] = keep(r, &text);
	}
	stint_buf_reset(&text);
	put_selection(&text, q->spec);
	if (text.len) /* without the blank that each option begins with */
		r->facts[n++] = stint_arena_strndup(&r->arena, text.data + 1, text.len - 1);
	stint_buf_done(&text);
	return r->text.title && r->facts[0] && r->facts[n - 1] ? 0 : no_memory(err);
}

/* Notes go by stack, whoever's it is. */
static int collect_notes(struct flame_result *r, const struct flame_request *q, const struct selection *sel,
			 const struct tally *tally, struct functions *functions, struct stint_err *err)
{
	struct tally by_stack = *tally;
	size_t i;
	int code;

	by_stack.rows = calloc(tally->n + 1, sizeof(*by_stack.rows));
	if (!by_stack.rows)
		return no_memory(err);
	for (i = 0; i < tally->n; i++) {
		by_stack.rows[i] = tally->rows[i];
		by_stack.rows[i].key = (uint32_t)tally->rows[i].key;
	}
	code = notes_file(&r->notes, q->m, err);
	if (!code)
		code = notes_ledger(&r->notes, q->m, q->view, sel, err);
	if (!code)
		code = notes_stacks(&r->notes, q->m, q->view, &by_stack, err);
	if (!code)
		code = notes_symbols(&r->notes, q->view, &by_stack, functions, err);
	if (!code && !r->flame.nodes[0].total)
		code = notes_add(&r->notes, err, "empty", 0, "Nothing was recorded that this picture could show%s",
				 sel->all ? "" : " (or nothing of it is selected)");
	free(by_stack.rows);
	return code;
}

static int tell_notes(struct flame_result *r, struct stint_err *err)
{
	size_t i;

	r->note_texts = calloc(r->notes.n + 1, sizeof(*r->note_texts));
	if (!r->note_texts)
		return no_memory(err);
	for (i = 0; i < r->notes.n; i++)
		r->note_texts[i] = r->notes.all[i].text;
	r->text.notes = r->note_texts;
	return 0;
}

static int build(struct flame_result *r, const struct flame_request *q, const struct selection *sel,
		 struct functions *functions, struct stint_err *err)
{
	struct tally tally;
	int code = tally_collect(&tally, q->m, sel, q->view, TALLY_COMM_STACK, err);

	if (!code)
		code = flame_plant(&r->flame, &tally, functions, q->by, err);
	if (!code)
		code = collect_notes(r, q, sel, &tally, functions, err);
	tally_done(&tally);
	if (!code)
		code = tell_facts(r, q, err);
	return code ? code : tell_notes(r, err);
}

int flame_build(struct flame_result *ret, const struct flame_request *q, struct stint_err *err)
{
	struct functions functions = {0};
	struct selection *sel = NULL;
	int code;

	memset(ret, 0, sizeof(*ret));
	ret->text.facts = ret->facts;
	ret->text.unit = unit_of(q->by);
	ret->text.folded_unit = metric_is_time(q->by) ? 1000 : 1;
	ret->text.has_count = metric_is_time(q->by);
	code = selection_new(&sel, q->spec, q->m, q->symbolizer, err);
	if (!code)
		code = functions_init(&functions, q->m, q->symbolizer, err);
	functions.by_line = q->lines;
	if (!code)
		code = build(ret, q, sel, &functions, err);
	functions_done(&functions);
	selection_free(sel);
	return code;
}

void flame_result_done(struct flame_result *result)
{
	if (!result)
		return;
	flame_done(&result->flame);
	notes_done(&result->notes);
	stint_arena_done(&result->arena);
	free(result->note_texts);
	memset(result, 0, sizeof(*result));
}
