/* SPDX-License-Identifier: MIT */
/*
 * Files by build ID from debuginfod servers. libdebuginfod is loaded when a server is first asked, so that stint
 * starts without it and runs where it isn't installed. It keeps its own cache (~/.cache/debuginfod_client).
 */
#ifndef STINT_ANALYZE_DEBUGINFOD_H
#define STINT_ANALYZE_DEBUGINFOD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "analyze/debug_find.h"

struct debuginfod;

/*
 * urls: separated by blanks. NULL for no urls, or without memory, which is fine below: it finds nothing. One is enough
 * for a program, however many symbolizers it makes: they all know then what failed. For one thread at a time.
 */
struct debuginfod *debuginfod_new(const char *urls);
void debuginfod_free(struct debuginfod *d);

#define DEBUGINFOD_MAX_ID 64 /* bytes of a build ID */

/*
 * The path of a downloaded (or cached) file, to be freed; NULL when no server has it. A server that sends nothing for
 * 10 s (DEBUGINFOD_TIMEOUT), or takes more than 300 s for a file (DEBUGINFOD_MAXTIME), is given up. After servers
 * couldn't be reached, or were given up, they aren't asked again, and only the cache is. *ret_why, valid as long as d,
 * is then set.
 */
char *debuginfod_find(struct debuginfod *d, enum debug_want want, const uint8_t *id, size_t id_size,
		      const char **ret_why);

#endif
