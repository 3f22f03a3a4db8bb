/* SPDX-License-Identifier: MIT */
/* The tables of annotated functions: instructions with their source lines, the hottest ones, lines. */
#include <stdlib.h>
#include <string.h>

#include "analyze/annotate_text.h"
#include "analyze/text.h"

#define MAX_NAME_COLUMNS 60 /* of an inlined function's name beside a source line */

/* The lines of one table; what they are besides cells decides their colour. */
enum row_kind { ROW_PLAIN, ROW_SOURCE, ROW_WARM, ROW_HOT };

struct writer {
	const struct annotations *a;
	const struct annotation *f;
	FILE *out;
	struct text_table t;
	struct stint_buf kinds; /* enum row_kind of each row */
	struct stint_buf text;	/* of the cell at hand */
	bool has_self, has_count;
};

static int finish(struct writer *w, struct stint_err *err)
{
	bool failed = w->t.failed || stint_buf_status(&w->kinds) || stint_buf_status(&w->text);

	text_table_done(&w->t);
	stint_buf_done(&w->kinds);
	stint_buf_done(&w->text);
	return failed ? stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory for the text") : 0;
}

static void cell_from_buf(struct writer *w)
{
	stint_buf_u8(&w->text, 0);
	if (!stint_buf_status(&w->text))
		text_cell(&w->t, (const char *)w->text.data);
	stint_buf_reset(&w->text);
}

static enum metric other_metric(const struct writer *w)
{
	return w->a->by == METRIC_COUNT ? METRIC_DURATION : METRIC_COUNT;
}

static const char *metric_heading(enum metric metric)
{
	return metric == METRIC_COUNT ? "SWITCHES" : metric == METRIC_DURATION ? "DURATION" : "TOTAL";
}

/* The columns that all tables begin with; n_more follow, of which the last one isn't aligned to the right. */
static void start(struct writer *w, int n_more)
{
	int i;

	memset(&w->t, 0, sizeof(w->t));
	stint_buf_init(&w->kinds, INT32_MAX);
	stint_buf_init(&w->text, INT32_MAX);
	w->has_self = w->a->view == VIEW_ON_CPU || w->f->self.v[w->a->by];
	w->has_count = w->a->view == VIEW_OFF_CPU;
	w->t.n_columns = 3 + w->has_self + w->has_count + n_more;
	for (i = 0; i < w->t.n_columns - 1; i++)
		w->t.right[i] = true;
	stint_buf_u8(&w->kinds, ROW_PLAIN);
	text_cell(&w->t, "FUNC");
	text_cell(&w->t, "ALL");
	if (w->has_self)
		text_cell(&w->t, "SELF");
	text_cell(&w->t, "TOTAL");
	if (w->has_count)
		text_cell(&w->t, metric_heading(other_metric(w)));
}

static void add_blanks(struct writer *w, enum row_kind kind, int n)
{
	stint_buf_u8(&w->kinds, (uint8_t)kind);
	while (n-- > 0)
		text_cell(&w->t, "");
}

static void add_value(struct writer *w, enum metric metric, uint64_t value)
{
	text_cell(&w->t, value ? metric_text(metric, value).s : "");
}

static bool has_events(const struct metrics *total)
{
	return total->v[METRIC_SAMPLES] || total->v[METRIC_COUNT] || total->v[METRIC_OPEN] || total->v[METRIC_DURATION];
}

static enum row_kind kind_of(uint64_t value, uint64_t of_function)
{
	if (!value || value < of_function / 100)
		return ROW_PLAIN;
	return value < of_function / 10 ? ROW_WARM : ROW_HOT;
}

static void add_values(struct writer *w, const struct metrics *self, const struct metrics *total)
{
	enum metric share = annotate_share_metric(w->a);
	uint64_t value = total->v[share], of_f = w->f->total.v[share], all = w->a->tally.total.v[share];
	bool any = has_events(total);

	stint_buf_u8(&w->kinds, (uint8_t)kind_of(value, of_f));
	text_cell(&w->t, any ? text_percent(value, of_f).s : "");
	text_cell(&w->t, any ? text_percent(value, all).s : "");
	if (w->has_self)
		add_value(w, w->a->by, self->v[w->a->by]);
	add_value(w, w->a->by, total->v[w->a->by]);
	if (w->has_count)
		add_value(w, other_metric(w), total->v[other_metric(w)]);
}

static void print_rows(const struct writer *w)
{
	static const char *const colours[] = {"", "\033[36m", "\033[33m", "\033[31m"};
	size_t i;

	if (w->t.failed || stint_buf_status(&w->kinds))
		return;
	for (i = 0; i < w->t.n_cells / (size_t)w->t.n_columns; i++) {
		const char *colour = w->a->colour ? colours[w->kinds.data[i]] : "";

		fputs(colour, w->out);
		text_table_print_row(&w->t, i, w->out);
		if (*colour)
			fputs("\033[0m", w->out);
	}
}

/* --- source lines --- */

/* The last directory and the name: "src/main.c" says enough, "mod.rs" wouldn't. */
static const char *short_path(const char *path)
{
	const char *slash = strrchr(path, '/');

	while (slash && slash > path && slash[-1] != '/')
		slash--;
	return slash ? slash : path;
}

static void append_location(struct writer *w, const char *file, uint32_t line)
{
	if (!file) {
		stint_buf_printf(&w->text, "no line known");
		return;
	}
	text_escape(&w->text, short_path(file));
	stint_buf_printf(&w->text, ":%u", line);
}

/* The text of a source line, blanks in front left out if asked for; tabs as they would stand in the file. */
static void append_source(struct writer *w, const char *file, uint32_t line, bool indented)
{
	size_t len, i, column = 0;
	const char *text = source_text_line(w->a->sources, file, line, &len);
	char *copy;

	if (!text)
		return;
	while (len && strchr(" \t\r", text[len - 1]))
		len--;
	for (i = 0; i < len && strchr(" \t", text[i]); i++)
		column = text[i] == '\t' ? (column | 7) + 1 : column + 1;
	if (i == len)
		return;
	copy = strndup(text + i, len - i);
	if (!copy) {
		w->t.failed = true;
		return;
	}
	for (len = 0; copy[len]; len++)
		if (copy[len] == '\t')
			copy[len] = ' ';
	stint_buf_printf(&w->text, "  %*s", indented ? (int)(column < 40 ? column : 40) : 0, "");
	text_escape(&w->text, copy);
	free(copy);
}

/* What is inlined, as far as it fits. */
static void append_inlined(struct writer *w, const struct symbol_chain *chain)
{
	size_t len;

	if (!chain->n || !chain->symbols[0].inlined)
		return;
	stint_buf_bytes(&w->text, "  [inlined ", strlen("  [inlined "));
	len = w->text.len;
	text_short_name(&w->text, chain->symbols[0].name);
	if (w->text.len - len > MAX_NAME_COLUMNS) {
		len += MAX_NAME_COLUMNS - 3;
		while (len > 0 && (w->text.data[len] & 0xc0) == 0x80)
			len--;
		w->text.len = len;
		stint_buf_bytes(&w->text, "...", 3);
	}
	stint_buf_u8(&w->text, ']');
}

static bool same_line(const struct symbol_chain *a, const struct symbol_chain *b)
{
	uint32_t i;

	if (a->n != b->n)
		return false;
	for (i = 0; i < a->n; i++)
		if (a->symbols[i].line != b->symbols[i].line || a->symbols[i].name != b->symbols[i].name ||
		    a->symbols[i].file != b->symbols[i].file)
			return false;
	return true;
}

/* --- instructions --- */

static void append_instruction(struct writer *w, const struct part *part, const struct place *place)
{
	uint64_t offset = place->addr - part->start;

	if (!place->bytes) {
		stint_buf_printf(&w->text, "%s", place->is_return ? "call before " : "at ");
		if (part->size)
			stint_buf_printf(&w->text, "+0x%llx", (unsigned long long)offset);
		else
			stint_buf_printf(&w->text, "this address");
		return;
	}
	if (*place->operands)
		stint_buf_printf(&w->text, "%-7s %s", place->mnemonic, place->operands);
	else
		stint_buf_printf(&w->text, "%s", place->mnemonic);
	if (place->target_kind == TARGET_HERE) {
		stint_buf_printf(&w->text, " <+0x%llx>", (unsigned long long)place->target_offset);
	} else if (place->target_kind == TARGET_PART) {
		stint_buf_printf(&w->text, " <another part>");
	} else if (place->target_kind == TARGET_OTHER) {
		stint_buf_printf(&w->text, " <");
		text_short_name(&w->text, place->target);
		if (place->target_offset)
			stint_buf_printf(&w->text, "+0x%llx", (unsigned long long)place->target_offset);
		stint_buf_printf(&w->text, ">");
	}
	if (place->reference)
		stint_buf_printf(&w->text, "  # %llx", (unsigned long long)place->reference);
}

static void add_place(struct writer *w, const struct part *part, const struct place *place, bool with_line)
{
	uint8_t i;

	add_values(w, &place->self, &place->total);
	stint_buf_printf(&w->text, "%llx", (unsigned long long)place->elf_addr);
	cell_from_buf(w);
	if (w->a->bytes) {
		for (i = 0; i < place->n_bytes; i++)
			stint_buf_printf(&w->text, "%s%02x", i ? " " : "", place->bytes[i]);
		cell_from_buf(w);
	}
	if (with_line) {
		append_location(w, place->chain.symbols[0].file, place->chain.symbols[0].line);
		cell_from_buf(w);
	} else {
		stint_buf_printf(&w->text, "  ");
	}
	append_instruction(w, part, place);
	cell_from_buf(w);
}

static void add_instruction_headings(struct writer *w, bool with_line)
{
	start(w, 2 + w->a->bytes + with_line);
	text_cell(&w->t, "ADDRESS");
	if (w->a->bytes) {
		w->t.right[w->t.n_columns - 2 - with_line] = false;
		text_cell(&w->t, "BYTES");
	}
	if (with_line) {
		w->t.right[w->t.n_columns - 2] = false;
		text_cell(&w->t, "LINE");
	}
	text_cell(&w->t, "INSTRUCTION");
}

static void add_source_line(struct writer *w, const struct place *place)
{
	const struct symbol *symbol = &place->chain.symbols[0];

	add_blanks(w, ROW_SOURCE, w->t.n_columns - 1);
	append_location(w, symbol->file, symbol->line);
	append_source(w, symbol->file, symbol->line, true);
	append_inlined(w, &place->chain);
	cell_from_buf(w);
}

/* Marks what is shown: what has events, and its neighbours. */
static bool *choose_places(const struct writer *w, const struct part *part)
{
	bool *shown = calloc(part->n + 1, sizeof(*shown));
	size_t i, k, left = 0, context = w->a->context;

	if (!shown)
		return NULL;
	for (i = 0; i < part->n; i++) {
		if (has_events(&part->places[i].total)) {
			left = context;
			for (k = i; k > 0 && !shown[k - 1] && i - k < context; k--)
				shown[k - 1] = !part->places[k - 1].outside;
			shown[i] = true;
		} else if (left) {
			left--;
			shown[i] = !part->places[i].outside;
		}
	}
	/* To say that one is left out takes as much room as the one. */
	for (i = 1; i + 1 < part->n; i++)
		if (!shown[i] && shown[i - 1] && shown[i + 1])
			shown[i] = !part->places[i].outside;
	return shown;
}

static void add_gap(struct writer *w, size_t n)
{
	if (!n)
		return;
	add_blanks(w, ROW_PLAIN, w->t.n_columns - 1);
	stint_buf_printf(&w->text, "  ... %s instruction%s left out", text_count(n).s, n == 1 ? "" : "s");
	cell_from_buf(w);
}

int annotate_print_part(const struct annotations *a, const struct annotation *f, const struct part *part, FILE *out,
			struct stint_err *err)
{
	struct writer writer = {.a = a, .f = f, .out = out}, *w = &writer;
	bool *shown = choose_places(w, part);
	const struct place *last = NULL;
	size_t i, gap = 0;

	if (!shown)
		return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory for the text");
	add_instruction_headings(w, false);
	for (i = 0; i < part->n; i++) {
		const struct place *place = &part->places[i];

		if (!shown[i]) {
			gap++;
			continue;
		}
		add_gap(w, gap);
		if (!last || gap || !same_line(&last->chain, &place->chain))
			if (place->chain.symbols[0].file)
				add_source_line(w, place);
		gap = 0;
		last = place;
		add_place(w, part, place, false);
	}
	add_gap(w, gap);
	print_rows(w);
	free(shown);
	return finish(w, err);
}

/* --- other orders --- */

struct placed {
	const struct part *part;
	const struct place *place;
	enum metric by;
};

static int by_heat(const void *a, const void *b)
{
	const struct placed *pa = a, *pb = b;
	const struct metrics *ta = &pa->place->total, *tb = &pb->place->total;
	const struct metrics *sa = &pa->place->self, *sb = &pb->place->self;

	if (ta->v[pa->by] != tb->v[pa->by])
		return ta->v[pa->by] > tb->v[pa->by] ? -1 : 1;
	if (sa->v[pa->by] != sb->v[pa->by])
		return sa->v[pa->by] > sb->v[pa->by] ? -1 : 1;
	return pa->place->elf_addr < pb->place->elf_addr ? -1 : pa->place->elf_addr > pb->place->elf_addr;
}

static void print_left_out(const struct writer *w, size_t n, const char *what)
{
	if (w->a->n_rows && n > w->a->n_rows)
		fprintf(w->out, "... and %s more %s (--rows=0 shows all)\n", text_count(n - w->a->n_rows).s, what);
}

static size_t gather(const struct writer *w, struct placed *all)
{
	size_t i, k, n = 0;

	for (i = 0; i < w->f->n_parts; i++)
		for (k = 0; k < w->f->parts[i].n; k++) {
			const struct place *place = &w->f->parts[i].places[k];

			if (!has_events(&place->total))
				continue;
			if (all)
				all[n] = (struct placed){&w->f->parts[i], place, w->a->by};
			n++;
		}
	return n;
}

int annotate_print_hottest(const struct annotations *a, const struct annotation *f, FILE *out, struct stint_err *err)
{
	struct writer writer = {.a = a, .f = f, .out = out}, *w = &writer;
	size_t i, n = gather(w, NULL);
	struct placed *all = calloc(n + 1, sizeof(*all));

	if (!all)
		return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory for the text");
	gather(w, all);
	qsort(all, n, sizeof(*all), by_heat);
	add_instruction_headings(w, true);
	for (i = 0; i < n && (!w->a->n_rows || i < w->a->n_rows); i++)
		add_place(w, all[i].part, all[i].place, true);
	print_rows(w);
	print_left_out(w, n, "instructions with events");
	free(all);
	return finish(w, err);
}

int annotate_print_lines(const struct annotations *a, const struct annotation *f, FILE *out, struct stint_err *err)
{
	struct writer writer = {.a = a, .f = f, .out = out}, *w = &writer;
	size_t i;

	start(w, 2);
	w->t.right[w->t.n_columns - 2] = false;
	text_cell(&w->t, "LINE");
	text_cell(&w->t, "SOURCE");
	for (i = 0; i < f->n_lines && (!w->a->n_rows || i < w->a->n_rows); i++) {
		const struct source_line *line = &f->lines[i];

		add_values(w, &line->self, &line->total);
		append_location(w, line->file, line->line);
		cell_from_buf(w);
		append_source(w, line->file, line->line, false);
		cell_from_buf(w);
	}
	print_rows(w);
	print_left_out(w, f->n_lines, "lines");
	return finish(w, err);
}
