/* SPDX-License-Identifier: MIT */
/* stint replay: a recording's events in time order, one a line, at once or as fast as they happened. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "analyze/commands.h"
#include "analyze/options.h"
#include "analyze/replay_emit.h"
#include "analyze/select.h"
#include "analyze/text.h"
#include "analyze/unwind.h"
#include "base/amount.h"

#define MAX_SPEED 1000000.0

struct replay_options {
	const char *path;
	enum output_format format;
	int stacks; /* enum stacks_mode, -1 for the format's own default */
	uint64_t depth;
	double speed; /* 0: no pacing */
	struct select_spec select;
	struct symbol_spec symbols;
};

enum { KEY_FORMAT = 0x500, KEY_STACKS, KEY_DEPTH, KEY_SPEED, KEY_THREAD };

static const struct argp_option options[] = {
	{"format", KEY_FORMAT, "HOW", 0, "Write 'text' (the default) or 'json'", 0},
	{"stacks", KEY_STACKS, "HOW", 0,
	 "Write each stack as a 'line', leaf first (the default for text), in 'full', one function a line with its "
	 "file (the default for JSON), or 'none'",
	 0},
	{"depth", KEY_DEPTH, "N", 0, "Write at most N functions of each stack, from the leaf on", 0},
	{"speed", KEY_SPEED, "FACTOR", 0,
	 "Write each event when its time has come: '1x' as fast as it happened, '0.1x' ten times slower; 'max', the "
	 "default, doesn't wait",
	 0},
	{"thread", KEY_THREAD, "TID|NAME", 0, "Only threads of this number (as --tid) or name (as --comm)", 0},
	{0},
};

/* "1x", "0.5x" or "2"; "max" is 0. */
static bool parse_speed(const char *text, double *ret)
{
	char *end;

	if (!strcmp(text, "max")) {
		*ret = 0;
		return true;
	}
	errno = 0;
	*ret = strtod(text, &end);
	if (end == text || errno || !(*ret >= 1 / MAX_SPEED && *ret <= MAX_SPEED))
		return false;
	return !*end || !strcmp(end, "x");
}

static error_t add_thread(struct replay_options *o, char *arg)
{
	uint64_t tid;
	int code;

	if (stint_parse_number(arg, UINT32_MAX, &tid))
		code = string_list_add(&o->select.tids, arg);
	else
		code = string_list_add(&o->select.comms, arg);
	return code ? ENOMEM : 0;
}

static error_t parser(int key, char *arg, struct argp_state *state)
{
	static const char *const formats[] = {"text", "json", NULL};
	static const char *const stacks[] = {"line", "full", "none", NULL};
	struct replay_options *o = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &o->select;
		state->child_inputs[1] = &o->symbols;
		state->child_inputs[2] = &o->path;
		return 0;
	case KEY_FORMAT:
		o->format = option_word(state, "format", arg, formats) ? FORMAT_JSON : FORMAT_TEXT;
		return 0;
	case KEY_STACKS:
		o->stacks = option_word(state, "stacks", arg, stacks);
		return 0;
	case KEY_DEPTH:
		if (!stint_parse_number(arg, UINT32_MAX, &o->depth) || !o->depth)
			option_fault(state, "--depth: '%s' is not a number from 1 on", arg);
		return 0;
	case KEY_SPEED:
		if (!parse_speed(arg, &o->speed))
			option_fault(state, "--speed: '%s' is not a factor like 1x or 0.5x, or max", arg);
		return 0;
	case KEY_THREAD:
		return add_thread(o, arg);
	case ARGP_KEY_END:
		if (o->depth && o->stacks == STACKS_NONE)
			option_fault(state, "--depth has no meaning with --stacks=none");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_child children[] = {{.argp = &select_argp}, {.argp = &symbol_argp}, {.argp = &file_argp}, {0}};

static const struct argp argp = {
	.options = options,
	.parser = parser,
	.doc = "Write samples and off-CPU intervals in the order of time, one a line: when, which thread, for how long "
	       "and why, who woke it, and its stack."
	       "\vExamples:\n"
	       "  stint replay rec.stint | less\n"
	       "  stint replay --thread=nginx --from=2s --to=2.5s --stacks=full rec.stint\n"
	       "  stint replay --min=100ms --state=D rec.stint",
	.children = children,
};

/* Waits until the event's time has come; *started is when the first one was written. */
static void pace(double speed, uint64_t first_ns, uint64_t time_ns, const struct timespec *started)
{
	double wait_s = (double)(time_ns - first_ns) / 1e9 / speed;
	struct timespec until = *started;

	if (wait_s > 1e9)
		wait_s = 1e9;
	until.tv_sec += (time_t)wait_s;
	until.tv_nsec += (long)((wait_s - (double)(time_t)wait_s) * 1e9);
	if (until.tv_nsec >= 1000000000) {
		until.tv_nsec -= 1000000000;
		until.tv_sec++;
	}
	fflush(stdout);
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
		;
}

static int write_events(struct replay *r, const struct replay_options *o, const struct replay_emitter *emitter,
			struct replay_view *v, struct stint_err *err)
{
	struct timespec started = {0};
	struct replay_event event;
	uint64_t first_ns = 0;
	int code = emitter->begin ? emitter->begin(v, err) : 0;

	while (!code && !ferror(v->out)) {
		code = replay_next(r, &event, err);
		if (code <= 0)
			break;
		if (o->speed > 0 && !v->n_events) {
			clock_gettime(CLOCK_MONOTONIC, &started);
			first_ns = event.time_ns;
		} else if (o->speed > 0) {
			pace(o->speed, first_ns, event.time_ns, &started);
		}
		code = emitter->event(v, &event, err);
		v->n_events++;
	}
	if (!code && emitter->end)
		code = emitter->end(v, err);
	return code;
}

static int replay(const struct replay_options *o, struct model *m, struct stint_err *err)
{
	const struct replay_emitter *emitter = o->format == FORMAT_JSON ? &replay_json : &replay_text;
	struct replay_view v = {.m = m, .out = stdout, .depth = (uint32_t)o->depth};
	struct symbolizer *symbolizer = NULL;
	struct functions functions = {0};
	struct selection *selection = NULL;
	struct replay *r = NULL;
	int code = 0;

	v.stacks = o->stacks >= 0 ? (enum stacks_mode)o->stacks : o->format == FORMAT_JSON ? STACKS_FULL : STACKS_LINE;
	if (v.stacks != STACKS_NONE || select_needs_symbols(&o->select)) {
		code = unwind_windows(m, &o->symbols.options, err);
		if (!code)
			code = model_symbolizer(m, &o->symbols.options, &symbolizer, err);
	}
	if (!code && v.stacks != STACKS_NONE) {
		code = functions_init(&functions, m, symbolizer, err);
		v.functions = &functions;
	}
	if (!code)
		code = selection_new(&selection, &o->select, m, symbolizer, err);
	if (!code)
		code = replay_new(&r, m, selection, err);
	if (!code)
		code = write_events(r, o, emitter, &v, err);
	json_free(v.json);
	replay_free(r);
	selection_free(selection);
	functions_done(&functions);
	symbolizer_free(symbolizer);
	return code;
}

int cmd_replay(int argc, char **argv)
{
	struct replay_options o = {.stacks = -1, .symbols = SYMBOL_SPEC_INIT};
	struct stint_err err = STINT_ERR_INIT;
	struct model *m = NULL;
	int code, status;

	options_parse(&argp, argc, argv, &o);
	code = model_open(&m, o.path, &err);
	if (!code)
		code = model_failed(m, replay(&o, m, &err), &err);
	status = options_finish(argv[0], code, &err);
	if (m && (m->n_damaged_blocks || m->lost_ids)) {
		fprintf(stderr, "%s: ", argv[0]);
		text_print_name(stderr, strcmp(o.path, "-") ? o.path : "standard input");
		fprintf(stderr, ": %" PRIu64 " damaged blocks left out, %" PRIu64 " references into them unknown\n",
			m->n_damaged_blocks, m->lost_ids);
	}
	model_free(m);
	select_spec_done(&o.select);
	symbol_spec_done(&o.symbols);
	return status;
}
