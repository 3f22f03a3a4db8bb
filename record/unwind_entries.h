/* SPDX-License-Identifier: MIT */
/* How entries of call frame information are laid out: shared by the files that take them apart. */
#ifndef STINT_RECORD_UNWIND_ENTRIES_H
#define STINT_RECORD_UNWIND_ENTRIES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cursor.h"
#include "record/unwind_cfi.h"

/* SLEB128 of at most 10 bytes; longer is bad. */
int64_t cfi_read_sleb(struct stint_cursor *cur);

/*
 * An address in a DW_EH_PE_* encoding; bias as in struct cfi_fde. False if malformed or of a kind not supported.
 */
bool cfi_read_address(struct stint_cursor *cur, uint8_t encoding, uint64_t bias, uint64_t *ret);

/* Runs a CIE's program and keeps the state it ends with in cie->initial. 0 or STINT_ERR_FORMAT. */
int cfi_run_initial(const struct cfi *cfi, struct cfi_cie *cie, struct stint_cursor code);

#endif
