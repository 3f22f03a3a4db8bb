/* SPDX-License-Identifier: MIT */
/*
 * What the commands' options have in common: one way to parse them, the options about symbols, and how
 * a failure is told. Selection has its own file, select.h.
 *
 * A command has a struct argp of its own, with the shared groups as children; its parser sets
 * state->child_inputs[i] at ARGP_KEY_INIT to the structs that each group fills in.
 */
#ifndef STINT_ANALYZE_OPTIONS_H
#define STINT_ANALYZE_OPTIONS_H

#include <argp.h>
#include <stdbool.h>
#include <stdint.h>

#include "analyze/symbolize.h"
#include "base/err.h"

#define EXIT_STATUS_NO	   1 /* it ran, and the answer is no */
#define EXIT_STATUS_USAGE  2
#define EXIT_STATUS_INPUT  3
#define EXIT_STATUS_SYSTEM 4

/*
 * Parses a command's arguments. Wrong ones end the program with status 2 and one line on standard
 * error: "stint report: --foo takes no value; see 'stint report --help'". --help (and -h) prints
 * help and exits with 0.
 */
void options_parse(const struct argp *argp, int argc, char **argv, void *input);

/* Ends the program as a usage error: within a parser, and after it. argp_error() would be silent. */
void option_fault(const struct argp_state *state, const char *fmt, ...) __attribute__((noreturn, format(printf, 2, 3)));
void options_fault(const char *command, const char *fmt, ...) __attribute__((noreturn, format(printf, 2, 3)));

/* The end of a command: tells what failed ("stint report: message"), or flushes standard output.
 * Returns the exit status that belongs to it. */
int options_finish(const char *command, int code, const struct stint_err *err);

/* "stint report: message" on standard error; returns the exit status that belongs to err, or ends
 * the program where that is a usage error. */
int options_failed(const char *command, const struct stint_err *err);

/* Flushes standard output. 0, or (after saying so) EXIT_STATUS_SYSTEM when something couldn't be
 * written. */
int options_finish_output(const char *command);

/* A growing list of strings, which stay the caller's (argv's). Zeroed is ready. */
struct string_list {
	const char **at;
	size_t n;
};

int string_list_add(struct string_list *list, const char *text); /* 0 or STINT_ERR_NOMEM */
void string_list_done(struct string_list *list);		 /* NULL and zeroed are fine */

/* A point in a recording: seconds from its start ("2", "2.5s"), another unit ("250ms"), or a share
 * ("30%"). */
struct time_point {
	bool given;
	bool relative;	/* value is a share of the recording's duration, in billionths */
	uint64_t value; /* else ns */
};

bool parse_time_point(const char *text, struct time_point *ret);

/* One of the words of a list that ends with NULL: its index, or -1. */
int parse_word(const char *text, const char *const *words);

/* The same for the value of --name, within a parser: what is none of the words is a usage error. */
int option_word(const struct argp_state *state, const char *name, const char *arg, const char *const *words);

/* The value of --limit=N, within a parser. */
uint64_t option_limit(const struct argp_state *state, const char *arg);

/* Within a parser, what must not be empty: "-o: the name of the output" says what it is. Returns it. */
const char *option_given(const struct argp_state *state, const char *what, const char *arg);

/* The one FILE of most commands: a child whose input is a const char *, NULL before. */
extern const struct argp file_argp;

/* How a command's result is written. */
enum output_format { FORMAT_TEXT, FORMAT_JSON, FORMAT_CSV, FORMAT_FOLDED };

/* The group "Symbols": its input is a struct symbol_spec, set up with SYMBOL_SPEC_INIT. */
struct symbol_spec {
	struct symbolizer_options options; /* for model_symbolizer; dirs and servers stay the spec's */
	struct string_list dirs;
	const char *urls; /* of debuginfod servers; NULL: none */
};

#define SYMBOL_SPEC_INIT                                                                                               \
	{                                                                                                              \
		.options = {.local = true, .lines = true, .inlines = true, .demangle = DEMANGLE_SHORT }                \
	}

extern const struct argp symbol_argp;
void symbol_spec_done(struct symbol_spec *spec);

#endif
