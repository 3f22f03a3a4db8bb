/* SPDX-License-Identifier: MIT */
/*
 * Walks the stack in a window as the kernel's walker would have done: by call frame information, by
 * the frame pointer where there is none, with the same ends.
 */
#ifndef STINT_ANALYZE_WINDOW_WALK_H
#define STINT_ANALYZE_WINDOW_WALK_H

#include "analyze/model_add.h"

#define WINDOW_MAX_FRAMES 127u /* as the kernel's walker */

struct window_walker;

/* User frames, innermost first, as ids of the model. */
struct window_frames {
	uint32_t ids[WINDOW_MAX_FRAMES];
	uint32_t n;
	enum stint_user_end end; /* STINT_USER_WINDOW where the outermost frame's file isn't here */
};

/* All must outlive it. Files are looked for as the options say, each once. */
int window_walker_new(struct window_walker **ret, const struct model *m, struct model_add *add,
		      const struct symbolizer_options *options, struct stint_err *err);
void window_walker_free(struct window_walker *walker); /* NULL is fine */

/*
 * leaf is the frame that the recorder wrote; the others are added to the model. Windows of a process
 * are best walked in order of time. Fails with STINT_ERR_NOMEM or _LIMIT.
 */
int window_walk(struct window_walker *walker, const struct stint_window *window, uint32_t leaf,
		struct window_frames *ret, struct stint_err *err);

/* Why a module's file wasn't there, as long as the walker; NULL: it was, or wasn't needed. */
const char *window_walker_why(const struct window_walker *walker, uint32_t module);

#endif
