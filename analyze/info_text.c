/* SPDX-License-Identifier: MIT */
#include <inttypes.h>

#include "analyze/header_text.h"
#include "analyze/info.h"
#include "analyze/loss.h"
#include "analyze/options.h"
#include "analyze/text.h"
#include "base/amount.h"

static void print_meta(const struct model *m, const char *title, const char *key, FILE *out)
{
	const char *value = model_meta(m, key);

	if (!value || !*value)
		return;
	fprintf(out, "%-10s", title);
	text_print_name(out, value);
	fputc('\n', out);
}

static void print_file(const struct model *m, FILE *out)
{
	const struct stint_file_info *file = stint_reader_info(m->reader);

	fprintf(out, "%-10s%s in %s blocks, format %u.%u, %s\n", "File", text_size(file->size_bytes).s,
		text_count(file->n_blocks).s, file->major, file->minor, file->complete ? "complete" : "without an end");
}

/* How stacks were taken matters for what they can show. */
static void print_stacks(const struct model *m, FILE *out)
{
	const char *unwind = model_meta(m, "unwind"), *min = model_meta(m, "kernel_stack_min_ns");
	uint64_t ns;

	if (!unwind && !min)
		return;
	fprintf(out, "%-10s", "Stacks");
	if (unwind) {
		fputs("user by ", out);
		text_print_name(out, unwind);
	}
	if (min && stint_parse_number(min, UINT64_MAX, &ns))
		fprintf(out, "%skernel for intervals of at least %s", unwind ? "; " : "", text_duration(ns).s);
	fputc('\n', out);
}

static void print_totals(const struct info *info, FILE *out)
{
	const struct model *m = info->m;
	const uint64_t *v = info->off_cpu.v;
	uint64_t freq = recording_freq_hz(m);

	fprintf(out, "%-10s%s samples", "On-CPU", text_count(info->on_cpu.v[METRIC_SAMPLES]).s);
	if (freq)
		fprintf(out, " at %s Hz", text_count(freq).s);
	fprintf(out, "\n%-10s%s switches and %s still open, %s = blocked %s + runqueue %s\n", "Off-CPU",
		text_count(v[METRIC_COUNT]).s, text_count(v[METRIC_OPEN]).s, text_duration(v[METRIC_DURATION]).s,
		text_duration(v[METRIC_BLOCKED]).s, text_duration(v[METRIC_RUNQUEUE]).s);
	fprintf(out, "%-10s%s processes, %s threads, %s stacks, %s frames, %s mappings\n", "Of",
		text_count(info->n_known_processes).s, text_count(info->n_threads).s,
		text_count(m->n_file_stacks - 1).s, text_count(info->n_frames).s, text_count(m->mappings.n - 1).s);
	if (info->packed.with_name || info->packed.without_name)
		fprintf(out, "%-10s%s addresses with a name, %s that nobody had one for\n", "Packed",
			text_count(info->packed.with_name).s, text_count(info->packed.without_name).s);
	if (info->n_code_functions)
		fprintf(out, "%-10sof %s functions, %s\n", "Code", text_count(info->n_code_functions).s,
			text_size(info->n_code_bytes).s);
}

static void print_place(FILE *out, uint64_t file_off, uint64_t size_bytes, const char *why)
{
	fprintf(out, "  At byte %" PRIu64 ", %s bytes: ", file_off, text_count(size_bytes).s);
	text_print_name(out, why);
	fputc('\n', out);
}

static void print_losses(const struct info *info, FILE *out)
{
	const struct model *m = info->m;
	const struct stint_file_info *file = stint_reader_info(m->reader);
	bool any = info->notes.n > 0;
	uint32_t cause;
	size_t i;

	fputs("\nLost:\n", out);
	for (cause = 0; cause < STINT_N_LOSS_CAUSES; cause++) {
		if (!m->loss[cause])
			continue;
		any = true;
		fprintf(out, "  %s %s.\n", text_count(m->loss[cause]).s, loss_meaning(cause, m->loss[cause] == 1));
	}
	if (info->notes.n)
		notes_print_text(&info->notes, out, "  ");
	for (i = 0; i < file->n_damage; i++) {
		const struct stint_damage *damage = stint_reader_damage(m->reader, i);

		print_place(out, damage->file_off, damage->size_bytes, damage->why);
	}
	for (i = 0; i < file->n_blocks; i++) {
		const struct stint_block_info *block = stint_reader_block(m->reader, i);

		if (model_block_is_damaged(m, i))
			print_place(out, block->file_off, STINT_BLOCK_HEADER_BYTES + (uint64_t)block->stored_bytes,
				    "a block that can't be decoded");
	}
	if (!any)
		fputs("  Nothing was lost.\n", out);
}

/* "99.2% complete, 0.5% depth, 0.3% unreadable" */
static void ends_text(const struct info_process *p, struct stint_buf *out)
{
	uint64_t all = 0;
	uint32_t end;
	bool first = true;

	for (end = STINT_USER_NONE + 1; end < N_USER_ENDS; end++)
		all += p->user_ends[end];
	for (end = STINT_USER_NONE + 1; end < N_USER_ENDS; end++) {
		if (!p->user_ends[end])
			continue;
		stint_buf_printf(out, "%s%s %s", first ? "" : ", ", text_percent(p->user_ends[end], all).s,
				 user_end_name(end));
		first = false;
	}
	stint_buf_u8(out, 0);
}

/* Rows at most, of those with events; JSON has them all. */
#define MAX_ROWS 40

static void print_more(uint32_t n, uint32_t shown, FILE *out)
{
	if (n > shown)
		fprintf(out, "... and %s more, %s (--format=json has them all)\n", text_count(n - shown).s,
			shown < MAX_ROWS ? "without events" : "with fewer events or none");
}

static void print_processes(const struct info *info, FILE *out)
{
	struct text_table t = {.n_columns = 6, .right = {true, true, true, true}};
	struct stint_buf buf;
	uint32_t i;

	text_cell(&t, "THREADS");
	text_cell(&t, "SAMPLES");
	text_cell(&t, "SWITCHES");
	text_cell(&t, "OPEN");
	text_cell(&t, "PROCESS");
	text_cell(&t, "USER STACKS END");
	stint_buf_init(&buf, INT32_MAX);
	for (i = 0; i < info->n_processes && i < MAX_ROWS; i++) {
		const struct info_process *p = &info->processes[i];

		if (!p->samples && !p->switches && !p->open)
			break;
		text_cell(&t, text_count(p->n_threads).s);
		text_cell(&t, text_count(p->samples).s);
		text_cell(&t, text_count(p->switches).s);
		text_cell(&t, text_count(p->open).s);
		stint_buf_reset(&buf);
		label_process(&info->labels, p->row, &buf);
		stint_buf_u8(&buf, 0);
		text_cell_name(&t, stint_buf_status(&buf) ? "" : (const char *)buf.data);
		stint_buf_reset(&buf);
		ends_text(p, &buf);
		text_cell(&t, stint_buf_status(&buf) ? "" : (const char *)buf.data);
	}
	fputc('\n', out);
	if (!t.failed)
		text_table_print(&t, out);
	print_more(info->n_processes, i, out);
	stint_buf_done(&buf);
	text_table_done(&t);
}

static bool has_events(const struct info_module *module)
{
	return module->samples || module->switches;
}

static void print_modules(const struct info *info, FILE *out)
{
	const struct model *m = info->m;
	struct text_table t = {.n_columns = 5, .right = {true, true}};
	uint32_t i;

	text_cell(&t, "SAMPLES");
	text_cell(&t, "INTERVALS");
	text_cell(&t, "BUILD ID");
	text_cell(&t, "FILE");
	text_cell(&t, "SYMBOLS");
	for (i = 0; i < info->n_modules && i < MAX_ROWS && has_events(&info->modules[i]); i++) {
		const struct info_module *module = &info->modules[i];
		const struct stint_module *row = &m->modules.rows[module->row];
		const struct stint_string *build_id = &m->strings.rows[row->build_id_str];
		char hex[2 * 64 + 1] = "-";
		uint64_t k;

		for (k = 0; k < build_id->size && k < 64; k++)
			snprintf(hex + 2 * k, 3, "%02x", build_id->data[k]);
		text_cell(&t, text_count(module->samples).s);
		text_cell(&t, text_count(module->switches).s);
		text_cell(&t, hex);
		text_cell_name(&t, model_str(m, row->path_str));
		text_cell_name(&t, module->source.from	? module->source.from
				   : module->source.why ? module->source.why
							: "none");
	}
	fputc('\n', out);
	if (!t.failed)
		text_table_print(&t, out);
	print_more(info->n_modules, i, out);
	text_table_done(&t);
}

void info_print_text(const struct info *info, FILE *out)
{
	header_print_text(info->m, out);
	print_file(info->m, out);
	print_meta(info->m, "Recorder", "recorder", out);
	print_meta(info->m, "Target", "target", out);
	print_meta(info->m, "Command", "command", out);
	print_meta(info->m, "Offline", "cpus_offline", out);
	print_stacks(info->m, out);
	print_totals(info, out);
	print_losses(info, out);
	print_processes(info, out);
	print_modules(info, out);
}
