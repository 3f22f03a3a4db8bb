/* SPDX-License-Identifier: MIT */
/*
 * Events as lines for people and for grep:
 *
 *     0.004211345 [001] nginx/4711           off-cpu  0.813000ms blocked=0.790000ms runqueue=0.023000ms state=S
 *     syscall=epoll_wait waker=wrk/4720 | schedule_[k] <- ep_poll_[k] <- epoll_wait <- main
 *
 * (one line). Times are seconds from the recording's start, intervals milliseconds, both exact to the nanosecond.
 */
#include <inttypes.h>
#include <string.h>

#include "analyze/loss.h"
#include "analyze/replay_emit.h"
#include "analyze/select.h"
#include "analyze/syscalls.h"
#include "analyze/text.h"

#define THREAD_COLUMNS 22
#define STACK_INDENT   "\n                      "

static const char *user_cut(uint32_t end)
{
	switch (end) {
	case STINT_USER_DEPTH:
		return "deeper than the recorder's limit";
	case STINT_USER_NO_MAPPING:
		return "no mapping known there";
	case STINT_USER_NO_ROWS:
		return "no unwind information";
	case STINT_USER_UNSUPPORTED:
		return "unsupported unwind rule";
	case STINT_USER_UNREADABLE:
		return "stack memory unreadable";
	case STINT_USER_NOT_TAKEN:
		return "user stack not taken";
	case STINT_USER_WINDOW:
		return "not unwound: its file isn't here";
	default:
		return NULL;
	}
}

/* "comm/tid", padded. */
static void put_thread(const struct replay_view *v, uint32_t thread, size_t columns)
{
	const char *comm = model_str(v->m, v->m->threads.rows[thread].comm_str);
	struct stint_buf name;
	int pad;

	stint_buf_init(&name, 4 * STINT_MAX_STRING_BYTES);
	text_escape(&name, thread ? comm : "[unknown]");
	stint_buf_printf(&name, "/%" PRIu32, v->m->threads.rows[thread].tid);
	stint_buf_u8(&name, '\0');
	if (!stint_buf_status(&name)) {
		size_t width = text_width((const char *)name.data);

		pad = width < columns ? (int)(columns - width) : 0;
		fprintf(v->out, "%s%*s", (const char *)name.data, pad, "");
	}
	stint_buf_done(&name);
}

static void put_head(const struct replay_view *v, const struct replay_event *event, uint32_t cpu)
{
	uint64_t ns = event->time_ns > v->m->start_ns ? event->time_ns - v->m->start_ns : 0;

	fprintf(v->out, "%5" PRIu64 ".%09" PRIu64 " ", ns / 1000000000, ns % 1000000000);
	if (cpu == STINT_NO_CPU)
		fputs("[---] ", v->out);
	else
		fprintf(v->out, "[%03" PRIu32 "] ", cpu);
}

static void put_ms(FILE *out, uint64_t ns)
{
	fprintf(out, "%" PRIu64 ".%06" PRIu64 "ms", ns / 1000000, ns % 1000000);
}

static void put_function(const struct replay_view *v, const struct located *at)
{
	text_print_name(v->out, v->functions->all[at->function].name);
	if (at->symbol && at->symbol->inlined)
		fputs("_[i]", v->out);
	else if (at->kernel)
		fputs("_[k]", v->out);
}

static void put_place(const struct replay_view *v, const struct located *at)
{
	const char *module = v->functions->all[at->function].module;

	if (*module) {
		fputs(" (", v->out);
		text_print_name(v->out, module);
		fputc(')', v->out);
	}
	if (at->symbol && at->symbol->file) {
		fputc(' ', v->out);
		text_print_name(v->out, at->symbol->file);
		if (at->symbol->line)
			fprintf(v->out, ":%" PRIu32, at->symbol->line);
	}
}

static int put_stack(const struct replay_view *v, uint32_t stack, const char *title, struct stint_err *err)
{
	const struct stint_stack *row = &v->m->stacks.rows[stack];
	bool full = v->stacks == STACKS_FULL;
	const char *between = full ? STACK_INDENT : " <- ", *cut = user_cut(row->user_end);
	const struct located *at;
	uint32_t n, i, shown;
	int code;

	if (v->stacks == STACKS_NONE || !stack)
		return 0;
	code = functions_of_stack(v->functions, stack, &at, &n, err);
	if (code)
		return code;
	shown = replay_shown(v, n);
	fprintf(v->out, "%s%s", full ? STACK_INDENT : " | ", title);
	if (full && *title)
		fputs(STACK_INDENT, v->out);
	if (row->kernel_end == STINT_KERNEL_NOT_TAKEN || row->kernel_end == STINT_KERNEL_FAILED)
		fprintf(v->out, "[kernel stack not taken]%s", between);
	for (i = 0; i < shown; i++) {
		if (i)
			fputs(between, v->out);
		put_function(v, &at[i]);
		if (full)
			put_place(v, &at[i]);
	}
	if (shown < n)
		fprintf(v->out, "%s[%" PRIu32 " more]", between, n - shown);
	if (cut)
		fprintf(v->out, "%s[cut: %s]", between, cut);
	return 0;
}

static int put_sample(const struct replay_view *v, const struct replay_event *event, struct stint_err *err)
{
	const struct stint_sample *row = &event->sample;

	put_head(v, event, row->cpu);
	put_thread(v, row->thread, THREAD_COLUMNS);
	fputs(" sample ", v->out);
	if (row->weight != 1)
		fprintf(v->out, " weight=%" PRIu64, row->weight);
	if (v->m->sources.n > 2) {
		fputs(" source=", v->out);
		text_print_name(v->out, model_str(v->m, v->m->sources.rows[row->source].name_str));
	}
	return put_stack(v, row->stack, "", err);
}

static void put_syscall(const struct replay_view *v, uint32_t syscall)
{
	const char *name = syscall ? syscall_name(model_meta(v->m, "arch"), syscall - 1) : NULL;

	if (!syscall)
		return;
	if (name)
		fprintf(v->out, " syscall=%s", name);
	else
		fprintf(v->out, " syscall=%" PRIu32, syscall - 1);
}

static int put_offcpu(const struct replay_view *v, const struct replay_event *event, struct stint_err *err)
{
	const struct stint_offcpu *row = &event->offcpu;
	struct offcpu_times times = offcpu_times(row);
	int code;

	put_head(v, event, offcpu_cpu(row));
	put_thread(v, row->thread, THREAD_COLUMNS);
	fputs(" off-cpu ", v->out);
	put_ms(v->out, times.duration_ns);
	fputs(" blocked=", v->out);
	put_ms(v->out, times.blocked_ns);
	fputs(" runqueue=", v->out);
	put_ms(v->out, times.runqueue_ns);
	fprintf(v->out, " state=%c", task_state_letter(offcpu_state(row)));
	put_syscall(v, row->syscall);
	if (row->waker) {
		fputs(" waker=", v->out);
		put_thread(v, row->waker, 0);
	}
	if (row->flags & STINT_OFFCPU_WAKE_UNSEEN)
		fputs(" wake-unseen", v->out);
	if (row->flags & STINT_OFFCPU_OPEN_START)
		fputs(" open-start", v->out);
	if (row->flags & STINT_OFFCPU_OPEN_END)
		fputs(" open-end", v->out);
	code = put_stack(v, row->stack, "", err);
	return code ? code : put_stack(v, row->waker_stack, "woken in: ", err);
}

/* A command line as it would be typed, but for quotes: its arguments with blanks between them. */
static void put_cmdline(const struct replay_view *v, uint32_t str)
{
	const struct stint_string *line = &v->m->strings.rows[str < v->m->strings.n ? str : 0];
	uint64_t at = 0;

	while (at < line->size) {
		const char *word = (const char *)line->data + at;

		if (at)
			fputc(' ', v->out);
		text_print_name(v->out, word);
		at += strlen(word) + 1;
	}
}

static void put_task(const struct replay_view *v, const struct replay_event *event)
{
	const struct stint_task *row = &event->task;
	const struct stint_process *process = model_process_of(v->m, row->thread);

	put_head(v, event, STINT_NO_CPU);
	put_thread(v, row->thread, THREAD_COLUMNS);
	switch (row->kind) {
	case STINT_TASK_FORK:
		fputs(" fork     child=", v->out);
		put_thread(v, row->other, 0);
		fprintf(v->out, " pid=%" PRIu32, model_process_of(v->m, row->other)->pid);
		break;
	case STINT_TASK_EXEC:
		fprintf(v->out, " exec     pid=%" PRIu32 " ", process->pid);
		text_print_name(v->out, model_str(v->m, process->exe_str));
		if (process->cmdline_str) {
			fputs(" | ", v->out);
			put_cmdline(v, process->cmdline_str);
		}
		break;
	case STINT_TASK_COMM:
		fprintf(v->out, " comm     pid=%" PRIu32, process->pid);
		break;
	case STINT_TASK_EXIT:
		fprintf(v->out, " exit     pid=%" PRIu32, process->pid);
		break;
	default:
		fprintf(v->out, " task     kind=%" PRIu32, row->kind);
	}
}

static void put_loss(const struct replay_view *v, const struct replay_event *event)
{
	const struct stint_loss *row = &event->loss;
	const char *table = row->table ? stint_table_name(row->table) : NULL;
	uint64_t since = row->from_ns > v->m->start_ns ? row->from_ns - v->m->start_ns : 0;

	put_head(v, event, STINT_NO_CPU);
	fprintf(v->out, "%-*s lost     %" PRIu64 " %s", THREAD_COLUMNS, "-", row->count,
		loss_meaning(row->cause, row->count == 1));
	if (table)
		fprintf(v->out, " (table %s)", table);
	fprintf(v->out, ", since %" PRIu64 ".%09" PRIu64, since / 1000000000, since % 1000000000);
}

static int text_event(struct replay_view *v, const struct replay_event *event, struct stint_err *err)
{
	int code = 0;

	switch (event->kind) {
	case REPLAY_SAMPLE:
		code = put_sample(v, event, err);
		break;
	case REPLAY_OFFCPU:
		code = put_offcpu(v, event, err);
		break;
	case REPLAY_TASK:
		put_task(v, event);
		break;
	case REPLAY_LOSS:
		put_loss(v, event);
		break;
	}
	fputc('\n', v->out);
	return code;
}

const struct replay_emitter replay_text = {.event = text_event};
