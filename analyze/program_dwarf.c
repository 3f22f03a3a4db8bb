/* SPDX-License-Identifier: MIT */
/* The DWARF of a program, and the files around it: dwz's shared file, split units, packages. */
#include <stdlib.h>
#include <string.h>

#include "analyze/program.h"

/* Opens any ELF file: what is in it is checked by those who read it. */
static bool try_any(void *context, const char *path)
{
	struct stint_err err = STINT_ERR_INIT;

	return !elf_file_open(context, path, &err);
}

static struct elf_file *keep_split(struct program *p, struct elf_file *ef)
{
	struct elf_file **grown;

	if (!(p->n_splits & (p->n_splits - 1))) {
		grown = realloc(p->splits, (p->n_splits ? p->n_splits * 2 : 1) * sizeof(*grown));
		if (!grown) {
			elf_file_close(ef);
			return NULL;
		}
		p->splits = grown;
	}
	return p->splits[p->n_splits++] = ef;
}

static const char *main_path(const struct program *p)
{
	return p->code ? p->code->path : p->debug->path;
}

static struct elf_file *open_split(void *context, const char *comp_dir, const char *name)
{
	struct program *p = context;
	struct elf_file *ef;

	if (!debug_find_split(&p->places, main_path(p), comp_dir, name, try_any, &ef))
		return NULL;
	return keep_split(p, ef);
}

static struct elf_file *open_package(void *context)
{
	struct program *p = context;
	struct elf_file *ef;

	if (debug_find_package(&p->places, main_path(p), try_any, &ef) ||
	    (p->debug && debug_find_package(&p->places, p->debug->path, try_any, &ef)))
		return keep_split(p, ef);
	return NULL;
}

struct alt_search {
	struct elf_file *found;
	const uint8_t *id;
	size_t id_size;
};

static bool try_alt(void *context, const char *path)
{
	struct alt_search *search = context;
	struct stint_err err = STINT_ERR_INIT;
	struct elf_file *ef;

	if (elf_file_open(&ef, path, &err))
		return false;
	if (ef->build_id_size != search->id_size || memcmp(ef->build_id, search->id, search->id_size)) {
		elf_file_close(ef);
		return false;
	}
	search->found = ef;
	return true;
}

/* .gnu_debugaltlink: a path, NUL, and the build ID that the file must have. */
static struct elf_file *open_alt(struct program *p, struct elf_file *ef)
{
	struct elf_bytes link = {NULL, 0};
	struct stint_err err = STINT_ERR_INIT;
	struct alt_search search = {NULL, NULL, 0};
	size_t len;

	if (elf_file_contents(ef, ".gnu_debugaltlink", &link, &err) || !link.size)
		return NULL;
	len = strnlen((const char *)link.at, link.size);
	if (len + 1 >= link.size)
		return NULL;
	search.id = link.at + len + 1;
	search.id_size = link.size - len - 1;
	debug_find_alt(&p->places, ef->path, (const char *)link.at, search.id, search.id_size, try_alt, &search);
	return search.found;
}

int program_open_dwarf(struct program *p, struct stint_err *err)
{
	struct elf_file *ef = p->debug ? p->debug : p->code;
	struct dwarf_sources sources = {
		.elf = ef, .open_split = open_split, .open_package = open_package, .context = p};

	if (!ef)
		return STINT_ERR_NOTFOUND;
	p->alt = open_alt(p, ef);
	sources.alt = p->alt;
	return dwarf_open(&p->dwarf, &sources, err);
}
