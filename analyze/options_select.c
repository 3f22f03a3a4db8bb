/* SPDX-License-Identifier: MIT */
/* The option group "Selection": checked as it is parsed, so that a wrong value is told before any
 * file is read. */
#include <errno.h>
#include <regex.h>
#include <string.h>

#include "analyze/select.h"
#include "analyze/select_lists.h"
#include "base/amount.h"

enum {
	KEY_PID = 0x400,
	KEY_TID,
	KEY_COMM,
	KEY_CPU,
	KEY_STATE,
	KEY_SYSCALL,
	KEY_FROM,
	KEY_TO,
	KEY_MIN,
	KEY_MAX,
	KEY_SYMBOL,
	KEY_MODULE,
};

static const struct argp_option select_options[] = {
	{.doc = "Selection (what matches every option given; several values of one option, "
		"repeated or separated by "
		"commas, are alternatives):",
	 .group = 10},
	{"pid", KEY_PID, "PID[,PID...]", 0, "Only these processes", 0},
	{"tid", KEY_TID, "TID[,TID...]", 0, "Only these threads", 0},
	{"comm", KEY_COMM, "NAME", 0, "Only threads of this name; a shell pattern will do ('nginx*')", 0},
	{"cpu", KEY_CPU, "CPU[,CPU-CPU...]", 0, "Only these CPUs; for an interval, where the thread came on again", 0},
	{"state", KEY_STATE, "LETTERS", 0,
	 "Only intervals of threads that left the CPU in these states, as in ps: R (preempted), S, "
	 "D, T, t, X, Z, P, I",
	 0},
	{"syscall", KEY_SYSCALL, "NAME|NUMBER[,...]", 0, "Only intervals within these system calls", 0},
	{"from", KEY_FROM, "TIME", 0,
	 "Only from this time on: seconds from the recording's start (2, 2.5s), another unit "
	 "(250ms) or a share of its "
	 "length (30%)",
	 0},
	{"to", KEY_TO, "TIME", 0, "Only up to this time; an interval that goes on beyond it counts as open", 0},
	{"min", KEY_MIN, "DURATION", 0, "Only intervals of at least this length (50us, 1.5ms, 2s)", 0},
	{"max", KEY_MAX, "DURATION", 0, "Only intervals of at most this length", 0},
	{"symbol", KEY_SYMBOL, "REGEX", 0,
	 "Only stacks with a function whose name matches (extended regular expression)", 0},
	{"module", KEY_MODULE, "REGEX", 0, "Only stacks with a frame in a file whose path matches", 0},
	{0},
};

bool list_next(const struct string_list *list, struct list_item *item)
{
	const char *comma;
	size_t len;

	while (!item->at) {
		if (item->i == list->n)
			return false;
		item->at = list->at[item->i++];
	}
	comma = strchrnul(item->at, ',');
	len = (size_t)(comma - item->at);
	if (len >= LIST_MAX_ITEM)
		len = LIST_MAX_ITEM - 1;
	memcpy(item->text, item->at, len);
	item->text[len] = '\0';
	item->at = *comma ? comma + 1 : NULL;
	return true;
}

/* "5" or "2-5". */
static bool parse_range(const char *text, uint64_t max, uint64_t *ret_first, uint64_t *ret_last)
{
	char copy[LIST_MAX_ITEM];
	char *dash;

	memcpy(copy, text, strlen(text) + 1);
	dash = strchr(copy, '-');
	if (dash)
		*dash = '\0';
	return stint_parse_number(copy, max, ret_first) && stint_parse_number(dash ? dash + 1 : copy, max, ret_last) &&
	       *ret_first <= *ret_last;
}

bool list_is_numbers(const char *text, uint64_t max)
{
	const struct string_list list = {.at = &text, .n = 1};
	struct list_item item = {0};
	uint64_t first, last;

	while (list_next(&list, &item))
		if (!parse_range(item.text, max, &first, &last))
			return false;
	return true;
}

bool list_has_number(const struct string_list *list, uint64_t number)
{
	struct list_item item = {0};
	uint64_t first, last;

	while (list_next(list, &item))
		if (parse_range(item.text, UINT64_MAX, &first, &last) && first <= number && number <= last)
			return true;
	return false;
}

static error_t add(struct string_list *list, const char *arg)
{
	return string_list_add(list, arg) ? ENOMEM : 0;
}

static error_t add_numbers(struct argp_state *state, struct string_list *list, const char *option, const char *arg,
			   uint64_t max)
{
	if (!list_is_numbers(arg, max))
		option_fault(state, "--%s: '%s' is no number, nor a list of numbers like 3,5-7", option, arg);
	return add(list, arg);
}

static error_t add_regex(struct argp_state *state, struct string_list *list, const char *option, const char *arg)
{
	char why[128];
	regex_t re;
	int code = regcomp(&re, arg, REG_EXTENDED | REG_NOSUB);

	if (code) {
		regerror(code, &re, why, sizeof(why));
		option_fault(state, "--%s: '%s' is no regular expression: %s", option, arg, why);
	}
	regfree(&re);
	return add(list, arg);
}

static error_t add_states(struct argp_state *state, struct string_list *list, const char *arg)
{
	size_t n = strspn(arg, "RSDTtXZPI,");

	if (!*arg || arg[n])
		option_fault(state, "--state: '%s' is not made of the letters R, S, D, T, t, X, Z, P and I", arg);
	return add(list, arg);
}

static error_t add_syscalls(struct argp_state *state, struct string_list *list, const char *arg)
{
	const struct string_list one = {.at = &arg, .n = 1};
	struct list_item item = {0};
	uint64_t number;

	while (list_next(&one, &item)) {
		bool digits = item.text[0] >= '0' && item.text[0] <= '9';

		if (!item.text[0] || (digits && !stint_parse_number(item.text, SELECT_MAX_SYSCALLS - 1, &number)))
			option_fault(state, "--syscall: '%s' is no name or number of a system call", arg);
	}
	return add(list, arg);
}

static error_t set_time(struct argp_state *state, struct time_point *point, const char *option, const char *arg)
{
	if (!parse_time_point(arg, point))
		option_fault(state,
			     "--%s: '%s' is no time; write seconds (2.5), a unit (250ms) or a share "
			     "(30%%)",
			     option, arg);
	return 0;
}

static error_t set_length(struct argp_state *state, bool *has, uint64_t *ns, const char *option, const char *arg)
{
	if (!stint_parse_time(arg, STINT_NEEDS_UNIT, ns))
		option_fault(state, "--%s: '%s' is no time with its unit (" STINT_TIME_UNITS "), as 50us", option, arg);
	*has = true;
	return 0;
}

static error_t select_parser(int key, char *arg, struct argp_state *state)
{
	struct select_spec *spec = state->input;

	switch (key) {
	case KEY_PID:
		return add_numbers(state, &spec->pids, "pid", arg, UINT32_MAX);
	case KEY_TID:
		return add_numbers(state, &spec->tids, "tid", arg, UINT32_MAX);
	case KEY_COMM:
		return add(&spec->comms, arg);
	case KEY_CPU:
		return add_numbers(state, &spec->cpus, "cpu", arg, SELECT_MAX_CPUS - 1);
	case KEY_STATE:
		return add_states(state, &spec->states, arg);
	case KEY_SYSCALL:
		return add_syscalls(state, &spec->syscalls, arg);
	case KEY_FROM:
		return set_time(state, &spec->from, "from", arg);
	case KEY_TO:
		return set_time(state, &spec->to, "to", arg);
	case KEY_MIN:
		return set_length(state, &spec->has_min, &spec->min_ns, "min", arg);
	case KEY_MAX:
		return set_length(state, &spec->has_max, &spec->max_ns, "max", arg);
	case KEY_SYMBOL:
		return add_regex(state, &spec->symbols, "symbol", arg);
	case KEY_MODULE:
		return add_regex(state, &spec->modules, "module", arg);
	case ARGP_KEY_SUCCESS:
		if (spec->has_min && spec->has_max && spec->min_ns > spec->max_ns)
			option_fault(state, "--min is greater than --max");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

const struct argp select_argp = {.options = select_options, .parser = select_parser};

void select_spec_done(struct select_spec *spec)
{
	if (!spec)
		return;
	string_list_done(&spec->pids);
	string_list_done(&spec->tids);
	string_list_done(&spec->cpus);
	string_list_done(&spec->comms);
	string_list_done(&spec->states);
	string_list_done(&spec->syscalls);
	string_list_done(&spec->symbols);
	string_list_done(&spec->modules);
}

bool select_needs_offcpu(const struct select_spec *spec, const char **ret_option)
{
	*ret_option = spec->states.n	 ? "--state"
		      : spec->syscalls.n ? "--syscall"
		      : spec->has_min	 ? "--min"
		      : spec->has_max	 ? "--max"
					 : NULL;
	return *ret_option != NULL;
}

bool select_needs_symbols(const struct select_spec *spec)
{
	return spec->symbols.n > 0;
}
