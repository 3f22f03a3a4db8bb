/* SPDX-License-Identifier: MIT */
/*
 * A recording's dictionaries in memory, and its events one block at a time. Loading keeps no event: memory grows
 * with distinct stacks, threads and names. Ids that the file doesn't define (their block is damaged) are within
 * bounds and read as zeroed rows; lost_ids counts how often that was needed.
 */
#ifndef STINT_ANALYZE_MODEL_H
#define STINT_ANALYZE_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "analyze/symbolize.h"
#include "base/arena.h"
#include "base/err.h"
#include "format/reader.h"

/* A dictionary: rows by id. rows[0] is the zeroed "none". */
#define MODEL_DICT(type)      \
	struct {              \
		type *rows;   \
		uint32_t n;   \
	}

struct model {
	struct stint_reader *reader; /* owned */
	struct stint_arena arena;
	MODEL_DICT(struct stint_string) strings; /* each one is NUL-terminated beyond its size */
	MODEL_DICT(struct stint_module) modules;
	MODEL_DICT(struct stint_process) processes;
	MODEL_DICT(struct stint_thread) threads;
	MODEL_DICT(struct stint_mapping) mappings;
	MODEL_DICT(struct stint_frame) frames;
	MODEL_DICT(struct stint_node) nodes;
	MODEL_DICT(struct stint_stack) stacks;
	MODEL_DICT(struct stint_source) sources;

	uint64_t start_ns, end_ns; /* of the recording: from its metadata, else the span of its events */
	uint64_t n_samples, n_offcpu, n_tasks; /* rows in the file, from the block headers */
	uint64_t loss[STINT_N_LOSS_CAUSES];    /* by enum stint_loss_cause */
	MODEL_DICT(struct stint_loss) losses;
	MODEL_DICT(struct stint_clock) clocks;
	MODEL_DICT(struct stint_total) totals;
	MODEL_DICT(struct stint_symbol) symbols;
	uint64_t n_damaged_blocks; /* that couldn't be decoded while loading or reading events */
	uint64_t lost_ids;
};

int model_open(struct model **ret, const char *path, struct stint_err *err);
void model_free(struct model *m); /* NULL is fine */

/* The text of a string id; "" for 0 and for lost ids. NUL-terminated, lives as long as the model. */
const char *model_str(const struct model *m, uint32_t str);

/* The value of a metadata key, NULL where the recording has none. */
const char *model_meta(const struct model *m, const char *key);

/* The process row that a thread id belongs to. Never NULL: rows[0] when it is lost. */
const struct stint_process *model_process_of(const struct model *m, uint32_t thread);

/* Tells a new symbolizer about all of this recording's modules and embedded symbols. */
int model_symbolizer(const struct model *m, const struct symbolizer_options *options, struct symbolizer **ret,
		     struct stint_err *err);

/*
 * The frames of a stack, innermost first, into ids (room for STINT_MAX_STACK_DEPTH). Returns how many; the first
 * n_kernel of them are the kernel's.
 */
uint32_t model_stack_frames(const struct model *m, uint32_t stack, uint32_t *ids);

/* Calls back for each block of rows of one event table, in file order. A damaged block is counted and skipped. */
int model_each_block(struct model *m, enum stint_table table,
		     int (*each)(void *context, const struct stint_rows *rows, struct stint_err *err),
		     void *context, struct stint_err *err);

#endif
