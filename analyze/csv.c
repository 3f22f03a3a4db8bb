/* SPDX-License-Identifier: MIT */
#include "analyze/csv.h"

#include <inttypes.h>
#include <string.h>

void csv_text(FILE *out, bool first, const char *text)
{
	if (!first)
		fputc(',', out);
	if (!strpbrk(text, ",\"\r\n")) {
		fputs(text, out);
		return;
	}
	fputc('"', out);
	for (; *text; text++) {
		if (*text == '"')
			fputc('"', out);
		fputc(*text, out);
	}
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
