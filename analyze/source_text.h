/* SPDX-License-Identifier: MIT */
/* Lines of source files, where these are found here. */
#ifndef STINT_ANALYZE_SOURCE_TEXT_H
#define STINT_ANALYZE_SOURCE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SOURCE_MAX_BYTES (16u << 20) /* of one file; a longer one is as good as none */
#define SOURCE_MAX_FILES 4096u	     /* looked for in one run */

struct source_text;

/*
 * dirs are looked in first, each for the whole path that the compiler saw, then for ever shorter ends of it. NULL
 * without memory. dirs stay the caller's.
 */
struct source_text *source_text_new(const char *const *dirs, size_t n_dirs);
void source_text_free(struct source_text *s); /* NULL is fine */

/* The line's bytes, without its end; NULL when the file isn't here or has no such line. Lines count from 1. */
const char *source_text_line(struct source_text *s, const char *path, uint32_t line, size_t *ret_len);

/* True when the file was found here, and was changed after that time (ns since 1970). */
bool source_text_is_newer(struct source_text *s, const char *path, uint64_t realtime_ns);

#endif
