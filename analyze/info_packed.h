/* SPDX-License-Identifier: MIT */
#ifndef STINT_ANALYZE_INFO_PACKED_H
#define STINT_ANALYZE_INFO_PACKED_H

#include "analyze/info.h"

/*
 * Counts the packed addresses of all stacks, in all and for each module; module_of has the place in modules by row.
 * Fails with STINT_ERR_NOMEM.
 */
int info_packed_count(const struct model *m, const uint32_t *module_of, struct info_module *modules,
		      struct info_packed *ret, struct stint_err *err);

#endif
