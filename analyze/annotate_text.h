/* SPDX-License-Identifier: MIT */
/* The tables of an annotated function as text. Private to annotate_*text.c. Each returns 0 or STINT_ERR_NOMEM. */
#ifndef STINT_ANALYZE_ANNOTATE_TEXT_H
#define STINT_ANALYZE_ANNOTATE_TEXT_H

#include <stdio.h>

#include "analyze/annotate.h"

/* The instructions of one part by address, those far from any event left out, with their source lines. */
int annotate_print_part(const struct annotations *a, const struct annotation *f, const struct part *part, FILE *out,
			struct stint_err *err);

/* The instructions of all parts that have events, the most first. */
int annotate_print_hottest(const struct annotations *a, const struct annotation *f, FILE *out, struct stint_err *err);

/* The source lines that have events, the most first. */
int annotate_print_lines(const struct annotations *a, const struct annotation *f, FILE *out, struct stint_err *err);

#endif
