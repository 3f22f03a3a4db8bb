/* SPDX-License-Identifier: MIT */
#include "analyze/header_text.h"

#include <string.h>
#include <time.h>

#include "analyze/options.h"
#include "analyze/text.h"
#include "base/amount.h"

bool recording_realtime(const struct model *m, uint64_t monotonic_ns, uint64_t *ret_ns)
{
	const struct stint_clock *nearest = NULL;
	uint64_t distance = UINT64_MAX;
	uint32_t i;

	for (i = 0; i < m->clocks.n; i++) {
		const struct stint_clock *clock = &m->clocks.rows[i];
		uint64_t d = clock->monotonic_ns > monotonic_ns ? clock->monotonic_ns - monotonic_ns
								: monotonic_ns - clock->monotonic_ns;

		if (!nearest || d < distance) {
			nearest = clock;
			distance = d;
		}
	}
	if (!nearest)
		return false;
	*ret_ns = nearest->realtime_ns + (monotonic_ns - nearest->monotonic_ns);
	return true;
}

void utc_text(uint64_t realtime_ns, char *text)
{
	time_t seconds = (time_t)(realtime_ns / 1000000000u);
	struct tm tm;

	if (!gmtime_r(&seconds, &tm) || !strftime(text, UTC_TEXT_BYTES, "%Y-%m-%d %H:%M:%S UTC", &tm))
		memcpy(text, "?", 2);
}

uint64_t recording_freq_hz(const struct model *m)
{
	const char *text = model_meta(m, "freq_hz");
	uint64_t freq = m->sources.n > 1 ? m->sources.rows[1].freq_hz : 0;
	uint32_t i;

	for (i = 2; i < m->sources.n; i++)
		if (m->sources.rows[i].freq_hz != freq)
			return 0;
	if (!freq && text && !stint_parse_number(text, UINT32_MAX, &freq))
		freq = 0;
	return freq;
}

void header_print_text(const struct model *m, FILE *out)
{
	const char *host = model_meta(m, "host"), *kernel = model_meta(m, "kernel"), *arch = model_meta(m, "arch");
	char when[UTC_TEXT_BYTES];
	uint64_t realtime_ns;

	text_print_name(out, host && *host ? host : "unnamed host");
	if (kernel && *kernel) {
		fputs(" (Linux ", out);
		text_print_name(out, kernel);
		if (arch && *arch) {
			fputs(", ", out);
			text_print_name(out, arch);
		}
		fputc(')', out);
	}
	fputs(", recorded", out);
	if (recording_realtime(m, m->start_ns, &realtime_ns)) {
		utc_text(realtime_ns, when);
		fprintf(out, " %s", when);
	}
	fprintf(out, " for %s\n", text_duration(m->end_ns - m->start_ns).s);
}

void totals_print_text(const struct model *m, enum view view, const struct tally *tally, bool selected, FILE *out)
{
	const uint64_t *v = tally->total.v;

	if (view == VIEW_ON_CPU) {
		uint64_t freq = recording_freq_hz(m);

		fprintf(out, "On-CPU: %s samples", text_count(v[METRIC_SAMPLES]).s);
		if (freq)
			fprintf(out, " at %s Hz, about %s of CPU time", text_count(freq).s,
				text_duration((uint64_t)((double)v[METRIC_SAMPLES] * 1e9 / (double)freq)).s);
	} else {
		fprintf(out,
			"Off-CPU: %s switches, %s = blocked %s + runqueue %s; longest %s; %s still "
			"off at the end",
			text_count(v[METRIC_COUNT]).s, text_duration(v[METRIC_DURATION]).s,
			text_duration(v[METRIC_BLOCKED]).s, text_duration(v[METRIC_RUNQUEUE]).s,
			text_duration(v[METRIC_MAX]).s, text_count(v[METRIC_OPEN]).s);
	}
	if (selected)
		fprintf(out, " (selected: %s of %s events)", text_count(tally->n_events).s,
			text_count(tally->n_seen).s);
	fputs("\n\n", out);
}

void nothing_print_text(enum view view, const struct tally *tally, bool selected, FILE *out)
{
	if (selected && tally->n_seen)
		fputs("No event matches the selection.\n", out);
	else
		fprintf(out, "The recording has no %s.\n",
			view == VIEW_ON_CPU ? "on-CPU samples (--view=off-cpu shows intervals)"
					    : "off-CPU intervals (--view=on-cpu shows samples)");
}
