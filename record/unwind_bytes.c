/* SPDX-License-Identifier: MIT */
#include "record/unwind_bytes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A piece is longer than the distance to the next one: what begins in it mostly ends in it too. */
#define READ_BYTES (UNWIND_BYTES_PIECE + (8u << 10))

int unwind_source_of(struct unwind_source *ret, int fd, struct stint_err *err)
{
	struct stat st;

	if (fstat(fd, &st))
		return stint_err_set(err, STINT_ERR_IO, errno, -1, "examining the ELF file");
	if (!S_ISREG(st.st_mode))
		return stint_err_set(err, STINT_ERR_FORMAT, 0, -1, "not a regular file");
	*ret = (struct unwind_source){.fd = fd, .size_bytes = (uint64_t)st.st_size};
	return 0;
}

int unwind_source_charge(const struct unwind_source *source, uint64_t n_bytes, struct stint_err *err)
{
	if (source->stop && source->stop->asked(source->stop->context))
		return stint_err_set(err, STINT_ERR_SYSTEM, 0, -1, "asked to stop");
	if (!source->left_bytes)
		return 0;
	*source->left_bytes = *source->left_bytes > n_bytes ? *source->left_bytes - n_bytes : 0;
	return *source->left_bytes ? 0 : stint_err_set(err, STINT_ERR_LIMIT, 0, -1, "too much to read of one file");
}

int unwind_source_read(const struct unwind_source *source, uint64_t off, void *to, size_t size, struct stint_err *err)
{
	uint8_t *at = to;
	int rc;

	if (off > source->size_bytes || size > source->size_bytes - off)
		return stint_err_set(err, STINT_ERR_FORMAT, 0, (int64_t)off, "the ELF file ends too early");
	if (source->data) {
		memcpy(to, source->data + off, size);
		return 0;
	}
	rc = unwind_source_charge(source, size, err);
	if (rc)
		return rc;
	while (size) {
		ssize_t n = pread(source->fd, at, size, (off_t)off);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return stint_err_set(err, STINT_ERR_IO, errno, (int64_t)off, "reading the ELF file");
		if (n == 0)
			return stint_err_set(err, STINT_ERR_FORMAT, 0, (int64_t)off, "the ELF file shrank");
		at += n;
		off += (uint64_t)n;
		size -= (size_t)n;
	}
	return 0;
}

void unwind_bytes_init(struct unwind_bytes *bytes, const struct unwind_source *source, uint64_t off, uint64_t size)
{
	*bytes = (struct unwind_bytes){.source = *source, .source_off = off, .size_bytes = size, .err = STINT_ERR_INIT};
	memset(bytes->at, 0xff, sizeof(bytes->at));
	memset(bytes->missed, 0xff, sizeof(bytes->missed));
}

void unwind_bytes_done(struct unwind_bytes *bytes)
{
	if (!bytes)
		return;
	free(bytes->pieces);
	free(bytes->large);
	bytes->pieces = bytes->large = NULL;
	bytes->latest_bytes = 0;
}

static bool no_memory(struct unwind_bytes *bytes)
{
	bytes->status = stint_err_set(&bytes->err, STINT_ERR_NOMEM, 0, -1, "no memory to read an ELF file");
	return false;
}

static bool copy(struct unwind_bytes *bytes, uint64_t off, uint8_t *to, size_t size)
{
	bytes->status = unwind_source_read(&bytes->source, bytes->source_off + off, to, size, &bytes->err);
	return !bytes->status;
}

/*
 * Is reading under way there? Then one of the pieces beside it is held, or it was missed already. Functions' entries
 * may also be in any order, and a whole piece for each of them would be read in vain.
 */
static bool is_worth_it(const struct unwind_bytes *bytes, uint64_t start)
{
	uint32_t i;

	for (i = 0; i < UNWIND_BYTES_PIECES; i++)
		if (bytes->missed[i] == start || bytes->at[i] == start || bytes->at[i] == start - UNWIND_BYTES_PIECE ||
		    (bytes->at[i] == start + UNWIND_BYTES_PIECE))
			return true;
	return false;
}

/* Only what is asked for and, most likely, what stands behind it. */
static bool take_few(struct unwind_bytes *bytes, uint64_t off, uint64_t start)
{
	uint64_t left = bytes->size_bytes - off;

	bytes->latest_bytes = left < sizeof(bytes->few) ? left : sizeof(bytes->few);
	if (!copy(bytes, off, bytes->few, bytes->latest_bytes)) {
		bytes->latest_bytes = 0;
		return false;
	}
	bytes->missed[bytes->n_missed++ % UNWIND_BYTES_PIECES] = start;
	bytes->latest = bytes->few;
	bytes->latest_off = off;
	return true;
}

/* Makes the piece that starts there the latest one: one that is held, or in place of the one unused for longest. */
static bool take_piece(struct unwind_bytes *bytes, uint64_t start)
{
	uint64_t left = bytes->size_bytes - start;
	uint32_t i, oldest = 0;

	if (!bytes->pieces)
		bytes->pieces = malloc(UNWIND_BYTES_PIECES * READ_BYTES);
	if (!bytes->pieces)
		return no_memory(bytes);
	for (i = 0; i < UNWIND_BYTES_PIECES && bytes->at[i] != start; i++)
		if (bytes->used[i] < bytes->used[oldest])
			oldest = i;
	bytes->latest_bytes = left < READ_BYTES ? left : READ_BYTES;
	if (i == UNWIND_BYTES_PIECES) {
		i = oldest;
		bytes->at[i] = UINT64_MAX;
		if (!copy(bytes, start, bytes->pieces + (size_t)i * READ_BYTES, bytes->latest_bytes)) {
			bytes->latest_bytes = 0;
			return false;
		}
		bytes->at[i] = start;
	}
	bytes->used[i] = ++bytes->now;
	bytes->latest = bytes->pieces + (size_t)i * READ_BYTES;
	bytes->latest_off = start;
	return true;
}

static const uint8_t *read_large(struct unwind_bytes *bytes, uint64_t off, size_t size)
{
	if (size > bytes->large_bytes) {
		free(bytes->large);
		bytes->large_bytes = 0;
		bytes->large = malloc(size);
		if (!bytes->large) {
			no_memory(bytes);
			return NULL;
		}
		bytes->large_bytes = size;
	}
	return copy(bytes, off, bytes->large, size) ? bytes->large : NULL;
}

const uint8_t *unwind_bytes_read(struct unwind_bytes *bytes, uint64_t off, size_t size)
{
	uint64_t start = off / UNWIND_BYTES_PIECE * UNWIND_BYTES_PIECE;
	const struct unwind_source *source = &bytes->source;

	if (bytes->status || off > bytes->size_bytes || size > bytes->size_bytes - off || size > UNWIND_BYTES_MAX)
		return NULL;
	if (source->data) {
		if (bytes->source_off + off <= source->size_bytes &&
		    size <= source->size_bytes - (bytes->source_off + off))
			return source->data + bytes->source_off + off;
		bytes->status = stint_err_set(&bytes->err, STINT_ERR_FORMAT, 0, (int64_t)bytes->source_off,
					      "the ELF file ends too early");
		return NULL;
	}
	/* What begins in the few bytes that were read is the end of it there, as far as one knows. */
	if (off - start + size > READ_BYTES ||
	    (bytes->latest == bytes->few && off - bytes->latest_off < bytes->latest_bytes))
		return read_large(bytes, off, size);
	if (start == bytes->size_bytes) /* nothing, at the end */
		return (const uint8_t *)"";
	if (size <= sizeof(bytes->few) && !is_worth_it(bytes, start))
		return take_few(bytes, off, start) ? bytes->few : NULL;
	return take_piece(bytes, start) ? bytes->latest + (off - start) : NULL;
}
