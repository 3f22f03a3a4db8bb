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
#define MAX_ROWS    24576u	  /* remembered pairs of user and kernel stack in one generation */

struct entry {
	uint64_t hash;
	uint64_t *frames;	     /* owned; NULL once a user stack is part of the tree */
	struct event_window *window; /* in place of frames, likewise */
	uint32_t pid;
	uint32_t leaf; /* of a user stack, valid once there are no frames and no window */
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
	struct stint_map rows;	  /* pairs of hashes to stack rows */
	struct entry *entries;
	size_t n_entries, cap_entries;
	size_t n_kept;	/* of the entries: they don't fill the kernel's map */
	size_t n_bytes; /* of frames, ever taken in */
};

struct stacks {
	struct stint_writer *writer;
	struct tasks *tasks;
	struct kernel_syms *kernel;
	struct windows *windows;
	size_t window_bytes; /* in entries */
	struct generation now, before;
};

int stacks_new(struct stacks **ret, struct stint_writer *writer, struct tasks *tasks, struct kernel_syms *kernel,
	       struct windows *windows, struct stint_err *err)
{
	struct stacks *st = calloc(1, sizeof(*st));

	*ret = st;
	if (!st)
		return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory for stacks");
	st->writer = writer;
	st->tasks = tasks;
	st->kernel = kernel;
	st->windows = windows;
	return 0;
}

static size_t window_size(const struct event_window *window)
{
	return sizeof(*window) + window->stack.n_frames * sizeof(uint64_t);
}

/* The entry's window, if it has one, is the caller's now. */
static struct event_window *take_window(struct stacks *st, struct entry *entry)
{
	struct event_window *window = entry->window;

	if (window)
		st->window_bytes -= window_size(window);
	entry->window = NULL;
	return window;
}

static void generation_done(struct stacks *st, struct generation *gen)
{
	size_t i;

	for (i = 0; i < gen->n_entries; i++) {
		free(gen->entries[i].frames);
		free(take_window(st, &gen->entries[i]));
	}
	free(gen->entries);
	stint_map_done(&gen->by_hash);
	stint_map_done(&gen->rows);
	memset(gen, 0, sizeof(*gen));
}

void stacks_free(struct stacks *st)
{
	if (!st)
		return;
	generation_done(st, &st->now);
	generation_done(st, &st->before);
	free(st);
}

bool stacks_full(const struct stacks *st)
{
	return st->now.n_entries - st->now.n_kept >= FULL_STACKS || st->now.n_bytes >= FULL_BYTES ||
	       st->now.rows.n_used >= MAX_ROWS;
}

void stacks_rotate(struct stacks *st)
{
	generation_done(st, &st->before);
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

/* A stack event's size, or 0 where it can't be right. */
static size_t event_size(const struct event_stack *stack, size_t size)
{
	uint8_t flags = size >= sizeof(*stack) ? stack->h.flags : 0;
	bool is_window = flags & (EVENT_STACK_WINDOW | EVENT_STACK_MORE);
	size_t max_words = is_window ? EVENT_CHUNK_BYTES / sizeof(uint64_t) : EVENT_MAX_FRAMES;
	size_t head = flags & EVENT_STACK_WINDOW ? sizeof(struct event_window) : sizeof(*stack), words;

	if (size < head || stack->n_frames > max_words)
		return 0;
	words = stack->n_frames * sizeof(uint64_t);
	return size - head < words ? 0 : head + words;
}

/* The addresses of a stack, or all of a window. */
static int entry_fill(struct stacks *st, struct entry *entry, const struct event_stack *stack, size_t size)
{
	size_t n_bytes = size - sizeof(*stack);

	entry->hash = stack->hash;
	entry->pid = stack->pid;
	entry->end = stack->end;
	entry->flags = stack->h.flags;
	entry->n = stack->n_frames;
	if (stack->h.flags & EVENT_STACK_WINDOW) {
		entry->window = malloc(size);
		if (!entry->window)
			return STINT_ERR_NOMEM;
		memcpy(entry->window, stack, size);
		st->window_bytes += size;
		return 0;
	}
	entry->frames = malloc(n_bytes ? n_bytes : 1);
	if (!entry->frames)
		return STINT_ERR_NOMEM;
	memcpy(entry->frames, stack + 1, n_bytes);
	st->now.n_bytes += n_bytes;
	return 0;
}

/* The stack of a walk that was made up for, if what was sent before it hasn't been used yet. */
static int replace(struct stacks *st, const struct event_stack *stack, struct stint_err *err)
{
	struct entry *entry = find(st, stack->hash);
	size_t n_bytes = stack->n_frames * sizeof(uint64_t);
	uint64_t *frames;

	if (!entry || !entry->frames)
		return 0;
	frames = realloc(entry->frames, n_bytes ? n_bytes : 1);
	if (!frames)
		return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory for stacks");
	memcpy(frames, stack + 1, n_bytes);
	entry->frames = frames;
	entry->n = stack->n_frames;
	entry->end = stack->end;
	st->now.n_bytes += n_bytes;
	return 0;
}

/* The next chunk of a window. It is of no use where one in front of it was lost. */
static int add_more(struct stacks *st, const struct event_stack *stack, struct stint_err *err)
{
	struct entry *entry = find(st, stack->hash);
	struct event_window *window = entry ? entry->window : NULL;
	size_t had, more = stack->n_frames * sizeof(uint64_t);

	if (!window || stack->chunk >= EVENT_MAX_WINDOW_BYTES / EVENT_CHUNK_BYTES ||
	    window->stack.n_frames * sizeof(uint64_t) != (size_t)stack->chunk * EVENT_CHUNK_BYTES)
		return 0;
	had = window_size(window);
	window = realloc(window, had + more);
	if (!window)
		return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory for stacks");
	memcpy((uint8_t *)window + had, stack + 1, more);
	window->stack.n_frames = (uint16_t)(window->stack.n_frames + stack->n_frames);
	st->window_bytes += more;
	entry->window = window;
	return 0;
}

int stacks_add(struct stacks *st, const struct event_stack *stack, size_t size, struct stint_err *err)
{
	struct entry *entry;

	size = event_size(stack, size);
	if (!size)
		return stint_err_set(err, STINT_ERR_FORMAT, 0, -1, "a malformed stack event from the kernel");
	if (stack->h.flags & EVENT_STACK_MORE)
		return add_more(st, stack, err);
	if (stack->h.flags & EVENT_STACK_LATE)
		return replace(st, stack, err);
	entry = find_in(&st->now, stack->hash);
	if (entry && !entry->kept)
		return 0;
	if (entry) {
		/* What was kept is of the code that was there before. */
		st->now.n_kept--;
		entry->kept = false;
		free(entry->frames);
		entry->frames = NULL;
		free(take_window(st, entry));
		stint_map_done(&st->now.rows);
	} else {
		entry = entry_new(&st->now, stack->hash);
	}
	if (!entry || entry_fill(st, entry, stack, size))
		return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory for stacks");
	return 0;
}

int stacks_user(struct stacks *st, pid_t pid, const uint64_t *frames, size_t n, uint32_t end, struct user_part *ret,
		struct stint_err *err)
{
	return user_part_walked(st->writer, st->tasks, pid, frames, n, end, ret, err);
}

int stacks_user_window(struct stacks *st, struct event_window *window, struct user_part *ret, struct stint_err *err)
{
	return windows_place(st->windows, window, ret, err);
}

static int kernel_row(struct stacks *st, const struct user_part *user, const uint64_t *frames, size_t n,
		      uint32_t leaf_flags, uint32_t kernel_end, uint32_t *ret_stack, struct stint_err *err)
{
	struct stint_stack row = {.leaf = user->leaf, .user_end = user->end, .kernel_end = kernel_end};
	uint32_t frame;
	int rc;

	row.n_kernel = (uint32_t)n;
	while (n-- > 0) {
		rc = kernel_syms_frame(st->kernel, frames[n], n == 0 ? leaf_flags : 0, &frame, err);
		if (rc == 0)
			rc = user_part_push(st->writer, frame, &row.leaf, err);
		if (rc)
			return rc;
	}
	return stint_writer_intern(st->writer, STINT_STACK, &row, ret_stack, err);
}

int stacks_kernel_on(struct stacks *st, const struct user_part *user, const uint64_t *frames, size_t n,
		     uint32_t kernel_end, uint32_t *ret_stack, struct stint_err *err)
{
	return kernel_row(st, user, frames, n, 0, kernel_end, ret_stack, err);
}

int stacks_user_part(struct stacks *st, uint64_t hash, struct user_part *ret, bool *ret_lost, struct stint_err *err)
{
	struct entry *entry = find(st, hash);
	int rc;

	if (!entry) {
		ret->leaf = 0;
		ret->end = STINT_USER_NOT_TAKEN;
		*ret_lost = true;
		return 0;
	}
	if (entry->frames || entry->window) {
		rc = entry->window ? windows_place(st->windows, take_window(st, entry), ret, err)
				   : stacks_user(st, (pid_t)entry->pid, entry->frames, entry->n, entry->end, ret, err);
		if (rc)
			return rc;
		free(entry->frames);
		entry->frames = NULL;
		entry->leaf = ret->leaf;
		entry->end = (uint8_t)ret->end;
	}
	ret->leaf = entry->leaf;
	ret->end = entry->end;
	return 0;
}

int stacks_place_window(struct stacks *st, uint64_t hash, struct stint_err *err)
{
	struct user_part part;
	bool lost;

	return stacks_user_part(st, hash, &part, &lost, err);
}

size_t stacks_window_bytes(const struct stacks *st)
{
	return st->window_bytes;
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

static int make_row(struct stacks *st, const struct stack_ref *ref, uint32_t *ret_stack, bool *ret_lost,
		    struct stint_err *err)
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
			  kernel->flags & EVENT_STACK_EXACT ? STINT_FRAME_EXACT : 0, kernel->end, ret_stack, err);
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
