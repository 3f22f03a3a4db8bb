/* SPDX-License-Identifier: MIT */
#ifndef STINT_FORMAT_CHECKSUM_H
#define STINT_FORMAT_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/* XXH3 with 64 bits and seed 0. */
uint64_t stint_checksum(const void *data, size_t size);

#endif
