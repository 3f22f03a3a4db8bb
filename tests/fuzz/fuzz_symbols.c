/* SPDX-License-Identifier: MIT */
/*
 * Fuzzes the symbolizer: any bytes are a module's file, and are asked for names, lines and code at addresses all over
 * them. Whatever they are, each address has an answer and the module has a source or a reason.
 *
 * Headers are easily broken and then hide the rest, so that most mutations stay within one section. With -DSTANDALONE
 * and standalone.c this is a program that runs the files given to it, for regression tests without libFuzzer.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "analyze/elf_file.h"
#include "analyze/symbolize.h"

#define MODULE	     1u
#define IN_FILE	     32u /* addresses all over the file */
#define IN_SEGMENT   48u /* and in each of the first segments with code */
#define MAX_SEGMENTS 3u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct asked {
	struct symbol_request requests[IN_FILE + MAX_SEGMENTS * IN_SEGMENT];
	size_t n;
};

static void ask_for(struct asked *asked, uint64_t off, uint64_t size, uint32_t n)
{
	uint32_t i;

	for (i = 0; i < n; i++)
		asked->requests[asked->n++] =
			(struct symbol_request){.addr = off + size / n * i + i % 7, .module = MODULE, .exact = i % 2};
}

/* As the recorder would name the module: by what the file says of itself, if it says anything. */
static void add_module(struct symbolizer *s, const char *path, uint64_t size, struct asked *asked)
{
	struct symbol_module module = {.kind = STINT_MODULE_FILE, .path = path};
	struct elf_file *ef = NULL;
	size_t i, n = 0;

	ask_for(asked, 0, size, IN_FILE);
	if (!elf_file_open(&ef, path, NULL)) {
		module.build_id = ef->build_id;
		module.build_id_size = ef->build_id_size;
		for (i = 0; i < ef->n_segments && n < MAX_SEGMENTS; i++) {
			if (!(ef->segments[i].flags & 1))
				continue;
			ask_for(asked, ef->segments[i].file_off, ef->segments[i].file_size, IN_SEGMENT);
			n++;
		}
	}
	if (symbolizer_add_module(s, MODULE, &module, NULL))
		abort();
	if (ef)
		elf_file_close(ef);
}

static uint64_t read_chain(const struct symbol_chain *chain)
{
	uint64_t sum = 0;
	uint32_t i;

	if (!chain->n || chain->symbols[chain->n - 1].inlined)
		abort();
	for (i = 0; i < chain->n; i++) {
		sum += strlen(chain->symbols[i].name);
		if (chain->symbols[i].linkage)
			sum += strlen(chain->symbols[i].linkage);
		if (chain->symbols[i].file)
			sum += strlen(chain->symbols[i].file);
	}
	return sum;
}

/* Reads every byte of the answers, so that a sanitizer sees what is wrong with them. */
static void ask_all(struct symbolizer *s, struct asked *asked)
{
	struct symbol_source source;
	struct symbol_chain chain;
	struct symbol_code code;
	volatile uint64_t sink;
	uint64_t sum = 0;
	size_t i, k;

	if (symbolizer_lookup_all(s, asked->requests, asked->n, NULL))
		abort();
	for (i = 0; i < asked->n; i++) {
		struct symbol_request *r = &asked->requests[i];

		if (symbolizer_lookup(s, MODULE, r->addr, r->exact, &chain, NULL))
			abort();
		sum += read_chain(&chain) + read_chain(r->chain);
		if (i % 8)
			continue;
		if (symbolizer_code(s, MODULE, r->addr, r->exact, &code, NULL) || (!code.bytes && !code.why))
			abort();
		for (k = 0; k < code.n_bytes; k++)
			sum += code.bytes[k];
	}
	source = symbolizer_source(s, MODULE);
	if (!source.from && !source.why)
		abort();
	sink = sum;
	(void)sink;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct symbolizer_options options = {.local = true, .lines = true, .inlines = true};
	struct asked asked = {.n = 0};
	struct symbolizer *s;
	char path[64];
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (symbolizer_new(&s, &options, NULL))
		abort();
	add_module(s, path, size, &asked);
	ask_all(s, &asked);
	symbolizer_free(s);
	close(fd);
	return 0;
}

#ifndef STANDALONE

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed);

/* The bytes of one of the file's sections; false where there is none. */
static bool section(const uint8_t *data, size_t size, unsigned int number, size_t *ret_off, size_t *ret_size)
{
	uint64_t table, off, n_bytes;
	const uint8_t *head;
	uint16_t n;

	if (size < 64 || memcmp(data, "\177ELF\2\1", 6))
		return false;
	table = elf_u64(data + 40);
	n = elf_u16(data + 60);
	if (!n || table > size || (uint64_t)n * 64 > size - table)
		return false;
	head = data + table + (size_t)(number % n) * 64;
	off = elf_u64(head + 24);
	n_bytes = elf_u64(head + 32);
	if (elf_u32(head + 4) == 8 || !n_bytes || off > size || n_bytes > size - off)
		return false;
	*ret_off = off;
	*ret_size = n_bytes;
	return true;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
	size_t off, n;

	if (seed % 8 == 0 || !section(data, size, seed / 8, &off, &n))
		return LLVMFuzzerMutate(data, size, max_size);
	LLVMFuzzerMutate(data + off, n, n);
	return size;
}

#endif
