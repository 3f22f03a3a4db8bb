/* SPDX-License-Identifier: MIT */
/*
 * Who calls a function, or what it calls: every stack that has the function, seen from it outward
 * or inward, merged into a tree. A stack counts once: outward from the innermost call of a
 * recursive function, inward from the outermost.
 */
#ifndef STINT_ANALYZE_CALL_TREE_H
#define STINT_ANALYZE_CALL_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "analyze/functions.h"
#include "analyze/metrics.h"
#include "analyze/tally.h"

struct call_node {
	const char *name, *module;
	struct metrics self;  /* of the stacks that end here: without a caller, or in the function itself */
	struct metrics total; /* of all stacks that come through here */
	uint32_t depth;	      /* 0 for the function asked for */
	uint32_t parent;      /* index; 0 for the root too */
};

struct call_tree {
	struct call_node *nodes; /* [0] is the root; parents before children, siblings by total,
				    then by name */
	size_t n;
};

/*
 * Of a tally by TALLY_STACK. name is a function's name as it is shown, or as it stands in the
 * symbol table; functions of that name in several modules are one root. Fails with
 * STINT_ERR_NOTFOUND when no selected stack has it.
 */
int call_tree_make(struct call_tree *ret, const struct tally *tally, struct functions *functions, const char *name,
		   bool callers, enum metric by, struct stint_err *err);
void call_tree_done(struct call_tree *t); /* NULL and zeroed are fine */

#endif
