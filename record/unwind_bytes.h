/* SPDX-License-Identifier: MIT */
/*
 * A part of a file that is read piece by piece, so that its size costs no memory. Files are read, not mapped: one that
 * shrinks meanwhile is an error, and no signal.
 */
#ifndef STINT_RECORD_UNWIND_BYTES_H
#define STINT_RECORD_UNWIND_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* Who may want an end before all is read. */
struct unwind_stop {
	bool (*asked)(void *context); /* once it has said so, it goes on to */
	void *context;
};

/* Where the bytes come from. */
struct unwind_source {
	int fd; /* used when data is NULL */
	const uint8_t *data;
	uint64_t size_bytes;
	const struct unwind_stop *stop; /* NULL: nobody */
	uint64_t *left_bytes;		/* that may still be read of the file, in all; NULL: any number */
};

/* A regular file, which stays the caller's. Fails with STINT_ERR_FORMAT (it is none) or _IO. */
int unwind_source_of(struct unwind_source *ret, int fd, struct stint_err *err);

/*
 * May so many bytes more be read, or what costs as much be done? Fails with STINT_ERR_LIMIT, and then always, or with
 * _SYSTEM when an end is asked for.
 */
int unwind_source_charge(const struct unwind_source *source, uint64_t n_bytes, struct stint_err *err);

/* Copies bytes of the file. Fails with STINT_ERR_FORMAT (it has no such bytes), _IO, or as unwind_source_charge. */
int unwind_source_read(const struct unwind_source *source, uint64_t off, void *to, size_t size, struct stint_err *err);

#define UNWIND_BYTES_MAX    (1u << 20)	/* that can be asked for at once */
#define UNWIND_BYTES_PIECES 16u		/* held at a time: what is read runs along several places at once */
#define UNWIND_BYTES_PIECE  (16u << 10) /* a piece starts at a multiple of this */
#define UNWIND_BYTES_FEW    512u	/* read where nothing was read of late: most functions' entries are shorter */

struct unwind_bytes {
	struct unwind_source source;
	uint64_t source_off, size_bytes; /* which part of the source it is */
	int status;			 /* of the first read that failed; 0 */
	struct stint_err err;		 /* likewise */

	const uint8_t *latest; /* the piece that was used last */
	uint64_t latest_off, latest_bytes;
	uint8_t *pieces;		    /* NULL until one is read */
	uint64_t at[UNWIND_BYTES_PIECES];   /* where a piece starts; UINT64_MAX where there is none */
	uint64_t used[UNWIND_BYTES_PIECES]; /* when it was last used */
	uint64_t now;
	uint64_t missed[UNWIND_BYTES_PIECES]; /* pieces of which only a few bytes were read, lately */
	uint32_t n_missed;
	uint8_t few[UNWIND_BYTES_FEW];
	uint8_t *large; /* for what fits into no piece */
	size_t large_bytes;
};

/* What the source names must outlive it. A part beyond the source's end is an error when it is read. */
void unwind_bytes_init(struct unwind_bytes *bytes, const struct unwind_source *source, uint64_t off, uint64_t size);
void unwind_bytes_done(struct unwind_bytes *bytes); /* NULL and zeroed are fine */

/*
 * size bytes from an offset in the part on, valid until the next call. NULL where it has no such bytes, for more than
 * UNWIND_BYTES_MAX, or when they can't be read: then status is set.
 */
const uint8_t *unwind_bytes_read(struct unwind_bytes *bytes, uint64_t off, size_t size);

static inline const uint8_t *unwind_bytes_at(struct unwind_bytes *bytes, uint64_t off, size_t size)
{
	uint64_t in = off - bytes->latest_off;

	if (in < bytes->latest_bytes && size <= bytes->latest_bytes - in)
		return bytes->latest + in;
	return unwind_bytes_read(bytes, off, size);
}

#endif
