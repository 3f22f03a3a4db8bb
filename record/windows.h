/* SPDX-License-Identifier: MIT */
/*
 * User stacks that were copied instead of walked. With unwind tables they are walked here, at once or when the tables
 * are there; what can't be walked so goes to the file as it is (STINT_WINDOW), to be unwound offline.
 */
#ifndef STINT_RECORD_WINDOWS_H
#define STINT_RECORD_WINDOWS_H

#include <stdint.h>

#include "base/err.h"
#include "bpf/event.h"
#include "format/writer.h"
#include "record/tasks.h"
#include "record/unwind_tables.h"
#include "record/user_part.h"

#define WINDOWS_MAX_WAITING_BYTES (2u << 20)
#define WINDOWS_MAX_WAIT_NS	  5000000000ull

struct windows;

/* The two must outlive it. */
int windows_new(struct windows **ret, struct stint_writer *writer, struct tasks *tasks, struct stint_err *err);
void windows_free(struct windows *w); /* NULL is fine */

/* By these tables, which must outlive it. Without any, all windows are written. */
void windows_unwind_by(struct windows *w, struct unwind_tables *tables);

/*
 * Takes a window, its words behind it, which is freed once it isn't needed: also on failure. *ret is its part of the
 * tree: walked, or with the end STINT_USER_WINDOW and a node of its own, which a row to come (STINT_WINDOW, or
 * STINT_UNWOUND of the stack that has this part alone) tells more of. The process's mappings are those of the window's
 * time.
 */
int windows_place(struct windows *w, struct event_window *window, struct user_part *ret, struct stint_err *err);

/*
 * Walks those that wait as far as their tables are there now. Those from before before_ns are written, so that they
 * don't get lost with the recorder; their tables may still come.
 */
int windows_settle(struct windows *w, uint64_t before_ns, struct stint_err *err);

/* Their bytes: written so far, and of those that wait and may still be written. For estimates of the file's size. */
uint64_t windows_written_bytes(const struct windows *w);
uint64_t windows_unwritten_bytes(const struct windows *w);

struct windows_stats {
	uint64_t n_walked;  /* when they came */
	uint64_t n_unwound; /* after a while */
	uint64_t n_written;
};
void windows_stats(const struct windows *w, struct windows_stats *ret);

#endif
