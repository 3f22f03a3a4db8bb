/* SPDX-License-Identifier: MIT */
/* What threads, processes and the other things in rows are called in every output. */
#ifndef STINT_ANALYZE_LABELS_H
#define STINT_ANALYZE_LABELS_H

#include <stdint.h>

#include "analyze/model.h"
#include "base/buf.h"

/* A row's key in bytes: rows with equal keys are one. Names are for people, and may be equal where
 * keys aren't. */
struct labels {
	const struct model *m;
	uint32_t *process_comm; /* private, by process id: the thread row that names the process; 0
				   none */
};

int labels_init(struct labels *l, const struct model *m, struct stint_err *err);
void labels_done(struct labels *l); /* NULL and zeroed are fine */

/* "comm (tid)"; "[unknown thread]" for thread 0. Appended to out, without a NUL. */
void label_thread(const struct labels *l, uint32_t thread, struct stint_buf *out);

/* "comm (pid)" with the last name of the main thread, for a process row. */
void label_process(const struct labels *l, uint32_t process, struct stint_buf *out);
void label_comm(const struct labels *l, uint32_t thread, struct stint_buf *out);

/* What label_comm appends: the model's, or static. Threads of which it is the same text are one. */
const char *comm_label(const struct model *m, uint32_t thread);

void label_waker(const struct labels *l, uint32_t thread, struct stint_buf *out);    /* "[no waker]" for 0 */
void label_syscall(const struct labels *l, uint32_t syscall, struct stint_buf *out); /* number plus one; 0 none */
void label_cpu(uint32_t cpu, struct stint_buf *out);

#endif
