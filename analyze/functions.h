/* SPDX-License-Identifier: MIT */
/*
 * The functions that a recording's frames stand for, with ids: one function is one name (or one name
 * at one line) in one module, however many addresses it has. Each frame is looked up once, when it is first asked for.
 */
#ifndef STINT_ANALYZE_FUNCTIONS_H
#define STINT_ANALYZE_FUNCTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "analyze/model.h"
#include "base/map.h"

struct function {
	const char *name;   /* the symbolizer's */
	const char *module; /* the recording's path; "" for function 0 */
	bool resolved;
};

/* One function of a stack. */
struct located {
	uint32_t function;
	const struct symbol *symbol; /* file, line, inlined; NULL for function 0 */
	uint32_t module;	     /* id */
	bool kernel;
};

struct functions {
	const struct model *m;
	struct symbolizer *symbolizer;
	bool by_line; /* set it after functions_init: a function is one name at one line, "name:file.c:12" */
	struct stint_intern identities;
	struct function *all; /* [0] is "[no stack]" */
	uint32_t n, cap;
	struct frame_functions *frames; /* private, by frame id */
	struct located *stack;		/* private: of the last functions_of_stack */
	uint32_t cap_stack;
};

/* model and symbolizer stay the caller's and must live longer. */
int functions_init(struct functions *f, const struct model *m, struct symbolizer *symbolizer, struct stint_err *err);
void functions_done(struct functions *f); /* NULL and zeroed are fine */

/*
 * The functions of a stack, innermost first, inlined ones expanded; a stack without frames has one,
 * function 0. They are valid until the next call.
 */
int functions_of_stack(struct functions *f, uint32_t stack, const struct located **ret, uint32_t *ret_n,
		       struct stint_err *err);

/* The same of one frame. */
int functions_of_frame(struct functions *f, uint32_t frame, bool kernel, const struct located **ret, uint32_t *ret_n,
		       struct stint_err *err);

/* The innermost of a stack's functions alone. */
int functions_of_leaf(struct functions *f, uint32_t stack, struct located *ret, struct stint_err *err);

#endif
