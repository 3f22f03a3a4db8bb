/* SPDX-License-Identifier: MIT */
/*
 * How frames of one program or library are left: by its call frame information, and by what is known
 * of code that has none (the linker's stubs) or whose information isn't true (where Go's runtime
 * changes stacks). The same rules as those that the recorder makes its tables by.
 */
#ifndef STINT_ANALYZE_FRAME_CODE_H
#define STINT_ANALYZE_FRAME_CODE_H

#include "analyze/frame_rules.h"
#include "analyze/symbolize.h"

struct frame_code;

/*
 * Finds the module's file by its build ID, where symbolizer_options say.
 * A missing, damaged or differing file is no failure: see frame_code_why. Fails with STINT_ERR_NOMEM.
 */
int frame_code_new(struct frame_code **ret, const struct symbol_module *module,
		   const struct symbolizer_options *options, struct stint_err *err);
void frame_code_free(struct frame_code *code); /* NULL is fine */

/* Why there is no file, as long as the code; NULL when there is one. */
const char *frame_code_why(const struct frame_code *code);

/*
 * The rules at an offset in the file, valid until the next call. Returns 0, STINT_ERR_NOTFOUND (the
 * code has none there), STINT_ERR_UNSUPPORTED (it isn't for x86-64) or STINT_ERR_NOMEM.
 */
int frame_code_find(struct frame_code *code, uint64_t file_off, const struct frame_rules **ret);

#endif
