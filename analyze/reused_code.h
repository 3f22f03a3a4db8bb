/* SPDX-License-Identifier: MIT */
/*
 * Code compiled at run time whose address was used again for another function. Frames are told apart by
 * address alone, so a recording's symbols say since when each name holds (STINT_SYMBOL, from_ns). Here such
 * frames, and the stacks that have them, get a twin in the model for each later function; events are then
 * given the stack of their time. Everything behind the model needs to know nothing of it.
 */
#ifndef STINT_ANALYZE_REUSED_CODE_H
#define STINT_ANALYZE_REUSED_CODE_H

#include <stdint.h>

#include "base/err.h"

#define REUSED_CODE_MAX_VERSIONS 256u		     /* functions at one address; others are left out */
#define REUSED_CODE_MAX_FRAMES	 (1u << 20)	     /* versions of frames; frames beyond it keep their first names */
#define REUSED_CODE_MAX_LOOKS	 (UINT64_C(1) << 26) /* functions looked at for them; the same beyond it */
#define REUSED_CODE_MAX_STACKS	 (1u << 20)	     /* twins; stacks beyond it keep their first names */
#define REUSED_CODE_MAX_WORK	 (UINT64_C(1) << 26) /* frames looked at for them, by version; the same beyond it */

struct model;
struct symbolizer;
struct reused_code;

/*
 * Adds the twins to the model's dictionaries, whose rows may move. *ret is NULL when no address was used
 * again. Fails with STINT_ERR_NOMEM.
 */
int reused_code_find(struct reused_code **ret, struct model *m, struct stint_err *err);
void reused_code_free(struct reused_code *rc); /* NULL is fine */

/* The twin of a stack of the file for an event at that time; the stack itself where it has none. */
uint32_t reused_code_stack(const struct reused_code *rc, uint32_t stack, uint64_t time_ns);

/* Tells the symbolizer the names of the frames and their twins. NULL is fine. */
int reused_code_names(const struct reused_code *rc, const struct model *m, struct symbolizer *s, struct stint_err *err);

/* How many frames and stacks were left out at the limits. NULL is fine. */
uint64_t reused_code_left_out(const struct reused_code *rc);

#endif
