/* SPDX-License-Identifier: MIT */
#include "record/cpus.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_LIST_BYTES 4096
#define MORE	       ",..."

static bool has(const struct cpus *cpus, int cpu)
{
	return cpu < CPUS_MAX && cpus->bits[cpu / 64] >> (cpu % 64) & 1;
}

/* A CPU's number; the text moves on behind it. */
static bool parse_id(const char **text, unsigned long *ret)
{
	char *end;

	if (!isdigit((unsigned char)**text))
		return false;
	*ret = strtoul(*text, &end, 10);
	*text = end;
	return *ret < CPUS_MAX;
}

bool cpus_parse(struct cpus *ret, const char *text)
{
	unsigned long first, last;

	memset(ret, 0, sizeof(*ret));
	if (*text == 0 || *text == '\n')
		return true;
	for (;;) {
		if (!parse_id(&text, &first))
			return false;
		last = first;
		if (*text == '-' && (text++, !parse_id(&text, &last)))
			return false;
		if (last < first)
			return false;
		for (; first <= last; first++)
			ret->bits[first / 64] |= 1ull << (first % 64);
		if (*text != ',')
			return *text == 0 || *text == '\n';
		text++;
	}
}

bool cpus_read(struct cpus *ret, const char *list)
{
	char path[64], text[MAX_LIST_BYTES] = "";
	FILE *file;
	bool ok;

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/%s", list);
	file = fopen(path, "re");
	if (!file)
		return false;
	ok = fgets(text, sizeof(text), file) && cpus_parse(ret, text);
	fclose(file);
	return ok;
}

bool cpus_text(const struct cpus *cpus, char text[CPUS_TEXT_BYTES])
{
	char range[32];
	size_t at = 0, n;
	int first, last;

	text[0] = 0;
	for (first = 0; first < CPUS_MAX; first = last + 1) {
		last = first;
		if (!has(cpus, first))
			continue;
		while (has(cpus, last + 1))
			last++;
		n = (size_t)snprintf(range, sizeof(range), last > first ? "%s%d-%d" : "%s%d", at ? "," : "", first,
				     last);
		if (at + n + sizeof(MORE) > CPUS_TEXT_BYTES) {
			memcpy(text + at, MORE, sizeof(MORE));
			break;
		}
		memcpy(text + at, range, n + 1);
		at += n;
	}
	return text[0] != 0;
}

struct cpus cpus_without(const struct cpus *a, const struct cpus *b)
{
	struct cpus ret;
	size_t i;

	for (i = 0; i < CPUS_MAX / 64; i++)
		ret.bits[i] = a->bits[i] & ~b->bits[i];
	return ret;
}

int cpus_end(const struct cpus *cpus)
{
	int cpu = CPUS_MAX;

	while (cpu > 0 && !has(cpus, cpu - 1))
		cpu--;
	return cpu;
}

int cpus_n_ids(void)
{
	struct cpus possible;
	long n;

	if (cpus_read(&possible, "possible") && cpus_end(&possible) > 0)
		return cpus_end(&possible);
	n = sysconf(_SC_NPROCESSORS_CONF);
	return n < 1 ? 1 : n > CPUS_MAX ? CPUS_MAX : (int)n;
}
