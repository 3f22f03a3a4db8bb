/* SPDX-License-Identifier: MIT */
/*
 * GCC's crtbegin.o: the functions that every program and library runs as it starts and ends, linked in without call
 * frame information.
 */
#ifndef STINT_RECORD_UNWIND_CRT_H
#define STINT_RECORD_UNWIND_CRT_H

#include <stdint.h>

#include "bpf/unwind_row.h"

#define UNWIND_CRT_BYTES 512u /* more than they take up together */

/*
 * Looks for them in code without call frame information that lies at file_off, and calls add in the order of addresses
 * for each run of bytes with the same rule. Other code gets no rows. What add returns ends it if it isn't 0, and is
 * returned.
 */
int unwind_crt_x86_64(const uint8_t *code, uint32_t file_off, uint32_t size,
		      int (*add)(void *context, uint32_t start, uint32_t end, const struct unwind_row *row),
		      void *context);

#endif
