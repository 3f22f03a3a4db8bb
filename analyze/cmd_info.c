/* SPDX-License-Identifier: MIT */
/* stint info: what is in a recording. */
#include "analyze/commands.h"
#include "analyze/info.h"
#include "analyze/options.h"
#include "analyze/unwind.h"

struct arguments {
	const char *file;
	struct symbol_spec symbols;
	bool json;
};

enum { KEY_FORMAT = 0x500 };

static const struct argp_option options[] = {
	{"format", KEY_FORMAT, "FORMAT", 0, "'text' (the default) or 'json'", 1},
	{0},
};

static const char doc[] = "Show what is in a recording: host, times, totals, what was lost and why, the processes "
			  "and how their user "
			  "stacks ended, the files that code was in, with build IDs and where their symbols are.\v"
			  "USER STACKS END says how the walks of a process's user stacks ended: 'complete' (at the "
			  "outermost frame), "
			  "'fp-end' (at the end of the frame pointer chain: complete if all code keeps frame "
			  "pointers), or cut short: "
			  "'depth' (the recorder's limit), 'no-mapping' (an address outside every mapping), "
			  "'no-rows' (code without unwind "
			  "information), 'unsupported' (an unwind rule that the recorder lacks), 'unreadable' (stack "
			  "memory), 'not-taken' "
			  "(not asked for, or lost), 'not-unwound' (its memory is in the recording, but a file to "
			  "unwind it by isn't here).";

static error_t parse(int key, char *arg, struct argp_state *state)
{
	static const char *const formats[] = {"text", "json", NULL};
	struct arguments *a = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &a->symbols;
		state->child_inputs[1] = &a->file;
		return 0;
	case KEY_FORMAT:
		a->json = option_word(state, "format", arg, formats) == 1;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static int run(const struct arguments *a, struct stint_err *err)
{
	struct symbolizer *symbolizer = NULL;
	struct info info = {0};
	struct model *m;
	int code = model_open(&m, a->file, err);

	if (code)
		return code;
	code = unwind_windows(m, &a->symbols.options, err);
	if (!code)
		code = model_symbolizer(m, &a->symbols.options, &symbolizer, err);
	if (!code)
		code = info_init(&info, m, symbolizer, err);
	if (!code && a->json)
		code = info_print_json(&info, stdout, err);
	else if (!code)
		info_print_text(&info, stdout);
	model_failed(m, code, err);
	info_done(&info);
	symbolizer_free(symbolizer);
	model_free(m);
	return code;
}

int cmd_info(int argc, char **argv)
{
	static const struct argp_child children[] = {{.argp = &symbol_argp}, {.argp = &file_argp}, {0}};
	static const struct argp argp = {.options = options, .parser = parse, .doc = doc, .children = children};
	struct arguments a = {.symbols = SYMBOL_SPEC_INIT};
	struct stint_err err = STINT_ERR_INIT;
	int code, status;

	options_parse(&argp, argc, argv, &a);
	code = run(&a, &err);
	status = options_finish(argv[0], code, &err);
	symbol_spec_done(&a.symbols);
	return status;
}
