/* SPDX-License-Identifier: MIT */
#ifndef STINT_RECORD_UNXZ_H
#define STINT_RECORD_UNXZ_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define UNXZ_MAX_BYTES (32u << 20) /* of plain data, and of what the decoder itself may take */

/* Decompresses xz data into fresh memory that the caller frees. Fails with STINT_ERR_FORMAT, _LIMIT or _NOMEM. */
int unxz(const uint8_t *data, size_t size_bytes, uint8_t **ret, size_t *ret_bytes, struct stint_err *err);

#endif
