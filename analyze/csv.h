/* SPDX-License-Identifier: MIT */
/* Comma-separated values by RFC 4180: fields are quoted where they must be, records end with CR LF.
 */
#ifndef STINT_ANALYZE_CSV_H
#define STINT_ANALYZE_CSV_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* One field; first is true for a record's first one. What harms a terminal or is no UTF-8 is written as text_escape
 * does, so that a record is one line. */
void csv_text(FILE *out, bool first, const char *text);
void csv_u64(FILE *out, bool first, uint64_t value);
void csv_percent(FILE *out, bool first, uint64_t part, uint64_t whole); /* empty when whole is 0 */
void csv_end(FILE *out);

#endif
