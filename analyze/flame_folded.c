/* SPDX-License-Identifier: MIT */
/* Folded stacks, one a line, for flamegraph.pl, speedscope and others: "comm;outermost;...;leaf VALUE". */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "analyze/flame.h"
#include "analyze/json.h"

/* A stack's line without its value. Stacks that differ only in what a line doesn't show share one. */
struct line {
	const char *text;
	uint64_t value;
};

void flame_folded_name(FILE *out, const char *name)
{
	const uint8_t *at = (const uint8_t *)name;
	size_t left = strlen(name);

	if (!left)
		fputs("[no name]", out);
	while (left) {
		uint32_t rune;
		size_t len = utf8_next(at, left, &rune), i;
		bool broken = rune == 0xfffd && !(len == 3 && at[0] == 0xef);

		if (broken || utf8_is_control(rune) || rune == ';' || rune == '\\')
			for (i = 0; i < len; i++)
				fprintf(out, "\\x%02x", at[i]);
		else
			fwrite(at, 1, len, out);
		at += len;
		left -= len;
	}
}

struct folding {
	struct stint_intern texts; /* with their terminators */
	uint64_t *values;	   /* of texts, by id - 1 */
	uint32_t *path;		   /* room for the deepest node's */
};

static void put_path(const struct flame *f, uint32_t node, uint32_t *path, FILE *out)
{
	uint32_t n = f->nodes[node].depth, i;

	for (i = n; i > 0; i--) {
		path[i - 1] = node;
		node = f->nodes[node].parent;
	}
	for (i = 0; i < n; i++) {
		struct flame_frame frame = flame_frame_of(f, path[i]);

		if (i)
			fputc(';', out);
		flame_folded_name(out, frame.name);
		if (frame.inlined)
			fputs("_[i]", out);
		else if (frame.kernel)
			fputs("_[k]", out);
	}
}

/* Makes room for the value of the newest text. */
static bool enlarge_values(struct folding *fold, uint32_t id)
{
	uint64_t *grown;

	if (id & (id - 1))
		return true;
	grown = realloc(fold->values, 2 * (size_t)id * sizeof(*grown));
	if (grown)
		fold->values = grown;
	return grown != NULL;
}

/* Adds a node's own value to its line. */
static int add_line(const struct flame *f, uint32_t node, struct folding *fold)
{
	char *text = NULL;
	size_t size = 0;
	FILE *memory = open_memstream(&text, &size);
	uint32_t id = 0;
	bool is_new = false;
	int code = STINT_ERR_NOMEM;

	if (memory) {
		put_path(f, node, fold->path, memory);
		if (!fclose(memory))
			code = stint_intern_put(&fold->texts, text, size + 1, &id, &is_new);
	}
	free(text);
	if (!code && is_new) {
		if (!enlarge_values(fold, id))
			return STINT_ERR_NOMEM;
		fold->values[id - 1] = 0;
	}
	if (!code)
		fold->values[id - 1] += f->nodes[node].self;
	return code;
}

static int compare_lines(const void *a, const void *b)
{
	const struct line *la = a, *lb = b;

	if (la->value != lb->value)
		return la->value > lb->value ? -1 : 1;
	return strcmp(la->text, lb->text);
}

/*
 * Values are rounded so that the sum of the lines is the rounded sum: each line gets what the running total, rounded
 * down, has grown by.
 */
static void put_lines(const struct line *lines, uint32_t n, uint64_t unit, FILE *out)
{
	uint64_t total = 0;
	uint32_t i;

	for (i = 0; i < n; i++) {
		uint64_t before = total / unit;

		total += lines[i].value;
		fprintf(out, "%s %" PRIu64 "\n", lines[i].text, total / unit - before);
	}
}

static int write_folded(const struct flame *f, const struct flame_text *text, FILE *out, struct stint_err *err)
{
	struct folding fold = {.path = malloc(((size_t)f->max_depth + 1) * sizeof(*fold.path))};
	struct line *lines = NULL;
	uint32_t node, i;
	int code = fold.path ? 0 : STINT_ERR_NOMEM;

	for (node = 1; node < f->n_nodes && !code; node++)
		if (f->nodes[node].self)
			code = add_line(f, node, &fold);
	if (code)
		goto out;
	lines = calloc((size_t)fold.texts.n_entries + 1, sizeof(*lines));
	if (!lines) {
		code = STINT_ERR_NOMEM;
		goto out;
	}
	for (i = 0; i < fold.texts.n_entries; i++)
		lines[i] = (struct line){.text = (const char *)fold.texts.entries[i].data, .value = fold.values[i]};
	qsort(lines, fold.texts.n_entries, sizeof(*lines), compare_lines);
	put_lines(lines, fold.texts.n_entries, text->folded_unit, out);
out:
	free(lines);
	free(fold.values);
	free(fold.path);
	stint_intern_done(&fold.texts);
	return code ? stint_err_set(err, code, 0, -1, "no memory for the folded stacks") : 0;
}

const struct flame_emitter flame_folded = {.name = "folded", .write = write_folded};
