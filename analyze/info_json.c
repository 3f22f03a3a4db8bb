/* SPDX-License-Identifier: MIT */
#include "analyze/header_text.h"
#include "analyze/info.h"
#include "analyze/json.h"
#include "analyze/loss.h"
#include "analyze/options.h"
#include "base/amount.h"

static void put_meta_u64(struct json *j, const struct model *m, const char *key)
{
	const char *text = model_meta(m, key);
	uint64_t value;

	json_key(j, key);
	if (text && stint_parse_number(text, UINT64_MAX, &value))
		json_u64(j, value);
	else
		json_null(j);
}

static void put_recording(struct json *j, const struct model *m)
{
	static const char *const texts[] = {"host",   "kernel", "arch",	   "recorder",	   "command",  "target",
					    "unwind", "wakers", "boot_id", "cpus_offline", "cpus_late"};
	static const char *const numbers[] = {"n_cpus", "off_cpu_min_ns", "kernel_stack_min_ns"};
	const struct stint_file_info *file = stint_reader_info(m->reader);
	uint64_t realtime_ns;
	char version[32];
	size_t i;

	json_key(j, "recording");
	json_object_begin(j);
	json_key_bool(j, "complete", file->complete);
	json_key_u64(j, "duration_ns", m->end_ns - m->start_ns);
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		json_key_string(j, texts[i], model_meta(m, texts[i]));
	for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		put_meta_u64(j, m, numbers[i]);
	snprintf(version, sizeof(version), "%u.%u", file->major, file->minor);
	json_key_string(j, "format_version", version);
	json_key_u64(j, "size_bytes", file->size_bytes);
	json_key(j, "id");
	json_hex_bytes(j, file->recording_id, sizeof(file->recording_id));
	json_key_u64(j, "start_ns", m->start_ns);
	json_key_u64(j, "end_ns", m->end_ns);
	json_key(j, "start_realtime_ns");
	if (recording_realtime(m, m->start_ns, &realtime_ns))
		json_u64(j, realtime_ns);
	else
		json_null(j);
	json_object_end(j);
}

/* What the kernel side counted, for the check "seen = in the file + lost". */
static void put_seen(struct json *j, const struct model *m, uint32_t table)
{
	const struct stint_total *last = NULL;
	uint32_t i;

	for (i = 0; i < m->totals.n; i++)
		if (m->totals.rows[i].table == table)
			last = &m->totals.rows[i];
	json_key(j, "seen");
	if (last)
		json_u64(j, last->seen);
	else
		json_null(j);
	json_key_bool(j, "seen_is_final", last && last->final);
}

static void put_totals(struct json *j, const struct info *info)
{
	const uint64_t *v = info->off_cpu.v;

	json_key(j, "on_cpu");
	json_object_begin(j);
	json_key_u64(j, "samples", info->on_cpu.v[METRIC_SAMPLES]);
	json_key_u64(j, "freq_hz", recording_freq_hz(info->m));
	put_seen(j, info->m, STINT_SAMPLE);
	json_object_end(j);
	json_key(j, "off_cpu");
	json_object_begin(j);
	json_key_u64(j, "count", v[METRIC_COUNT]);
	json_key_u64(j, "open", v[METRIC_OPEN]);
	json_key_u64(j, "duration_ns", v[METRIC_DURATION]);
	json_key_u64(j, "blocked_ns", v[METRIC_BLOCKED]);
	json_key_u64(j, "runqueue_ns", v[METRIC_RUNQUEUE]);
	json_key_u64(j, "max_ns", v[METRIC_MAX]);
	put_seen(j, info->m, STINT_OFFCPU);
	json_object_end(j);
}

static void put_loss(struct json *j, const struct model *m)
{
	uint32_t cause;

	json_key(j, "loss");
	json_array_begin(j);
	for (cause = 1; cause <= STINT_N_LOSS_CAUSES; cause++) {
		/* What this version doesn't know comes last, and only if there is any. */
		uint32_t at = cause < STINT_N_LOSS_CAUSES ? cause : 0;

		if (!at && !m->loss[at])
			continue;
		json_object_begin(j);
		json_key_string(j, "cause", loss_name(at));
		json_key_u64(j, "count", m->loss[at]);
		json_object_end(j);
	}
	json_array_end(j);
}

static void put_packed(struct json *j, const struct info_packed *packed)
{
	json_key(j, "packed");
	json_object_begin(j);
	json_key_u64(j, "with_name", packed->with_name);
	json_key_u64(j, "without_name", packed->without_name);
	json_object_end(j);
}

static void put_counts(struct json *j, const struct info *info)
{
	const struct model *m = info->m;

	json_key(j, "counts");
	json_object_begin(j);
	json_key_u64(j, "processes", info->n_known_processes);
	json_key_u64(j, "threads", info->n_threads);
	json_key_u64(j, "stacks", m->n_file_stacks - 1);
	json_key_u64(j, "frames", info->n_frames);
	json_key_u64(j, "mappings", m->mappings.n - 1);
	json_key_u64(j, "modules", info->n_modules);
	json_key_u64(j, "symbols", m->symbols.n);
	json_key_u64(j, "strings", m->strings.n - 1);
	json_key_u64(j, "task_events", m->n_tasks);
	json_key_u64(j, "blocks", stint_reader_info(m->reader)->n_blocks);
	json_object_end(j);
	put_packed(j, &info->packed);
	json_key(j, "code");
	json_object_begin(j);
	json_key_u64(j, "functions", info->n_code_functions);
	json_key_u64(j, "size_bytes", info->n_code_bytes);
	json_object_end(j);
}

static void put_ends(struct json *j, const struct info_process *p)
{
	uint64_t all = 0;
	uint32_t end;

	for (end = STINT_USER_NONE + 1; end < N_USER_ENDS; end++)
		all += p->user_ends[end];
	json_key(j, "user_stacks");
	json_array_begin(j);
	for (end = STINT_USER_NONE + 1; end < N_USER_ENDS; end++) {
		if (!p->user_ends[end])
			continue;
		json_object_begin(j);
		json_key_string(j, "end", user_end_name(end));
		json_key_u64(j, "count", p->user_ends[end]);
		json_key_double(j, "pct", 100.0 * (double)p->user_ends[end] / (double)all);
		json_object_end(j);
	}
	json_array_end(j);
}

static void put_processes(struct json *j, const struct info *info)
{
	const struct model *m = info->m;
	struct stint_buf name;
	uint32_t i;

	stint_buf_init(&name, INT32_MAX);
	json_key(j, "processes");
	json_array_begin(j);
	for (i = 0; i < info->n_processes; i++) {
		const struct info_process *p = &info->processes[i];
		const struct stint_process *row = &m->processes.rows[p->row];
		const struct stint_string *cmdline = &m->strings.rows[row->cmdline_str];

		stint_buf_reset(&name);
		label_process(&info->labels, p->row, &name);
		json_object_begin(j);
		json_key_u64(j, "pid", row->pid);
		json_key(j, "name");
		json_string_n(j, name.data, name.len);
		json_key_u64(j, "ppid", row->ppid);
		json_key_string(j, "exe", model_str(m, row->exe_str));
		json_key(j, "cmdline");
		json_string_n(j, cmdline->data, cmdline->size);
		json_key_string(j, "cgroup", model_str(m, row->cgroup_str));
		json_key_u64(j, "threads", p->n_threads);
		json_key_u64(j, "samples", p->samples);
		json_key_u64(j, "count", p->switches);
		json_key_u64(j, "open", p->open);
		put_ends(j, p);
		json_object_end(j);
	}
	json_array_end(j);
	stint_buf_done(&name);
}

static void put_modules(struct json *j, const struct info *info)
{
	const struct model *m = info->m;
	uint32_t i;

	json_key(j, "modules");
	json_array_begin(j);
	for (i = 0; i < info->n_modules; i++) {
		const struct info_module *module = &info->modules[i];
		const struct stint_module *row = &m->modules.rows[module->row];
		const struct stint_string *build_id = &m->strings.rows[row->build_id_str];

		json_object_begin(j);
		json_key_string(j, "path", model_str(m, row->path_str));
		json_key(j, "build_id");
		if (build_id->size)
			json_hex_bytes(j, build_id->data, build_id->size);
		else
			json_null(j);
		json_key_u64(j, "samples", module->samples);
		json_key_u64(j, "intervals", module->switches);
		json_key_string(j, "symbols", module->source.from ? module->source.from : module->source.why);
		json_key_bool(j, "has_symbols", module->source.from != NULL);
		put_packed(j, &module->packed);
		json_object_end(j);
	}
	json_array_end(j);
}

static void put_place(struct json *j, uint64_t file_off, uint64_t size_bytes, const char *why)
{
	json_object_begin(j);
	json_key_u64(j, "file_off", file_off);
	json_key_u64(j, "size_bytes", size_bytes);
	json_key_string(j, "why", why);
	json_object_end(j);
}

static void put_damage(struct json *j, const struct model *m)
{
	const struct stint_file_info *file = stint_reader_info(m->reader);
	size_t i;

	json_key(j, "damage");
	json_array_begin(j);
	for (i = 0; i < file->n_damage; i++) {
		const struct stint_damage *damage = stint_reader_damage(m->reader, i);

		put_place(j, damage->file_off, damage->size_bytes, damage->why);
	}
	for (i = 0; i < file->n_blocks; i++) {
		const struct stint_block_info *block = stint_reader_block(m->reader, i);

		if (model_block_is_damaged(m, i))
			put_place(j, block->file_off, STINT_BLOCK_HEADER_BYTES + (uint64_t)block->stored_bytes,
				  "a block that can't be decoded");
	}
	json_array_end(j);
}

int info_print_json(const struct info *info, FILE *out, struct stint_err *err)
{
	struct json *j = json_new(out);

	if (!j)
		return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory for JSON");
	json_object_begin(j);
	json_key_string(j, "schema", "stint.info/1");
	put_recording(j, info->m);
	put_totals(j, info);
	put_loss(j, info->m);
	put_counts(j, info);
	put_processes(j, info);
	put_modules(j, info);
	put_damage(j, info->m);
	json_key(j, "notes");
	notes_print_json(&info->notes, j);
	json_object_end(j);
	json_free(j);
	return 0;
}
