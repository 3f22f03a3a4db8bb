/* SPDX-License-Identifier: MIT */
/* Numbers, times and sizes as people write them on a command line: one rule for both programs. */
#ifndef STINT_BASE_AMOUNT_H
#define STINT_BASE_AMOUNT_H

#include <stdbool.h>
#include <stdint.h>

/* For messages: what may stand behind a number. */
#define STINT_TIME_UNITS "ns, us, ms, s, m or h"
#define STINT_SIZE_UNITS "K, M, G or T"

/* What a number without a unit means to stint_parse_time. */
#define STINT_NEEDS_UNIT UINT64_C(0)
#define STINT_SECONDS	 UINT64_C(1000000000)

/* A whole decimal number up to max; false for anything else, signs and blanks too. */
bool stint_parse_number(const char *text, uint64_t max, uint64_t *ret);

/*
 * A time with its unit, "50us", "1.5ms", "2s", "1m": exact to the nanosecond, what is less is cut off, and up to
 * INT64_MAX ns. bare_ns is what a number without a unit counts in; with STINT_NEEDS_UNIT only 0 can do without. False
 * for anything else.
 */
bool stint_parse_time(const char *text, uint64_t bare_ns, uint64_t *ret_ns);

/* A share of the whole, "30%" or "12.5%" up to "100%", in billionths; false for anything else. */
bool stint_parse_share(const char *text, uint64_t *ret_billionths);

/* A size, "4096", "64K", "1.5M", "2GiB", in bytes: units are powers of 1024. Up to INT64_MAX; false for the rest. */
bool stint_parse_size(const char *text, uint64_t *ret_bytes);

#endif
