/* SPDX-License-Identifier: MIT */
/*
 * For tests and benchmarks: the symbolizer by itself, with the input and the output of "addr2line -ifCa".
 *
 *	symbolize [-s DIR]... [-d URLS] [-l] [-n] [-m full|none] [-r] [-q] [-p PATH] FILE < ADDRESSES
 *
 * ADDRESSES are the ELF file's own, in hex. -s: --symbols, -d: debuginfod, -l: no local files, -n: no inlines and
 * lines, -r: return addresses, -q: print nothing but the time, -p: the path to go by instead of FILE's (which then
 * only says which build it is).
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

/* By hand: for 100,000 addresses of C++ this is 90 MB of text. */
static void print_chain(uint64_t vaddr, const struct symbol_chain *chain)
{
	uint32_t i;

	printf("0x%016" PRIx64 "\n", vaddr);
	for (i = 0; i < chain->n; i++) {
		fputs_unlocked(chain->symbols[i].resolved ? chain->symbols[i].name : "??", stdout);
		putc_unlocked('\n', stdout);
		if (chain->symbols[i].file) {
			fputs_unlocked(chain->symbols[i].file, stdout);
			printf(":%u\n", chain->symbols[i].line);
		} else {
			fputs_unlocked("??:0\n", stdout);
		}
	}
}

struct addresses {
	uint64_t *vaddrs;
	struct symbol_request *requests;
	size_t n, cap;
};

static bool read_addresses(struct addresses *to, const struct elf_file *ef, bool exact)
{
	char line[64];
	uint64_t off;

	while (fgets(line, sizeof(line), stdin)) {
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

static int look_up_all(struct symbolizer *s, const struct elf_file *ef, bool exact, bool quiet, size_t *ret_n)
{
	struct stint_err err = STINT_ERR_INIT;
	struct addresses all = {NULL, NULL, 0, 0};
	struct symbol_chain chain;
	uint64_t off;
	size_t i;
	int rc;

	rc = read_addresses(&all, ef, exact) ? symbolizer_prepare(s, all.requests, all.n, &err) : STINT_ERR_NOMEM;
	for (i = 0; i < all.n && !rc && !quiet; i++) {
		if (!file_offset(ef, all.vaddrs[i], &off))
			off = all.vaddrs[i];
		rc = symbolizer_lookup(s, 1, off, exact, &chain, &err);
		if (!rc)
			print_chain(all.vaddrs[i], &chain);
	}
	*ret_n = all.n;
	free(all.vaddrs);
	free(all.requests);
	return rc;
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
	bool exact = true, quiet = false;
	size_t n;
	int opt;

	setvbuf(stdout, NULL, _IOFBF, 1 << 20);
	while ((opt = getopt(argc, argv, "s:nm:rqp:d:l")) != -1) {
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
	if (look_up_all(s, ef, exact, quiet, &n))
		return 3;
	clock_gettime(CLOCK_MONOTONIC, &to);
	source = symbolizer_source(s, 1);
	fprintf(stderr, "%zu addresses in %.3f s; from %s; %s\n", n,
		(double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9,
		source.from ? source.from : "nothing", source.why ? source.why : "ok");
	symbolizer_free(s);
	debuginfod_free(options.servers);
	elf_file_close(ef);
	return 0;
}
