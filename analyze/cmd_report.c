/* SPDX-License-Identifier: MIT */
/* stint report: tables of where CPU time went, or of where threads were off the CPU. */
#include <errno.h>
#include <string.h>

#include "analyze/commands.h"
#include "analyze/options.h"
#include "analyze/options_view.h"
#include "analyze/report.h"
#include "analyze/select.h"
#include "analyze/unwind.h"

struct arguments {
	const char *file;
	struct view_spec view;
	struct select_spec select;
	struct symbol_spec symbols;
	const struct report_emitter *emitter;
	struct report report; /* what of it the options say */
	bool has_limit;
};

enum { KEY_GROUP = 0x500, KEY_SORT, KEY_LIMIT, KEY_CALLERS, KEY_CALLEES, KEY_HISTOGRAM, KEY_FORMAT };

static const struct argp_option options[] = {
	{.doc = "What to show:", .group = 1},
	{"group", KEY_GROUP, "WHAT", 0,
	 "One row for each symbol (the default), stack, module, line, thread, process, comm or "
	 "cpu; off-cpu also "
	 "syscall, state or waker",
	 0},
	{"sort", KEY_SORT, "SIDE", 0,
	 "Sort by what a row has of its own, 'self' (the default), or with all that it calls, "
	 "'total'",
	 0},
	{"callers", KEY_CALLERS, "SYMBOL", 0, "The tree of what calls this function", 0},
	{"callees", KEY_CALLEES, "SYMBOL", 0, "The tree of what this function calls", 0},
	{"histogram", KEY_HISTOGRAM, NULL, 0, "How long intervals were, in powers of two (off-cpu)", 0},
	{"limit", KEY_LIMIT, "N", 0, "Show N rows at most; 0 shows all (default: 50 as text, else all)", 0},
	{"format", KEY_FORMAT, "FORMAT", 0, "'text' (the default), 'json' or 'csv'", 0},
	{0},
};

static const struct argp view_argp =
	VIEW_ARGP("Sort by samples (on-cpu); count, duration (the default), blocked, runqueue, max or open (off-cpu)");

static const char doc[] =
	"Show where CPU time went, or where threads were off the CPU and for how long.\v"
	"Off-CPU terms: 'count' (SWITCHES) is how many times a thread left the CPU and came back; "
	"an interval that is "
	"still open at the end counts as 'open' instead. 'duration' is the time from leaving the "
	"CPU to being back on it "
	"= 'blocked' (asleep, until woken) + 'runqueue' (runnable, waiting for a CPU). 'self' is "
	"what happened in a "
	"function itself, 'total' also what happened in the functions that it called.\n\n"
	"--group and --sort are of tables: with --callers, --callees or --histogram, only their defaults "
	"are taken. --histogram is of one duration: of --by=duration, blocked or runqueue; it is shown "
	"whole, whatever --limit says.\n\n"
	"Examples:\n"
	"  stint report rec.stint\n"
	"  stint report --group=process rec.stint\n"
	"  stint report --view=off-cpu --group=stack --comm=nginx --min=10ms rec.stint\n"
	"  stint report --view=off-cpu --by=runqueue --group=thread rec.stint\n"
	"  stint report --callers=malloc --from=2s --to=50% rec.stint\n\n"
	"Exit status: 0 done; 1 no selected stack has the function of --callers or --callees; 2 "
	"usage; 3 bad or unreadable input; 4 the system refused.";

static void set_shape(struct argp_state *state, struct report *r, enum report_shape shape, const char *symbol)
{
	if (r->shape != SHAPE_TABLE)
		option_fault(state, "--callers, --callees and --histogram exclude each other");
	r->shape = shape;
	if (symbol)
		r->symbol = option_given(state, "the name of the function", symbol);
}

static void check_histogram(struct argp_state *state, const struct arguments *a)
{
	enum metric by = a->view.by;

	if (a->view.view == VIEW_ON_CPU)
		option_fault(state, "--histogram is for --view=off-cpu");
	if (by != METRIC_DURATION && by != METRIC_BLOCKED && by != METRIC_RUNQUEUE)
		option_fault(state, "--histogram shows duration, blocked or runqueue, not --by=%s", metric_names[by]);
}

/* What only makes sense together is checked once all options are known. */
static void check(struct argp_state *state, struct arguments *a)
{
	struct report *r = &a->report;

	r->view = a->view.view;
	r->by = a->view.by;
	option_check_view(state, &a->view, &a->select);
	if (r->shape != SHAPE_TABLE && (r->group != GROUP_SYMBOL || r->by_total))
		option_fault(state, "--%s has no meaning with --callers, --callees or --histogram",
			     r->by_total ? "sort=total" : "group");
	if (r->view == VIEW_ON_CPU && group_is_of_offcpu(r->group))
		option_fault(state, "--group=%s is for --view=off-cpu", group_names[r->group]);
	if (r->shape == SHAPE_HISTOGRAM)
		check_histogram(state, a);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	static const struct report_emitter *const emitters[] = {&report_text, &report_json, &report_csv};
	static const char *const formats[] = {"text", "json", "csv", NULL};
	static const char *const sides[] = {"self", "total", NULL};
	struct arguments *a = state->input;
	struct report *r = &a->report;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &a->view;
		state->child_inputs[1] = &a->select;
		state->child_inputs[2] = &a->symbols;
		state->child_inputs[3] = &a->file;
		return 0;
	case KEY_GROUP:
		r->group = (enum group_by)option_word(state, "group", arg, group_names);
		return 0;
	case KEY_SORT:
		r->by_total = option_word(state, "sort", arg, sides) == 1;
		return 0;
	case KEY_CALLERS:
	case KEY_CALLEES:
		set_shape(state, r, key == KEY_CALLERS ? SHAPE_CALLERS : SHAPE_CALLEES, arg);
		return 0;
	case KEY_HISTOGRAM:
		set_shape(state, r, SHAPE_HISTOGRAM, NULL);
		return 0;
	case KEY_LIMIT:
		r->limit = option_limit(state, arg);
		a->has_limit = true;
		return 0;
	case KEY_FORMAT:
		a->emitter = emitters[option_word(state, "format", arg, formats)];
		return 0;
	case ARGP_KEY_END:
		check(state, a);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static bool needs_stacks(const struct report *r)
{
	return r->shape == SHAPE_CALLERS || r->shape == SHAPE_CALLEES ||
	       (r->shape == SHAPE_TABLE && group_is_of_stacks(r->group));
}

static int make_notes(struct report *r, struct model *m, const struct selection *sel, struct stint_err *err)
{
	int code = notes_file(&r->notes, m, err);

	if (!code)
		code = notes_ledger(&r->notes, m, r->view, sel, err);
	if (!code && needs_stacks(r))
		code = notes_stacks(&r->notes, m, r->view, &r->tally, err);
	if (!code && needs_stacks(r))
		code = notes_symbols(&r->notes, r->view, &r->tally, r->functions, err);
	return code;
}

static int make_rows(struct report *r, const struct model *m, struct stint_err *err)
{
	struct labels labels;
	int code;

	if (r->shape == SHAPE_HISTOGRAM)
		return 0;
	if (r->shape != SHAPE_TABLE) {
		/* Without any event there is no function to miss: the report says what there is. */
		return r->tally.n_events ? call_tree_make(&r->tree, &r->tally, r->functions, r->symbol,
							  r->shape == SHAPE_CALLERS, r->by, err)
					 : 0;
	}
	code = labels_init(&labels, m, err);
	if (code)
		return code;
	code = table_make(&r->table, &r->tally, r->group, &labels, r->functions, err);
	if (!code)
		table_sort(&r->table, r->by, r->by_total);
	labels_done(&labels);
	return code;
}

static int make_report(struct arguments *a, struct model *m, struct symbolizer *symbolizer, struct functions *functions,
		       struct stint_err *err)
{
	struct report *r = &a->report;
	struct selection *sel = NULL;
	enum tally_key key = needs_stacks(r)	       ? TALLY_STACK
			     : r->shape == SHAPE_TABLE ? group_tally_key(r->group)
						       : TALLY_CPU;
	int code = selection_new(&sel, &a->select, m, symbolizer, err);

	if (code)
		return code;
	r->m = m;
	r->functions = functions;
	r->selected = !sel->all;
	if (!a->has_limit)
		r->limit = a->emitter->default_limit;
	code = tally_collect(&r->tally, m, sel, r->view, key, err);
	if (!code)
		code = make_rows(r, m, err);
	if (!code)
		code = make_notes(r, m, sel, err);
	if (!code)
		code = a->emitter->write(r, stdout, err);
	selection_free(sel);
	return code;
}

static int run(struct arguments *a, struct stint_err *err)
{
	struct symbolizer *symbolizer = NULL;
	struct functions functions = {0};
	struct model *m;
	int code = model_open(&m, a->file, err);

	if (code)
		return code;
	if (needs_stacks(&a->report) || select_needs_symbols(&a->select)) {
		code = unwind_windows(m, &a->symbols.options, err);
		if (!code)
			code = model_symbolizer(m, &a->symbols.options, &symbolizer, err);
	}
	if (!code && symbolizer)
		code = functions_init(&functions, m, symbolizer, err);
	if (!code)
		code = make_report(a, m, symbolizer, &functions, err);
	model_failed(m, code, err);
	notes_done(&a->report.notes);
	table_done(&a->report.table);
	call_tree_done(&a->report.tree);
	tally_done(&a->report.tally);
	functions_done(&functions);
	symbolizer_free(symbolizer);
	model_free(m);
	return code;
}

int cmd_report(int argc, char **argv)
{
	static const struct argp_child children[] = {
		{.argp = &view_argp}, {.argp = &select_argp}, {.argp = &symbol_argp}, {.argp = &file_argp}, {0}};
	static const struct argp argp = {.options = options, .parser = parse, .doc = doc, .children = children};
	struct arguments a = {.symbols = SYMBOL_SPEC_INIT, .emitter = &report_text};
	struct stint_err err = STINT_ERR_INIT;
	int code, status;

	options_parse(&argp, argc, argv, &a);
	code = run(&a, &err);
	status = options_finish(argv[0], code, &err);
	/* The recording was read; it is the answer that is no. */
	if (code == STINT_ERR_NOTFOUND)
		status = EXIT_STATUS_NO;
	select_spec_done(&a.select);
	symbol_spec_done(&a.symbols);
	return status;
}
