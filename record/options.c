/* SPDX-License-Identifier: MIT */
#include "record/options.h"

#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/amount.h"
#include "base/usage.h"
#include "bpf/event.h"
#include "record/output.h"
#include "record/unwind_tables.h"

#define DEFAULT_FREQ_HZ		    99
#define MAX_FREQ_HZ		    50000
#define DEFAULT_KERNEL_STACK_MIN_NS 100000
#define DEFAULT_FLUSH_NS	    1000000000ull
#define MIN_FLUSH_NS		    10000000ull
#define MAX_TIME_NS		    (365ull * 24 * 3600 * 1000000000ull)

enum option_key {
	KEY_TID = 256,
	KEY_COMM,
	KEY_CGROUP,
	KEY_OFF_CPU,
	KEY_KERNEL_STACK,
	KEY_WAKERS,
	KEY_UNWIND,
	KEY_UNWIND_MEMORY,
	KEY_MAX_SIZE,
	KEY_EMBED,
	KEY_FLUSH,
};

static const struct argp_option option_list[] = {
	{NULL, 0, NULL, 0, "Where to:", 1},
	{"output", 'o', "FILE", 0, "the recording; - streams it to standard output (default: stint-HOST-TIME.stint)",
	 0},
	{"max-size", KEY_MAX_SIZE, "SIZE", 0, "stop before the recording grows past SIZE (bytes, or K, M, G)", 0},
	{NULL, 0, NULL, 0, "What to record (the whole host when nothing is named; any match is enough):", 2},
	{"all", 'a', NULL, 0, "the whole host", 0},
	{"pid", 'p', "PID[,PID...]", 0, "these processes, and children they start", 0},
	{"tid", KEY_TID, "TID[,TID...]", 0, "these threads", 0},
	{"comm", KEY_COMM, "NAME[,NAME...]", 0, "threads of these names", 0},
	{"cgroup", KEY_CGROUP, "PATH", 0, "the threads of this cgroup (v2) and those below it", 0},
	{NULL, 0, NULL, 0, "How:", 3},
	{"freq", 'F', "HZ", 0, "on-CPU samples a second and CPU; 0 for none (default: 99)", 0},
	{"off-cpu", KEY_OFF_CPU, "all|none|MIN", 0,
	 "off-CPU intervals: all, none, or those of at least MIN (50us, 1ms)", 0},
	{"kernel-stack", KEY_KERNEL_STACK, "all|none|MIN", 0,
	 "kernel stacks of off-CPU intervals: of all, of none, or of those of at least MIN "
	 "(default: 100us)",
	 0},
	{"wakers", KEY_WAKERS, "stack|task|none", 0, "who woke a thread, with or without its stack (default: task)", 0},
	{"unwind", KEY_UNWIND, "auto|cfi|fp|dump", 0,
	 "how user stacks are walked: by call frame information, frame pointers, or the latter where "
	 "the former is missing; or copied, to be unwound offline (default: auto)",
	 0},
	{"unwind-memory", KEY_UNWIND_MEMORY, "SIZE", 0,
	 "memory for call frame information; tables used least leave first (default: 256M)", 0},
	{"embed", KEY_EMBED, "kernel,jit,symtab,none", 0, "symbols that the recording carries (default: kernel,jit)",
	 0},
	{"duration", 'd', "SECONDS", 0,
	 "stop after this time; 500ms or 2m will do too (default: on Ctrl-C, or when COMMAND ends)", 0},
	{"flush", KEY_FLUSH, "TIME", 0, "write out at least this often: 100ms, 2s (default: 1s)", 0},
	{0},
};

static const char doc[] = "Records what threads do on the CPU and where they wait off it, into one "
			  "file for stint to read.\v"
			  "SIGINT and SIGTERM finish the recording; a second one stops at once, "
			  "and the file is still readable. With "
			  "COMMAND, signals go to it, and its exit status is passed on.";

struct parse {
	struct record_options *options;
	struct stint_err *err;
	int status;
	char fault[200]; /* why argp gave up by itself */
};

static int usage(struct parse *parse, const char *option, const char *arg, const char *why)
{
	parse->status = stint_err_set(parse->err, STINT_ERR_USAGE, 0, -1, "%s: %s '%s'", option, why, arg);
	return EINVAL;
}

static int parse_ids(struct parse *parse, const char *option, const char *arg, pid_t *ids, size_t *n_ids)
{
	const char *at = arg;
	char *end;
	long id;

	do {
		errno = 0;
		id = strtol(at, &end, 10);
		if (errno || end == at || id <= 0 || id > INT32_MAX || (*end && *end != ','))
			return usage(parse, option, arg, "not a list of ids:");
		if (*n_ids == OPTIONS_MAX_IDS)
			return usage(parse, option, arg, "more than 1024 ids with");
		ids[(*n_ids)++] = (pid_t)id;
		at = end + 1;
	} while (*end);
	return 0;
}

static int parse_comms(struct parse *parse, char *arg)
{
	struct record_options *opt = parse->options;
	char *save = NULL, *name;

	for (name = strtok_r(arg, ",", &save); name; name = strtok_r(NULL, ",", &save)) {
		/* The kernel keeps 15 characters of a thread's name. */
		if (strlen(name) >= EVENT_COMM_BYTES)
			name[EVENT_COMM_BYTES - 1] = 0;
		if (opt->n_comms == OPTIONS_MAX_COMMS)
			return usage(parse, "--comm", name, "more than 64 names with");
		opt->comms[opt->n_comms++] = name;
	}
	if (opt->n_comms == 0)
		return usage(parse, "--comm", arg, "not a list of names:");
	return 0;
}

static int parse_embed(struct parse *parse, char *arg)
{
	static const struct {
		const char *name;
		uint32_t bit;
	} kinds[] = {{"kernel", EMBED_KERNEL}, {"jit", EMBED_JIT}, {"symtab", EMBED_SYMTAB}, {"none", 0}};
	char *save = NULL, *name;
	size_t i;

	if (!*arg)
		return usage(parse, "--embed", arg, "not one of kernel, jit, symtab, none:");
	parse->options->embed = 0;
	for (name = strtok_r(arg, ",", &save); name; name = strtok_r(NULL, ",", &save)) {
		for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
			if (strcmp(name, kinds[i].name) == 0)
				break;
		}
		if (i == sizeof(kinds) / sizeof(kinds[0]))
			return usage(parse, "--embed", name, "not one of kernel, jit, symtab, none:");
		parse->options->embed |= kinds[i].bit;
	}
	return 0;
}

static int parse_wakers(struct parse *parse, const char *arg)
{
	if (strcmp(arg, "none") == 0)
		parse->options->wakers = WAKERS_NONE;
	else if (strcmp(arg, "task") == 0)
		parse->options->wakers = WAKERS_TASK;
	else if (strcmp(arg, "stack") == 0)
		parse->options->wakers = WAKERS_STACK;
	else
		return usage(parse, "--wakers", arg, "not one of stack, task, none:");
	return 0;
}

static int parse_unwind(struct parse *parse, const char *arg)
{
	static const struct {
		const char *name;
		enum unwind by;
	} ways[] = {{"auto", UNWIND_BY_BOTH}, {"cfi", UNWIND_BY_CFI}, {"fp", UNWIND_BY_FP}, {"dump", UNWIND_BY_DUMP}};
	size_t i;

	for (i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		if (strcmp(arg, ways[i].name) == 0) {
			parse->options->unwind = ways[i].name;
			parse->options->unwind_by = ways[i].by;
			return 0;
		}
	}
	return usage(parse, "--unwind", arg, "not one of auto, cfi, fp, dump:");
}

static int parse_size(struct parse *parse, const char *option, const char *arg, uint64_t *ret_bytes)
{
	if (!stint_parse_size(arg, ret_bytes))
		return usage(parse, option, arg, "not a number of bytes, or of " STINT_SIZE_UNITS ":");
	return 0;
}

static int parse_unwind_memory(struct parse *parse, const char *arg)
{
	if (parse_size(parse, "--unwind-memory", arg, &parse->options->unwind_bytes))
		return EINVAL;
	if (parse->options->unwind_bytes < 4 << 20)
		return usage(parse, "--unwind-memory", arg, "less than 4M:");
	return 0;
}

static int parse_freq(struct parse *parse, const char *arg)
{
	char *end;
	long hz;

	errno = 0;
	hz = strtol(arg, &end, 10);
	if (errno || end == arg || *end || hz < 0 || hz > MAX_FREQ_HZ)
		return usage(parse, "--freq", arg, "not a rate from 0 to 50000 Hz:");
	parse->options->freq_hz = (uint32_t)hz;
	return 0;
}

/* all, none, or a least length. */
static int parse_min(struct parse *parse, const char *option, const char *arg, uint64_t *ret_ns)
{
	if (strcmp(arg, "all") == 0)
		*ret_ns = 0;
	else if (strcmp(arg, "none") == 0)
		*ret_ns = OPTIONS_NEVER;
	else if (!stint_parse_time(arg, STINT_NEEDS_UNIT, ret_ns))
		return usage(parse, option, arg,
			     "not all, none, or a time with its unit (" STINT_TIME_UNITS "), as 50us:");
	return 0;
}

/* bare_ns as for stint_parse_time. */
static int parse_time(struct parse *parse, const char *option, const char *arg, uint64_t bare_ns, uint64_t least_ns,
		      uint64_t *ret_ns)
{
	if (!stint_parse_time(arg, bare_ns, ret_ns))
		return usage(parse, option, arg,
			     bare_ns == STINT_SECONDS ? "neither seconds nor a time with its unit (" STINT_TIME_UNITS
							"):"
						      : "not a time with its unit (" STINT_TIME_UNITS "), as 1s:");
	if (*ret_ns < least_ns)
		return usage(parse, option, arg, "too short a time:");
	if (*ret_ns > MAX_TIME_NS)
		return usage(parse, option, arg, "longer than a year:");
	return 0;
}

static int parse_max_size(struct parse *parse, const char *arg)
{
	if (parse_size(parse, "--max-size", arg, &parse->options->max_bytes))
		return EINVAL;
	if (parse->options->max_bytes < OUTPUT_MIN_BYTES)
		return usage(parse, "--max-size", arg, "less than 128K:");
	return 0;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct parse *parse = state->input;
	struct record_options *opt = parse->options;

	switch (key) {
	case 'o':
		opt->output = arg;
		return arg[0] ? 0 : usage(parse, "--output", arg, "not a file name:");
	case 'a':
		opt->all = true;
		return 0;
	case 'p':
		return parse_ids(parse, "--pid", arg, opt->pids, &opt->n_pids);
	case KEY_TID:
		return parse_ids(parse, "--tid", arg, opt->tids, &opt->n_tids);
	case KEY_COMM:
		return parse_comms(parse, arg);
	case KEY_CGROUP:
		if (opt->cgroup)
			return usage(parse, "--cgroup", arg, "a second cgroup");
		opt->cgroup = arg;
		return 0;
	case 'F':
		return parse_freq(parse, arg);
	case KEY_OFF_CPU:
		return parse_min(parse, "--off-cpu", arg, &opt->off_cpu_min_ns);
	case KEY_KERNEL_STACK:
		return parse_min(parse, "--kernel-stack", arg, &opt->kernel_stack_min_ns);
	case KEY_WAKERS:
		return parse_wakers(parse, arg);
	case KEY_UNWIND:
		return parse_unwind(parse, arg);
	case KEY_UNWIND_MEMORY:
		return parse_unwind_memory(parse, arg);
	case KEY_EMBED:
		return parse_embed(parse, arg);
	case 'd':
		return parse_time(parse, "--duration", arg, STINT_SECONDS, 1, &opt->duration_ns);
	case KEY_FLUSH:
		return parse_time(parse, "--flush", arg, STINT_NEEDS_UNIT, MIN_FLUSH_NS, &opt->flush_ns);
	case KEY_MAX_SIZE:
		return parse_max_size(parse, arg);
	case ARGP_KEY_ARG:
		/* Words are the command's, and only behind "--": "stint record sleep 5" could mean
		 * anything. */
		if (state->quoted == 0 || state->next <= state->quoted) {
			parse->status = stint_err_set(parse->err, STINT_ERR_USAGE, 0, -1,
						      "to record a command, put -- in front of it: '%s'", arg);
			return EINVAL;
		}
		opt->command = &state->argv[state->next - 1];
		state->next = state->argc;
		return 0;
	case ARGP_KEY_ERROR:
		stint_usage_fault(state, parse->fault, sizeof(parse->fault));
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static int check(struct record_options *opt, struct stint_err *err)
{
	bool narrowed = opt->n_pids || opt->n_tids || opt->n_comms || opt->cgroup;

	if (opt->all && narrowed)
		return stint_err_set(err, STINT_ERR_USAGE, 0, -1,
				     "--all leaves nothing for --pid, --tid, --comm or --cgroup "
				     "to add");
	if (!narrowed && !opt->command)
		opt->all = true;
	opt->off_cpu = opt->off_cpu_min_ns != OPTIONS_NEVER;
	if (!opt->off_cpu)
		opt->off_cpu_min_ns = 0;
	if (!opt->off_cpu && opt->freq_hz == 0)
		return stint_err_set(err, STINT_ERR_USAGE, 0, -1,
				     "--freq=0 with --off-cpu=none leaves nothing to record");
	return 0;
}

int record_options_parse(struct record_options *ret, int argc, char *argv[], enum options_result *ret_result,
			 struct stint_err *err)
{
	static const struct argp argp = {option_list, parse_option, "[-- COMMAND [ARG...]]", doc, NULL, NULL, NULL};
	struct parse parse = {.options = ret, .err = err};
	int at, rc;

	memset(ret, 0, sizeof(*ret));
	ret->freq_hz = DEFAULT_FREQ_HZ;
	ret->kernel_stack_min_ns = DEFAULT_KERNEL_STACK_MIN_NS;
	ret->wakers = WAKERS_TASK;
	ret->unwind = "auto";
	ret->unwind_by = UNWIND_BY_BOTH;
	ret->unwind_bytes = UNWIND_DEFAULT_MEMORY;
	ret->flush_ns = DEFAULT_FLUSH_NS;
	ret->embed = EMBED_KERNEL | EMBED_JIT;
	*ret_result = OPTIONS_RUN;

	for (at = 1; at < argc && strcmp(argv[at], "--") != 0; at++) {
		if (strcmp(argv[at], "--help") == 0 || strcmp(argv[at], "-?") == 0) {
			argp_help(&argp, stdout, ARGP_HELP_STD_HELP & ~ARGP_HELP_EXIT_OK, (char *)"stint-record");
			*ret_result = OPTIONS_DONE;
			return 0;
		}
		if (strcmp(argv[at], "--version") == 0 || strcmp(argv[at], "-V") == 0) {
			printf("stint-record %s\n", STINT_VERSION);
			*ret_result = OPTIONS_DONE;
			return 0;
		}
	}
	if (at == argc - 1)
		return stint_err_set(err, STINT_ERR_USAGE, 0, -1, "there is no command behind --");
	rc = argp_parse(&argp, argc, argv, ARGP_NO_EXIT | ARGP_NO_ERRS | ARGP_NO_HELP, NULL, &parse);
	if (parse.status)
		return parse.status;
	if (rc)
		return stint_err_set(err, STINT_ERR_USAGE, 0, -1, "%s", parse.fault);
	return check(ret, err);
}
