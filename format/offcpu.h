/* SPDX-License-Identifier: MIT */
/*
 * Off-CPU intervals as they stand in the file (FORMAT.md, "Off-CPU intervals"): their times are
 * kept relative to each other, because a thread leaves a CPU at the instant another one comes on.
 *
 * While a block is encoded or decoded, a row's fields carry other things than their names say:
 * start_ns is off_ns, wake_ns is runq_ns, and reserved is start_ref.
 */
#ifndef STINT_FORMAT_OFFCPU_H
#define STINT_FORMAT_OFFCPU_H

#include <stddef.h>

#include "base/err.h"
#include "format/rows.h"

/* Sorts rows by (cpu, end_ns), keeping the order of equals. Returns 0 or STINT_ERR_NOMEM. */
int stint_offcpu_sort(struct stint_offcpu *rows, size_t n_rows);

/* Turns sorted rows into what is stored. */
void stint_offcpu_to_stored(struct stint_offcpu *rows, size_t n_rows);

/* And back. STINT_ERR_FORMAT when a reference points in front of the block. */
int stint_offcpu_from_stored(struct stint_offcpu *rows, size_t n_rows, struct stint_err *err);

#endif
