/* SPDX-License-Identifier: MIT */
/*
 * What a reader must know before trusting a result: what was lost, what is cut short, what has no
 * name. Every output says them, in its own way.
 */
#ifndef STINT_ANALYZE_NOTES_H
#define STINT_ANALYZE_NOTES_H

#include <stdint.h>
#include <stdio.h>

#include "analyze/functions.h"
#include "analyze/json.h"
#include "analyze/metrics.h"
#include "analyze/model.h"
#include "analyze/select.h"
#include "analyze/tally.h"
#include "base/arena.h"

struct note {
	const char *kind; /* kebab-case, for programs */
	uint64_t count;	  /* how many, of what text says */
	const char *text; /* a sentence without a full stop; may hold names from the recording,
			     unescaped */
};

/* Zeroed is ready. */
struct notes {
	struct note *all;
	size_t n;
	struct stint_arena arena;
};

/* 0 or STINT_ERR_NOMEM, like all below. */
int notes_add(struct notes *notes, struct stint_err *err, const char *kind, uint64_t count, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));
void notes_done(struct notes *notes); /* NULL and zeroed are fine */

/* The recording as a whole: without an end, damaged, with references into nothing, blind on a CPU. Call after the
 * events were read. */
int notes_file(struct notes *notes, const struct model *m, struct stint_err *err);

/* Events of a whole recording that are neither in the file (n_in_file, by table) nor in the ledger. */
int notes_totals(struct notes *notes, const struct model *m, uint32_t table, uint64_t n_in_file, struct stint_err *err);

/* The ledger's entries that touch a view, within the selected time (sel may be NULL). */
int notes_ledger(struct notes *notes, const struct model *m, enum view view, const struct selection *sel,
		 struct stint_err *err);

/* How the stacks of a tally (by TALLY_STACK) were cut short, and which files would make them longer. */
int notes_stacks(struct notes *notes, const struct model *m, enum view view, const struct tally *tally,
		 struct stint_err *err);

/* Which of its events were in functions without a name, and in which files, and why these have no
 * symbols. */
int notes_symbols(struct notes *notes, enum view view, const struct tally *tally, struct functions *functions,
		  struct stint_err *err);

/* One line each; "Nothing was lost." where there are none. Lines begin with prefix. */
void notes_print_text(const struct notes *notes, FILE *out, const char *prefix);

/* The array {"kind","count","text"}. */
void notes_print_json(const struct notes *notes, struct json *j);

#endif
