/* SPDX-License-Identifier: MIT */
#include "analyze/csv.h"

#include <inttypes.h>
#include <string.h>

#include "analyze/text.h"

void csv_text(FILE *out, bool first, const char *text)
{
	bool quoted = strpbrk(text, ",\"");
	char escaped[TEXT_ESCAPED_BYTES];
	size_t n, left = strlen(text);

	if (!first)
		fputc(',', out);
	if (quoted)
		fputc('"', out);
	for (; left; text += n, left -= n) {
		n = text_escape_next(text, left, escaped);
		fputs(escaped, out);
		if (*text == '"')
			fputc('"', out);
	}
	if (quoted)
		fputc('"', out);
}

void csv_u64(FILE *out, bool first, uint64_t value)
{
	fprintf(out, "%s%" PRIu64, first ? "" : ",", value);
}

void csv_percent(FILE *out, bool first, uint64_t part, uint64_t whole)
{
	if (!first)
		fputc(',', out);
	if (whole)
		fprintf(out, "%.4f", 100.0 * (double)part / (double)whole);
}

void csv_end(FILE *out)
{
	fputs("\r\n", out);
}
