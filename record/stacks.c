/* SPDX-License-Identifier: MIT */
#include "record/stacks.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "format/rows.h"

/* The kernel's map is emptied before it is full: what finds no room in it is sent again at every
 * use. */
#define FULL_STACKS (EVENT_MAX_SENT_STACKS / 10 * 9)
#define FULL_BYTES  (1536u << 10) /* of addresses, in one generation */
#define MAX_ROWS    24576u        /* remembered pairs of user and kernel stack in one generation */

struct entry {
	uint64_t hash;
	uint64_t *frames; /* owned; NULL once a user stack is part of the tree */
	uint32_t pid;
	uint32_t leaf; /* of a user stack, valid once frames is NULL */
	uint16_t n;
	uint8_t end;
	uint8_t flags; /* EVENT_STACK_* */
	bool kept;     /* for threads that sleep: not in the kernel's map as far as is known */
};

/*
 * What the kernel's map holds, the recorder has. When the map is emptied a new generation begins;
 * the one before it is kept until the next time, for the events still on their way.
 */
struct generation {
	struct stint_map by_hash; /* index in entries plus one */
	struct stint_map rows;    /* pairs of hashes to stack rows */
	struct entry *entries;
	size_t n_entries, cap_entries;
	size_t n_kept;  /* of the entries: they don't fill the kernel's map */
	size_t n_bytes; /* of frames, ever taken in */
};

struct stacks {
	struct stint_writer *writer;
	struct tasks *tasks;
	struct kernel_syms *kernel;
	struct generation now, before;
};

int stacks_new(struct stacks **ret, struct stint_writer *writer, struct tasks *tasks,
               struct kernel_syms *kernel, struct stint_err *err)
{
	struct stacks *st = calloc(1, sizeof(*st));

	*ret = st;
	if (!st)
		return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory for stacks");
	st->writer = writer;
	st->tasks = tasks;
	st->kernel = kernel;
	return 0;
}

static void generation_done(struct generation *gen)
{
	size_t i;

	for (i = 0; i < gen->n_entries; i++)
		free(gen->entries[i].frames);
	free(gen->entries);
	stint_map_done(&gen->by_hash);
	stint_map_done(&gen->rows);
	memset(gen, 0, sizeof(*gen));
}

void stacks_free(struct stacks *st)
{
	if (!st)
		return;
	generation_done(&st->now);
	generation_done(&st->before);
	free(st);
}

bool stacks_full(const struct stacks *st)
{
	return st->now.n_entries - st->now.n_kept >= FULL_STACKS || st->now.n_bytes >= FULL_BYTES ||
	       st->now.rows.n_used >= MAX_ROWS;
}

void stacks_rotate(struct stacks *st)
{
	generation_done(&st->before);
	st->before = st->now;
	memset(&st->now, 0, sizeof(st->now));
}

static struct entry *find_in(struct generation *gen, uint64_t hash)
{
	uint64_t *index = stint_map_get(&gen->by_hash, hash);

	return index ? &gen->entries[*index - 1] : NULL;
}

static struct entry *find(struct stacks *st, uint64_t hash)
{
	struct entry *entry = find_in(&st->now, hash);

	return entry ? entry : find_in(&st->before, hash);
}

/* A new, zeroed entry of this generation. NULL when there is no memory. */
static struct entry *entry_new(struct generation *gen, uint64_t hash)
{
	size_t cap = gen->cap_entries ? 2 * gen->cap_entries : 256;
	struct entry *entries;
	uint64_t *index;

	if (gen->n_entries == gen->cap_entries) {
		entries = realloc(gen->entries, cap * sizeof(*entries));
		if (!entries)
			return NULL;
		gen->entries = entries;
		gen->cap_entries = cap;
	}
	index = stint_map_put(&gen->by_hash, hash, NULL);
	if (!index)
		return NULL;
	*index = ++gen->n_entries;
	memset(&gen->entries[*index - 1], 0, sizeof(*entries));
	return &gen->entries[*index - 1];
}

int stacks_add(struct stacks *st, const struct event_stack *stack, size_t size,
               struct stint_err *err)
{
	struct entry *entry;
	size_t n_bytes;

	if (size < sizeof(*stack) || stack->n_frames > EVENT_MAX_FRAMES ||
	    size - sizeof(*stack) < stack->n_frames * sizeof(uint64_t))
		return stint_err_set(err, STINT_ERR_FORMAT, 0, -1,
		                     "a malformed stack event from the kernel");
	entry = find_in(&st->now, stack->hash);
	if (entry && !entry->kept)
		return 0;
	n_bytes = stack->n_frames * sizeof(uint64_t);
	if (entry) {
		/* What was kept is of the code that was there before. */
		st->now.n_kept--;
		entry->kept = false;
		free(entry->frames);
		entry->frames = NULL;
		stint_map_done(&st->now.rows);
	} else {
		entry = entry_new(&st->now, stack->hash);
		if (!entry)
			goto nomem;
	}
	entry->hash = stack->hash;
	entry->pid = stack->pid;
	entry->end = stack->end;
	entry->flags = stack->h.flags;
	entry->frames = malloc(n_bytes ? n_bytes : 1);
	if (!entry->frames)
		goto nomem;
	memcpy(entry->frames, stack + 1, n_bytes);
	entry->n = stack->n_frames;
	st->now.n_bytes += n_bytes;
	return 0;
nomem:
	return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory for stacks");
}

static int push_node(struct stacks *st, uint32_t frame, uint32_t *leaf, struct stint_err *err)
{
	struct stint_node node = {.parent = *leaf, .frame = frame};

	return stint_writer_intern(st->writer, STINT_NODE, &node, leaf, err);
}

int stacks_user(struct stacks *st, pid_t pid, const uint64_t *frames, size_t n, uint32_t end,
                struct user_part *ret, struct stint_err *err)
{
	uint32_t frame, flags;
	int rc;

	ret->leaf = 0;
	ret->end = end;
	while (n-- > 0) {
		flags = n == 0 || frames[n] & EVENT_FRAME_EXACT ? STINT_FRAME_EXACT : 0;
		rc = tasks_user_frame(st->tasks, pid, frames[n] & ~EVENT_FRAME_EXACT, flags, &frame,
		                      err);
		if (rc == 0)
			rc = push_node(st, frame, &ret->leaf, err);
		if (rc)
			return rc;
	}
	return 0;
}

static int kernel_row(struct stacks *st, const struct user_part *user, const uint64_t *frames,
                      size_t n, uint32_t leaf_flags, uint32_t kernel_end, uint32_t *ret_stack,
                      struct stint_err *err)
{
	struct stint_stack row = {
	        .leaf = user->leaf, .user_end = user->end, .kernel_end = kernel_end};
	uint32_t frame;
	int rc;

	row.n_kernel = (uint32_t)n;
	while (n-- > 0) {
		rc = kernel_syms_frame(st->kernel, frames[n], n == 0 ? leaf_flags : 0, &frame, err);
		if (rc == 0)
			rc = push_node(st, frame, &row.leaf, err);
		if (rc)
			return rc;
	}
	return stint_writer_intern(st->writer, STINT_STACK, &row, ret_stack, err);
}

int stacks_kernel_on(struct stacks *st, const struct user_part *user, const uint64_t *frames,
                     size_t n, uint32_t kernel_end, uint32_t *ret_stack, struct stint_err *err)
{
	return kernel_row(st, user, frames, n, 0, kernel_end, ret_stack, err);
}

int stacks_user_part(struct stacks *st, uint64_t hash, struct user_part *ret, bool *ret_lost,
                     struct stint_err *err)
{
	struct entry *entry = find(st, hash);
	int rc;

	if (!entry) {
		ret->leaf = 0;
		ret->end = STINT_USER_NOT_TAKEN;
		*ret_lost = true;
		return 0;
	}
	if (entry->frames) {
		rc = stacks_user(st, (pid_t)entry->pid, entry->frames, entry->n, entry->end, ret,
		                 err);
		if (rc)
			return rc;
		free(entry->frames);
		entry->frames = NULL;
		entry->leaf = ret->leaf;
	}
	ret->leaf = entry->leaf;
	ret->end = entry->end;
	return 0;
}

int stacks_keep(struct stacks *st, uint64_t hash, struct stint_err *err)
{
	struct user_part part;
	struct entry *entry, *before;
	bool lost = false;
	int rc;

	before = hash && !find_in(&st->now, hash) ? find_in(&st->before, hash) : NULL;
	if (!before || before->flags & EVENT_STACK_KERNEL)
		return 0;
	rc = stacks_user_part(st, hash, &part, &lost, err);
	if (rc)
		return rc;
	entry = entry_new(&st->now, hash);
	if (!entry)
		return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory for stacks");
	*entry = *before;
	entry->kept = true;
	st->now.n_kept++;
	return 0;
}

static int make_row(struct stacks *st, const struct stack_ref *ref, uint32_t *ret_stack,
                    bool *ret_lost, struct stint_err *err)
{
	struct user_part user = {.leaf = 0, .end = ref->user_end};
	struct entry *kernel = NULL;
	int rc;

	if (ref->part) {
		user = *ref->part;
	} else if (ref->user) {
		rc = stacks_user_part(st, ref->user, &user, ret_lost, err);
		if (rc)
			return rc;
	}
	if (ref->kernel == 0)
		return kernel_row(st, &user, NULL, 0, 0, ref->kernel_end, ret_stack, err);
	kernel = find(st, ref->kernel);
	if (!kernel) {
		*ret_lost = true;
		return kernel_row(st, &user, NULL, 0, 0, STINT_KERNEL_FAILED, ret_stack, err);
	}
	return kernel_row(st, &user, kernel->frames, kernel->n,
	                  kernel->flags & EVENT_STACK_EXACT ? STINT_FRAME_EXACT : 0, kernel->end,
	                  ret_stack, err);
}

int stacks_row(struct stacks *st, const struct stack_ref *ref, uint32_t *ret_stack, bool *ret_lost,
               struct stint_err *err)
{
	struct {
		uint64_t user, kernel, ends;
	} pair = {ref->user, ref->kernel, 0};
	uint64_t key, *row;
	int rc;

	*ret_lost = false;
	if (ref->part) {
		pair.user = (uint64_t)ref->part->leaf << 8 | ref->part->end;
		pair.ends = 1u << 16;
	} else if (ref->user == 0) {
		pair.user = ref->user_end;
		pair.ends = 2u << 16;
	}
	if (ref->kernel == 0)
		pair.ends |= 0x100u | ref->kernel_end;
	key = stint_hash_bytes(&pair, sizeof(pair));
	row = stint_map_get(&st->now.rows, key);
	if (row) {
		*ret_stack = (uint32_t)*row;
		return 0;
	}
	rc = make_row(st, ref, ret_stack, ret_lost, err);
	if (rc || *ret_lost)
		return rc;
	row = stint_map_put(&st->now.rows, key, NULL);
	if (!row)
		return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory for stacks");
	*row = *ret_stack;
	return 0;
}
