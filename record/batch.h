/* SPDX-License-Identifier: MIT */
/* Ring events of a short while, brought into the order of time: the ring has them in the order of
 * their arrival. */
#ifndef STINT_RECORD_BATCH_H
#define STINT_RECORD_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "bpf/event.h"

#define BATCH_MAX_EVENTS 16384u

union batch_event {
	struct event_header h;
	struct event_sample sample;
	struct event_offcpu offcpu;
	struct event_offcpu_waker waker;
	struct event_stack stack; /* without what follows it */
};

struct batch {
	union batch_event *events; /* BATCH_MAX_EVENTS */
	size_t n;
};

int batch_init(struct batch *batch, struct stint_err *err);
void batch_done(struct batch *batch); /* NULL and zeroed are fine */

/* Copies an event in. Not when the batch is full, and fails for a size that isn't its type's. */
int batch_add(struct batch *batch, const void *event, size_t size, struct stint_err *err);

static inline bool batch_full(const struct batch *batch)
{
	return batch->n == BATCH_MAX_EVENTS;
}

void batch_sort(struct batch *batch);

/* Removes the first n events. */
void batch_remove(struct batch *batch, size_t n);

#endif
