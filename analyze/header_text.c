/* SPDX-License-Identifier: MIT */
#include "analyze/header_text.h"

#include <string.h>
#include <time.h>

#include "analyze/options.h"
#include "analyze/text.h"

bool recording_realtime(const struct model *m, uint64_t monotonic_ns, uint64_t *ret_ns)
{
	const struct stint_clock *nearest = NULL;
	uint64_t distance = UINT64_MAX;
	uint32_t i;

	for (i = 0; i < m->clocks.n; i++) {
		const struct stint_clock *clock = &m->clocks.rows[i];
		uint64_t d = clock->monotonic_ns > monotonic_ns
				     ? clock->monotonic_ns - monotonic_ns
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

	if (!gmtime_r(&seconds, &tm) ||
	    !strftime(text, UTC_TEXT_BYTES, "%Y-%m-%d %H:%M:%S UTC", &tm))
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
	if (!freq && text && !parse_u64(text, UINT32_MAX, &freq))
		freq = 0;
	return freq;
}

void header_print_text(const struct model *m, FILE *out)
{
	const char *host = model_meta(m, "host"), *kernel = model_meta(m, "kernel"),
		   *arch = model_meta(m, "arch");
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
