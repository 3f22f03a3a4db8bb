/* SPDX-License-Identifier: MIT */
/* Annotated functions as JSON, "stint.annotate/1". */
#include <string.h>

#include "analyze/annotate.h"
#include "analyze/header_json.h"
#include "analyze/json.h"
#include "analyze/metrics_json.h"

/* In the manner of stint report, with percentages of this whole. */
static void put_values(struct json *j, const struct annotations *a, const struct metrics *self,
		       const struct metrics *total, const struct metrics *whole)
{
	enum metric share = annotate_share_metric(a);

	json_metrics(j, a->view, self, total);
	json_key_percent(j, "self_pct", self->v[share], whole->v[share]);
	json_key_percent(j, "total_pct", total->v[share], whole->v[share]);
}

static void put_hex(struct json *j, const char *key, uint64_t value)
{
	json_key(j, key);
	json_hex(j, value);
}

static void put_line(struct json *j, const char *file, uint32_t line)
{
	json_key_string(j, "file", file);
	json_key(j, "line");
	if (line)
		json_u64(j, line);
	else
		json_null(j);
}

/* What is inlined at this place, innermost first. */
static void put_inlined(struct json *j, const struct symbol_chain *chain)
{
	uint32_t i;

	json_key(j, "inlined");
	json_array_begin(j);
	for (i = 0; i < chain->n && chain->symbols[i].inlined; i++)
		json_string(j, chain->symbols[i].name);
	json_array_end(j);
}

static void put_target(struct json *j, const struct annotation *f, const struct place *place)
{
	const char *host = f->host ? f->host : f->name;

	if (place->target_kind == TARGET_NONE)
		return;
	json_key(j, "target");
	json_object_begin(j);
	json_key_string(j, "name", place->target_kind == TARGET_OTHER ? place->target : host);
	json_key(j, "offset");
	if (place->target_kind == TARGET_PART)
		json_null(j);
	else
		json_u64(j, place->target_offset);
	json_object_end(j);
}

static void put_place(struct json *j, const struct annotations *a, const struct annotation *f, const struct part *part,
		      const struct place *place)
{
	json_object_begin(j);
	put_hex(j, "address", place->elf_addr);
	json_key(j, "offset");
	if (part->size)
		json_u64(j, place->addr - part->start);
	else
		json_null(j);
	put_values(j, a, &place->self, &place->total, &f->total);
	if (place->bytes) {
		json_key(j, "bytes");
		json_hex_bytes(j, place->bytes, place->n_bytes);
		json_key_string(j, "mnemonic", place->mnemonic);
		json_key_string(j, "operands", place->operands);
		json_key_bool(j, "data", place->is_data);
		put_target(j, f, place);
		if (place->reference)
			put_hex(j, "reference", place->reference);
	} else {
		json_key_bool(j, "return_address", place->is_return);
	}
	if (f->host)
		json_key_bool(j, "outside", place->outside);
	put_line(j, place->chain.symbols[0].file, place->chain.symbols[0].line);
	put_inlined(j, &place->chain);
	json_object_end(j);
}

static void put_part(struct json *j, const struct annotations *a, const struct annotation *f, const struct part *part)
{
	size_t i;

	json_object_begin(j);
	json_key_string(j, "linkage", part->linkage);
	put_hex(j, "start", part->elf_start);
	json_key(j, "size_bytes");
	if (part->size)
		json_u64(j, part->size);
	else
		json_null(j);
	json_key_bool(j, "code", !part->why);
	json_key_string(j, "why", part->why);
	json_key_u64(j, "missing_bytes", part->why ? 0 : part->n_missing);
	put_values(j, a, &part->self, &part->total, &f->total);
	json_key(j, "instructions");
	json_array_begin(j);
	for (i = 0; i < part->n; i++)
		put_place(j, a, f, part, &part->places[i]);
	json_array_end(j);
	json_object_end(j);
}

static void put_lines(struct json *j, const struct annotations *a, const struct annotation *f)
{
	size_t i, len;

	json_key(j, "lines");
	json_array_begin(j);
	for (i = 0; i < f->n_lines && (!a->n_rows || i < a->n_rows); i++) {
		const struct source_line *line = &f->lines[i];
		const char *text = source_text_line(a->sources, line->file, line->line, &len);

		json_object_begin(j);
		put_line(j, line->file, line->line);
		put_values(j, a, &line->self, &line->total, &f->total);
		json_key(j, "text");
		if (text)
			json_string_n(j, text, len);
		else
			json_null(j);
		json_object_end(j);
	}
	json_array_end(j);
}

static int put_function(struct json *j, struct annotations *a, struct annotation *f, struct stint_err *err)
{
	const struct stint_module *module = &a->m->modules.rows[f->module];
	const struct stint_string *id = &a->m->strings.rows[module->build_id_str];
	int code = annotation_open(a, f, err);
	size_t i;

	if (code)
		return code;
	json_object_begin(j);
	json_key_string(j, "name", f->name);
	json_key_string(j, "linkage", f->linkage);
	json_key_string(j, "inlined_into", f->host);
	json_key_string(j, "module", model_str(a->m, module->path_str));
	json_key(j, "build_id");
	if (id->size)
		json_hex_bytes(j, id->data, (size_t)id->size);
	else
		json_null(j);
	json_key_bool(j, "kernel", f->kernel);
	put_values(j, a, &f->self, &f->total, &a->tally.total);
	json_key(j, "parts");
	json_array_begin(j);
	for (i = 0; i < f->n_parts && a->group == ANNOTATE_INSTRUCTIONS; i++)
		put_part(j, a, f, &f->parts[i]);
	json_array_end(j);
	put_lines(j, a, f);
	json_object_end(j);
	annotation_close(f);
	return 0;
}

static int write_json(struct annotations *a, FILE *out, struct stint_err *err)
{
	size_t i, n = a->limit && a->limit < a->n ? a->limit : a->n;
	enum metric metrics[N_METRICS];
	int k, code = 0, n_metrics = view_metrics(a->view, metrics);
	struct json *j = json_new(out);

	if (!j)
		return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory for JSON");
	json_object_begin(j);
	json_key_string(j, "schema", "stint.annotate/1");
	json_key_string(j, "view", view_names[a->view]);
	json_key_string(j, "by", metric_names[a->by]);
	json_key_string(j, "symbol", a->symbol);
	json_key_bool(j, "selected", a->selected);
	json_recording(j, a->m);
	json_key(j, "total");
	json_object_begin(j);
	for (k = 0; k < n_metrics; k++)
		json_key_u64(j, metric_key(metrics[k]), a->tally.total.v[metrics[k]]);
	json_object_end(j);
	json_key_u64(j, "n_functions", a->n);
	json_key_u64(j, "left_out", a->n_left_out);
	json_key(j, "functions");
	json_array_begin(j);
	for (i = 0; i < n && !code; i++)
		code = put_function(j, a, &a->all[i], err);
	json_array_end(j);
	json_key(j, "notes");
	notes_print_json(&a->notes, j);
	json_object_end(j);
	json_free(j);
	return code;
}

const struct annotate_emitter annotate_json = {.name = "json", .write = write_json};
