/* SPDX-License-Identifier: MIT */
/* From linkage names to names for people: C++, Rust (legacy and v0), D. */
#ifndef STINT_ANALYZE_DEMANGLE_H
#define STINT_ANALYZE_DEMANGLE_H

#include "analyze/symbolize.h"

/* Longer results (hostile names can grow exponentially) are given up, and the name stays as it is. */
#define DEMANGLE_MAX_BYTES 16384u

/*
 * Writes the name to show for linkage into text, NUL-terminated, and returns its length; 0 when linkage should be shown
 * as it is. DEMANGLE_SHORT leaves out parameters, and the suffixes that compilers add to clones of a function.
 */
size_t demangle(const char *linkage, enum demangle_mode mode, char text[static DEMANGLE_MAX_BYTES]);

#endif
