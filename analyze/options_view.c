/* SPDX-License-Identifier: MIT */
#include "analyze/options_view.h"

#include "analyze/options.h"

error_t view_parser(int key, char *arg, struct argp_state *state)
{
	struct view_spec *spec = state->input;

	switch (key) {
	case VIEW_KEY_VIEW:
		spec->view = (enum view)option_word(state, "view", arg, view_names);
		return 0;
	case VIEW_KEY_BY:
		spec->by = (enum metric)option_word(state, "by", arg, metric_names);
		spec->has_by = true;
		return 0;
	case ARGP_KEY_END: /* argp ends children before their parent */
		if (!spec->has_by)
			spec->by = spec->view == VIEW_ON_CPU ? METRIC_SAMPLES : METRIC_DURATION;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

void option_check_view(const struct argp_state *state, const struct view_spec *spec, const struct select_spec *select)
{
	const char *option;

	if ((spec->view == VIEW_ON_CPU) != (spec->by == METRIC_SAMPLES))
		option_fault(state, "--by=%s is for --view=%s", metric_names[spec->by],
			     view_names[spec->by == METRIC_SAMPLES ? VIEW_ON_CPU : VIEW_OFF_CPU]);
	if (spec->view == VIEW_ON_CPU && select_needs_offcpu(select, &option))
		option_fault(state, "%s is for --view=off-cpu", option);
}
