/* SPDX-License-Identifier: MIT */
/*
 * A recording's dictionaries in memory, and its events one block at a time. Loading keeps no event:
 * memory grows with distinct stacks, threads and names. Ids that the file doesn't define (their
 * block is damaged) are within bounds and read as zeroed rows; lost_ids counts how often that was
 * needed.
 */
#ifndef STINT_ANALYZE_MODEL_H
#define STINT_ANALYZE_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "analyze/reused_code.h"
#include "analyze/symbolize.h"
#include "base/arena.h"
#include "base/err.h"
#include "format/reader.h"

/* A dictionary: rows by id. rows[0] is the zeroed "none". */
#define MODEL_N_DICTS 10
#define MODEL_DICT(type)                                                                                               \
	struct {                                                                                                       \
		type *rows;                                                                                            \
		uint32_t n;                                                                                            \
	}

/* A stack of the file whose user part was copied, and what that is. */
struct model_unwound {
	uint32_t stack;
	uint32_t leaf;	   /* node of the innermost user frame */
	uint32_t user_end; /* enum stint_user_end */
};

struct model {
	struct stint_reader *reader; /* owned */
	const char *file;	     /* the name it was opened by, the caller's; NULL for memory */
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

	/*
	 * The file's own rows stand first; behind them, what windows were unwound to (unwind.h), which
	 * with the former is plain; behind these, the twins that reused_code.h tells of.
	 */
	uint32_t n_file_modules, n_file_frames, n_file_nodes, n_file_stacks;
	uint32_t n_plain_frames, n_plain_stacks;
	struct reused_code *reused_code; /* NULL where no code was replaced */

	/* By id of a stack in the file: the one to be read in its place, 0 for itself. NULL: none is. */
	uint32_t *as_stack;
	const char **unwind_whys;      /* by module id: why unwinding had no file; NULL: none was missed */
	struct model_unwound *unwound; /* what was found out here, and isn't in the file */
	uint32_t n_unwound;

	uint64_t start_ns, end_ns; /* of the recording: from its metadata, else the span of its events */
	uint64_t n_samples, n_offcpu, n_tasks, n_windows; /* rows in the file, from the block headers */
	uint64_t loss[STINT_N_LOSS_CAUSES];		  /* by enum stint_loss_cause; [0] sums causes that are
						  unknown here */

	/* Not dictionaries: all rows in file order, from 0 on. */
	MODEL_DICT(struct stint_loss) losses;
	MODEL_DICT(struct stint_clock) clocks;
	MODEL_DICT(struct stint_total) totals;
	MODEL_DICT(struct stint_symbol) symbols;
	MODEL_DICT(struct stint_chain) chains;
	MODEL_DICT(struct stint_symbol_source) symbol_sources;
	MODEL_DICT(struct stint_unwound) unwounds;
	MODEL_DICT(struct stint_meta) metas;

	uint64_t n_damaged_blocks; /* that couldn't be decoded while loading or reading events */
	uint64_t lost_ids;
	uint8_t *block_seen;		  /* private: by block, MODEL_BLOCK_*: what was counted of it */
	uint64_t *defined[MODEL_N_DICTS]; /* private, see model_id: where a dictionary has gaps */
};

#define MODEL_BLOCK_SEEN    1
#define MODEL_BLOCK_DAMAGED 2 /* its header is whole, its rows can't be decoded */

/* More text than this in one recording's strings is refused (STINT_ERR_LIMIT). */
#define MODEL_MAX_STRING_BYTES ((size_t)1 << 30)

/* More machine code than this, likewise. */
#define MODEL_MAX_CODE_BYTES ((size_t)256 << 20)

/*
 * Opens a recording ("-" is standard input) and loads its dictionaries. Fails as stint_reader_open
 * does, and with STINT_ERR_LIMIT; the message names the file.
 */
int model_open(struct model **ret, const char *path, struct stint_err *err);

/* The same for bytes in memory that outlive the model. */
int model_open_memory(struct model **ret, const void *data, size_t size, struct stint_err *err);
void model_free(struct model *m); /* NULL is fine */

/*
 * For what fails with an open recording: a message about its contents, or about what they need (every code but _USAGE,
 * _NOTFOUND and _SYSTEM, whose messages are of other things), gets the file's name in front. Returns code.
 */
int model_failed(const struct model *m, int code, struct stint_err *err);

/* True when this block (of the reader's) couldn't be decoded, as far as it was tried. */
static inline bool model_block_is_damaged(const struct model *m, size_t i)
{
	return m->block_seen[i] == MODEL_BLOCK_DAMAGED;
}

/* The text of a string id; "" for 0 and for lost ids. NUL-terminated, lives as long as the model.
 */
const char *model_str(const struct model *m, uint32_t str);

/* The value of a metadata key, NULL where the recording has none. */
const char *model_meta(const struct model *m, const char *key);

/* The process row that a thread id belongs to. Never NULL: rows[0] when it is lost. */
const struct stint_process *model_process_of(const struct model *m, uint32_t thread);

/* Whether the user part of some stack was copied instead of walked. */
bool model_has_copied_stacks(const struct model *m);

/* Tells a new symbolizer about all of this recording's modules and embedded symbols. */
int model_symbolizer(const struct model *m, const struct symbolizer_options *options, struct symbolizer **ret,
		     struct stint_err *err);

/* The same without what is packed (STINT_CHAIN): as if nobody had looked for symbols yet. */
int model_symbolizer_afresh(const struct model *m, const struct symbolizer_options *options, struct symbolizer **ret,
			    struct stint_err *err);

/* How many functions (or parts that lie apart) the recording has the machine code of, and how much that is. */
int model_code_size(struct model *m, uint64_t *ret_n_functions, uint64_t *ret_n_bytes, struct stint_err *err);

/* Tells a symbolizer also about the machine code that the recording carries. */
int model_add_code(struct model *m, struct symbolizer *s, struct stint_err *err);

/*
 * The frames of a stack, innermost first, into ids (room for STINT_MAX_STACK_DEPTH). Returns how
 * many; the first n_kernel of them (in the stack's row) are the kernel's.
 */
uint32_t model_stack_frames(const struct model *m, uint32_t stack, uint32_t *ids);

/* The id if the file defines it in that dictionary, which has n rows here; else 0, counted in
 * *lost. */
static inline uint32_t model_id(const struct model *m, uint32_t table, uint32_t n, uint32_t id, uint64_t *lost)
{
	const uint64_t *defined = m->defined[table];

	if (id < n && (!defined || (defined[id / 64] >> (id % 64) & 1)))
		return id;
	++*lost;
	return 0;
}

/*
 * Reads block i, one of events: as stint_reader_decode, but ids that the file doesn't define are 0,
 * and stacks are those to be read in their place. (Windows name their stacks as they are.)
 * A damaged block (STINT_ERR_FORMAT, STINT_ERR_LIMIT) is counted; go on with the next one. For one
 * thread at a time.
 */
int model_read_block(struct model *m, size_t i, struct stint_rows *rows, struct stint_err *err);

/* What is called with each block of rows. Ids in the rows are within the bounds of the
 * dictionaries. */
typedef int (*model_block_fn)(void *context, const struct stint_rows *rows, struct stint_err *err);

/*
 * Calls back for each block of rows of one event table, in file order. A damaged block is counted
 * and skipped; what each returns, when it isn't 0, ends the walk.
 */
int model_each_block(struct model *m, enum stint_table table, model_block_fn each, void *context,
		     struct stint_err *err);

/*
 * Times of interest: up to to_ns, which isn't in it. Blocks whose header says that they have nothing
 * within it needn't be decoded.
 */
struct model_window {
	uint64_t from_ns, to_ns;
};

/* Whether a block may have events in the window (NULL: any time). An interval counts from its start
 * to its end. */
static inline bool model_block_overlaps(const struct stint_block_info *block, const struct model_window *window)
{
	return !window || (block->t_max_ns >= window->from_ns && block->t_min_ns < window->to_ns);
}

#define MODEL_MAX_WORKERS 16

/* How many workers are worth having here: the processors this process may use, at most
 * MODEL_MAX_WORKERS. */
size_t model_n_workers(void);

/*
 * The same for the blocks that overlap the window (NULL: all), with n_workers threads (1 to
 * MODEL_MAX_WORKERS): worker i calls each(contexts[i], …) for the blocks it takes, so that contexts
 * need no locks. Blocks come in no particular order.
 */
int model_each_block_parallel(struct model *m, enum stint_table table, const struct model_window *window,
			      model_block_fn each, void *const *contexts, size_t n_workers, struct stint_err *err);

#endif
