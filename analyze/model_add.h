/* SPDX-License-Identifier: MIT */
/*
 * Frames, nodes and stacks that the file doesn't have, added to a model: equal ones get the ids of
 * those that are there. Not while others read the model.
 */
#ifndef STINT_ANALYZE_MODEL_ADD_H
#define STINT_ANALYZE_MODEL_ADD_H

#include "analyze/model.h"

struct model_add;

/* Indexes what the model has. Like all below, fails with STINT_ERR_NOMEM; the others also with _LIMIT. */
int model_add_new(struct model_add **ret, struct model *m, struct stint_err *err);
void model_add_free(struct model_add *add); /* what was added stays; NULL is fine */

int model_add_frame(struct model_add *add, const struct stint_frame *row, uint32_t *ret_id, struct stint_err *err);
int model_add_node(struct model_add *add, const struct stint_node *row, uint32_t *ret_id, struct stint_err *err);
int model_add_stack(struct model_add *add, const struct stint_stack *row, uint32_t *ret_id, struct stint_err *err);

#endif
