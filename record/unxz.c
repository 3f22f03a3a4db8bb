/* SPDX-License-Identifier: MIT */
#include "record/unxz.h"

#include <lzma.h>
#include <stdlib.h>

#define FIRST_BYTES (256u << 10)

int unxz(const uint8_t *data, size_t size_bytes, uint8_t **ret, size_t *ret_bytes, struct stint_err *err)
{
	lzma_stream xz = LZMA_STREAM_INIT;
	uint8_t *plain = NULL, *grown;
	size_t cap = 0;
	lzma_ret rc = LZMA_OK;

	if (lzma_stream_decoder(&xz, UNXZ_MAX_BYTES, 0) != LZMA_OK)
		return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory to decompress xz data");
	xz.next_in = data;
	xz.avail_in = size_bytes;
	while (rc == LZMA_OK) {
		size_t done = cap - xz.avail_out;

		if (!xz.avail_out) {
			size_t more = cap ? cap * 2 : FIRST_BYTES;

			grown = more > UNXZ_MAX_BYTES ? NULL : realloc(plain, more);
			if (!grown) {
				rc = LZMA_MEMLIMIT_ERROR;
				break;
			}
			plain = grown;
			cap = more;
		}
		xz.next_out = plain + done;
		xz.avail_out = cap - done;
		rc = lzma_code(&xz, LZMA_FINISH);
	}
	lzma_end(&xz);
	if (rc != LZMA_STREAM_END) {
		free(plain);
		return rc == LZMA_MEMLIMIT_ERROR
			       ? stint_err_set(err, STINT_ERR_LIMIT, 0, -1, "xz data that unpacks to too much")
			       : stint_err_set(err, STINT_ERR_FORMAT, 0, -1, "damaged xz data");
	}
	*ret = plain;
	*ret_bytes = cap - xz.avail_out;
	return 0;
}
