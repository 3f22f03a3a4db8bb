/* SPDX-License-Identifier: MIT */
/* Rows where the walker in the kernel finds them: segments of 2 MiB, made as they are needed. */
#ifndef STINT_RECORD_UNWIND_STORE_H
#define STINT_RECORD_UNWIND_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "bpf/unwind_tables.h"
#include "record/unwind_bpf.h"
#include "record/unwind_extents.h"

struct unwind_store_segment {
	int fd;			  /* -1 where there is no segment */
	struct unwind_view *read; /* where rows are found, piece by piece; NULL while nobody does */
	struct unwind_extents extents;
};

struct unwind_store {
	int segments_fd; /* the array of maps; not owned */
	struct unwind_store_segment segments[UNWIND_MAX_SEGMENTS];
	uint32_t n_segments;
	uint64_t max_bytes;
};

/* Where a run of a file's rows is. */
struct unwind_chunk {
	uint32_t segment, first_row, n_rows;
	uint32_t pc; /* of its first row; 0 for a file's first chunk */
};

void unwind_store_init(struct unwind_store *store, int segments_fd, uint64_t max_bytes);
void unwind_store_done(struct unwind_store *store);

/* What the segments take now: never more than max_bytes. */
uint64_t unwind_store_bytes(const struct unwind_store *store);

/* Could so many rows be there at all, if nothing else was? */
bool unwind_store_fits(const struct unwind_store *store, uint32_t n_rows);

/*
 * Takes room for a table, in one or several chunks, which the caller frees. Fails with STINT_ERR_LIMIT
 * when there is no room within max_bytes (nothing is changed), STINT_ERR_SYSTEM when the kernel
 * refuses a segment, _NOMEM.
 */
int unwind_store_take(struct unwind_store *store, uint32_t n_rows, uint64_t now_ns, struct unwind_chunk **ret_chunks,
		      uint32_t *ret_n, struct stint_err *err);

/* Gives their room back once no walk can be reading it. */
void unwind_store_remove(struct unwind_store *store, const struct unwind_chunk *chunks, uint32_t n, uint64_t now_ns);

/* Frees segments that have been empty for long enough. */
void unwind_store_trim(struct unwind_store *store, uint64_t now_ns);

/* Gives back the memory through which rows were found; the kernel's walker keeps its own. */
void unwind_store_rest(struct unwind_store *store);

/* The row of pc in a chunk; NULL where it has none. Valid until unwind_store_rest(). */
const struct unwind_row *unwind_store_find(struct unwind_store *store, uint32_t segment, uint32_t first_row,
					   uint32_t n_rows, uint32_t pc);

#endif
