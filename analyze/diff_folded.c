/* SPDX-License-Identifier: MIT */
/*
 * Differential folded stacks, "STACK A B", as difffolded.pl of FlameGraph writes and flamegraph.pl
 * reads them. B is scaled to A's recorded time (or total), so that the two can be compared.
 */
#include <inttypes.h>

#include "analyze/diff.h"
#include "analyze/flame.h"

int diff_folded_name(struct functions *functions, const struct labels *labels, uint64_t key, char **ret,
		     struct stint_err *err)
{
	const struct located *stack;
	struct stint_buf comm;
	uint32_t n;
	size_t size;
	FILE *out;
	int code = functions_of_stack(functions, (uint32_t)key, &stack, &n, err);

	if (code)
		return code;
	out = open_memstream(ret, &size);
	if (!out)
		return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory for a stack");
	stint_buf_init(&comm, INT32_MAX);
	label_comm(labels, (uint32_t)(key >> 32), &comm);
	stint_buf_u8(&comm, 0);
	flame_folded_name(out, stint_buf_status(&comm) ? "" : (const char *)comm.data);
	stint_buf_done(&comm);
	for (; n; n--) {
		const struct located *at = &stack[n - 1];

		fputc(';', out);
		flame_folded_name(out, functions->all[at->function].name);
		if (at->symbol)
			fputs(at->symbol->inlined ? "_[i]" : at->kernel ? "_[k]" : "", out);
	}
	return fclose(out) ? stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory for a stack") : 0;
}

static uint64_t in_units(const struct diff *d, double v)
{
	return (uint64_t)(metric_is_time(d->by) ? v / 1000 + 0.5 : v + 0.5);
}

static int write_folded(const struct diff *d, FILE *out, struct stint_err *err)
{
	double per_a = diff_value(d, 0, 1), per_b = diff_value(d, 1, 1);
	double scale = per_a > 0 ? per_b / per_a : 1;
	size_t i;

	(void)err;
	for (i = 0; i < d->n; i++) {
		uint64_t a = in_units(d, (double)d->rows[i].v[0]), b = in_units(d, (double)d->rows[i].v[1] * scale);

		if (a || b)
			fprintf(out, "%s %" PRIu64 " %" PRIu64 "\n", d->rows[i].name, a, b);
	}
	notes_print_text(&d->sides[0].notes, stderr, "stint diff: A: ");
	notes_print_text(&d->sides[1].notes, stderr, "stint diff: B: ");
	return 0;
}

const struct diff_emitter diff_folded = {.name = "folded", .write = write_folded, .default_limit = 0};
