/* SPDX-License-Identifier: MIT */
/* What a recording says of itself: metadata, clocks, the sampling source. */
#ifndef STINT_RECORD_FACTS_H
#define STINT_RECORD_FACTS_H

#include <stdint.h>

#include "base/err.h"
#include "format/writer.h"
#include "record/cpus.h"
#include "record/options.h"

/* Host, kernel, options, start time and a first clock. */
int facts_begin(struct stint_writer *writer, const struct record_options *options, uint64_t start_ns,
		struct stint_err *err);

int facts_end(struct stint_writer *writer, uint64_t end_ns, struct stint_err *err);

/* CPUs that aren't recorded in full, if there are any, by the key that says why. */
int facts_cpus(struct stint_writer *writer, const char *key, const struct cpus *cpus, struct stint_err *err);

/* The clocks now. */
int facts_clock(struct stint_writer *writer, struct stint_err *err);

/* The row of what samples count. */
int facts_source(struct stint_writer *writer, const char *name, const char *unit, uint32_t freq_hz, uint32_t *ret_id,
		 struct stint_err *err);

#endif
