/* SPDX-License-Identifier: MIT */
/* The flame graph as one page that needs nothing else: the page as it was built, and the tree as JSON in it. */
#include <string.h>

#include "analyze/flame.h"
#include "analyze/json.h"
#include "flame_page.h"

static void put_html(FILE *out, const char *text)
{
	const uint8_t *at = (const uint8_t *)text;
	size_t left = strlen(text);

	while (left) {
		uint32_t rune;
		size_t len = utf8_next(at, left, &rune);

		switch (rune) {
		case '<':
			fputs("&lt;", out);
			break;
		case '>':
			fputs("&gt;", out);
			break;
		case '&':
			fputs("&amp;", out);
			break;
		case 0xfffd:
			fputs("\xef\xbf\xbd", out);
			break;
		default:
			if (rune < 0x20 || rune == 0x7f)
				fputc(' ', out);
			else
				fwrite(at, 1, len, out);
		}
		at += len;
		left -= len;
	}
}

static void put_list(struct json *j, const char *key, const char *const *list)
{
	json_key(j, key);
	json_array_begin(j);
	for (; *list; list++)
		json_string(j, *list);
	json_array_end(j);
}

/* The strings, each once, with what is empty in front; frames as three numbers each: name, module, kind. */
static void put_frames(struct json *j, const struct flame *f)
{
	uint32_t n_strings = flame_n_strings(f), n_frames = flame_n_frames(f), i;

	json_key(j, "strings");
	json_array_begin(j);
	for (i = 0; i < n_strings; i++)
		json_string(j, flame_string(f, i));
	json_array_end(j);
	json_key(j, "frames");
	json_array_begin(j);
	for (i = 0; i < n_frames; i++) {
		uint32_t name, module;
		enum flame_kind kind;

		flame_frame_ids(f, i, &name, &module, &kind);
		json_u64(j, name);
		json_u64(j, module);
		json_u64(j, kind);
	}
	json_array_end(j);
}

enum column { COLUMN_DEPTH, COLUMN_FRAME, COLUMN_SELF, COLUMN_COUNT };

static uint64_t own_count(const struct flame *f, uint32_t node)
{
	uint64_t count = f->nodes[node].count;
	uint32_t child;

	for (child = f->nodes[node].first_child; child; child = f->nodes[child].next_sibling)
		count -= f->nodes[child].count < count ? f->nodes[child].count : count;
	return count;
}

/* One number of every node, each node before its children. */
static void put_column(struct json *j, const char *key, const struct flame *f, enum column column)
{
	uint32_t node = 0;

	json_key(j, key);
	json_array_begin(j);
	do {
		switch (column) {
		case COLUMN_DEPTH:
			json_u64(j, f->nodes[node].depth);
			break;
		case COLUMN_FRAME:
			json_u64(j, f->nodes[node].frame - 1);
			break;
		case COLUMN_SELF:
			json_u64(j, f->nodes[node].self);
			break;
		case COLUMN_COUNT:
			json_u64(j, own_count(f, node));
			break;
		}
		node = flame_next(f, node);
	} while (node);
	json_array_end(j);
}

static int put_data(const struct flame *f, const struct flame_text *text, FILE *out, struct stint_err *err)
{
	struct json *j = json_new(out);

	if (!j)
		return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory for the flame graph's page");
	json_html_safe(j);
	json_object_begin(j);
	json_key_string(j, "schema", "stint.flame/1");
	json_key_string(j, "title", text->title);
	put_list(j, "facts", text->facts);
	put_list(j, "notes", text->notes);
	json_key_string(j, "unit", text->unit);
	put_frames(j, f);
	put_column(j, "depth", f, COLUMN_DEPTH);
	put_column(j, "frame", f, COLUMN_FRAME);
	put_column(j, "self", f, COLUMN_SELF);
	if (text->has_count)
		put_column(j, "count", f, COLUMN_COUNT);
	json_object_end(j);
	json_free(j);
	return 0;
}

/* Does the page have this mark at that place? */
static bool page_has(size_t at, const char *mark, size_t size)
{
	return sizeof(flame_page) - at >= size && !memcmp(flame_page + at, mark, size);
}

/* The page has places that are to be filled in: @TITLE@, twice, and @DATA@, once. */
static int write_html(const struct flame *f, const struct flame_text *text, FILE *out, struct stint_err *err)
{
	static const char title[] = "@TITLE@", data[] = "@DATA@";
	size_t at = 0;

	while (at < sizeof(flame_page)) {
		const unsigned char *mark = memchr(flame_page + at, '@', sizeof(flame_page) - at);
		size_t plain = mark ? (size_t)(mark - flame_page) - at : sizeof(flame_page) - at;

		fwrite(flame_page + at, 1, plain, out);
		at += plain;
		if (page_has(at, title, sizeof(title) - 1)) {
			put_html(out, text->title);
			at += sizeof(title) - 1;
		} else if (page_has(at, data, sizeof(data) - 1)) {
			int code = put_data(f, text, out, err);

			if (code)
				return code;
			at += sizeof(data) - 1;
		} else if (mark) {
			fputc('@', out);
			at++;
		}
	}
	return 0;
}

const struct flame_emitter flame_html = {.name = "html", .write = write_html};
