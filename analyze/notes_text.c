/* SPDX-License-Identifier: MIT */
/* The notes as lines of text, and as JSON. */
#include "analyze/notes.h"
#include "analyze/text.h"

void notes_print_text(const struct notes *notes, FILE *out, const char *prefix)
{
	size_t i;

	if (!notes->n)
		fprintf(out, "%sNothing was lost.\n", prefix);
	for (i = 0; i < notes->n; i++) {
		fputs(prefix, out);
		text_print_name(out, notes->all[i].text);
		fputs(".\n", out);
	}
}

void notes_print_json(const struct notes *notes, struct json *j)
{
	size_t i;

	json_array_begin(j);
	for (i = 0; i < notes->n; i++) {
		json_object_begin(j);
		json_key_string(j, "kind", notes->all[i].kind);
		json_key_u64(j, "count", notes->all[i].count);
		json_key_string(j, "text", notes->all[i].text);
		json_object_end(j);
	}
	json_array_end(j);
}
