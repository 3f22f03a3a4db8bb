/* SPDX-License-Identifier: MIT */
/* stint flame: stacks and what was seen in them, as an interactive page, a picture, or folded lines. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "analyze/commands.h"
#include "analyze/flame.h"
#include "analyze/flame_build.h"
#include "analyze/notes.h"
#include "analyze/options.h"
#include "analyze/options_view.h"
#include "analyze/out_file.h"
#include "analyze/select.h"
#include "analyze/unwind.h"

struct arguments {
	const char *file;
	const char *output;
	const struct flame_emitter *emitter; /* NULL: by the output's name */
	struct view_spec view;
	struct select_spec select;
	struct symbol_spec symbols;
	bool lines;
};

enum { KEY_FORMAT = 0x500, KEY_LINES };

static const struct argp_option options[] = {
	{.doc = "What to show:", .group = 1},
	{"lines", KEY_LINES, NULL, 0, "Tell functions apart by source line, as NAME:FILE:LINE where it is known", 0},
	{"format", KEY_FORMAT, "FORMAT", 0,
	 "'html' (one interactive page), 'svg' or 'folded' (one stack a line); without it, what -o FILE is named, else "
	 "html",
	 0},
	{"output", 'o', "FILE", 0, "Write to this file; '-' is standard output", 0},
	{0},
};

static const struct argp view_argp = VIEW_ARGP(
	"How wide a function is: samples (on-cpu); duration (the default), blocked, runqueue, count or open (off-cpu)");

static const char doc[] =
	"Draw where CPU time went, or where threads were off the CPU, as a flame graph: the wider a function, the more "
	"was seen in it and below.\v"
	"A page or picture needs nothing else: no network, no other file. A folded line is COMM;OUTERMOST;...;LEAF "
	"VALUE, with _[k] behind functions of the kernel and _[i] behind inlined ones; what can't stand in a name "
	"there (';', control characters, '\\', bytes that are no UTF-8) is written as \\xHH. VALUE is samples, "
	"switches or, for times, microseconds, rounded so that the lines add up to the total.\n\n"
	"Examples:\n"
	"  stint flame rec.stint -o cpu.html\n"
	"  stint flame --view=off-cpu --comm=nginx --min=1ms rec.stint -o waits.html\n"
	"  stint flame --view=off-cpu --by=count --format=folded rec.stint";

static const struct flame_emitter *const emitters[] = {&flame_html, &flame_svg, &flame_folded};
#define N_EMITTERS (sizeof(emitters) / sizeof(emitters[0]))

static const struct flame_emitter *emitter_by_name(const char *name)
{
	size_t i;

	for (i = 0; i < N_EMITTERS; i++)
		if (!strcmp(emitters[i]->name, name))
			return emitters[i];
	return NULL;
}

static void check(struct argp_state *state, struct arguments *a)
{
	const char *dot = a->output ? strrchr(a->output, '.') : NULL;

	if (a->view.by == METRIC_MAX)
		option_fault(state, "--by=max is no sum, so that nothing can be as wide as it");
	option_check_view(state, &a->view, &a->select);
	if (!a->emitter && dot)
		a->emitter = emitter_by_name(dot + 1);
	if (!a->emitter)
		a->emitter = &flame_html;
	if (!a->output && a->emitter != &flame_folded && isatty(STDOUT_FILENO))
		option_fault(state, "-o FILE is missing, and standard output is a terminal");
	if (!a->output)
		a->output = "-";
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct arguments *a = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &a->view;
		state->child_inputs[1] = &a->select;
		state->child_inputs[2] = &a->symbols;
		state->child_inputs[3] = &a->file;
		return 0;
	case KEY_LINES:
		a->lines = true;
		return 0;
	case KEY_FORMAT:
		a->emitter = emitter_by_name(arg);
		if (!a->emitter)
			option_fault(state, "--format: '%s' is not one of html, svg, folded", arg);
		return 0;
	case 'o':
		a->output = option_given(state, "-o: the name of the output", arg);
		return 0;
	case ARGP_KEY_END:
		check(state, a);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* Draws to the output; what a folded file has no place for goes to standard error. */
static int write_out(const struct arguments *a, const char *command, const struct flame *f,
		     const struct flame_text *text, const struct notes *notes, struct stint_err *err)
{
	struct out_file out;
	int code;

	code = out_file_open(&out, a->output, a->file, err);
	if (code)
		return code;
	code = a->emitter->write(f, text, out.stream, err);
	if (!code)
		code = out_file_finish(&out, err);
	out_file_done(&out);
	if (!code && a->emitter == &flame_folded && notes->n) {
		char prefix[64];

		snprintf(prefix, sizeof(prefix), "%s: ", command);
		notes_print_text(notes, stderr, prefix);
	}
	return code;
}

static int draw(const struct arguments *a, const char *command, struct model *m, struct stint_err *err)
{
	struct flame_request request = {
		.m = m,
		.view = a->view.view,
		.by = a->view.by,
		.file = a->file,
		.spec = &a->select,
		.lines = a->lines,
	};
	struct flame_result result = {0};
	int code;

	code = unwind_windows(m, &a->symbols.options, err);
	if (!code)
		code = model_symbolizer(m, &a->symbols.options, &request.symbolizer, err);
	if (!code)
		code = flame_build(&result, &request, err);
	if (!code)
		code = write_out(a, command, &result.flame, &result.text, &result.notes, err);
	flame_result_done(&result);
	symbolizer_free(request.symbolizer);
	return code;
}

int cmd_flame(int argc, char **argv)
{
	static const struct argp_child children[] = {
		{.argp = &view_argp}, {.argp = &select_argp}, {.argp = &symbol_argp}, {.argp = &file_argp}, {0}};
	static const struct argp argp = {.options = options, .parser = parse, .doc = doc, .children = children};
	struct arguments a = {.symbols = SYMBOL_SPEC_INIT};
	struct stint_err err = STINT_ERR_INIT;
	struct model *m = NULL;
	int code;

	options_parse(&argp, argc, argv, &a);
	code = model_open(&m, a.file, &err);
	if (!code)
		code = model_failed(m, draw(&a, argv[0], m, &err), &err);
	model_free(m);
	select_spec_done(&a.select);
	symbol_spec_done(&a.symbols);
	return code ? options_failed(argv[0], &err) : 0;
}
