/* SPDX-License-Identifier: MIT */
#include "record/unwind_inflate.h"

#include <stdlib.h>
#include <zlib.h>

int unwind_inflate(const uint8_t *data, size_t size_bytes, uint8_t **ret, size_t plain_bytes, struct stint_err *err)
{
	uLongf got = plain_bytes;
	uint8_t *plain;

	/* zlib makes at most 1032 bytes of one: a larger claim is a lie that would only cost
	 * memory. */
	if (plain_bytes / 1032 > size_bytes)
		return stint_err_set(err, STINT_ERR_FORMAT, 0, -1, "a compressed section claims an impossible size");
	plain = malloc(plain_bytes + 1);
	if (!plain)
		return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory to decompress a section");
	if (uncompress(plain, &got, data, size_bytes) != Z_OK || got != plain_bytes) {
		free(plain);
		return stint_err_set(err, STINT_ERR_FORMAT, 0, -1, "a compressed section is damaged");
	}
	*ret = plain;
	return 0;
}
