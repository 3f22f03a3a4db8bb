/* SPDX-License-Identifier: MIT */
/* Sets of CPUs, as the kernel lists them. Ids may have gaps: a count says nothing of the highest
 * one. */
#ifndef STINT_RECORD_CPUS_H
#define STINT_RECORD_CPUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CPUS_MAX	8192 /* as many as a kernel can be built for */
#define CPUS_TEXT_BYTES 256

struct cpus {
	uint64_t bits[CPUS_MAX / 64];
};

/* "0-3,8", with or without a newline behind it; "" is the empty set. False when it is something
 * else; *ret is then undefined. */
bool cpus_parse(struct cpus *ret, const char *text);

/* One of the lists in /sys/devices/system/cpu: "possible", "present", "online". */
bool cpus_read(struct cpus *ret, const char *list);

/* The opposite of cpus_parse. Returns false for the empty set, as ""; what doesn't fit becomes
 * ",...". */
bool cpus_text(const struct cpus *cpus, char text[CPUS_TEXT_BYTES]);

/* Those of a that are not in b. */
struct cpus cpus_without(const struct cpus *a, const struct cpus *b);

/* The highest id and one: 0 for the empty set. */
int cpus_end(const struct cpus *cpus);

/* Every CPU that there can be has an id below this: from 1 to CPUS_MAX. */
int cpus_n_ids(void);

#endif
