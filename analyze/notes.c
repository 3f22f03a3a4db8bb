/* SPDX-License-Identifier: MIT */
#include "analyze/notes.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "analyze/loss.h"
#include "analyze/text.h"
#include "base/buf.h"
#include "format/verify.h"

static int no_memory(struct stint_err *err)
{
	return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory for the notes");
}

int notes_add(struct notes *notes, struct stint_err *err, const char *kind, uint64_t count, const char *fmt, ...)
{
	struct note *all = realloc(notes->all, (notes->n + 1) * sizeof(*all));
	const char *copy = NULL;
	char *text = NULL;
	va_list ap;
	int len;

	if (!all)
		return no_memory(err);
	notes->all = all;
	va_start(ap, fmt);
	len = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (len >= 0) {
		copy = stint_arena_strndup(&notes->arena, text, (size_t)len);
		free(text);
	}
	if (!copy)
		return no_memory(err);
	notes->all[notes->n++] = (struct note){.kind = kind, .count = count, .text = copy};
	return 0;
}

void notes_done(struct notes *notes)
{
	if (!notes)
		return;
	free(notes->all);
	stint_arena_done(&notes->arena);
	memset(notes, 0, sizeof(*notes));
}

static const char *plural(uint64_t n)
{
	return n == 1 ? "" : "s";
}

/* Where in the file the first damage is. */
static uint64_t first_damage(const struct model *m)
{
	const struct stint_file_info *info = stint_reader_info(m->reader);
	uint64_t first = UINT64_MAX;
	size_t i;

	for (i = 0; i < info->n_damage; i++)
		if (stint_reader_damage(m->reader, i)->file_off < first)
			first = stint_reader_damage(m->reader, i)->file_off;
	for (i = 0; i < info->n_blocks; i++)
		if (model_block_is_damaged(m, i) && stint_reader_block(m->reader, i)->file_off < first)
			first = stint_reader_block(m->reader, i)->file_off;
	return first;
}

int notes_file(struct notes *notes, const struct model *m, struct stint_err *err)
{
	const struct stint_file_info *info = stint_reader_info(m->reader);
	uint64_t damage = info->n_damage + m->n_damaged_blocks;
	const char *late = model_meta(m, "cpus_late");
	int code = 0;

	if (!info->complete)
		code = notes_add(notes, err, "incomplete", 1,
				 "The recording has no end: the recorder was stopped, or the file "
				 "is cut off; it is read "
				 "as far as it goes");
	if (damage && !code)
		code = notes_add(notes, err, "damage", damage,
				 "%s damaged place%s in the file %s left out, the first at byte %" PRIu64
				 " ('stint verify' lists them)",
				 text_count(damage).s, plural(damage), damage == 1 ? "is" : "are", first_damage(m));
	if (m->lost_ids && !code)
		code = notes_add(notes, err, "lost-reference", m->lost_ids,
				 "%s reference%s to names, threads or stacks that the file doesn't "
				 "have, shown as unknown",
				 text_count(m->lost_ids).s, plural(m->lost_ids));
	if (late && *late && !code)
		code = notes_add(notes, err, "late-cpu", 1,
				 "CPU %s came online while recording: samples, processes and files "
				 "seen there are missing",
				 late);
	if (reused_code_left_out(m->reused_code) && !code)
		code = notes_add(notes, err, "reused-code", reused_code_left_out(m->reused_code),
				 "Stacks and addresses of code compiled at run time that was replaced "
				 "too often: they may show a function of another time");
	return code;
}

int notes_totals(struct notes *notes, const struct model *m, uint32_t table, uint64_t n_in_file, struct stint_err *err)
{
	const struct stint_file_info *info = stint_reader_info(m->reader);
	const struct stint_total *final = NULL;
	uint64_t n_lost = 0;
	uint32_t i;

	for (i = 0; i < m->totals.n; i++)
		if (m->totals.rows[i].table == table && m->totals.rows[i].final)
			final = &m->totals.rows[i];
	for (i = 0; i < m->losses.n; i++)
		if (m->losses.rows[i].table == table && stint_loss_was_seen(m->losses.rows[i].cause))
			n_lost += m->losses.rows[i].count;
	/* What a damaged or repaired place held isn't known, and damage has a note of its own. */
	if (!final || info->n_damage || m->n_damaged_blocks || m->loss[STINT_LOSS_REPAIRED] ||
	    final->seen <= n_in_file + n_lost)
		return 0;
	n_lost = final->seen - n_in_file - n_lost;
	return notes_add(notes, err, "unaccounted", n_lost,
			 "%s event%s of table %s %s seen, but neither in the file nor in the ledger of losses",
			 text_count(n_lost).s, plural(n_lost), stint_table_name(table), n_lost == 1 ? "was" : "were");
}

static bool touches(const struct stint_loss *loss, enum view view, const struct selection *sel)
{
	uint32_t table = view == VIEW_ON_CPU ? STINT_SAMPLE : STINT_OFFCPU;

	if (loss->table && loss->table != table)
		return false;
	if (view == VIEW_ON_CPU && (loss->cause == STINT_LOSS_BELOW_MIN || loss->cause == STINT_LOSS_CUT_OFF))
		return false;
	if (view == VIEW_OFF_CPU && loss->cause == STINT_LOSS_THROTTLED)
		return false;
	return !sel || (loss->to_ns >= sel->from_ns && loss->from_ns < sel->to_ns);
}

int notes_ledger(struct notes *notes, const struct model *m, enum view view, const struct selection *sel,
		 struct stint_err *err)
{
	uint64_t sums[STINT_N_LOSS_CAUSES] = {0};
	uint32_t i, cause;
	int code = 0;

	for (i = 0; i < m->losses.n; i++) {
		const struct stint_loss *loss = &m->losses.rows[i];

		if (touches(loss, view, sel))
			sums[loss->cause < STINT_N_LOSS_CAUSES ? loss->cause : 0] += loss->count;
	}
	for (cause = 0; cause < STINT_N_LOSS_CAUSES && !code; cause++)
		if (sums[cause])
			code = notes_add(notes, err, loss_name(cause), sums[cause], "%s %s", text_count(sums[cause]).s,
					 loss_meaning(cause, sums[cause] == 1));
	return code;
}

/* --- stacks --- */

static const struct {
	const char *kind, *what;
} user_ends[] = {
	[STINT_USER_DEPTH] = {"user-depth", "user stack cut short: deeper than the recorder's limit"},
	[STINT_USER_NO_MAPPING] = {"user-no-mapping", "user stack cut short: an address outside every known mapping"},
	[STINT_USER_NO_ROWS] = {"user-no-rows", "user stack cut short: code without unwind information"},
	[STINT_USER_UNSUPPORTED] = {"user-unsupported",
				    "user stack cut short: an unwind rule that the recorder doesn't have"},
	[STINT_USER_UNREADABLE] = {"user-unreadable", "user stack cut short: stack memory that couldn't be read"},
	[STINT_USER_FP_END] = {"user-fp-end", "user stack walked by frame pointers: complete only "
					      "where all its code keeps them"},
	[STINT_USER_NOT_TAKEN] = {"user-not-taken", "no user stack: not asked for, or lost"},
};

static const struct {
	const char *kind, *what;
} kernel_ends[] = {
	[STINT_KERNEL_DEPTH] = {"kernel-depth", "kernel stack cut short: deeper than the recorder's limit"},
	[STINT_KERNEL_NOT_TAKEN] = {"kernel-not-taken",
				    "no kernel stack: the interval was shorter than the recorder's threshold"},
	[STINT_KERNEL_FAILED] = {"kernel-failed", "no kernel stack: it couldn't be taken"},
};

#define N_USER_ENDS   (sizeof(user_ends) / sizeof(user_ends[0]))
#define N_KERNEL_ENDS (sizeof(kernel_ends) / sizeof(kernel_ends[0]))

static uint64_t n_events(enum view view, const struct metrics *sums)
{
	return view == VIEW_ON_CPU ? sums->v[METRIC_SAMPLES] : sums->v[METRIC_COUNT] + sums->v[METRIC_OPEN];
}

static const char *event_name(enum view view, uint64_t n)
{
	if (view == VIEW_ON_CPU)
		return n == 1 ? "sample" : "samples";
	return n == 1 ? "interval" : "intervals";
}

static int note_share(struct notes *notes, enum view view, uint64_t n, uint64_t of, const char *kind, const char *what,
		      struct stint_err *err)
{
	return notes_add(notes, err, kind, n, "%s %s (%s): %s", text_count(n).s, event_name(view, n),
			 text_percent(n, of).s, what);
}

/* --- symbols --- */

/* What is to be said of a module, counted. */
struct file_count {
	uint32_t module; /* id */
	uint64_t n;
};

static int by_count(const void *a, const void *b)
{
	const struct file_count *fa = a, *fb = b;

	if (fa->n != fb->n)
		return fa->n > fb->n ? -1 : 1;
	return fa->module < fb->module ? -1 : fa->module > fb->module;
}

/* By module id, all 0. NULL when there is no memory. */
static struct file_count *file_counts_new(const struct model *m)
{
	struct file_count *files = calloc((size_t)m->modules.n + 1, sizeof(*files));
	uint32_t i;

	for (i = 0; files && i < m->modules.n; i++)
		files[i].module = i;
	return files;
}

/* Named apart; the rest is summed up. */
#define MAX_NAMED_FILES 3

/* A note about events, with the files that have the most of them, and why. Files are sorted. */
struct file_note {
	enum view view;
	const char *kind;
	const char *one, *many; /* behind how many events it is (one, or more), and in front of the files */
	uint64_t all;		/* of how many */
	const char *(*why)(const void *context, uint32_t module); /* may give NULL */
	const void *context;
};

static int note_files(struct notes *notes, const struct model *m, const struct file_note *note,
		      struct file_count *files, struct stint_err *err)
{
	size_t i, n_files = 0;
	uint64_t sum = 0;
	struct stint_buf buf;
	int code;

	qsort(files, m->modules.n, sizeof(*files), by_count);
	while (n_files < m->modules.n && files[n_files].n)
		sum += files[n_files++].n;
	if (!n_files)
		return 0;
	stint_buf_init(&buf, INT32_MAX);
	for (i = 0; i < n_files && i < MAX_NAMED_FILES; i++) {
		const char *why = note->why(note->context, files[i].module);

		stint_buf_printf(&buf, "%s%s", i ? ", " : "", model_str(m, m->modules.rows[files[i].module].path_str));
		if (why)
			stint_buf_printf(&buf, " (%s)", why);
	}
	if (n_files > MAX_NAMED_FILES)
		stint_buf_printf(&buf, " and %zu more", n_files - MAX_NAMED_FILES);
	stint_buf_u8(&buf, 0);
	code = stint_buf_status(&buf) ? no_memory(err)
				      : notes_add(notes, err, note->kind, sum, "%s %s (%s)%s: %s", text_count(sum).s,
						  event_name(note->view, sum), text_percent(sum, note->all).s,
						  sum == 1 ? note->one : note->many, (const char *)buf.data);
	stint_buf_done(&buf);
	return code;
}

static const char *why_unnamed(const void *context, uint32_t module)
{
	const struct functions *functions = context;
	struct symbol_source source = symbolizer_source(functions->symbolizer, module);

	if (source.from)
		return "no symbol there";
	return source.why ? source.why : "no symbols";
}

int notes_symbols(struct notes *notes, enum view view, const struct tally *tally, struct functions *functions,
		  struct stint_err *err)
{
	struct file_note note = {.view = view,
				 .kind = "unresolved",
				 .one = " is in a function without a name",
				 .many = " are in functions without a name",
				 .all = n_events(view, &tally->total),
				 .why = why_unnamed,
				 .context = functions};
	struct file_count *files = file_counts_new(functions->m);
	size_t i;
	int code = 0;

	if (!files)
		return no_memory(err);
	for (i = 0; i < tally->n && !code; i++) {
		struct located leaf;

		code = functions_of_leaf(functions, (uint32_t)tally->rows[i].key, &leaf, err);
		if (!code && !functions->all[leaf.function].resolved)
			files[leaf.module].n += n_events(view, &tally->rows[i].sums);
	}
	if (!code)
		code = note_files(notes, functions->m, &note, files, err);
	free(files);
	return code;
}

/* --- windows --- */

static const char *why_not_unwound(const void *context, uint32_t module)
{
	const struct model *m = context;

	/* Twins of modules stand behind the file's own, and have no file. */
	return m->unwind_whys && module < m->n_file_modules ? m->unwind_whys[module] : NULL;
}

/* The module of the outermost frame; 0 for a stack without one. */
static uint32_t outermost_module(const struct model *m, uint32_t stack)
{
	uint32_t frames[STINT_MAX_STACK_DEPTH], n = model_stack_frames(m, stack, frames);

	return n ? m->frames.rows[frames[n - 1]].module : 0;
}

static int notes_windows(struct notes *notes, const struct model *m, enum view view, const struct tally *tally,
			 struct stint_err *err)
{
	static const char what[] = ": user stack not unwound to its end: its memory is in the recording, but "
				   "the file of its outermost frame so far isn't here";
	struct file_note note = {.view = view,
				 .kind = "not-unwound",
				 .one = what,
				 .many = what,
				 .all = n_events(view, &tally->total),
				 .why = why_not_unwound,
				 .context = m};
	struct file_count *files = file_counts_new(m);
	size_t i;
	int code;

	if (!files)
		return no_memory(err);
	for (i = 0; i < tally->n; i++) {
		uint32_t stack = (uint32_t)tally->rows[i].key;

		if (m->stacks.rows[stack].user_end == STINT_USER_WINDOW)
			files[outermost_module(m, stack)].n += n_events(view, &tally->rows[i].sums);
	}
	code = note_files(notes, m, &note, files, err);
	free(files);
	return code;
}

int notes_stacks(struct notes *notes, const struct model *m, enum view view, const struct tally *tally,
		 struct stint_err *err)
{
	uint64_t user[N_USER_ENDS] = {0}, kernel[N_KERNEL_ENDS] = {0};
	uint64_t all = n_events(view, &tally->total);
	size_t i;
	int code = 0;

	for (i = 0; i < tally->n; i++) {
		const struct stint_stack *stack = &m->stacks.rows[tally->rows[i].key];
		uint64_t n = n_events(view, &tally->rows[i].sums);

		if (stack->user_end < N_USER_ENDS)
			user[stack->user_end] += n;
		if (stack->kernel_end < N_KERNEL_ENDS)
			kernel[stack->kernel_end] += n;
	}
	for (i = 0; i < N_USER_ENDS && !code; i++)
		if (user_ends[i].kind && user[i])
			code = note_share(notes, view, user[i], all, user_ends[i].kind, user_ends[i].what, err);
	for (i = 0; i < N_KERNEL_ENDS && !code; i++)
		if (kernel_ends[i].kind && kernel[i])
			code = note_share(notes, view, kernel[i], all, kernel_ends[i].kind, kernel_ends[i].what, err);
	return code ? code : notes_windows(notes, m, view, tally, err);
}
