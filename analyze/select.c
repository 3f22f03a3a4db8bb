/* SPDX-License-Identifier: MIT */
/* Makes a selection for one recording, and filters with it. What the options mean is in
 * options_select.c. */
#include "analyze/select.h"

#include <fnmatch.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "analyze/select_lists.h"
#include "analyze/syscalls.h"
#include "base/amount.h"

static inline bool bit_is_set(const uint64_t *bits, uint32_t i)
{
	return bits[i / 64] >> (i % 64) & 1;
}

static inline void bit_set(uint64_t *bits, uint32_t i)
{
	bits[i / 64] |= (uint64_t)1 << (i % 64);
}

static int bits_new(uint64_t **ret, uint32_t n, struct stint_err *err)
{
	*ret = calloc((size_t)n / 64 + 1, sizeof(uint64_t));
	return *ret ? 0 : stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory for the selection");
}

static bool comm_matches(const struct string_list *patterns, const char *comm)
{
	size_t i;

	for (i = 0; i < patterns->n; i++)
		if (!strcmp(patterns->at[i], comm) || !fnmatch(patterns->at[i], comm, 0))
			return true;
	return false;
}

static int select_threads(struct selection *sel, const struct select_spec *spec, const struct model *m,
			  struct stint_err *err)
{
	uint32_t i;
	int code;

	if (!spec->pids.n && !spec->tids.n && !spec->comms.n)
		return 0;
	code = bits_new(&sel->threads, m->threads.n, err);
	/* Thread 0, the one that isn't known, matches no name or number. */
	for (i = 1; !code && i < m->threads.n; i++) {
		const struct stint_thread *thread = &m->threads.rows[i];

		if (spec->pids.n && !list_has_number(&spec->pids, model_process_of(m, i)->pid))
			continue;
		if (spec->tids.n && !list_has_number(&spec->tids, thread->tid))
			continue;
		if (spec->comms.n && !comm_matches(&spec->comms, model_str(m, thread->comm_str)))
			continue;
		bit_set(sel->threads, i);
	}
	return code;
}

static int select_cpus(struct selection *sel, const struct select_spec *spec, struct stint_err *err)
{
	uint32_t cpu;
	int code;

	if (!spec->cpus.n)
		return 0;
	code = bits_new(&sel->cpus, SELECT_MAX_CPUS, err);
	for (cpu = 0; !code && cpu < SELECT_MAX_CPUS; cpu++)
		if (list_has_number(&spec->cpus, cpu))
			bit_set(sel->cpus, cpu);
	return code;
}

static int select_syscalls(struct selection *sel, const struct select_spec *spec, const struct model *m,
			   struct stint_err *err)
{
	const char *arch = model_meta(m, "arch");
	struct list_item item = {0};
	int code;

	if (!spec->syscalls.n)
		return 0;
	code = bits_new(&sel->syscalls, SELECT_MAX_SYSCALLS, err);
	while (!code && list_next(&spec->syscalls, &item)) {
		uint64_t number;
		int known;

		if (stint_parse_number(item.text, SELECT_MAX_SYSCALLS - 1, &number)) {
			bit_set(sel->syscalls, (uint32_t)number);
			continue;
		}
		known = syscall_number(arch, item.text);
		if (known < 0)
			return stint_err_set(err, STINT_ERR_USAGE, 0, -1,
					     "--syscall: %s has no system call '%s'; its number will do too",
					     arch ? arch : "x86_64", item.text);
		bit_set(sel->syscalls, (uint32_t)known);
	}
	return code;
}

static void select_states(struct selection *sel, const struct select_spec *spec)
{
	size_t i;
	int state;

	for (i = 0; i < spec->states.n; i++)
		for (state = 0; state < N_TASK_STATES; state++)
			if (strchr(spec->states.at[i], task_state_letter((enum task_state)state)))
				sel->states |= 1u << state;
}

/* --- by name: a bit for every frame that matches, and from these one for every stack that has such
 * a frame --- */

static int compile(regex_t **ret, size_t *ret_n, const struct string_list *list, struct stint_err *err)
{
	regex_t *res = calloc(list->n + 1, sizeof(*res));
	size_t i;

	if (!res)
		return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory for the selection");
	*ret = res;
	*ret_n = 0;
	for (i = 0; i < list->n; i++) {
		if (regcomp(&res[i], list->at[i], REG_EXTENDED | REG_NOSUB))
			return stint_err_set(err, STINT_ERR_USAGE, 0, -1, "'%s' is no regular expression", list->at[i]);
		++*ret_n;
	}
	return 0;
}

static void compiled_free(regex_t *res, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		regfree(&res[i]);
	free(res);
}

static bool any_matches(const regex_t *res, size_t n, const char *text)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (!regexec(&res[i], text, 0, NULL, 0))
			return true;
	return false;
}

static int match_frames(uint64_t *frames, const struct model *m, struct symbolizer *symbolizer, const regex_t *res,
			size_t n, struct stint_err *err)
{
	uint32_t i, k;

	for (i = 1; i < m->frames.n; i++) {
		const struct stint_frame *frame = &m->frames.rows[i];
		struct symbol_chain chain;
		int code;

		if (!symbolizer) {
			if (any_matches(res, n, model_str(m, m->modules.rows[frame->module].path_str)))
				bit_set(frames, i);
			continue;
		}
		code = symbolizer_lookup(symbolizer, frame->module, frame->addr, frame->flags & STINT_FRAME_EXACT,
					 &chain, err);
		if (code)
			return code;
		for (k = 0; k < chain.n; k++)
			if (any_matches(res, n, chain.symbols[k].name))
				bit_set(frames, i);
	}
	return 0;
}

/* Keeps those bits of stacks that have a frame whose bit is set. Callers come first: one pass over
 * the nodes does. */
static int keep_stacks(uint64_t *stacks, const struct model *m, const uint64_t *frames, struct stint_err *err)
{
	uint64_t *nodes;
	uint32_t i;
	int code = bits_new(&nodes, m->nodes.n, err);

	if (code)
		return code;
	for (i = 1; i < m->nodes.n; i++) {
		const struct stint_node *node = &m->nodes.rows[i];

		if (bit_is_set(frames, node->frame) || bit_is_set(nodes, node->parent))
			bit_set(nodes, i);
	}
	for (i = 0; i < m->stacks.n; i++)
		if (!bit_is_set(nodes, m->stacks.rows[i].leaf))
			stacks[i / 64] &= ~((uint64_t)1 << (i % 64));
	free(nodes);
	return 0;
}

/* One option's expressions, against symbols, or against modules where symbolizer is NULL. */
static int select_stacks(struct selection *sel, const struct string_list *list, const struct model *m,
			 struct symbolizer *symbolizer, struct stint_err *err)
{
	uint64_t *frames = NULL;
	regex_t *res = NULL;
	size_t n = 0;
	int code = 0;

	if (!list->n)
		return 0;
	if (!sel->stacks) {
		code = bits_new(&sel->stacks, m->stacks.n, err);
		if (code)
			return code;
		memset(sel->stacks, 0xff, ((size_t)m->stacks.n / 64 + 1) * sizeof(uint64_t));
	}
	code = compile(&res, &n, list, err);
	if (!code)
		code = bits_new(&frames, m->frames.n, err);
	if (!code)
		code = match_frames(frames, m, symbolizer, res, n, err);
	if (!code)
		code = keep_stacks(sel->stacks, m, frames, err);
	compiled_free(res, n);
	free(frames);
	return code;
}

/* --- time --- */

static uint64_t point_ns(const struct model *m, const struct time_point *point)
{
	uint64_t duration = m->end_ns - m->start_ns;
	uint64_t since = point->value;

	if (point->relative)
		since = (uint64_t)((unsigned __int128)duration * point->value / 1000000000u);
	return since > UINT64_MAX - m->start_ns ? UINT64_MAX : m->start_ns + since;
}

static int select_times(struct selection *sel, const struct select_spec *spec, const struct model *m,
			struct stint_err *err)
{
	sel->to_ns = UINT64_MAX;
	if (spec->from.given)
		sel->from_ns = point_ns(m, &spec->from);
	/* The window's end is not in it, but the recording's last moment belongs to a window up to
	 * its end. */
	if (spec->to.given && point_ns(m, &spec->to) < m->end_ns)
		sel->to_ns = point_ns(m, &spec->to);
	if (sel->from_ns >= sel->to_ns)
		return stint_err_set(err, STINT_ERR_USAGE, 0, -1, "--to is not after --from");
	return 0;
}

int selection_new(struct selection **ret, const struct select_spec *spec, const struct model *m,
		  struct symbolizer *symbolizer, struct stint_err *err)
{
	struct selection *sel = calloc(1, sizeof(*sel));
	const char *option;
	int code;

	if (!sel)
		return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory for the selection");
	sel->min_ns = spec->has_min ? spec->min_ns : 0;
	sel->max_ns = spec->has_max ? spec->max_ns : UINT64_MAX;
	sel->no_samples = select_needs_offcpu(spec, &option);
	select_states(sel, spec);
	code = select_times(sel, spec, m, err);
	if (!code)
		code = select_threads(sel, spec, m, err);
	if (!code)
		code = select_cpus(sel, spec, err);
	if (!code)
		code = select_syscalls(sel, spec, m, err);
	if (!code)
		code = select_stacks(sel, &spec->modules, m, NULL, err);
	if (!code)
		code = select_stacks(sel, &spec->symbols, m, symbolizer, err);
	if (code) {
		selection_free(sel);
		return code;
	}
	sel->all = !sel->from_ns && sel->to_ns == UINT64_MAX && !sel->threads && !sel->cpus && !sel->stacks &&
		   !sel->no_samples;
	*ret = sel;
	return 0;
}

void selection_free(struct selection *sel)
{
	if (!sel)
		return;
	free(sel->threads);
	free(sel->stacks);
	free(sel->cpus);
	free(sel->syscalls);
	free(sel);
}

static inline bool cpu_selected(const struct selection *sel, uint32_t cpu)
{
	return !sel->cpus || (cpu < SELECT_MAX_CPUS && bit_is_set(sel->cpus, cpu));
}

bool selection_sample(const struct selection *sel, const struct stint_sample *row)
{
	if (sel->all)
		return true;
	if (sel->no_samples || row->time_ns < sel->from_ns || row->time_ns >= sel->to_ns)
		return false;
	return (!sel->threads || bit_is_set(sel->threads, row->thread)) &&
	       (!sel->stacks || bit_is_set(sel->stacks, row->stack)) && cpu_selected(sel, row->cpu);
}

static bool kind_selected(const struct selection *sel, const struct stint_offcpu *row)
{
	if (sel->states && !(sel->states >> offcpu_state(row) & 1))
		return false;
	if (!sel->syscalls)
		return true;
	return row->syscall && row->syscall <= SELECT_MAX_SYSCALLS && bit_is_set(sel->syscalls, row->syscall - 1);
}

bool selection_offcpu(const struct selection *sel, const struct stint_offcpu *row)
{
	uint64_t duration;

	if (sel->all)
		return true;
	if (row->end_ns < sel->from_ns || row->start_ns >= sel->to_ns)
		return false;
	duration = row->end_ns > row->start_ns ? row->end_ns - row->start_ns : 0;
	if (duration < sel->min_ns || duration > sel->max_ns)
		return false;
	return (!sel->threads || bit_is_set(sel->threads, row->thread)) &&
	       (!sel->stacks || bit_is_set(sel->stacks, row->stack)) && cpu_selected(sel, offcpu_cpu(row)) &&
	       kind_selected(sel, row);
}

bool selection_task(const struct selection *sel, const struct stint_task *row)
{
	if (sel->all)
		return true;
	if (sel->no_samples || sel->stacks || sel->cpus || row->time_ns < sel->from_ns || row->time_ns >= sel->to_ns)
		return false;
	return !sel->threads || bit_is_set(sel->threads, row->thread) || bit_is_set(sel->threads, row->other);
}

void selection_clip(const struct selection *sel, struct stint_offcpu *row)
{
	if (row->start_ns < sel->from_ns)
		row->start_ns = sel->from_ns;
	if ((row->flags & STINT_OFFCPU_WOKEN) && row->wake_ns < row->start_ns)
		row->wake_ns = row->start_ns;
	if (row->end_ns < sel->to_ns)
		return;
	row->end_ns = sel->to_ns;
	row->flags |= STINT_OFFCPU_OPEN_END;
	if ((row->flags & STINT_OFFCPU_WOKEN) && row->wake_ns > row->end_ns) {
		row->flags &= ~STINT_OFFCPU_WOKEN;
		row->wake_ns = 0;
	}
}
