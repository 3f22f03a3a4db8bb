/* SPDX-License-Identifier: MIT */
#include "format/checksum.h"

#include <xxhash.h>

uint64_t stint_checksum(const void *data, size_t size)
{
	return XXH3_64bits(data, size);
}
