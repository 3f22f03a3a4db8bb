/* SPDX-License-Identifier: MIT */
#include "record/unwind_pass.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "record/unwind_bpf.h"

#define PIECE_ROWS  8192u
#define PIECE_BYTES (PIECE_ROWS * sizeof(struct unwind_row))

_Static_assert(sizeof(struct unwind_segment) % PIECE_BYTES == 0, "a segment consists of whole pieces");

/* The next rows: sets how many there are in one run, n at most and at least 1. NULL at the end, or with errno set. */
static struct unwind_row *next_rows(struct unwind_pass *pass, uint32_t *n)
{
	const struct unwind_chunk *chunk = &pass->chunks[pass->chunk];
	uint32_t row, first;

	errno = 0;
	if (pass->chunk < pass->n_chunks && pass->done == chunk->n_rows) {
		pass->chunk++;
		pass->done = 0;
		chunk++;
	}
	if (pass->chunk == pass->n_chunks)
		return NULL;
	row = chunk->first_row + pass->done;
	first = row / PIECE_ROWS * PIECE_ROWS;
	if (!pass->piece || pass->piece_segment != chunk->segment || pass->piece_first != first) {
		unwind_pass_done(pass);
		pass->piece = unwind_bpf_mmap(pass->store->segments[chunk->segment].fd, first * sizeof(*pass->piece),
					      PIECE_BYTES);
		pass->piece_segment = chunk->segment;
		pass->piece_first = first;
	}
	if (*n > chunk->n_rows - pass->done)
		*n = chunk->n_rows - pass->done;
	if (*n > PIECE_ROWS - (row - first))
		*n = PIECE_ROWS - (row - first);
	return pass->piece ? pass->piece + (row - first) : NULL;
}

static int go_on(struct unwind_pass *pass, const struct unwind_row *rows, uint32_t n, bool write)
{
	while (n) {
		uint32_t run = n;
		struct unwind_row *at = next_rows(pass, &run);

		if (!at)
			return errno ? STINT_ERR_SYSTEM : STINT_ERR_LIMIT;
		if (write && !pass->done)
			pass->chunks[pass->chunk].pc = pass->chunk ? rows->pc : 0;
		if (write)
			memcpy(at, rows, run * sizeof(*rows));
		else if (memcmp(at, rows, run * sizeof(*rows)) != 0)
			return STINT_ERR_LIMIT;
		pass->done += run;
		rows += run;
		n -= run;
	}
	return 0;
}

int unwind_pass_write(struct unwind_pass *pass, const struct unwind_row *rows, uint32_t n)
{
	return go_on(pass, rows, n, true);
}

int unwind_pass_compare(struct unwind_pass *pass, const struct unwind_row *rows, uint32_t n)
{
	return go_on(pass, rows, n, false);
}

bool unwind_pass_ended(const struct unwind_pass *pass)
{
	return pass->chunk == pass->n_chunks ||
	       (pass->chunk == pass->n_chunks - 1 && pass->done == pass->chunks[pass->chunk].n_rows);
}

void unwind_pass_done(struct unwind_pass *pass)
{
	if (pass->piece)
		munmap(pass->piece, PIECE_BYTES);
	pass->piece = NULL;
}
