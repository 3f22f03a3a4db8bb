/* SPDX-License-Identifier: MIT */
/* stint diff: what changed between recordings. */
#include <errno.h>
#include <string.h>

#include "analyze/commands.h"
#include "analyze/diff.h"
#include "analyze/options.h"
#include "analyze/options_view.h"
#include "analyze/select.h"

struct arguments {
	struct string_list files; /* as given, ":" included */
	struct view_spec view;
	struct select_spec select;
	struct symbol_spec symbols;
	const struct diff_emitter *emitter;
	struct diff diff;
	bool has_limit;
};

enum { KEY_GROUP = 0x500, KEY_VALUE, KEY_NORMALIZE, KEY_LIMIT, KEY_FORMAT };

static const struct argp_option options[] = {
	{.doc = "What to compare:", .group = 1},
	{"group", KEY_GROUP, "WHAT", 0, "Rows of 'symbol' (the default), 'thread' (threads of one name) or 'stack'", 0},
	{"value", KEY_VALUE, "SIDE", 0,
	 "Of a function, compare what it has of its own, 'self' (the default), or with all that it "
	 "calls, 'total'",
	 0},
	{"normalize", KEY_NORMALIZE, "HOW", 0,
	 "By recorded 'time' (the default: values per second) or by 'samples' (values as shares of "
	 "the total)",
	 0},
	{"limit", KEY_LIMIT, "N", 0, "Show N rows at most; 0 shows all (default: 50 as text, else all)", 0},
	{"format", KEY_FORMAT, "FORMAT", 0,
	 "'text' (the default), 'json' or 'folded' (\"STACK A B\" for flamegraph.pl, B scaled to "
	 "A)",
	 0},
	{0},
};

static const struct argp view_argp =
	VIEW_ARGP("Compare samples (on-cpu); count, duration (the default), blocked or runqueue (off-cpu)");

static const char doc[] =
	"Show what changed from A to B. Rows are compared by name, never by address, and sorted by "
	"the size of the change; "
	"what is equal is left out.\v"
	"Each side may be several recordings, which count as one; then a ':' stands between the "
	"sides.\n\n"
	"--format=folded has whole stacks, all of them: --group=thread, --value=total and a --limit above 0 "
	"have no meaning there. --value=total is for --group=symbol. --by=max and open can't be "
	"normalized, so they aren't compared.\n\n"
	"Examples:\n"
	"  stint diff before.stint after.stint\n"
	"  stint diff a1.stint a2.stint : b1.stint b2.stint\n"
	"  stint diff --view=off-cpu --by=count --group=thread before.stint after.stint\n"
	"  stint diff --format=folded a.stint b.stint | flamegraph.pl >diff.svg";

/* Two files are the two sides; more need a ':' between them. */
static error_t split_sides(struct argp_state *state, struct arguments *a)
{
	size_t i, n_stdin = 0, colon = a->files.n;

	for (i = 0; i < a->files.n; i++) {
		n_stdin += !strcmp(a->files.at[i], "-");
		if (strcmp(a->files.at[i], ":"))
			continue;
		if (colon < a->files.n)
			option_fault(state, "only one ':' can stand between the recordings");
		colon = i;
	}
	if (colon == a->files.n && a->files.n != 2)
		option_fault(state, "two recordings are needed, or several with a ':' between the sides");
	if (n_stdin > 1)
		option_fault(state, "only one recording can come from standard input");
	if (colon == 0 || colon + 1 == a->files.n)
		option_fault(state, "no recording on one side of ':'");
	for (i = 0; i < a->files.n; i++) {
		int side = colon < a->files.n ? i > colon : i == 1;

		if (i != colon && string_list_add(&a->diff.sides[side].files, a->files.at[i]))
			return ENOMEM;
	}
	return 0;
}

/* Folded lines are whole stacks, all of them. What is the default elsewhere may be said all the same. */
static void check_folded(struct argp_state *state, struct arguments *a)
{
	if (a->diff.group == DIFF_THREAD)
		option_fault(state, "--group=%s has no meaning with --format=folded, which has stacks",
			     diff_group_names[a->diff.group]);
	if (a->diff.by_total || a->diff.limit)
		option_fault(state, "--%s has no meaning with --format=folded",
			     a->diff.by_total ? "value=total" : "limit");
	a->diff.group = DIFF_FOLDED;
}

static error_t check(struct argp_state *state, struct arguments *a)
{
	struct diff *d = &a->diff;

	d->view = a->view.view;
	d->by = a->view.by;
	if (d->by == METRIC_MAX || d->by == METRIC_OPEN)
		option_fault(state, "--by=%s can't be normalized, so it can't be compared", metric_names[d->by]);
	option_check_view(state, &a->view, &a->select);
	if (a->emitter == &diff_folded)
		check_folded(state, a);
	else if (d->by_total && d->group != DIFF_SYMBOL)
		option_fault(state, "--value=total is for --group=symbol: a %s has only values of its own",
			     diff_group_names[d->group]);
	if (!a->has_limit)
		d->limit = a->emitter->default_limit;
	return split_sides(state, a);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	static const struct diff_emitter *const emitters[] = {&diff_text, &diff_json, &diff_folded};
	static const char *const formats[] = {"text", "json", "folded", NULL};
	static const char *const sides[] = {"self", "total", NULL};
	struct arguments *a = state->input;
	struct diff *d = &a->diff;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &a->view;
		state->child_inputs[1] = &a->select;
		state->child_inputs[2] = &a->symbols;
		return 0;
	case KEY_GROUP:
		d->group = (enum diff_group)option_word(state, "group", arg, diff_group_names);
		return 0;
	case KEY_VALUE:
		d->by_total = option_word(state, "value", arg, sides) == 1;
		return 0;
	case KEY_NORMALIZE:
		d->normalize = (enum diff_normalize)option_word(state, "normalize", arg, diff_normalize_names);
		return 0;
	case KEY_LIMIT:
		d->limit = option_limit(state, arg);
		a->has_limit = true;
		return 0;
	case KEY_FORMAT:
		a->emitter = emitters[option_word(state, "format", arg, formats)];
		return 0;
	case ARGP_KEY_ARG:
		return string_list_add(&a->files, option_given(state, "the name of a recording", arg)) ? ENOMEM : 0;
	case ARGP_KEY_END:
		return check(state, a);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static int run(struct arguments *a, struct stint_err *err)
{
	struct diff *d = &a->diff;
	int side, code = 0;
	size_t i;

	for (side = 0; side < 2; side++)
		for (i = 0; i < d->sides[side].files.n && !code; i++)
			code = diff_add(d, side, d->sides[side].files.at[i], &a->select, &a->symbols.options, err);
	if (!code)
		code = diff_finish(d, err);
	if (!code)
		code = a->emitter->write(d, stdout, err);
	return code;
}

int cmd_diff(int argc, char **argv)
{
	static const struct argp_child children[] = {
		{.argp = &view_argp}, {.argp = &select_argp}, {.argp = &symbol_argp}, {0}};
	static const struct argp argp = {
		.options = options, .parser = parse, .args_doc = "A B\nA... : B...", .doc = doc, .children = children};
	struct arguments a = {.symbols = SYMBOL_SPEC_INIT, .emitter = &diff_text};
	struct stint_err err = STINT_ERR_INIT;
	int code, status;

	options_parse(&argp, argc, argv, &a);
	code = run(&a, &err);
	status = options_finish(argv[0], code, &err);
	string_list_done(&a.files);
	select_spec_done(&a.select);
	symbol_spec_done(&a.symbols);
	diff_done(&a.diff);
	return status;
}
