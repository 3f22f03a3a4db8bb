/* SPDX-License-Identifier: MIT */
#include "analyze/options.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "analyze/debuginfod.h"
#include "analyze/text.h"
#include "base/amount.h"
#include "base/buf.h"
#include "base/usage.h"

/* What stands around a command's own parser: help, and argp's own complaints in stint's words. */
struct outer_input {
	void *input; /* the command's */
	char fault[200];
};

static error_t outer_parser(int key, char *arg, struct argp_state *state)
{
	struct outer_input *outer = state->input;

	(void)arg;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = outer->input;
		return 0;
	case 'h':
	case '?':
		argp_help(state->root_argp, stdout, ARGP_HELP_STD_HELP & ~ARGP_HELP_EXIT_OK, state->name);
		exit(options_finish_output(state->name));
	case ARGP_KEY_ERROR:
		stint_usage_fault(state, outer->fault, sizeof(outer->fault));
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

void options_parse(const struct argp *argp, int argc, char **argv, void *input)
{
	static const struct argp_option help_options[] = {
		{.name = "help", .key = 'h', .doc = "Give this help list", .group = -1},
		{.key = '?', .flags = OPTION_HIDDEN},
		{0},
	};
	struct argp_child children[] = {{.argp = argp}, {0}};
	struct argp outer = {
		.options = help_options,
		.parser = outer_parser,
		.children = children,
	};
	struct outer_input outer_input = {.input = input};
	struct stint_err err;
	int code;

	/* Without argp's remark about short options, whose few arguments are shown. A help_filter
	 * could leave it out, but argp asks only its own wrapper's. */
	setenv("ARGP_HELP_FMT", "no-dup-args-note", 0);
	code = argp_parse(&outer, argc, argv, ARGP_NO_HELP | ARGP_NO_ERRS, NULL, &outer_input);
	if (code == EINVAL)
		options_fault(argv[0], "%s", outer_input.fault);
	if (code) {
		stint_err_set(&err, STINT_ERR_NOMEM, code, -1, "the arguments can't be parsed");
		exit(options_failed(argv[0], &err));
	}
}

/* Messages may have text from a recording, or names of files: neither may harm a terminal. */
static void __attribute__((noreturn)) usage_fault(const char *command, const char *fmt, va_list ap)
{
	char text[1024];

	vsnprintf(text, sizeof(text), fmt, ap);
	fflush(stdout);
	fprintf(stderr, "%s: ", command);
	text_print_name(stderr, text);
	fprintf(stderr, "; see '%s --help'\n", command);
	exit(EXIT_STATUS_USAGE);
}

void option_fault(const struct argp_state *state, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	usage_fault(state->name, fmt, ap);
}

void options_fault(const char *command, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	usage_fault(command, fmt, ap);
}

int options_failed(const char *command, const struct stint_err *err)
{
	if (err->code == STINT_ERR_USAGE)
		options_fault(command, "%s", err->msg);
	fflush(stdout);
	fprintf(stderr, "%s: ", command);
	text_print_name(stderr, err->msg);
	fputc('\n', stderr);
	return stint_err_exit_status(err->code);
}

int options_finish(const char *command, int code, const struct stint_err *err)
{
	return code ? options_failed(command, err) : options_finish_output(command);
}

int options_finish_output(const char *command)
{
	if (!fflush(stdout) && !ferror(stdout))
		return 0;
	fprintf(stderr, "%s: standard output: %s\n", command, strerror(errno));
	return EXIT_STATUS_SYSTEM;
}

int string_list_add(struct string_list *list, const char *text)
{
	const char **at = realloc(list->at, (list->n + 1) * sizeof(*at));

	if (!at)
		return STINT_ERR_NOMEM;
	list->at = at;
	list->at[list->n++] = text;
	return 0;
}

void string_list_done(struct string_list *list)
{
	if (!list)
		return;
	free(list->at);
	memset(list, 0, sizeof(*list));
}

bool parse_time_point(const char *text, struct time_point *ret)
{
	*ret = (struct time_point){.given = true};
	ret->relative = stint_parse_share(text, &ret->value);
	return ret->relative || stint_parse_time(text, STINT_SECONDS, &ret->value);
}

int parse_word(const char *text, const char *const *words)
{
	int i;

	for (i = 0; words[i]; i++)
		if (!strcmp(text, words[i]))
			return i;
	return -1;
}

int option_word(const struct argp_state *state, const char *name, const char *arg, const char *const *words)
{
	struct stint_buf list;
	int i = parse_word(arg, words);

	if (i >= 0)
		return i;
	stint_buf_init(&list, 1000);
	for (i = 0; words[i]; i++)
		stint_buf_printf(&list, "%s%s", i ? ", " : "", words[i]);
	option_fault(state, "--%s: '%s' is not one of %.*s", name, arg, (int)list.len, (const char *)list.data);
}

uint64_t option_limit(const struct argp_state *state, const char *arg)
{
	uint64_t limit;

	if (!stint_parse_number(arg, UINT32_MAX, &limit))
		option_fault(state, "--limit: '%s' is no number of rows", arg);
	return limit;
}

const char *option_given(const struct argp_state *state, const char *what, const char *arg)
{
	if (!*arg)
		option_fault(state, "%s is empty", what);
	return arg;
}

static error_t file_parser(int key, char *arg, struct argp_state *state)
{
	const char **file = state->input;

	switch (key) {
	case ARGP_KEY_ARG:
		option_given(state, "the name of the recording", arg);
		if (*file)
			option_fault(state, "one recording at a time, not also '%s'", arg);
		*file = arg;
		return 0;
	case ARGP_KEY_NO_ARGS:
		option_fault(state, "no recording given");
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

const struct argp file_argp = {.parser = file_parser, .args_doc = "FILE"};

enum { KEY_SYMBOLS = 0x300, KEY_DEBUGINFOD, KEY_NO_INLINE, KEY_DEMANGLE };

static const struct argp_option symbol_options[] = {
	{.doc = "Symbols:", .group = 20},
	{"symbols", KEY_SYMBOLS, "DIR", 0,
	 "Look for symbols here too: a debug root, a .build-id tree or a sysroot (repeatable)", 0},
	{"debuginfod", KEY_DEBUGINFOD, "URL|none", 0,
	 "Ask this debuginfod server (default: $DEBUGINFOD_URLS, if set); 'none' or nothing asks nobody", 0},
	{"no-inline", KEY_NO_INLINE, NULL, 0, "Show inlined functions as part of the function they stand in", 0},
	{"demangle", KEY_DEMANGLE, "HOW", 0,
	 "Show C++ and Rust names 'short' (without parameters; the default), 'full' or 'none' (as "
	 "in the symbol table)",
	 0},
	{0},
};

/* A misspelt directory would do nothing, unseen. */
static error_t add_symbols(struct argp_state *state, struct symbol_spec *spec, const char *dir)
{
	int fd = open(option_given(state, "--symbols: the name of the directory", dir),
		      O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		option_fault(state, "--symbols: %s: %s", dir, strerror(errno));
	close(fd);
	if (string_list_add(&spec->dirs, dir))
		return ENOMEM;
	spec->options.dirs = spec->dirs.at;
	spec->options.n_dirs = spec->dirs.n;
	return 0;
}

static error_t symbol_parser(int key, char *arg, struct argp_state *state)
{
	static const char *const modes[] = {"short", "full", "none", NULL};
	struct symbol_spec *spec = state->input;

	switch (key) {
	case ARGP_KEY_INIT: {
		const char *urls = getenv("DEBUGINFOD_URLS");

		spec->urls = urls && *urls ? urls : NULL;
		return 0;
	}
	case KEY_SYMBOLS:
		return add_symbols(state, spec, arg);
	case KEY_DEBUGINFOD:
		spec->urls = *arg && strcmp(arg, "none") ? arg : NULL;
		return 0;
	case KEY_NO_INLINE:
		spec->options.inlines = false;
		return 0;
	case KEY_DEMANGLE:
		spec->options.demangle = (enum demangle_mode)option_word(state, "demangle", arg, modes);
		return 0;
	case ARGP_KEY_SUCCESS:
		spec->options.servers = debuginfod_new(spec->urls);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

const struct argp symbol_argp = {.options = symbol_options, .parser = symbol_parser};

void symbol_spec_done(struct symbol_spec *spec)
{
	if (!spec)
		return;
	string_list_done(&spec->dirs);
	debuginfod_free(spec->options.servers);
}
