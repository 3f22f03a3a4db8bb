/* SPDX-License-Identifier: MIT */
/* stint annotate: where in a function the time went, instruction by instruction or line by line. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "analyze/annotate.h"
#include "analyze/commands.h"
#include "analyze/options.h"
#include "analyze/options_view.h"
#include "analyze/select.h"
#include "analyze/unwind.h"
#include "base/amount.h"

struct arguments {
	const char *file;
	struct view_spec view;
	struct select_spec select;
	struct symbol_spec symbols;
	struct string_list source_dirs;
	bool no_source;
	const struct annotate_emitter *emitter;
	struct annotations annotations; /* what of it the options say */
	bool has_order, has_syntax, has_limit, has_rows, has_context;
};

enum {
	KEY_GROUP = 0x900,
	KEY_ORDER,
	KEY_CONTEXT,
	KEY_LIMIT,
	KEY_ROWS,
	KEY_BYTES,
	KEY_SYNTAX,
	KEY_SOURCE,
	KEY_NO_SOURCE,
	KEY_FORMAT
};

static const struct argp_option options[] = {
	{.doc = "What to show:", .group = 1},
	{"group", KEY_GROUP, "WHAT", 0,
	 "One row for each 'instruction' (the default) or each source 'line' that has events, the most first", 0},
	{"order", KEY_ORDER, "ORDER", 0,
	 "Instructions by 'address' (the default), with their source lines, or those with the most first, 'hottest'",
	 0},
	{"context", KEY_CONTEXT, "N", 0,
	 "By address, show N instructions around those with events, and leave out the others (default: 8; 'all' leaves "
	 "out none)",
	 0},
	{"rows", KEY_ROWS, "N", 0,
	 "By line or hottest first, show N rows of a function at most; 0 shows all (default: 20 as text, else all)", 0},
	{"limit", KEY_LIMIT, "N", 0,
	 "Show N functions at most, where several match; 0 shows all (default: 10 as text, else all)", 0},
	{"bytes", KEY_BYTES, NULL, 0, "Show the instructions' bytes too", 0},
	{"syntax", KEY_SYNTAX, "SYNTAX", 0, "Write x86 instructions as 'att' (the default) or 'intel' does", 0},
	{"source", KEY_SOURCE, "DIR", 0,
	 "Look for source files below this directory first (repeatable): the compiler's whole path, then ever shorter "
	 "ends of it",
	 0},
	{"no-source", KEY_NO_SOURCE, NULL, 0, "Name source lines, but don't show their text", 0},
	{"format", KEY_FORMAT, "FORMAT", 0, "'text' (the default) or 'json'", 0},
	{0},
};

static const struct argp view_argp = VIEW_ARGP(
	"What to add up: samples (on-cpu); count, duration (the default), blocked, runqueue, max or open (off-cpu)");

static const char doc[] =
	"Show where in a function the time went: samples, or intervals off the CPU, at each instruction and source "
	"line.\v"
	"SYMBOL is a function's name as reports show it, with its parameters, or as in the symbol table; if no "
	"function has that name, an extended regular expression that names shall match, as for --symbol. A name that "
	"is inlined into other functions shows its code in each of them.\n\n"
	"SELF is what happened in the instruction itself; TOTAL also what happened in the functions that it called. "
	"Both add up to the function's own: an event counts once, at the innermost frame that the function has in its "
	"stack. FUNC is TOTAL as a share of the function's, ALL as a share of all selected events. Samples are taken "
	"by an interrupt, which comes in front of the next instruction: the slow one is often the one before.\n\n"
	"Code is read from the recording ('stint pack --code' puts it there), or from the binary, if it is the one "
	"that was recorded. Source files are never in a recording.\n\n"
	"Examples:\n"
	"  stint annotate rec.stint burn\n"
	"  stint annotate --order=hottest --bytes rec.stint ngx_http_parse_request_line\n"
	"  stint annotate --group=line --source=src/app rec.stint 'app::Parser::.*'\n"
	"  stint annotate --view=off-cpu --by=blocked rec.stint worker_loop\n\n"
	"Exit status: 0 done; 1 no selected stack has the function; 2 usage; 3 bad or unreadable input; 4 the system "
	"refused.";

static size_t parse_context(struct argp_state *state, const char *arg)
{
	uint64_t n;

	if (!strcmp(arg, "all"))
		return SIZE_MAX;
	if (!stint_parse_number(arg, UINT32_MAX, &n))
		option_fault(state, "--context: '%s' is neither a number of instructions nor 'all'", arg);
	return (size_t)n;
}

static size_t parse_rows(struct argp_state *state, const char *arg)
{
	uint64_t n;

	if (!stint_parse_number(arg, UINT32_MAX, &n))
		option_fault(state, "--rows: '%s' is no number of rows", arg);
	return (size_t)n;
}

static error_t add_source(struct argp_state *state, struct arguments *a, const char *dir)
{
	if (access(option_given(state, "--source: the name of the directory", dir), X_OK))
		option_fault(state, "--source: %s: %s", dir, strerror(errno));
	return string_list_add(&a->source_dirs, dir) ? ENOMEM : 0;
}

/* FILE, then SYMBOL. */
static void take_word(struct argp_state *state, struct arguments *a, const char *arg)
{
	if (!a->file)
		a->file = option_given(state, "the name of the recording", arg);
	else if (!a->annotations.symbol)
		a->annotations.symbol = arg;
	else
		option_fault(state, "one recording and one function at a time, not also '%s'", arg);
}

/* What is for other rows than those that are asked for, or for text, would do nothing. */
static void check_rows(struct argp_state *state, const struct arguments *a)
{
	const struct annotations *to = &a->annotations;
	bool by_line = to->group == ANNOTATE_LINES, json = a->emitter == &annotate_json;

	if (by_line && (to->bytes || a->has_syntax))
		option_fault(state, "--%s is for instructions, not for --group=line",
			     a->has_syntax ? "syntax" : "bytes");
	if (by_line && a->has_order && to->order == ORDER_ADDRESS)
		option_fault(state, "--order=address is for instructions, not for --group=line");
	if (json && (a->has_order || a->has_context))
		option_fault(state, "--%s is for text: as JSON, all instructions are written, by address",
			     a->has_context ? "context" : "order");
	if (a->has_context && (by_line || to->order == ORDER_HOTTEST))
		option_fault(state, "--context is for instructions by address");
	if (a->has_rows && !json && !by_line && to->order == ORDER_ADDRESS)
		option_fault(state, "--rows is for --group=line or --order=hottest; by address, there is --context");
}

static void check(struct argp_state *state, struct arguments *a)
{
	struct annotations *to = &a->annotations;

	if (!a->file)
		option_fault(state, "no recording given");
	if (!to->symbol || !*to->symbol)
		option_fault(state, "no function given; 'stint report' lists them");
	to->view = a->view.view;
	to->by = a->view.by;
	option_check_view(state, &a->view, &a->select);
	check_rows(state, a);
	if (!a->has_limit)
		to->limit = a->emitter->default_limit;
	if (!a->has_rows)
		to->n_rows = a->emitter->default_rows;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	static const struct annotate_emitter *const emitters[] = {&annotate_text, &annotate_json};
	static const char *const formats[] = {"text", "json", NULL}, *const syntaxes[] = {"att", "intel", NULL};
	struct arguments *a = state->input;
	struct annotations *to = &a->annotations;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &a->view;
		state->child_inputs[1] = &a->select;
		state->child_inputs[2] = &a->symbols;
		return 0;
	case KEY_GROUP:
		to->group = (enum annotate_group)option_word(state, "group", arg, annotate_group_names);
		return 0;
	case KEY_ORDER:
		to->order = (enum annotate_order)option_word(state, "order", arg, annotate_order_names);
		a->has_order = true;
		return 0;
	case KEY_CONTEXT:
		to->context = parse_context(state, arg);
		a->has_context = true;
		return 0;
	case KEY_ROWS:
		to->n_rows = parse_rows(state, arg);
		a->has_rows = true;
		return 0;
	case KEY_LIMIT:
		to->limit = option_limit(state, arg);
		a->has_limit = true;
		return 0;
	case KEY_BYTES:
		to->bytes = true;
		return 0;
	case KEY_SYNTAX:
		to->intel = option_word(state, "syntax", arg, syntaxes) == 1;
		a->has_syntax = true;
		return 0;
	case KEY_SOURCE:
		return add_source(state, a, arg);
	case KEY_NO_SOURCE:
		a->no_source = true;
		return 0;
	case KEY_FORMAT:
		a->emitter = emitters[option_word(state, "format", arg, formats)];
		return 0;
	case ARGP_KEY_ARG:
		take_word(state, a, arg);
		return 0;
	case ARGP_KEY_END:
		check(state, a);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static bool wants_colour(void)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(STDOUT_FILENO) && !(no && *no) && !(term && !strcmp(term, "dumb"));
}

static int make_notes(struct annotations *a, struct model *m, const struct selection *sel, struct stint_err *err)
{
	int code = notes_file(&a->notes, m, err);

	if (!code)
		code = notes_ledger(&a->notes, m, a->view, sel, err);
	if (!code)
		code = notes_stacks(&a->notes, m, a->view, &a->tally, err);
	if (!code)
		code = notes_symbols(&a->notes, a->view, &a->tally, a->functions, err);
	return code;
}

static int annotate(struct arguments *args, struct model *m, struct symbolizer *symbolizer, struct stint_err *err)
{
	struct annotations *a = &args->annotations;
	struct selection *sel = NULL;
	int code = selection_new(&sel, &args->select, m, symbolizer, err);

	if (code)
		return code;
	a->m = m;
	a->selected = !sel->all;
	code = tally_collect(&a->tally, m, sel, a->view, TALLY_STACK, err);
	/* Without any event there is no function to miss: what is written says so. */
	if (!code && a->tally.n_events)
		code = annotations_find(a, err);
	if (!code)
		code = make_notes(a, m, sel, err);
	if (!code)
		code = args->emitter->write(a, stdout, err);
	selection_free(sel);
	return code;
}

static int run(struct arguments *args, struct stint_err *err)
{
	struct symbolizer *symbolizer = NULL;
	struct functions functions = {0};
	struct model *m;
	int code = model_open(&m, args->file, err);

	if (code)
		return code;
	code = unwind_windows(m, &args->symbols.options, err);
	if (!code)
		code = model_symbolizer(m, &args->symbols.options, &symbolizer, err);
	if (!code)
		code = model_add_code(m, symbolizer, err);
	if (!code)
		code = functions_init(&functions, m, symbolizer, err);
	if (!code) {
		args->annotations.functions = &functions;
		code = annotate(args, m, symbolizer, err);
	}
	model_failed(m, code, err);
	annotations_done(&args->annotations);
	functions_done(&functions);
	symbolizer_free(symbolizer);
	model_free(m);
	return code;
}

int cmd_annotate(int argc, char **argv)
{
	static const struct argp_child children[] = {
		{.argp = &view_argp}, {.argp = &select_argp}, {.argp = &symbol_argp}, {0}};
	static const struct argp argp = {
		.options = options, .parser = parse, .args_doc = "FILE SYMBOL", .doc = doc, .children = children};
	struct arguments a = {.symbols = SYMBOL_SPEC_INIT, .emitter = &annotate_text, .annotations = {.context = 8}};
	struct stint_err err = STINT_ERR_INIT;
	int code, status;

	options_parse(&argp, argc, argv, &a);
	a.annotations.colour = wants_colour();
	if (!a.no_source)
		a.annotations.sources = source_text_new(a.source_dirs.at, a.source_dirs.n);
	code = run(&a, &err);
	status = options_finish(argv[0], code, &err);
	/* The recording was read; it is the answer that is no. */
	if (code == STINT_ERR_NOTFOUND)
		status = EXIT_STATUS_NO;
	source_text_free(a.annotations.sources);
	string_list_done(&a.source_dirs);
	select_spec_done(&a.select);
	symbol_spec_done(&a.symbols);
	return status;
}
