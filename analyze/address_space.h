/* SPDX-License-Identifier: MIT */
/* What was mapped where in each process at any time, from a recording's mappings. */
#ifndef STINT_ANALYZE_ADDRESS_SPACE_H
#define STINT_ANALYZE_ADDRESS_SPACE_H

#include "analyze/model.h"

struct mapped {
	uint64_t start, end;
	uint64_t file_off; /* in the module, at start */
	uint32_t module;   /* id */
};

struct address_spaces;

int address_spaces_new(struct address_spaces **ret, const struct model *m, struct stint_err *err);
void address_spaces_free(struct address_spaces *spaces); /* NULL is fine */

/*
 * What is mapped at addr in a process (id) at that time, valid until the next call; *ret is NULL
 * where nothing is. Times of a process are best asked for in ascending order: going back costs, and
 * is given up for a recording that makes it cost too much. Fails with STINT_ERR_NOMEM.
 */
int address_spaces_find(struct address_spaces *spaces, uint32_t process, uint64_t time_ns, uint64_t addr,
			const struct mapped **ret, struct stint_err *err);

#endif
