/* SPDX-License-Identifier: MIT */
/*
 * Unwinds the stacks that the recorder copied instead of walking them (STINT_WINDOW): in the same
 * way as the kernel's walker does, from the same call frame information, read by libdw.
 */
#ifndef STINT_ANALYZE_UNWIND_H
#define STINT_ANALYZE_UNWIND_H

#include "analyze/model.h"

/*
 * Finds out what each stack is whose user part was copied: from the recording (STINT_UNWOUND), else
 * from its window, whose blocks are read one at a time. From then on, events that are read from the
 * model name the result; that comes before anything that counts the model's stacks or frames.
 *
 * Where a file isn't found, or isn't the recorded one, the frames so far stay, and the stack still
 * ends with STINT_USER_WINDOW; m->unwind_whys then tells why. Fails with STINT_ERR_NOMEM or _LIMIT.
 */
int unwind_windows(struct model *m, const struct symbolizer_options *options, struct stint_err *err);

#endif
