/* SPDX-License-Identifier: MIT */
/* Option values that are lists: given several times, or separated by commas, or both. Private to
 * selection. */
#ifndef STINT_ANALYZE_SELECT_LISTS_H
#define STINT_ANALYZE_SELECT_LISTS_H

#include <stdbool.h>
#include <stdint.h>

#include "analyze/options.h"

#define LIST_MAX_ITEM 64

/* Where a walk is; zeroed is its start. */
struct list_item {
	size_t i;
	const char *at;
	char text[LIST_MAX_ITEM]; /* the current item */
};

/* The next item between commas; false at the end. Items are checked to fit when the options are
 * parsed. */
bool list_next(const struct string_list *list, struct list_item *item);

/* True when every item is a number up to max, or a range "2-5" of them, and there is none empty. */
bool list_is_numbers(const char *text, uint64_t max);

bool list_has_number(const struct string_list *list, uint64_t number);

#endif
