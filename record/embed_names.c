/* SPDX-License-Identifier: MIT */
#include "record/embed_names.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "record/clock.h"
#include "record/elf_names.h"

#define PATIENCE     20		  /* reading a file takes at most this part of the time */
#define MAX_WRITE_NS 200000000ull /* after which the other files wait for the next time */
#define MAX_SEEN     65536u	  /* remembered; when they are forgotten an address may be looked up twice */
#define MAX_WRITTEN  65536u

struct embed_file {
	struct embed_file *next;
	uint64_t *addresses; /* to be looked up */
	size_t n, cap;
	uint64_t later_ns; /* not to be read again before */
	uint64_t asked_ns; /* when the last new address came, */
	pid_t asker;	   /* and of which process */
	uint32_t module_row;
	int fd;	     /* -1: not open */
	bool failed; /* to open, since the last writing */
};

static int no_memory(struct stint_err *err)
{
	return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory for the names of functions");
}

void embed_names_init(struct embed_names *en, struct stint_writer *writer)
{
	memset(en, 0, sizeof(*en));
	en->writer = writer;
}

static void close_file(struct embed_names *en, struct embed_file *file)
{
	if (file->fd < 0)
		return;
	close(file->fd);
	file->fd = -1;
	en->n_open--;
}

void embed_names_done(struct embed_names *en)
{
	struct embed_file *file, *next;

	for (file = en->files; file; file = next) {
		next = file->next;
		close_file(en, file);
		free(file->addresses);
		free(file);
	}
	stint_map_done(&en->by_module);
	stint_map_done(&en->seen);
	stint_map_done(&en->written);
	memset(en, 0, sizeof(*en));
}

/* The file of a module, new if need be; *ret is NULL past the limit. */
static int file_of(struct embed_names *en, uint32_t module_row, struct embed_file **ret, struct stint_err *err)
{
	bool is_new;
	uint64_t *slot = stint_map_put(&en->by_module, module_row, &is_new);

	if (!slot)
		return no_memory(err);
	*ret = (struct embed_file *)(uintptr_t)*slot;
	if (!is_new || en->n_files >= EMBED_MAX_FILES)
		return 0;
	*ret = calloc(1, sizeof(**ret));
	if (!*ret)
		return no_memory(err);
	**ret = (struct embed_file){.next = en->files, .module_row = module_row, .fd = -1};
	en->files = *ret;
	en->n_files++;
	*slot = (uint64_t)(uintptr_t)*ret;
	return 0;
}

static bool is_known(struct embed_names *en, uint32_t module_row, uint64_t file_off)
{
	const uint64_t key[2] = {module_row, file_off};
	bool is_new = true;

	if (en->seen.n_used >= MAX_SEEN)
		stint_map_done(&en->seen);
	/* Without memory it is looked up once more than needed. */
	stint_map_put(&en->seen, stint_hash_bytes(key, sizeof(key)), &is_new);
	return !is_new;
}

/* Makes room for one more, if one of the open files has all its names and has waited longest for another address. */
static void close_least_asked(struct embed_names *en)
{
	struct embed_file *file, *least = NULL;

	for (file = en->files; file; file = file->next)
		if (file->fd >= 0 && !file->n && (!least || file->asked_ns < least->asked_ns))
			least = file;
	if (least)
		close_file(en, least);
}

int embed_names_address(struct embed_names *en, pid_t pid, uint32_t module_row, uint64_t file_off,
			int (*open_file)(void *context), void *context, struct stint_err *err)
{
	struct embed_file *file = NULL;
	uint64_t *bigger;
	size_t cap;
	int code;

	if (is_known(en, module_row, file_off))
		return 0;
	code = file_of(en, module_row, &file, err);
	if (code || !file || file->n >= EMBED_MAX_ADDRESSES)
		return code;
	if (file->n == file->cap) {
		cap = file->cap ? file->cap * 2 : 32;
		bigger = realloc(file->addresses, cap * sizeof(*bigger));
		if (!bigger)
			return no_memory(err);
		file->addresses = bigger;
		file->cap = cap;
	}
	file->addresses[file->n++] = file_off;
	file->asked_ns = clock_now_ns();
	file->asker = pid;
	if (file->fd >= 0 || file->failed)
		return 0;
	if (en->n_open >= EMBED_MAX_OPEN)
		close_least_asked(en);
	if (en->n_open < EMBED_MAX_OPEN) {
		file->fd = open_file(context);
		file->failed = file->fd < 0;
		en->n_open += file->fd >= 0;
	}
	return 0;
}

static int write_name(struct embed_names *en, const struct embed_file *file, const struct elf_name *name,
		      struct stint_err *err)
{
	struct stint_symbol row = {.addr = name->start_off, .size_bytes = name->size_bytes, .module = file->module_row};
	bool is_new;
	int code;

	if (en->written.n_used >= MAX_WRITTEN)
		stint_map_done(&en->written);
	if (!stint_map_put(&en->written, stint_hash_bytes(&row, sizeof(row)), &is_new))
		return no_memory(err);
	if (!is_new)
		return 0;
	code = stint_writer_string(en->writer, name->name, strlen(name->name), &row.name_str, err);
	return code ? code : stint_writer_add(en->writer, STINT_SYMBOL, &row, err);
}

static int by_off(const void *a_void, const void *b_void)
{
	const struct elf_name *a = a_void, *b = b_void;

	return a->file_off < b->file_off ? -1 : a->file_off > b->file_off;
}

static int read_file(struct embed_names *en, struct embed_file *file, struct stint_err *err)
{
	struct elf_name *names = calloc(file->n, sizeof(*names));
	uint64_t began_ns = clock_now_ns();
	size_t i;
	int code;

	if (!names)
		return no_memory(err);
	for (i = 0; i < file->n; i++)
		names[i].file_off = file->addresses[i];
	qsort(names, file->n, sizeof(*names), by_off);
	code = elf_names_find(file->fd, names, file->n, err);
	for (i = 0; i < file->n && !code; i++)
		if (names[i].name)
			code = write_name(en, file, &names[i], err);
	elf_names_done(names, file->n);
	free(names);
	file->n = 0;
	file->later_ns = began_ns + PATIENCE * (clock_now_ns() - began_ns);
	return code;
}

static bool is_wanted(const struct embed_file *file, uint64_t now_ns)
{
	uint64_t idle_ns = now_ns > file->asked_ns ? now_ns - file->asked_ns : 0;

	if (file->n)
		return true;
	return idle_ns < EMBED_KEEP_OPEN_NS && (idle_ns < EMBED_GONE_NS || kill(file->asker, 0) == 0 || errno != ESRCH);
}

int embed_names_write(struct embed_names *en, bool last, struct stint_err *err)
{
	struct embed_file *file;
	uint64_t now_ns = clock_now_ns();
	int code = 0;

	for (file = en->files; file && !code; file = file->next) {
		file->failed = false;
		if (file->n && file->fd >= 0 &&
		    (last || (now_ns >= file->later_ns && clock_now_ns() - now_ns < MAX_WRITE_NS)))
			code = read_file(en, file, err);
		if (file->fd >= 0 && !is_wanted(file, now_ns))
			close_file(en, file);
	}
	return code;
}

size_t embed_names_bytes(const struct embed_names *en)
{
	size_t bytes = (en->by_module.n_slots + en->seen.n_slots + en->written.n_slots) * sizeof(struct stint_map_slot);
	const struct embed_file *file;

	for (file = en->files; file; file = file->next)
		bytes += sizeof(*file) + file->cap * sizeof(*file->addresses);
	return bytes;
}
