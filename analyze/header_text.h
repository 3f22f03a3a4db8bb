/* SPDX-License-Identifier: MIT */
/* The line that says which recording a text is about. */
#ifndef STINT_ANALYZE_HEADER_TEXT_H
#define STINT_ANALYZE_HEADER_TEXT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "analyze/model.h"
#include "analyze/tally.h"

/* "host (Linux 6.1, x86_64), recorded 2024-05-01 12:00:00 UTC for 30.0 s", with what is known of
 * it. */
void header_print_text(const struct model *m, FILE *out);

/* "On-CPU: 990 samples at 99 Hz, about 10.0 s of CPU time", or what the intervals add up to; then an empty line. */
void totals_print_text(const struct model *m, enum view view, const struct tally *tally, bool selected, FILE *out);

/* Why there is nothing to show, where the tally has no event. */
void nothing_print_text(enum view view, const struct tally *tally, bool selected, FILE *out);

/* Wall-clock time (ns since 1970) of a moment of the recording, by the nearest clock record; false
 * without any. */
bool recording_realtime(const struct model *m, uint64_t monotonic_ns, uint64_t *ret_ns);

/* "2024-05-01 12:00:00 UTC" into text. */
#define UTC_TEXT_BYTES 40
void utc_text(uint64_t realtime_ns, char *text);

/* Samples a second, from the sources or the metadata; 0 when unknown or when sources differ. */
uint64_t recording_freq_hz(const struct model *m);

#endif
