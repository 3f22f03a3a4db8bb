/* SPDX-License-Identifier: MIT */
/* The options --view and --by, the same on every command that adds events up. */
#ifndef STINT_ANALYZE_OPTIONS_VIEW_H
#define STINT_ANALYZE_OPTIONS_VIEW_H

#include <argp.h>
#include <stdbool.h>

#include "analyze/metrics.h"
#include "analyze/select.h"

/* Zeroed before parsing; without --by, the view's own default is filled in. */
struct view_spec {
	enum view view;
	enum metric by;
	bool has_by;
};

#define VIEW_OPTION                                                                                                    \
	{                                                                                                              \
		"view", VIEW_KEY_VIEW, "VIEW", 0,                                                                      \
			"'on-cpu' (samples of running threads; the default) or 'off-cpu' (intervals)", 1               \
	}

/*
 * A child whose input is a struct view_spec; its options stand among the parent's. by_doc says what the metric does and
 * which ones there are: a command that can't use one of them refuses it by itself.
 */
#define VIEW_ARGP(by_doc)                                                                                              \
	{                                                                                                              \
		.options =                                                                                             \
			(const struct argp_option[]){VIEW_OPTION, {"by", VIEW_KEY_BY, "METRIC", 0, by_doc, 1}, {0}},   \
		.parser = view_parser,                                                                                 \
	}

enum { VIEW_KEY_VIEW = 0x200, VIEW_KEY_BY };

error_t view_parser(int key, char *arg, struct argp_state *state);

/* Within the parent's parser, once all options are known: what is for the other view is a usage error. */
void option_check_view(const struct argp_state *state, const struct view_spec *spec, const struct select_spec *select);

#endif
