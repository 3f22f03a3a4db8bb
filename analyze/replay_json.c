/* SPDX-License-Identifier: MIT */
/*
 * Events as one JSON document, written as they come. Times are ns from the recording's start; a stack is an array of
 * functions, leaf first.
 */
#include <string.h>

#include "analyze/loss.h"
#include "analyze/replay_emit.h"
#include "analyze/select.h"
#include "analyze/syscalls.h"

static uint64_t since_start(const struct replay_view *v, uint64_t time_ns)
{
	return time_ns > v->m->start_ns ? time_ns - v->m->start_ns : 0;
}

static void put_thread(const struct replay_view *v, uint32_t thread)
{
	json_key_u64(v->json, "pid", model_process_of(v->m, thread)->pid);
	json_key_u64(v->json, "tid", v->m->threads.rows[thread].tid);
	json_key_string(v->json, "comm", model_str(v->m, v->m->threads.rows[thread].comm_str));
}

static void put_other(const struct replay_view *v, const char *key, uint32_t thread)
{
	json_key(v->json, key);
	if (!thread) {
		json_null(v->json);
		return;
	}
	json_object_begin(v->json);
	put_thread(v, thread);
	json_object_end(v->json);
}

static void put_cpu(const struct replay_view *v, const char *key, uint32_t cpu)
{
	json_key(v->json, key);
	if (cpu == STINT_NO_CPU)
		json_null(v->json);
	else
		json_u64(v->json, cpu);
}

static void put_frame(const struct replay_view *v, const struct located *at)
{
	const struct function *function = &v->functions->all[at->function];
	struct json *j = v->json;

	if (v->stacks == STACKS_LINE) {
		json_string(j, function->name);
		return;
	}
	json_object_begin(j);
	json_key_string(j, "name", function->name);
	json_key_string(j, "module", *function->module ? function->module : NULL);
	json_key_string(j, "file", at->symbol ? at->symbol->file : NULL);
	json_key(j, "line");
	if (at->symbol && at->symbol->line)
		json_u64(j, at->symbol->line);
	else
		json_null(j);
	json_key_bool(j, "inline", at->symbol && at->symbol->inlined);
	json_key_bool(j, "kernel", at->kernel);
	json_object_end(j);
}

static const char *user_end_key(uint32_t end)
{
	static const char *const keys[] = {
		"none",	       "complete",   "depth",  "no_mapping", "no_rows",
		"unsupported", "unreadable", "fp_end", "not_taken",  "not_unwound",
	};

	return end < sizeof(keys) / sizeof(keys[0]) ? keys[end] : "unknown";
}

static const char *kernel_end_key(uint32_t end)
{
	static const char *const keys[] = {"none", "complete", "depth", "not_taken", "failed"};

	return end < sizeof(keys) / sizeof(keys[0]) ? keys[end] : "unknown";
}

/* The key's name is "frames" or has that behind a prefix. An event without a stack gets an empty array. */
static int put_stack(const struct replay_view *v, uint32_t stack, const char *key, struct stint_err *err)
{
	const struct located *at;
	uint32_t n, i;
	int code;

	if (v->stacks == STACKS_NONE)
		return 0;
	json_key(v->json, key);
	json_array_begin(v->json);
	if (stack) {
		code = functions_of_stack(v->functions, stack, &at, &n, err);
		if (code)
			return code;
		for (i = 0; i < replay_shown(v, n); i++)
			if (at[i].function)
				put_frame(v, &at[i]);
	}
	json_array_end(v->json);
	return 0;
}

static void put_stack_end(const struct replay_view *v, uint32_t stack)
{
	json_key_string(v->json, "user_end", user_end_key(v->m->stacks.rows[stack].user_end));
	json_key_string(v->json, "kernel_end", kernel_end_key(v->m->stacks.rows[stack].kernel_end));
}

static int put_sample(const struct replay_view *v, const struct stint_sample *row, struct stint_err *err)
{
	const struct stint_source *source = &v->m->sources.rows[row->source];

	json_key_string(v->json, "kind", "sample");
	put_cpu(v, "cpu", row->cpu);
	put_thread(v, row->thread);
	json_key_string(v->json, "source", model_str(v->m, source->name_str));
	json_key_u64(v->json, "weight", row->weight);
	json_key_u64(v->json, "value", row->value);
	put_stack_end(v, row->stack);
	return put_stack(v, row->stack, "frames", err);
}

static void put_syscall(const struct replay_view *v, uint32_t syscall)
{
	const char *name = syscall ? syscall_name(model_meta(v->m, "arch"), syscall - 1) : NULL;

	json_key(v->json, "syscall");
	if (!syscall)
		json_null(v->json);
	else if (name)
		json_string(v->json, name);
	else
		json_u64(v->json, syscall - 1);
}

static int put_offcpu(const struct replay_view *v, const struct stint_offcpu *row, struct stint_err *err)
{
	struct offcpu_times times = offcpu_times(row);
	char state[2] = {task_state_letter(offcpu_state(row)), '\0'};
	int code;

	json_key_string(v->json, "kind", "off-cpu");
	put_cpu(v, "cpu", row->cpu);
	put_cpu(v, "cpu_out", row->cpu_out);
	put_thread(v, row->thread);
	json_key_u64(v->json, "start_ns", since_start(v, row->start_ns));
	json_key(v->json, "wake_ns");
	if (row->flags & STINT_OFFCPU_WOKEN)
		json_u64(v->json, since_start(v, row->wake_ns));
	else
		json_null(v->json);
	json_key_u64(v->json, "end_ns", since_start(v, row->end_ns));
	json_key_u64(v->json, "duration_ns", times.duration_ns);
	json_key_u64(v->json, "blocked_ns", times.blocked_ns);
	json_key_u64(v->json, "runqueue_ns", times.runqueue_ns);
	json_key_string(v->json, "state", state);
	put_syscall(v, row->syscall);
	json_key_bool(v->json, "preempted", row->flags & STINT_OFFCPU_PREEMPTED);
	json_key_bool(v->json, "wake_unseen", row->flags & STINT_OFFCPU_WAKE_UNSEEN);
	json_key_bool(v->json, "open_start", row->flags & STINT_OFFCPU_OPEN_START);
	json_key_bool(v->json, "open_end", row->flags & STINT_OFFCPU_OPEN_END);
	put_other(v, "waker", row->waker);
	put_stack_end(v, row->stack);
	code = put_stack(v, row->stack, "frames", err);
	return code ? code : put_stack(v, row->waker_stack, "waker_frames", err);
}

static void put_task(const struct replay_view *v, const struct stint_task *row)
{
	static const char *const kinds[] = {
		[STINT_TASK_FORK] = "fork",
		[STINT_TASK_EXEC] = "exec",
		[STINT_TASK_COMM] = "comm",
		[STINT_TASK_EXIT] = "exit",
	};
	bool known = row->kind < sizeof(kinds) / sizeof(kinds[0]) && kinds[row->kind];

	json_key_string(v->json, "kind", known ? kinds[row->kind] : "unknown");
	put_thread(v, row->thread);
	if (row->kind == STINT_TASK_FORK)
		put_other(v, "child", row->other);
	if (row->kind == STINT_TASK_EXEC)
		json_key_string(v->json, "exe", model_str(v->m, model_process_of(v->m, row->thread)->exe_str));
}

static void put_loss(const struct replay_view *v, const struct stint_loss *row)
{
	json_key_string(v->json, "kind", "loss");
	json_key_string(v->json, "cause", loss_name(row->cause));
	json_key_u64(v->json, "count", row->count);
	json_key_u64(v->json, "from_ns", since_start(v, row->from_ns));
	json_key_u64(v->json, "to_ns", since_start(v, row->to_ns));
	json_key_string(v->json, "table", row->table ? stint_table_name(row->table) : NULL);
}

static int begin(struct replay_view *v, struct stint_err *err)
{
	const struct model *m = v->m;

	v->json = json_new(v->out);
	if (!v->json)
		return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory for JSON");
	json_object_begin(v->json);
	json_key_string(v->json, "schema", "stint.replay/1");
	json_key(v->json, "recording");
	json_object_begin(v->json);
	json_key_string(v->json, "host", model_meta(m, "host"));
	json_key_u64(v->json, "duration_ns", since_start(v, m->end_ns));
	json_key_bool(v->json, "complete", stint_reader_info(m->reader)->complete);
	json_object_end(v->json);
	json_key(v->json, "events");
	json_array_begin(v->json);
	return 0;
}

static int put_event(struct replay_view *v, const struct replay_event *event, struct stint_err *err)
{
	int code = 0;

	json_object_begin(v->json);
	json_key_u64(v->json, "time_ns", since_start(v, event->time_ns));
	switch (event->kind) {
	case REPLAY_SAMPLE:
		code = put_sample(v, &event->sample, err);
		break;
	case REPLAY_OFFCPU:
		code = put_offcpu(v, &event->offcpu, err);
		break;
	case REPLAY_TASK:
		put_task(v, &event->task);
		break;
	case REPLAY_LOSS:
		put_loss(v, &event->loss);
		break;
	}
	if (!code)
		json_object_end(v->json);
	return code;
}

static int end(struct replay_view *v, struct stint_err *err)
{
	(void)err;
	json_array_end(v->json);
	json_key_u64(v->json, "n_events", v->n_events);
	json_key_u64(v->json, "damaged_blocks", v->m->n_damaged_blocks);
	json_key_u64(v->json, "lost_ids", v->m->lost_ids);
	json_object_end(v->json);
	return 0;
}

const struct replay_emitter replay_json = {.begin = begin, .event = put_event, .end = end};
