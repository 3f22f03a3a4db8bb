/* SPDX-License-Identifier: MIT */
/* A stack as the functions that it stands for: each frame looked up, inlined functions expanded in order. */
#ifndef STINT_ANALYZE_STACK_SYMBOLS_H
#define STINT_ANALYZE_STACK_SYMBOLS_H

#include <stdbool.h>
#include <stdint.h>

#include "analyze/model.h"
#include "analyze/symbolize.h"
#include "base/err.h"

struct stack_symbol {
	const struct symbol *symbol; /* the symbolizer's */
	uint32_t frame;              /* the frame's id; inlined functions share it with the one they stand in */
	uint32_t module;             /* the module's id */
	bool kernel;
};

/* Zeroed is ready; reuse it for the next stack. */
struct stack_symbols {
	struct stack_symbol *at; /* innermost first */
	uint32_t n;
	uint32_t cap;
};

/* Fills out with the functions of a stack; n is 0 for a stack without frames. Returns 0 or STINT_ERR_NOMEM. */
int stack_symbols_get(struct stack_symbols *out, const struct model *m, struct symbolizer *s, uint32_t stack,
		      struct stint_err *err);
void stack_symbols_done(struct stack_symbols *out); /* NULL and zeroed are fine */

#endif
