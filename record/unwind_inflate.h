/* SPDX-License-Identifier: MIT */
#ifndef STINT_RECORD_UNWIND_INFLATE_H
#define STINT_RECORD_UNWIND_INFLATE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/*
 * Decompresses zlib data whose plain size is known into fresh memory that the caller frees. Fails
 * with STINT_ERR_FORMAT when the data is damaged or of another size, or _NOMEM.
 */
int unwind_inflate(const uint8_t *data, size_t size_bytes, uint8_t **ret, size_t plain_bytes, struct stint_err *err);

#endif
