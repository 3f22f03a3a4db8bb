/* SPDX-License-Identifier: MIT */
#include "record/batch.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Events are a little out of order, by a CPU's turn or two: beyond this many moves an event it is
 * something else. */
#define MAX_MOVES_PER_EVENT 16

int batch_init(struct batch *batch, struct stint_err *err)
{
	batch->n = 0;
	batch->events = malloc(BATCH_MAX_EVENTS * sizeof(*batch->events));
	if (!batch->events)
		return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory for events");
	return 0;
}

void batch_done(struct batch *batch)
{
	if (!batch)
		return;
	free(batch->events);
	memset(batch, 0, sizeof(*batch));
}

static size_t event_size(uint8_t type)
{
	switch (type) {
	case EVENT_SAMPLE:
		return sizeof(struct event_sample);
	case EVENT_OFFCPU:
		return sizeof(struct event_offcpu);
	case EVENT_STACK:
		return sizeof(struct event_stack);
	case EVENT_OFFCPU_WAKER:
		return sizeof(struct event_offcpu_waker);
	default:
		return 0;
	}
}

int batch_add(struct batch *batch, const void *event, size_t size, struct stint_err *err)
{
	const struct event_header *header = event;
	size_t expected = size >= sizeof(*header) ? event_size(header->type) : 0;

	assert(!batch_full(batch));
	if (expected == 0 || size < expected)
		return stint_err_set(err, STINT_ERR_FORMAT, 0, -1, "a malformed event of %zu bytes from the kernel",
				     size);
	memcpy(&batch->events[batch->n++], event, expected);
	return 0;
}

static int compare(const void *left, const void *right)
{
	const union batch_event *a = left, *b = right;

	return a->h.time_ns < b->h.time_ns ? -1 : a->h.time_ns > b->h.time_ns;
}

void batch_sort(struct batch *batch)
{
	union batch_event *events = batch->events, moved;
	size_t i, at, n_moves = 0;

	for (i = 1; i < batch->n; i++) {
		if (events[i - 1].h.time_ns <= events[i].h.time_ns)
			continue;
		moved = events[i];
		for (at = i; at > 0 && events[at - 1].h.time_ns > moved.h.time_ns; at--, n_moves++)
			events[at] = events[at - 1];
		events[at] = moved;
		if (n_moves > MAX_MOVES_PER_EVENT * batch->n) {
			qsort(events, batch->n, sizeof(*events), compare);
			return;
		}
	}
}

void batch_remove(struct batch *batch, size_t n)
{
	assert(n <= batch->n);
	batch->n -= n;
	memmove(batch->events, batch->events + n, batch->n * sizeof(*batch->events));
}
