/* SPDX-License-Identifier: MIT */
#include "record/unwind_store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "record/unwind_bpf.h"

#define SEGMENT_BYTES sizeof(struct unwind_segment)

void unwind_store_init(struct unwind_store *store, int segments_fd, uint64_t max_bytes)
{
	uint32_t i;

	*store = (struct unwind_store){.segments_fd = segments_fd, .max_bytes = max_bytes};
	for (i = 0; i < UNWIND_MAX_SEGMENTS; i++)
		store->segments[i].fd = -1;
}

static void segment_rest(struct unwind_store_segment *seg)
{
	unwind_view_done(seg->read);
	free(seg->read);
	seg->read = NULL;
}

/* One row, to be looked at; NULL when the kernel refuses. */
static const struct unwind_row *segment_row(struct unwind_store_segment *seg, uint32_t i)
{
	if (!seg->read) {
		seg->read = malloc(sizeof(*seg->read));
		if (!seg->read || unwind_view_init(seg->read, seg->fd, SEGMENT_BYTES)) {
			free(seg->read);
			seg->read = NULL;
			return NULL;
		}
	}
	return unwind_view_get(seg->read, i * sizeof(struct unwind_row), sizeof(struct unwind_row));
}

static void segment_free(struct unwind_store *store, uint32_t i)
{
	struct unwind_store_segment *seg = &store->segments[i];

	unwind_bpf_delete(store->segments_fd, &i);
	segment_rest(seg);
	close(seg->fd);
	unwind_extents_done(&seg->extents);
	*seg = (struct unwind_store_segment){.fd = -1};
	store->n_segments--;
}

void unwind_store_done(struct unwind_store *store)
{
	uint32_t i;

	if (!store)
		return;
	for (i = 0; i < UNWIND_MAX_SEGMENTS; i++)
		if (store->segments[i].fd >= 0)
			segment_free(store, i);
}

uint64_t unwind_store_bytes(const struct unwind_store *store)
{
	return store->n_segments * (uint64_t)SEGMENT_BYTES;
}

static int segment_new(struct unwind_store *store, uint32_t i, struct stint_err *err)
{
	struct unwind_store_segment *seg = &store->segments[i];
	int rc;

	seg->fd = unwind_bpf_create_array("unwind_segment", SEGMENT_BYTES, 0);
	if (seg->fd < 0)
		return stint_err_set(err, STINT_ERR_SYSTEM, -seg->fd, -1, "creating a map for unwind rows");
	rc = unwind_bpf_update(store->segments_fd, &i, &seg->fd);
	if (!rc)
		rc = unwind_extents_init(&seg->extents, UNWIND_SEGMENT_ROWS);
	if (!rc) {
		store->n_segments++;
		return 0;
	}
	close(seg->fd);
	*seg = (struct unwind_store_segment){.fd = -1};
	return stint_err_set(err, STINT_ERR_SYSTEM, 0, -1, "no room for unwind rows in the kernel");
}

/* A place for n rows (at most a segment's worth): in a segment that has room, or in a new one. */
static int take(struct unwind_store *store, uint32_t n, uint64_t now_ns, struct unwind_chunk *ret,
		struct stint_err *err)
{
	uint32_t i, vacant = UNWIND_MAX_SEGMENTS;
	int rc;

	for (i = 0; i < UNWIND_MAX_SEGMENTS; i++) {
		struct unwind_store_segment *seg = &store->segments[i];

		if (seg->fd >= 0 && unwind_extents_take(&seg->extents, n, now_ns, &ret->first_row)) {
			ret->segment = i;
			return 0;
		}
		if (seg->fd < 0 && vacant == UNWIND_MAX_SEGMENTS)
			vacant = i;
	}
	if (vacant == UNWIND_MAX_SEGMENTS || unwind_store_bytes(store) + SEGMENT_BYTES > store->max_bytes)
		return stint_err_set(err, STINT_ERR_LIMIT, 0, -1, "no memory left for unwind rows");
	rc = segment_new(store, vacant, err);
	if (rc)
		return rc;
	ret->segment = vacant;
	unwind_extents_take(&store->segments[vacant].extents, n, now_ns, &ret->first_row);
	return 0;
}

bool unwind_store_fits(const struct unwind_store *store, uint32_t n_rows)
{
	return (uint64_t)n_rows + UNWIND_SEGMENT_ROWS - 1 <
	       (store->max_bytes / SEGMENT_BYTES + 1) * (uint64_t)UNWIND_SEGMENT_ROWS;
}

int unwind_store_take(struct unwind_store *store, uint32_t n_rows, uint64_t now_ns, struct unwind_chunk **ret_chunks,
		      uint32_t *ret_n, struct stint_err *err)
{
	uint32_t n = (n_rows + UNWIND_SEGMENT_ROWS - 1) / UNWIND_SEGMENT_ROWS, i, left = n_rows;
	struct unwind_chunk *chunks = calloc(n + !n, sizeof(*chunks));
	int rc;

	if (!chunks)
		return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory for unwind rows");
	for (i = 0; i < n; i++) {
		chunks[i].n_rows = left < UNWIND_SEGMENT_ROWS ? left : UNWIND_SEGMENT_ROWS;
		rc = take(store, chunks[i].n_rows, now_ns, &chunks[i], err);
		if (rc) {
			unwind_store_remove(store, chunks, i, now_ns);
			free(chunks);
			return rc;
		}
		left -= chunks[i].n_rows;
	}
	*ret_chunks = chunks;
	*ret_n = n;
	return 0;
}

void unwind_store_remove(struct unwind_store *store, const struct unwind_chunk *chunks, uint32_t n, uint64_t now_ns)
{
	uint32_t i;

	for (i = 0; i < n; i++)
		unwind_extents_give(&store->segments[chunks[i].segment].extents, chunks[i].first_row, chunks[i].n_rows,
				    now_ns);
}

void unwind_store_trim(struct unwind_store *store, uint64_t now_ns)
{
	uint32_t i;

	for (i = 0; i < UNWIND_MAX_SEGMENTS; i++)
		if (store->segments[i].fd >= 0 &&
		    unwind_extents_largest(&store->segments[i].extents, now_ns) == UNWIND_SEGMENT_ROWS)
			segment_free(store, i);
}

void unwind_store_rest(struct unwind_store *store)
{
	uint32_t i;

	for (i = 0; i < UNWIND_MAX_SEGMENTS; i++)
		segment_rest(&store->segments[i]);
}

/* As unwind_table_find, which has all rows before it. */
const struct unwind_row *unwind_store_find(struct unwind_store *store, uint32_t segment, uint32_t first_row,
					   uint32_t n_rows, uint32_t pc)
{
	struct unwind_store_segment *seg = &store->segments[segment];
	uint32_t low = first_row, high = first_row + n_rows;
	const struct unwind_row *row;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		row = segment_row(seg, middle);
		if (!row)
			return NULL;
		if (row->pc <= pc)
			low = middle + 1;
		else
			high = middle;
	}
	row = low > first_row ? segment_row(seg, low - 1) : NULL;
	return row && UNWIND_ROW_KIND(row->kind) != UNWIND_NONE ? row : NULL;
}
