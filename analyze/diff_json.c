/* SPDX-License-Identifier: MIT */
#include "analyze/diff.h"
#include "analyze/json.h"

static void put_values(struct json *j, const struct diff *d, uint64_t v_a, uint64_t v_b)
{
	double a = diff_value(d, 0, v_a), b = diff_value(d, 1, v_b);

	json_key_double(j, "a", a);
	json_key_double(j, "b", b);
	json_key_double(j, "diff", b - a);
	json_key(j, "diff_pct");
	if (a != 0)
		json_double(j, 100 * (b - a) / a);
	else
		json_null(j);
}

static void put_side(struct json *j, const struct diff *d, int side)
{
	const struct diff_side *s = &d->sides[side];
	size_t i;

	json_object_begin(j);
	json_key(j, "files");
	json_array_begin(j);
	for (i = 0; i < s->files.n; i++)
		json_string(j, s->files.at[i]);
	json_array_end(j);
	json_key_u64(j, "duration_ns", s->duration_ns);
	json_key_u64(j, "total", s->total);
	json_key(j, "notes");
	notes_print_json(&s->notes, j);
	json_object_end(j);
}

static int write_json(const struct diff *d, FILE *out, struct stint_err *err)
{
	struct json *j = json_new(out);
	size_t i;

	if (!j)
		return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory for JSON");
	json_object_begin(j);
	json_key_string(j, "schema", "stint.diff/1");
	json_key_string(j, "view", view_names[d->view]);
	json_key_string(j, "group", diff_group_names[d->group]);
	json_key_string(j, "by", metric_names[d->by]);
	json_key_string(j, "value", d->by_total ? "total" : "self");
	json_key_string(j, "normalized_by", diff_normalize_names[d->normalize]);
	json_key_string(j, "unit", diff_unit(d));
	json_key(j, "a");
	put_side(j, d, 0);
	json_key(j, "b");
	put_side(j, d, 1);
	json_key(j, "total");
	json_object_begin(j);
	put_values(j, d, d->sides[0].total, d->sides[1].total);
	json_object_end(j);
	json_key_u64(j, "n_rows", d->n);
	json_key(j, "rows");
	json_array_begin(j);
	for (i = 0; i < diff_n_rows(d); i++) {
		json_object_begin(j);
		json_key_string(j, "name", d->rows[i].name);
		if (d->rows[i].module[0])
			json_key_string(j, "module", d->rows[i].module);
		put_values(j, d, d->rows[i].v[0], d->rows[i].v[1]);
		json_object_end(j);
	}
	json_array_end(j);
	json_object_end(j);
	json_free(j);
	return 0;
}

const struct diff_emitter diff_json = {.name = "json", .write = write_json, .default_limit = 0};
