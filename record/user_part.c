/* SPDX-License-Identifier: MIT */
#include "record/user_part.h"

#include "bpf/event.h"
#include "format/rows.h"

int user_part_push(struct stint_writer *writer, uint32_t frame, uint32_t *leaf, struct stint_err *err)
{
	struct stint_node node = {.parent = *leaf, .frame = frame};

	return stint_writer_intern(writer, STINT_NODE, &node, leaf, err);
}

int user_part_walked(struct stint_writer *writer, struct tasks *tasks, pid_t pid, const uint64_t *frames, size_t n,
		     uint32_t end, struct user_part *ret, struct stint_err *err)
{
	uint32_t frame, flags;
	int rc;

	ret->leaf = 0;
	ret->end = end;
	while (n-- > 0) {
		flags = n == 0 || frames[n] & EVENT_FRAME_EXACT ? STINT_FRAME_EXACT : 0;
		rc = tasks_user_frame(tasks, pid, frames[n] & ~EVENT_FRAME_EXACT, flags, &frame, err);
		if (rc == 0)
			rc = user_part_push(writer, frame, &ret->leaf, err);
		if (rc)
			return rc;
	}
	return 0;
}

int user_part_window(struct stint_writer *writer, struct tasks *tasks, pid_t pid, uint64_t ip, struct user_part *ret,
		     struct stint_err *err)
{
	struct stint_node node = {0};
	int rc = tasks_user_frame(tasks, pid, ip, STINT_FRAME_EXACT, &node.frame, err);

	ret->end = STINT_USER_WINDOW;
	return rc ? rc : stint_writer_append(writer, STINT_NODE, &node, &ret->leaf, err);
}
