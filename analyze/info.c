/* SPDX-License-Identifier: MIT */
#include "analyze/info.h"

#include "analyze/info_packed.h"

#include <stdlib.h>
#include <string.h>

#include "analyze/tally.h"
#include "base/buf.h"
#include "base/map.h"

static const char *const end_names[N_USER_ENDS] = {
	"none",	       "complete",   "depth",  "no-mapping", "no-rows",
	"unsupported", "unreadable", "fp-end", "not-taken",  "not-unwound",
};

const char *user_end_name(uint32_t end)
{
	return end < N_USER_ENDS ? end_names[end] : "unknown";
}

static int no_memory(struct stint_err *err)
{
	return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory to add up the recording");
}

/* What the rows of the recording belong to, by their ids. */
struct belongings {
	uint32_t *process; /* of a process row: index into info->processes */
	uint32_t *module;  /* of a module row: index into info->modules */
	uint32_t *seen;	   /* of a module: 1 + the tally row that it was last met in */
};

static int find_processes(struct info *info, struct belongings *b, struct stint_err *err)
{
	const struct model *m = info->m;
	struct stint_intern identities = {0};
	uint32_t i, id;
	int code = 0;
	bool is_new;

	for (i = 1; i < m->processes.n && !code; i++) {
		struct {
			uint64_t start_ns, pid;
		} key = {m->processes.rows[i].start_ns, m->processes.rows[i].pid};

		if (stint_intern_put(&identities, &key, sizeof(key), &id, &is_new)) {
			code = no_memory(err);
			break;
		}
		/* [0] is for events whose process isn't known. */
		b->process[i] = id;
		/* The program that it ran last, where it went from one to another by exec. */
		info->processes[id].row = i;
	}
	info->n_known_processes = identities.n_entries;
	info->n_processes = identities.n_entries + 1;
	stint_intern_done(&identities);
	return code;
}

static int find_threads(struct info *info, const struct belongings *b, struct stint_err *err)
{
	const struct model *m = info->m;
	struct stint_intern identities = {0};
	uint32_t i, id;
	bool is_new;

	for (i = 1; i < m->threads.n; i++) {
		const struct stint_thread *thread = &m->threads.rows[i];
		uint32_t process = b->process[thread->process];
		uint64_t key[3] = {process, thread->tid, thread->start_ns};

		if (stint_intern_put(&identities, key, sizeof(key), &id, &is_new)) {
			stint_intern_done(&identities);
			return no_memory(err);
		}
		info->processes[process].n_threads += is_new;
	}
	info->n_threads = identities.n_entries;
	stint_intern_done(&identities);
	return 0;
}

static int find_modules(struct info *info, struct belongings *b, struct stint_err *err)
{
	const struct model *m = info->m;
	struct stint_intern identities = {0};
	uint32_t i, id;
	bool is_new;

	for (i = 1; i < m->modules.n; i++) {
		const struct stint_module *row = &m->modules.rows[i];
		const struct stint_string *build_id = &m->strings.rows[row->build_id_str];
		const char *path = model_str(m, row->path_str);
		struct stint_buf key;
		int failed;

		stint_buf_init(&key, 2 * STINT_MAX_STRING_BYTES + 16);
		stint_buf_bytes(&key, path, strlen(path) + 1);
		stint_buf_bytes(&key, build_id->data, build_id->size);
		failed = stint_buf_status(&key) || stint_intern_put(&identities, key.data, key.len, &id, &is_new);
		stint_buf_done(&key);
		if (failed) {
			stint_intern_done(&identities);
			return no_memory(err);
		}
		b->module[i] = id - 1;
		if (is_new)
			info->modules[id - 1].row = i;
	}
	info->n_modules = identities.n_entries;
	stint_intern_done(&identities);
	return 0;
}

static uint64_t n_events(const struct metrics *sums)
{
	return sums->v[METRIC_SAMPLES] + sums->v[METRIC_COUNT] + sums->v[METRIC_OPEN];
}

/* Each process, from sums by thread and by where the stacks' user part ended. */
static int add_to_processes(struct info *info, struct model *m, const struct belongings *b, enum view view,
			    struct metrics *total, struct stint_err *err)
{
	struct tally tally;
	size_t i;
	int code = tally_collect(&tally, m, NULL, view, TALLY_THREAD_END, err);

	if (code)
		return code;
	for (i = 0; i < tally.n; i++) {
		const struct metrics *sums = &tally.rows[i].sums;
		uint32_t thread = (uint32_t)(tally.rows[i].key >> 32), end = (uint32_t)tally.rows[i].key;
		struct info_process *p = &info->processes[b->process[m->threads.rows[thread].process]];

		p->samples += sums->v[METRIC_SAMPLES];
		p->switches += sums->v[METRIC_COUNT];
		p->open += sums->v[METRIC_OPEN];
		if (end < N_USER_ENDS)
			p->user_ends[end] += n_events(sums);
	}
	*total = tally.total;
	tally_done(&tally);
	return 0;
}

static void add_stack(struct info *info, const struct belongings *b, uint32_t stack, uint32_t stamp,
		      const struct metrics *sums)
{
	const struct model *m = info->m;
	uint32_t frames[STINT_MAX_STACK_DEPTH];
	uint32_t i, n = model_stack_frames(m, stack, frames);

	for (i = 0; i < n; i++) {
		uint32_t row = m->frames.rows[frames[i]].module;
		uint32_t module = b->module[row];

		if (!row || b->seen[module] == stamp)
			continue;
		b->seen[module] = stamp;
		info->modules[module].samples += sums->v[METRIC_SAMPLES];
		info->modules[module].switches += sums->v[METRIC_COUNT] + sums->v[METRIC_OPEN];
	}
}

/* Each module, from sums by stack: a stack's frames are walked once, whatever threads had it. */
static int add_to_modules(struct info *info, struct model *m, const struct belongings *b, enum view view,
			  uint32_t *stamp, struct stint_err *err)
{
	struct tally tally;
	size_t i;
	int code = tally_collect(&tally, m, NULL, view, TALLY_STACK, err);

	if (code)
		return code;
	for (i = 0; i < tally.n; i++)
		add_stack(info, b, (uint32_t)tally.rows[i].key, ++*stamp, &tally.rows[i].sums);
	tally_done(&tally);
	return 0;
}

static int add_events(struct info *info, struct model *m, const struct belongings *b, enum view view, uint32_t *stamp,
		      struct metrics *total, struct stint_err *err)
{
	int code = add_to_processes(info, m, b, view, total, err);

	return code ? code : add_to_modules(info, m, b, view, stamp, err);
}

static int compare_u64(uint64_t a, uint64_t b)
{
	return a > b ? -1 : a < b;
}

static int by_process(const void *a, const void *b, void *arg)
{
	const struct info_process *pa = a, *pb = b;
	const struct model *m = arg;
	int by_samples = compare_u64(pa->samples, pb->samples);
	int by_switches = compare_u64(pa->switches + pa->open, pb->switches + pb->open);

	if (by_samples || by_switches)
		return by_samples ? by_samples : by_switches;
	return -compare_u64(m->processes.rows[pa->row].pid, m->processes.rows[pb->row].pid);
}

static int by_module(const void *a, const void *b, void *arg)
{
	const struct info_module *ma = a, *mb = b;
	const struct model *m = arg;
	int by_samples = compare_u64(ma->samples, mb->samples);
	int by_switches = compare_u64(ma->switches, mb->switches);

	if (by_samples || by_switches)
		return by_samples ? by_samples : by_switches;
	return strcmp(model_str(m, m->modules.rows[ma->row].path_str), model_str(m, m->modules.rows[mb->row].path_str));
}

static void sort(struct info *info)
{
	const struct info_process *unknown = &info->processes[0];

	/* The place for unknown processes goes when nothing is in it. */
	if (!unknown->samples && !unknown->switches && !unknown->open) {
		info->n_processes--;
		memmove(info->processes, info->processes + 1, info->n_processes * sizeof(*info->processes));
	}
	if (info->n_processes)
		qsort_r(info->processes, info->n_processes, sizeof(*info->processes), by_process, (void *)info->m);
	if (info->n_modules)
		qsort_r(info->modules, info->n_modules, sizeof(*info->modules), by_module, (void *)info->m);
}

static int count_frames(struct info *info, const struct model *m, struct stint_err *err)
{
	bool *in_stacks = calloc((size_t)m->frames.n + 1, sizeof(*in_stacks));
	uint32_t i;

	if (!in_stacks)
		return no_memory(err);
	for (i = 1; i < m->nodes.n; i++)
		in_stacks[m->nodes.rows[i].frame] = true;
	for (i = 1; i < m->n_file_frames; i++)
		info->n_frames += in_stacks[i];
	free(in_stacks);
	return 0;
}

static int collect(struct info *info, struct model *m, struct belongings *b, struct stint_err *err)
{
	uint32_t stamp = 0;
	int code = find_processes(info, b, err);

	if (!code)
		code = find_threads(info, b, err);
	if (!code)
		code = find_modules(info, b, err);
	if (!code)
		code = add_events(info, m, b, VIEW_ON_CPU, &stamp, &info->on_cpu, err);
	if (!code)
		code = add_events(info, m, b, VIEW_OFF_CPU, &stamp, &info->off_cpu, err);
	if (!code)
		code = count_frames(info, m, err);
	if (!code)
		code = info_packed_count(m, b->module, info->modules, &info->packed, err);
	if (!code)
		code = model_code_size(m, &info->n_code_functions, &info->n_code_bytes, err);
	if (!code)
		code = notes_file(&info->notes, m, err);
	if (!code)
		code = notes_totals(&info->notes, m, STINT_SAMPLE, info->on_cpu.v[METRIC_SAMPLES], err);
	if (!code)
		code = notes_totals(&info->notes, m, STINT_OFFCPU, info->off_cpu.v[METRIC_COUNT], err);
	return code;
}

int info_init(struct info *info, struct model *m, struct symbolizer *symbolizer, struct stint_err *err)
{
	struct belongings b = {0};
	uint32_t i;
	int code;

	memset(info, 0, sizeof(*info));
	info->m = m;
	code = labels_init(&info->labels, m, err);
	if (code)
		return code;
	info->processes = calloc((size_t)m->processes.n + 1, sizeof(*info->processes));
	info->modules = calloc((size_t)m->modules.n + 1, sizeof(*info->modules));
	b.process = calloc((size_t)m->processes.n + 1, sizeof(*b.process));
	b.module = calloc((size_t)m->modules.n + 1, sizeof(*b.module));
	b.seen = calloc((size_t)m->modules.n + 1, sizeof(*b.seen));
	if (info->processes && info->modules && b.process && b.module && b.seen)
		code = collect(info, m, &b, err);
	else
		code = no_memory(err);
	free(b.process);
	free(b.module);
	free(b.seen);
	if (code) {
		info_done(info);
		return code;
	}
	sort(info);
	for (i = 0; i < info->n_modules; i++)
		info->modules[i].source = symbolizer_source(symbolizer, info->modules[i].row);
	return 0;
}

void info_done(struct info *info)
{
	if (!info)
		return;
	free(info->processes);
	free(info->modules);
	labels_done(&info->labels);
	notes_done(&info->notes);
	memset(info, 0, sizeof(*info));
}
