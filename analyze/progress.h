/* SPDX-License-Identifier: MIT */
/* One line on standard error that tells of something slow, on a terminal only, and goes when it is over. */
#ifndef STINT_ANALYZE_PROGRESS_H
#define STINT_ANALYZE_PROGRESS_H

#include <stdint.h>

/* "what: 3.1 of 12.0 MB"; of_bytes 0 where it isn't known. */
void progress_show(const char *what, uint64_t bytes, uint64_t of_bytes);
void progress_clear(void);

#endif
