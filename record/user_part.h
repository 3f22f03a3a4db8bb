/* SPDX-License-Identifier: MIT */
/* A user stack in the tree of nodes. Kernel frames come on top of it. */
#ifndef STINT_RECORD_USER_PART_H
#define STINT_RECORD_USER_PART_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "format/writer.h"
#include "record/tasks.h"

struct user_part {
	uint32_t leaf; /* node id; 0 for a stack without frames */
	uint32_t end;  /* enum stint_user_end */
};

/* One more frame on top: *leaf becomes its node. */
int user_part_push(struct stint_writer *writer, uint32_t frame, uint32_t *leaf, struct stint_err *err);

/*
 * Of n addresses, innermost first (EVENT_FRAME_EXACT set in those that a signal interrupted), with
 * the mappings that the process has now.
 */
int user_part_walked(struct stint_writer *writer, struct tasks *tasks, pid_t pid, const uint64_t *frames, size_t n,
		     uint32_t end, struct user_part *ret, struct stint_err *err);

/* Of a stack that wasn't walked: where it runs. The node is like no other, so that what it was can be told later. */
int user_part_window(struct stint_writer *writer, struct tasks *tasks, pid_t pid, uint64_t ip, struct user_part *ret,
		     struct stint_err *err);

#endif
