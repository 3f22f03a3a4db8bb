/* SPDX-License-Identifier: MIT */
#include "base/usage.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* What the parsers know of one option. */
struct match {
	const char *name; /* its long name, in full; NULL for none */
	bool takes_value;
	bool exact;
	bool ambiguous;
};

static bool is_end(const struct argp_option *option)
{
	return !option->key && !option->name && !option->doc && !option->group;
}

/* An abbreviation will do, as long as it can only mean one option. */
static void find_long(const struct argp *argp, const char *name, size_t len, struct match *found)
{
	const struct argp_option *option;
	const struct argp_child *child;

	for (option = argp->options; option && !is_end(option); option++) {
		if (!option->name || strncmp(option->name, name, len) || found->exact)
			continue;
		found->exact = !option->name[len];
		found->ambiguous = found->name && !found->exact;
		found->name = option->name;
		found->takes_value = option->arg && !(option->flags & OPTION_ARG_OPTIONAL);
	}
	for (child = argp->children; child && child->argp; child++)
		find_long(child->argp, name, len, found);
}

static const struct argp_option *find_short(const struct argp *argp, char letter)
{
	const struct argp_option *option, *found;
	const struct argp_child *child;

	for (option = argp->options; option && !is_end(option); option++)
		if (option->key == (unsigned char)letter)
			return option;
	for (child = argp->children; child && child->argp; child++) {
		found = find_short(child->argp, letter);
		if (found)
			return found;
	}
	return NULL;
}

static void long_fault(const struct argp *argp, const char *word, char *text, size_t size)
{
	size_t len = strcspn(word + 2, "=");
	struct match found = {0};

	find_long(argp, word + 2, len, &found);
	if (!found.name)
		snprintf(text, size, "unknown option '%.*s'", (int)len + 2, word);
	else if (found.ambiguous)
		snprintf(text, size, "'%.*s' may mean more than one option", (int)len + 2, word);
	else if (found.takes_value)
		snprintf(text, size, "--%s needs a value", found.name);
	else
		snprintf(text, size, "--%s takes no value", found.name);
}

/* "-xyz" is -x -y -z, up to the first that takes the rest as its value. False when all of them are known. */
static bool short_fault(const struct argp *argp, const char *word, char *text, size_t size)
{
	const char *at;

	for (at = word + 1; *at; at++) {
		const struct argp_option *option = find_short(argp, *at);

		if (!option) {
			snprintf(text, size, "unknown option '-%c'", *at);
			return true;
		}
		if (option->arg) {
			snprintf(text, size, "-%c needs a value", *at);
			return !at[1];
		}
	}
	return false;
}

void stint_usage_fault(const struct argp_state *state, char *text, size_t size)
{
	const char *last = state->next > 0 && state->next <= state->argc ? state->argv[state->next - 1] : "";
	const char *next = state->next < state->argc ? state->argv[state->next] : "";

	if (!strncmp(last, "--", 2) && last[2]) {
		long_fault(state->root_argp, last, text, size);
		return;
	}
	/* argp is past a word with short options only once it knows all of them. */
	if (last[0] == '-' && last[1] && short_fault(state->root_argp, last, text, size))
		return;
	if (next[0] == '-' && next[1] && next[1] != '-' && short_fault(state->root_argp, next, text, size))
		return;
	snprintf(text, size, "'%s' is one word too many", *next ? next : last);
}
