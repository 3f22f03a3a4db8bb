/* SPDX-License-Identifier: MIT */
#include "analyze/options.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/usage.h"

#define NS_PER_S 1000000000ull

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

static void __attribute__((noreturn)) usage_fault(const char *command, const char *fmt, va_list ap)
{
	fflush(stdout);
	fprintf(stderr, "%s: ", command);
	vfprintf(stderr, fmt, ap);
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
	fprintf(stderr, "%s: %s\n", command, err->msg);
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

bool parse_u64(const char *text, uint64_t max, uint64_t *ret)
{
	uint64_t value = 0;

	if (!*text)
		return false;
	for (; *text; text++) {
		unsigned digit = (unsigned)(*text - '0');

		if (digit > 9 || value > (max - digit) / 10 || digit > max)
			return false;
		value = value * 10 + digit;
	}
	*ret = value;
	return true;
}

/*
 * Digits with an optional fraction, times unit, rounded down; what follows them is left at *end.
 * Done in integers, so that 0.1s is exactly 100 ms.
 */
static bool parse_decimal(const char *text, const char **end, uint64_t *ret_whole, uint64_t *ret_billionths)
{
	uint64_t whole = 0, fraction = 0, place = NS_PER_S;
	bool digits = false;

	for (; *text >= '0' && *text <= '9'; text++, digits = true) {
		if (whole > (UINT64_MAX - 9) / 10)
			return false;
		whole = whole * 10 + (uint64_t)(*text - '0');
	}
	if (*text == '.') {
		for (text++; *text >= '0' && *text <= '9'; text++, digits = true) {
			place /= 10;
			fraction += (uint64_t)(*text - '0') * place;
		}
	}
	*end = text;
	*ret_whole = whole;
	*ret_billionths = fraction;
	return digits;
}

static bool scale(uint64_t whole, uint64_t billionths, uint64_t unit, uint64_t *ret)
{
	unsigned __int128 value = (unsigned __int128)whole * unit + (unsigned __int128)billionths * unit / NS_PER_S;

	if (value > INT64_MAX)
		return false;
	*ret = (uint64_t)value;
	return true;
}

static bool unit_ns(const char *unit, uint64_t *ret)
{
	static const struct {
		const char *name;
		uint64_t ns;
	} units[] = {
		{"ns", 1}, {"us", 1000}, {"ms", 1000000}, {"s", NS_PER_S}, {"m", 60 * NS_PER_S}, {"h", 3600 * NS_PER_S},
	};
	size_t i;

	for (i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (!strcmp(unit, units[i].name)) {
			*ret = units[i].ns;
			return true;
		}
	}
	return false;
}

bool parse_duration(const char *text, uint64_t *ret_ns)
{
	uint64_t whole, billionths, unit = 1;
	const char *end;

	if (!parse_decimal(text, &end, &whole, &billionths))
		return false;
	if (!*end && (whole || billionths))
		return false;
	return (!*end || unit_ns(end, &unit)) && scale(whole, billionths, unit, ret_ns);
}

bool parse_time_point(const char *text, struct time_point *ret)
{
	uint64_t whole, billionths, unit = NS_PER_S;
	const char *end;

	*ret = (struct time_point){.given = true};
	if (!parse_decimal(text, &end, &whole, &billionths))
		return false;
	if (!strcmp(end, "%")) {
		ret->relative = true;
		return whole <= 100 && scale(whole, billionths, NS_PER_S / 100, &ret->value) && ret->value <= NS_PER_S;
	}
	return (!*end || unit_ns(end, &unit)) && scale(whole, billionths, unit, &ret->value);
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

	if (!parse_u64(arg, UINT32_MAX, &limit))
		option_fault(state, "--limit: '%s' is no number of rows", arg);
	return limit;
}

static error_t file_parser(int key, char *arg, struct argp_state *state)
{
	const char **file = state->input;

	switch (key) {
	case ARGP_KEY_ARG:
		if (!*arg)
			option_fault(state, "the name of the recording is empty");
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
	{"debuginfod", KEY_DEBUGINFOD, "URL|none", 0, "Ask this debuginfod server (default: $DEBUGINFOD_URLS, if set)",
	 0},
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
	int fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);

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

		spec->options.debuginfod_urls = urls && *urls ? urls : NULL;
		return 0;
	}
	case KEY_SYMBOLS:
		return add_symbols(state, spec, arg);
	case KEY_DEBUGINFOD:
		spec->options.debuginfod_urls = strcmp(arg, "none") ? arg : NULL;
		return 0;
	case KEY_NO_INLINE:
		spec->options.inlines = false;
		return 0;
	case KEY_DEMANGLE:
		spec->options.demangle = (enum demangle_mode)option_word(state, "demangle", arg, modes);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

const struct argp symbol_argp = {.options = symbol_options, .parser = symbol_parser};

void symbol_spec_done(struct symbol_spec *spec)
{
	if (spec)
		string_list_done(&spec->dirs);
}
