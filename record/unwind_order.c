/* SPDX-License-Identifier: MIT */
#include "record/unwind_order.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"

#define TOP_SHIFT 56u
#define FEW	  32u /* are sorted by insertion */

void unwind_order_first(struct unwind_order *order)
{
	order->n = 0;
	order->sorted = true;
	order->more = false;
	order->from = 0;
	order->past = UINT64_MAX;
}

void unwind_order_next(struct unwind_order *order)
{
	unwind_key from = order->past;

	unwind_order_first(order);
	order->from = from;
}

void unwind_order_done(struct unwind_order *order)
{
	free(order->keys);
	*order = (struct unwind_order){0};
}

static void sort_few(unwind_key *keys, uint32_t n)
{
	uint32_t i, j;

	for (i = 1; i < n; i++) {
		unwind_key key = keys[i];

		for (j = i; j && keys[j - 1] > key; j--)
			keys[j] = keys[j - 1];
		keys[j] = key;
	}
}

/* By one byte after the other from the highest one on, in place: keys are exchanged until each is among its like. */
static void sort_by_byte(unwind_key *keys, uint32_t n, uint32_t shift)
{
	uint32_t at[256] = {0}, end[256], i, byte, sum = 0;

	for (i = 0; i < n; i++)
		at[keys[i] >> shift & 255]++;
	for (byte = 0; byte < 256; byte++) {
		sum += at[byte];
		end[byte] = sum;
		at[byte] = sum - at[byte];
	}
	for (byte = 0; byte < 256; byte++) {
		while (at[byte] < end[byte]) {
			unwind_key key = keys[at[byte]];
			uint32_t other = key >> shift & 255;

			if (other == byte) {
				at[byte]++;
				continue;
			}
			keys[at[byte]] = keys[at[other]];
			keys[at[other]++] = key;
		}
	}
	for (byte = 0, i = 0; shift && byte < 256; i = end[byte++]) {
		if (end[byte] - i > FEW)
			sort_by_byte(keys + i, end[byte] - i, shift - 8);
		else
			sort_few(keys + i, end[byte] - i);
	}
}

void unwind_order_sort(struct unwind_order *order)
{
	if (!order->sorted)
		sort_by_byte(order->keys, order->n, TOP_SHIFT);
	order->sorted = true;
}

static int make_room(struct unwind_order *order)
{
	uint32_t cap = order->cap ? 2 * order->cap : 1024;
	void *grown;

	if (order->cap == UNWIND_ORDER_MAX) {
		unwind_order_sort(order);
		order->n /= 2;
		order->past = order->keys[order->n];
		order->more = true;
		return 0;
	}
	grown = realloc(order->keys, cap * sizeof(*order->keys));
	if (!grown)
		return STINT_ERR_NOMEM;
	order->keys = grown;
	order->cap = cap;
	return 0;
}

int unwind_order_add(struct unwind_order *order, unwind_key key)
{
	int rc;

	if (key < order->from || key >= order->past)
		return 0;
	if (order->n == order->cap) {
		rc = make_room(order);
		if (rc || key >= order->past)
			return rc;
	}
	if (order->n && order->keys[order->n - 1] > key)
		order->sorted = false;
	order->keys[order->n++] = key;
	return 0;
}

uint32_t unwind_order_find(const struct unwind_order *order, unwind_key key)
{
	uint32_t low = 0, high = order->n;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (order->keys[middle] < key)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}
