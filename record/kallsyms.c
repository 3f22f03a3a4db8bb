/* SPDX-License-Identifier: MIT */
#include "record/kallsyms.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"

#define CHUNK_BYTES	(256 * 1024)
#define MAX_NAMES_BYTES (64u << 20)
#define FIRST_CAP	65536

/* A line, taken apart: "ffffffff81000000 T _text\t[module]". Not NUL-terminated. */
struct line {
	uint64_t addr;
	char type;
	const char *name, *module;
	size_t name_size, module_size;
};

static bool parse_line(const char *at, const char *end, struct line *ret)
{
	const char *start = at;

	ret->addr = 0;
	for (; at < end && *at != ' '; at++) {
		unsigned digit = (unsigned char)*at - '0';

		if (digit > 9)
			digit = ((unsigned char)*at | 0x20u) - 'a' + 10;
		if (digit > 15)
			return false;
		ret->addr = ret->addr << 4 | digit;
	}
	if (at == start || end - at < 4 || at[2] != ' ')
		return false;
	ret->type = at[1];
	ret->name = at + 3;
	at = memchr(ret->name, '\t', (size_t)(end - ret->name));
	ret->name_size = (size_t)((at ? at : end) - ret->name);
	ret->module = "";
	ret->module_size = 0;
	if (at && end - at > 3 && at[1] == '[' && end[-1] == ']') {
		ret->module = at + 2;
		ret->module_size = (size_t)(end - 1 - ret->module);
	}
	return ret->name_size > 0;
}

static bool name_is(const struct line *line, const char *name)
{
	return line->name_size == strlen(name) && !memcmp(line->name, name, line->name_size);
}

static bool starts_with(const struct line *line, const char *start)
{
	size_t size = strlen(start);

	return line->name_size >= size && !memcmp(line->name, start, size);
}

static int add_symbol(struct kallsyms *syms, const struct line *line)
{
	struct kallsyms_symbol *symbols;
	size_t cap;

	if (syms->n_symbols == KALLSYMS_MAX)
		return 0;
	if (syms->n_symbols == syms->cap_symbols) {
		cap = syms->cap_symbols ? syms->cap_symbols + syms->cap_symbols / 2 : FIRST_CAP;
		symbols = realloc(syms->symbols, cap * sizeof(*symbols));
		if (!symbols)
			return STINT_ERR_NOMEM;
		syms->symbols = symbols;
		syms->cap_symbols = cap;
	}
	syms->symbols[syms->n_symbols++] = (struct kallsyms_symbol){.addr_low = (uint32_t)line->addr,
								    .addr_high = (uint32_t)(line->addr >> 32),
								    .name = (uint32_t)syms->names.len};
	stint_buf_bytes(&syms->names, line->name, line->name_size);
	stint_buf_u8(&syms->names, 0);
	stint_buf_bytes(&syms->names, line->module, line->module_size);
	stint_buf_u8(&syms->names, 0);
	return stint_buf_status(&syms->names);
}

static int take_line(struct kallsyms *syms, const char *at, const char *end)
{
	struct line line;

	if (!parse_line(at, end, &line))
		return 0;
	syms->n_lines++;
	if (!line.addr)
		return 0;
	syms->hidden = false;
	if (!line.module_size && name_is(&line, "_text"))
		syms->text = line.addr;
	if (!line.module_size && name_is(&line, "_etext"))
		syms->text_end = line.addr;
	/*
	 * Functions only. Section marks would hide the function at their address; __pfx_ symbols stand for the padding
	 * in front of each function, which never runs, and double the number.
	 */
	if (!strchr("tTwW", line.type) || starts_with(&line, "__pfx_") || name_is(&line, "_text") ||
	    name_is(&line, "_stext") || name_is(&line, "_etext") || name_is(&line, "_sinittext") ||
	    name_is(&line, "_einittext"))
		return 0;
	return add_symbol(syms, &line);
}

const char *kallsyms_module(const struct kallsyms *syms, size_t i)
{
	const char *name = kallsyms_name(syms, i);

	return name + strlen(name) + 1;
}

static size_t underscores(const char *name)
{
	return strspn(name, "_");
}

/* Of two names of one address, the one to show first: fewer leading underscores, then the longer, then by name. */
static int compare(const void *a_void, const void *b_void, void *context)
{
	const struct kallsyms_symbol *a = a_void, *b = b_void;
	const struct kallsyms *syms = context;
	const char *a_name, *b_name;
	size_t a_size, b_size;

	if (a->addr_high != b->addr_high)
		return a->addr_high < b->addr_high ? -1 : 1;
	if (a->addr_low != b->addr_low)
		return a->addr_low < b->addr_low ? -1 : 1;
	a_name = (const char *)syms->names.data + a->name;
	b_name = (const char *)syms->names.data + b->name;
	a_size = underscores(a_name);
	b_size = underscores(b_name);
	if (a_size != b_size)
		return a_size < b_size ? -1 : 1;
	a_size = strlen(a_name);
	b_size = strlen(b_name);
	if (a_size != b_size)
		return a_size > b_size ? -1 : 1;
	return strcmp(a_name, b_name);
}

/* One symbol an address, by address. The kernel lists its own in order already: only what isn't costs. */
static void sort_symbols(struct kallsyms *syms)
{
	struct kallsyms_symbol *symbols = syms->symbols;
	size_t i, n = 0;

	for (i = 1; i < syms->n_symbols; i++)
		if (compare(&symbols[i - 1], &symbols[i], syms) > 0)
			break;
	if (i < syms->n_symbols)
		qsort_r(symbols, syms->n_symbols, sizeof(*symbols), compare, syms);
	for (i = 0; i < syms->n_symbols; i++)
		if (!n || symbols[n - 1].addr_low != symbols[i].addr_low ||
		    symbols[n - 1].addr_high != symbols[i].addr_high)
			symbols[n++] = symbols[i];
	syms->n_symbols = n;
}

static int read_lines(struct kallsyms *syms, int fd, char *chunk)
{
	size_t length = 0;
	char *line, *newline;
	ssize_t n;
	int ret;

	for (;;) {
		n = read(fd, chunk + length, CHUNK_BYTES - length);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? STINT_ERR_IO : 0;
		length += (size_t)n;
		line = chunk;
		while ((newline = memchr(line, '\n', length - (size_t)(line - chunk)))) {
			ret = take_line(syms, line, newline);
			if (ret)
				return ret;
			line = newline + 1;
		}
		length -= (size_t)(line - chunk);
		memmove(chunk, line, length);
		if (length == CHUNK_BYTES) /* a line that long is none: give its beginning up */
			length = 0;
	}
}

static void set_text_end(struct kallsyms *syms)
{
	size_t i;

	for (i = syms->n_symbols; !syms->text_end && i > 0; i--)
		if (!kallsyms_module(syms, i - 1)[0])
			syms->text_end = kallsyms_addr(syms, i - 1) + 1;
}

/* Returns the memory that growth took in advance; shrinking can't fail in a way that matters. */
static void give_back(struct kallsyms *syms)
{
	void *smaller = realloc(syms->symbols, (syms->n_symbols + !syms->n_symbols) * sizeof(*syms->symbols));

	if (smaller) {
		syms->symbols = smaller;
		syms->cap_symbols = syms->n_symbols;
	}
	smaller = realloc(syms->names.data, syms->names.len + !syms->names.len);
	if (smaller) {
		syms->names.data = smaller;
		syms->names.cap = syms->names.len;
	}
}

int kallsyms_read(struct kallsyms *syms, int fd)
{
	struct kallsyms fresh = {.hidden = true};
	char *chunk = malloc(CHUNK_BYTES);
	int ret = STINT_ERR_NOMEM;

	stint_buf_init(&fresh.names, MAX_NAMES_BYTES);
	if (lseek(fd, 0, SEEK_SET) < 0)
		ret = STINT_ERR_IO;
	else if (chunk)
		ret = read_lines(&fresh, fd, chunk);
	if (!ret) {
		sort_symbols(&fresh);
		set_text_end(&fresh);
		give_back(&fresh);
		kallsyms_done(syms);
		*syms = fresh;
	} else {
		kallsyms_done(&fresh);
	}
	free(chunk);
	return ret;
}

void kallsyms_done(struct kallsyms *syms)
{
	if (!syms)
		return;
	free(syms->symbols);
	stint_buf_done(&syms->names);
	memset(syms, 0, sizeof(*syms));
}

ssize_t kallsyms_find(const struct kallsyms *syms, uint64_t addr)
{
	size_t low = 0;
	size_t high = syms->n_symbols;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (kallsyms_addr(syms, mid) <= addr)
			low = mid + 1;
		else
			high = mid;
	}
	return (ssize_t)low - 1;
}
