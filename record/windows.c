/* SPDX-License-Identifier: MIT */
#include "record/windows.h"

#include <stdlib.h>
#include <string.h>

#include "format/rows.h"
#include "record/clock.h"

_Static_assert(EVENT_MAX_WINDOW_BYTES <= STINT_MAX_WINDOW_BYTES, "a window fits into its row");
_Static_assert(UNWIND_N_REGS == STINT_WINDOW_REGS, "registers by DWARF number");

struct waiting {
	struct event_window *window; /* owned */
	struct user_part part;
	uint32_t process; /* row, when it came */
	bool written;	  /* it has waited for long: should it be walked after all, so much the better */
};

struct windows {
	struct stint_writer *writer;
	struct tasks *tasks;
	struct unwind_tables *tables; /* NULL: nothing is walked */
	struct waiting *waiting;      /* the oldest first */
	size_t n, cap;
	size_t waiting_bytes, unwritten_bytes; /* of all that wait; of those not written yet */
	uint64_t written_bytes;
	struct windows_stats stats;
	bool has_walked; /* since the tables could last rest */
};

int windows_new(struct windows **ret, struct stint_writer *writer, struct tasks *tasks, struct stint_err *err)
{
	struct windows *w = calloc(1, sizeof(*w));

	*ret = w;
	if (!w)
		return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory for stack windows");
	w->writer = writer;
	w->tasks = tasks;
	return 0;
}

void windows_free(struct windows *w)
{
	size_t i;

	if (!w)
		return;
	for (i = 0; i < w->n; i++)
		free(w->waiting[i].window);
	free(w->waiting);
	free(w);
}

void windows_unwind_by(struct windows *w, struct unwind_tables *tables)
{
	w->tables = tables;
}

static size_t size_of(const struct event_window *window)
{
	return sizeof(*window) + window->stack.n_frames * sizeof(uint64_t);
}

/* The stack that consists of the user part alone. */
static int lone_stack(struct windows *w, const struct user_part *part, uint32_t *ret, struct stint_err *err)
{
	struct stint_stack row = {.leaf = part->leaf, .user_end = part->end, .kernel_end = STINT_KERNEL_NOT_TAKEN};

	return stint_writer_intern(w->writer, STINT_STACK, &row, ret, err);
}

static int write_window(struct windows *w, const struct waiting *is, struct stint_err *err)
{
	const struct event_window *window = is->window;
	struct stint_window row = {
		.time_ns = window->stack.h.time_ns,
		.ip = window->ip,
		.process = is->process,
		.bytes = {.data = (const uint8_t *)(window + 1), .size = window->stack.n_frames * sizeof(uint64_t)},
	};
	int rc = lone_stack(w, &is->part, &row.stack, err);

	memcpy(row.regs, window->regs, sizeof(row.regs));
	w->written_bytes += row.bytes.size;
	w->stats.n_written++;
	return rc ? rc : stint_writer_add(w->writer, STINT_WINDOW, &row, err);
}

/* Could a later walk, or one by more than the tables, get further? */
static bool is_final(enum stint_user_end end)
{
	return end != STINT_USER_WINDOW && end != STINT_USER_NO_MAPPING && end != STINT_USER_UNSUPPORTED;
}

static enum stint_user_end walk(struct windows *w, const struct event_window *window, uint64_t *frames, uint32_t *ret_n)
{
	struct unwind_image image = {.pid = (pid_t)window->stack.pid,
				     .vdso = window->vdso,
				     .top = window->top,
				     .time_ns = window->stack.h.time_ns};
	struct unwind_memory memory = {.start = window->regs[UNWIND_REG_SP],
				       .bytes = (const uint8_t *)(window + 1),
				       .size_bytes = window->stack.n_frames * sizeof(uint64_t)};
	struct unwind_regs regs = {.ip = window->ip, .all = true, .fp_known = true, .exact = true};

	*ret_n = 0;
	if (!w->tables)
		return STINT_USER_WINDOW;
	memcpy(regs.r, window->regs, sizeof(regs.r));
	w->has_walked = true;
	return unwind_tables_walk_copy(w->tables, &image, &memory, &regs, frames, EVENT_MAX_FRAMES, ret_n);
}

/* Forgets the first n of those that wait. */
static void drop(struct windows *w, size_t n)
{
	size_t i;

	if (!n)
		return;
	for (i = 0; i < n; i++) {
		w->waiting_bytes -= size_of(w->waiting[i].window);
		w->unwritten_bytes -= w->waiting[i].written ? 0 : size_of(w->waiting[i].window);
		free(w->waiting[i].window);
	}
	w->n -= n;
	memmove(w->waiting, w->waiting + n, w->n * sizeof(*w->waiting));
}

static int wait_for_tables(struct windows *w, const struct waiting *is, struct stint_err *err)
{
	size_t cap = w->cap ? 2 * w->cap : 64;
	struct waiting *grown;
	int rc;

	while (w->n && w->waiting_bytes + size_of(is->window) > WINDOWS_MAX_WAITING_BYTES) {
		rc = w->waiting[0].written ? 0 : write_window(w, &w->waiting[0], err);
		if (rc)
			return rc;
		drop(w, 1);
	}
	if (w->n == w->cap) {
		grown = realloc(w->waiting, cap * sizeof(*grown));
		if (!grown)
			return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory for stack windows");
		w->waiting = grown;
		w->cap = cap;
	}
	w->waiting[w->n++] = *is;
	w->waiting_bytes += size_of(is->window);
	w->unwritten_bytes += size_of(is->window);
	return 0;
}

int windows_place(struct windows *w, struct event_window *window, struct user_part *ret, struct stint_err *err)
{
	pid_t pid = (pid_t)window->stack.pid;
	uint64_t frames[EVENT_MAX_FRAMES];
	struct waiting is = {.window = window};
	bool keep = false;
	uint32_t n;
	enum stint_user_end end = walk(w, window, frames, &n);
	int rc;

	if (is_final(end)) {
		rc = user_part_walked(w->writer, w->tasks, pid, frames, n, end, ret, err);
		w->stats.n_walked++;
	} else {
		rc = user_part_window(w->writer, w->tasks, pid, window->ip, &is.part, err);
		*ret = is.part;
		if (rc == 0)
			rc = tasks_process(w->tasks, pid, &is.process, err);
		keep = w->tables && end != STINT_USER_UNSUPPORTED;
		if (rc == 0)
			rc = keep ? wait_for_tables(w, &is, err) : write_window(w, &is, err);
	}
	if (!keep || rc)
		free(window);
	return rc;
}

/* What it was found to be. */
static int write_unwound(struct windows *w, const struct waiting *is, const struct user_part *part,
			 struct stint_err *err)
{
	struct stint_unwound row;
	int rc = lone_stack(w, &is->part, &row.stack, err);

	if (rc == 0)
		rc = lone_stack(w, part, &row.as_stack, err);
	w->stats.n_unwound++;
	return rc ? rc : stint_writer_add(w->writer, STINT_UNWOUND, &row, err);
}

static int settle(struct windows *w, struct waiting *is, uint64_t before_ns, bool *ret_done, struct stint_err *err)
{
	uint64_t since_ns = is->window->stack.h.time_ns;
	pid_t pid = (pid_t)is->window->stack.pid;
	uint64_t frames[EVENT_MAX_FRAMES];
	struct user_part part;
	enum stint_user_end end;
	uint32_t process, n;
	int rc = tasks_process(w->tasks, pid, &process, err);

	*ret_done = true;
	if (rc)
		return rc;
	/* After an exec the addresses would be read with another image's mappings. */
	end = process == is->process ? walk(w, is->window, frames, &n) : STINT_USER_UNSUPPORTED;
	if (is_final(end)) {
		rc = user_part_walked(w->writer, w->tasks, pid, frames, n, end, &part, err);
		return rc ? rc : write_unwound(w, is, &part, err);
	}
	*ret_done = end == STINT_USER_UNSUPPORTED || since_ns + WINDOWS_MAX_WAIT_NS < clock_now_ns();
	if (is->written || (!*ret_done && since_ns >= before_ns))
		return 0;
	is->written = true;
	w->unwritten_bytes -= size_of(is->window);
	return write_window(w, is, err);
}

int windows_settle(struct windows *w, uint64_t before_ns, struct stint_err *err)
{
	struct waiting kept;
	size_t i, n_done = 0;
	bool done;
	int rc = 0;

	/* Those that are done go to the front, the others keep their order. */
	for (i = 0; i < w->n && rc == 0; i++) {
		rc = settle(w, &w->waiting[i], before_ns, &done, err);
		if (rc || !done)
			continue;
		kept = w->waiting[i];
		memmove(&w->waiting[n_done + 1], &w->waiting[n_done], (i - n_done) * sizeof(kept));
		w->waiting[n_done++] = kept;
	}
	drop(w, n_done);
	if (w->has_walked)
		unwind_tables_rest(w->tables);
	w->has_walked = false;
	return rc;
}

uint64_t windows_written_bytes(const struct windows *w)
{
	return w->written_bytes;
}

uint64_t windows_unwritten_bytes(const struct windows *w)
{
	return w->unwritten_bytes;
}

void windows_stats(const struct windows *w, struct windows_stats *ret)
{
	*ret = w->stats;
}
