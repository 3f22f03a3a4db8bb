/* SPDX-License-Identifier: MIT */
/* What is wrong with a command line that argp refused without a word (ARGP_NO_ERRS). */
#ifndef STINT_BASE_USAGE_H
#define STINT_BASE_USAGE_H

#include <argp.h>
#include <stddef.h>

/*
 * For a parser at ARGP_KEY_ERROR: writes one line, such as "unknown option '--foo'", that names the word at which argp
 * gave up. It is cut to size, never overrun.
 */
void stint_usage_fault(const struct argp_state *state, char *text, size_t size);

#endif
