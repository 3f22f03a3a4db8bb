/* SPDX-License-Identifier: MIT */
/* What is in a recording, added up for stint info. */
#ifndef STINT_ANALYZE_INFO_H
#define STINT_ANALYZE_INFO_H

#include <stdint.h>
#include <stdio.h>

#include "analyze/labels.h"
#include "analyze/metrics.h"
#include "analyze/model.h"
#include "analyze/notes.h"

#define N_USER_ENDS 10 /* enum stint_user_end */

/* A process through all its images. */
struct info_process {
	uint32_t row; /* of its first image; 0 for events whose process isn't known */
	uint32_t n_threads;
	uint64_t samples, switches, open;
	uint64_t user_ends[N_USER_ENDS]; /* of its samples' and intervals' stacks */
};

/* Addresses that were looked up by stint pack. */
struct info_packed {
	uint64_t with_name, without_name;
};

/* A mapped file, or another place that code is in: modules that share path and build ID are one. */
struct info_module {
	uint32_t row;		    /* the first of them */
	uint64_t samples, switches; /* whose stacks have a frame in it */
	struct info_packed packed;
	struct symbol_source source;
};

struct info {
	const struct model *m;
	struct labels labels;
	struct metrics on_cpu, off_cpu;
	struct info_process *processes; /* by samples, switches and pid */
	uint32_t n_processes;		/* with the place for unknown ones, where events are of such */
	uint32_t n_known_processes;
	uint32_t n_threads;
	uint32_t n_frames;			 /* of stacks: packed code has others */
	uint64_t n_code_functions, n_code_bytes; /* packed machine code */
	struct info_packed packed;
	struct info_module *modules; /* by samples, switches and path */
	uint32_t n_modules;
	struct notes notes;
};

/* Reads all events of the recording. *info needs no initialization; symbolizer must outlive it. */
int info_init(struct info *info, struct model *m, struct symbolizer *symbolizer, struct stint_err *err);
void info_done(struct info *info); /* NULL and zeroed are fine */

const char *user_end_name(uint32_t end); /* "complete", "depth", "no-mapping" … */

void info_print_text(const struct info *info, FILE *out);
int info_print_json(const struct info *info, FILE *out, struct stint_err *err);

#endif
