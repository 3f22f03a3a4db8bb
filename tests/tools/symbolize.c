/* SPDX-License-Identifier: MIT */
/*
 * For tests and benchmarks: the symbolizer by itself, with the input and the output of "addr2line -ifCa".
 *
 *	symbolize [-s DIR]... [-d URLS] [-l] [-n] [-m full|none] [-r] [-q] [-1] [-p PATH] FILE < ADDRESSES
 *
 * ADDRESSES are the ELF file's own, in hex. -s: --symbols, -d: debuginfod, -l: no local files, -n: no inlines and
 * lines, -r: return addresses, -q: print nothing but the time, -1: ask for one address after the other, -p: the path to
 * go by instead of FILE's (which then only says which build it is).
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "analyze/debuginfod.h"
#include "analyze/elf_file.h"
#include "analyze/symbolize.h"

#define MAX_DIRS 16

/* The file offset of an address: the inverse of what the symbolizer does. */
static bool file_offset(const struct elf_file *ef, uint64_t vaddr, uint64_t *ret)
{
	size_t i;

	for (i = 0; i < ef->n_segments; i++)
		if (vaddr >= ef->segments[i].vaddr && vaddr - ef->segments[i].vaddr < ef->segments[i].file_size) {
			*ret = vaddr - ef->segments[i].vaddr + ef->segments[i].file_off;
			return true;
		}
	return false;
}

/* By hand: for 100,000 addresses of C++ this is 125 MB of text. */
struct out {
	char text[64 << 10];
	size_t n;
};

static void flush(struct out *out)
{
	size_t done = 0;
	ssize_t n;

	while (done < out->n && (n = write(STDOUT_FILENO, out->text + done, out->n - done)) > 0)
		done += (size_t)n;
	out->n = 0;
}

static void put(struct out *out, const char *text, size_t size)
{
	size_t part;

	while (size) {
		if (out->n == sizeof(out->text))
			flush(out);
		part = size < sizeof(out->text) - out->n ? size : sizeof(out->text) - out->n;
		memcpy(out->text + out->n, text, part);
		out->n += part;
		text += part;
		size -= part;
	}
}

static void put_text(struct out *out, const char *text)
{
	put(out, text, strlen(text));
}

/* Ends a line with a number, in decimal or as an address. */
static void put_number(struct out *out, uint64_t number, bool hex)
{
	char text[24], *at = text + sizeof(text);
	unsigned int base = hex ? 16 : 10, i = 0;

	*--at = '\n';
	do {
		*--at = "0123456789abcdef"[number % base];
		number /= base;
	} while (++i < (hex ? 16 : 1) || number);
	if (hex) {
		*--at = 'x';
		*--at = '0';
	}
	put(out, at, (size_t)(text + sizeof(text) - at));
}

static void print_chain(struct out *out, uint64_t vaddr, const struct symbol_chain *chain)
{
	uint32_t i;

	put_number(out, vaddr, true);
	for (i = 0; i < chain->n; i++) {
		put_text(out, chain->symbols[i].resolved ? chain->symbols[i].name : "??");
		put(out, "\n", 1);
		put_text(out, chain->symbols[i].file ? chain->symbols[i].file : "??");
		put(out, ":", 1);
		put_number(out, chain->symbols[i].file ? chain->symbols[i].line : 0, false);
	}
}

struct addresses {
	uint64_t *vaddrs;
	struct symbol_request *requests;
	struct symbol_chain *chains; /* only where they were asked for one by one */
	size_t n, cap;
};

static bool read_addresses(struct addresses *to, const struct elf_file *ef, bool exact)
{
	char line[64];
	uint64_t off;

	while (fgets_unlocked(line, sizeof(line), stdin)) {
		if (to->n == to->cap) {
			to->cap = to->cap ? to->cap * 2 : 1024;
			to->vaddrs = realloc(to->vaddrs, to->cap * sizeof(*to->vaddrs));
			to->requests = realloc(to->requests, to->cap * sizeof(*to->requests));
			if (!to->vaddrs || !to->requests)
				return false;
		}
		to->vaddrs[to->n] = strtoull(line, NULL, 16);
		if (!file_offset(ef, to->vaddrs[to->n], &off))
			off = to->vaddrs[to->n];
		to->requests[to->n++] = (struct symbol_request){.addr = off, .module = 1, .exact = exact};
	}
	return true;
}

/* One by one, as who doesn't know all addresses beforehand asks. */
static int look_up_singly(struct symbolizer *s, struct addresses *all, struct stint_err *err)
{
	size_t i;
	int rc = 0;

	all->chains = calloc(all->n + 1, sizeof(*all->chains));
	if (!all->chains)
		return STINT_ERR_NOMEM;
	for (i = 0; i < all->n && !rc; i++) {
		rc = symbolizer_lookup(s, 1, all->requests[i].addr, all->requests[i].exact, &all->chains[i], err);
		all->requests[i].chain = &all->chains[i];
	}
	return rc;
}

static int look_up_all(struct symbolizer *s, struct addresses *all, bool singly)
{
	struct stint_err err = STINT_ERR_INIT;

	return singly ? look_up_singly(s, all, &err) : symbolizer_lookup_all(s, all->requests, all->n, &err);
}

int main(int argc, char **argv)
{
	const char *dirs[MAX_DIRS], *path = NULL;
	struct symbolizer_options options = {.dirs = dirs, .local = true, .lines = true, .inlines = true};
	struct stint_err err = STINT_ERR_INIT;
	struct symbol_module module = {.kind = STINT_MODULE_FILE};
	struct symbol_source source;
	struct symbolizer *s;
	struct elf_file *ef;
	struct timespec from, to;
	bool exact = true, quiet = false, singly = false;
	struct addresses all = {NULL, NULL, NULL, 0, 0};
	static struct out out;
	size_t i;
	int opt;

	while ((opt = getopt(argc, argv, "s:nm:rqp:d:l1")) != -1) {
		switch (opt) {
		case 's':
			if (options.n_dirs < MAX_DIRS)
				dirs[options.n_dirs++] = optarg;
			break;
		case 'n':
			options.lines = options.inlines = false;
			break;
		case 'm':
			options.demangle = !strcmp(optarg, "full") ? DEMANGLE_FULL : DEMANGLE_NONE;
			break;
		case 'r':
			exact = false;
			break;
		case 'q':
			quiet = true;
			break;
		case 'd':
			options.servers = debuginfod_new(optarg);
			break;
		case 'l':
			options.local = false;
			break;
		case '1':
			singly = true;
			break;
		case 'p':
			path = optarg;
			break;
		default:
			return 2;
		}
	}
	if (optind + 1 != argc)
		return 2;
	if (elf_file_open(&ef, argv[optind], &err) || symbolizer_new(&s, &options, &err)) {
		fprintf(stderr, "%s: %s\n", argv[optind], err.msg);
		return 3;
	}
	module.path = path ? path : realpath(argv[optind], NULL);
	module.build_id = ef->build_id;
	module.build_id_size = ef->build_id_size;
	symbolizer_add_module(s, 1, &module, &err);
	clock_gettime(CLOCK_MONOTONIC, &from);
	if (!read_addresses(&all, ef, exact) || look_up_all(s, &all, singly))
		return 3;
	for (i = 0; i < all.n && !quiet; i++)
		print_chain(&out, all.vaddrs[i], all.requests[i].chain);
	flush(&out);
	clock_gettime(CLOCK_MONOTONIC, &to);
	source = symbolizer_source(s, 1);
	fprintf(stderr, "%zu addresses in %.3f s; from %s; %s\n", all.n,
		(double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9,
		source.from ? source.from : "nothing", source.why ? source.why : "ok");
	free(all.vaddrs);
	free(all.requests);
	free(all.chains);
	symbolizer_free(s);
	debuginfod_free(options.servers);
	elf_file_close(ef);
	return 0;
}
