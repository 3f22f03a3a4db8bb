/* SPDX-License-Identifier: MIT */
#include "analyze/debug_find.h"

#include <fts.h>
#include <glob.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_ID_BYTES 64
#define MAX_TREE     200000u /* files below one directory that are looked at */

struct search {
	const struct debug_places *places;
	debug_try_fn try_path;
	void *context;
};

/* Puts a path together and tries it; one that is too long is none. */
__attribute__((format(printf, 2, 3))) static bool try_at(const struct search *search, const char *fmt, ...)
{
	char path[PATH_MAX];
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(path, sizeof(path), fmt, ap);
	va_end(ap);
	return len > 0 && (size_t)len < sizeof(path) && search->try_path(search->context, path);
}

static bool by_id_in(const struct search *search, const char *dir, enum debug_want want, const char *hex)
{
	const char *rest = hex + 2;

	if (want == DEBUG_WANT_DEBUG)
		return try_at(search, "%s/.build-id/%.2s/%s.debug", dir, hex, rest) ||
		       try_at(search, "%s/%.2s/%s.debug", dir, hex, rest) ||
		       try_at(search, "%s/usr/lib/debug/.build-id/%.2s/%s.debug", dir, hex, rest) ||
		       try_at(search, "%s/.build-id/%.2s/%s/debug", dir, hex, rest) || /* perf's cache */
		       try_at(search, "%s/%s/debuginfo", dir, hex);		       /* debuginfod's cache */
	return try_at(search, "%s/.build-id/%.2s/%s", dir, hex, rest) || try_at(search, "%s/%.2s/%s", dir, hex, rest) ||
	       try_at(search, "%s/usr/lib/.build-id/%.2s/%s", dir, hex, rest) ||
	       try_at(search, "%s/.build-id/%.2s/%s/elf", dir, hex, rest) ||
	       try_at(search, "%s/%s/executable", dir, hex);
}

bool debug_find_by_id(const struct debug_places *places, enum debug_want want, const uint8_t *id, size_t id_size,
		      debug_try_fn try_path, void *context)
{
	struct search search = {places, try_path, context};
	char hex[2 * MAX_ID_BYTES + 1];
	size_t i;

	if (id_size < 2 || id_size > MAX_ID_BYTES)
		return false;
	for (i = 0; i < id_size; i++)
		snprintf(hex + 2 * i, 3, "%02x", id[i]);
	for (i = 0; i < places->n_dirs; i++)
		if (by_id_in(&search, places->dirs[i], want, hex))
			return true;
	if (!places->local)
		return false;
	if (want == DEBUG_WANT_DEBUG)
		return try_at(&search, "/usr/lib/debug/.build-id/%.2s/%s.debug", hex, hex + 2);
	return try_at(&search, "/usr/lib/debug/.build-id/%.2s/%s", hex, hex + 2) ||
	       try_at(&search, "/usr/lib/.build-id/%.2s/%s", hex, hex + 2);
}

static bool by_path_in(const struct search *search, const char *dir, enum debug_want want, const char *path, int len)
{
	const char *base = memrchr(path, '/', (size_t)len);
	int base_len = (int)(path + len - base);

	if (want == DEBUG_WANT_DEBUG)
		return try_at(search, "%s%.*s.debug", dir, len, path) ||
		       try_at(search, "%s/usr/lib/debug%.*s.debug", dir, len, path) ||
		       try_at(search, "%s%.*s.debug", dir, base_len, base);
	return try_at(search, "%s%.*s", dir, len, path) || try_at(search, "%s%.*s", dir, base_len, base);
}

/* The name as a pattern that matches nothing else. False when there is no room for it. */
static bool literal_pattern(char *to, size_t size, const char *name)
{
	size_t n = 0;

	for (; *name && n + 2 < size; name++) {
		if (strchr("*?[\\", *name))
			to[n++] = '\\';
		to[n++] = *name;
	}
	to[n] = '\0';
	return !*name;
}

/*
 * Tries what a pattern matches below a directory: releases, which a recording's build ID tells apart better than their
 * names.
 */
static bool try_glob(const struct search *search, const char *dir, const char *below)
{
	char literal[PATH_MAX], pattern[PATH_MAX];
	bool found = false;
	glob_t all;
	size_t i;
	int len;

	if (!literal_pattern(literal, sizeof(literal), dir))
		return false;
	len = snprintf(pattern, sizeof(pattern), "%s%s", literal, below);
	if (len <= 0 || (size_t)len >= sizeof(pattern) || glob(pattern, 0, NULL, &all))
		return false;
	for (i = 0; i < all.gl_pathc && !found; i++)
		found = search->try_path(search->context, all.gl_pathv[i]);
	globfree(&all);
	return found;
}

/* The kernel's own file, with or without its code: packages put it in many places. */
static bool kernel_in(const struct search *search, const char *dir)
{
	return try_at(search, "%s/vmlinux", dir) || try_at(search, "%s/vmlinux.debug", dir) ||
	       try_glob(search, dir, "/vmlinux-*") || try_glob(search, dir, "/boot/vmlinux-*") ||
	       try_glob(search, dir, "/lib/modules/*/vmlinux") ||
	       try_glob(search, dir, "/usr/lib/debug/boot/vmlinux-*") ||
	       try_glob(search, dir, "/usr/lib/debug/lib/modules/*/vmlinux");
}

bool debug_find_kernel(const struct debug_places *places, debug_try_fn try_path, void *context)
{
	struct search search = {places, try_path, context};
	size_t i;

	for (i = 0; i < places->n_dirs; i++)
		if (kernel_in(&search, places->dirs[i]))
			return true;
	return places->local && kernel_in(&search, "");
}

/* The module "nf_tables" may be in the file nf-tables.ko, or nf_tables.ko.debug. */
static bool is_module_file(const char *file, const char *name)
{
	for (; *name; name++, file++)
		if (*file != *name && !(*file == '-' && *name == '_'))
			return false;
	return !strcmp(file, ".ko") || !strcmp(file, ".ko.debug");
}

/* Tries files of that name anywhere below a directory: modules are sorted by what they are for. */
static bool module_below(const struct search *search, const char *dir, const char *below, const char *name)
{
	char path[PATH_MAX], *roots[] = {path, NULL};
	int len = snprintf(path, sizeof(path), "%s%s", dir, below);
	unsigned n = 0;
	bool found = false;
	FTSENT *entry;
	FTS *tree;

	if (len <= 0 || (size_t)len >= sizeof(path))
		return false;
	tree = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR | FTS_NOSTAT, NULL);
	while (tree && !found && n++ < MAX_TREE && (entry = fts_read(tree)))
		if (entry->fts_info != FTS_D && entry->fts_info != FTS_DP && is_module_file(entry->fts_name, name))
			found = search->try_path(search->context, entry->fts_path);
	if (tree)
		fts_close(tree);
	return found;
}

static bool module_in(const struct search *search, const char *dir, const char *name)
{
	char other[256];
	size_t i;

	snprintf(other, sizeof(other), "%s", name);
	for (i = 0; other[i]; i++)
		if (other[i] == '_')
			other[i] = '-';
	return try_at(search, "%s/%s.ko", dir, name) || try_at(search, "%s/%s.ko.debug", dir, name) ||
	       try_at(search, "%s/%s.ko", dir, other) || try_at(search, "%s/%s.ko.debug", dir, other) ||
	       module_below(search, dir, "/kernel", name) || module_below(search, dir, "/lib/modules", name) ||
	       module_below(search, dir, "/usr/lib/debug/lib/modules", name);
}

bool debug_find_kernel_module(const struct debug_places *places, const char *name, debug_try_fn try_path, void *context)
{
	struct search search = {places, try_path, context};
	size_t i;

	if (!*name || strchr(name, '/'))
		return false;
	for (i = 0; i < places->n_dirs; i++)
		if (module_in(&search, places->dirs[i], name))
			return true;
	return places->local && (module_below(&search, "/usr/lib/debug", "/lib/modules", name) ||
				 module_below(&search, "/lib/modules", "", name));
}

bool debug_find_by_path(const struct debug_places *places, enum debug_want want, const char *path,
			debug_try_fn try_path, void *context)
{
	static const char deleted[] = " (deleted)";
	struct search search = {places, try_path, context};
	size_t len, i;

	if (*path != '/')
		return false;
	len = strlen(path);
	if (len > PATH_MAX)
		return false;
	if (len > sizeof(deleted) && !strcmp(path + len - (sizeof(deleted) - 1), deleted))
		len -= sizeof(deleted) - 1;
	for (i = 0; i < places->n_dirs; i++)
		if (by_path_in(&search, places->dirs[i], want, path, (int)len))
			return true;
	if (!places->local)
		return false;
	if (want == DEBUG_WANT_DEBUG)
		return try_at(&search, "/usr/lib/debug%.*s.debug", (int)len, path);
	return try_at(&search, "%.*s", (int)len, path);
}

/* How much of path is its directory, without the slash before the last part. */
static int dir_len(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? (int)(slash - path) : 0;
}

bool debug_find_by_link(const struct debug_places *places, const char *code_path, const char *path, const char *link,
			debug_try_fn try_path, void *context)
{
	struct search search = {places, try_path, context};
	int code_dir = dir_len(code_path), dir = *path == '/' ? dir_len(path) : 0;
	size_t i;

	if (!*link || strchr(link, '/') || strlen(code_path) >= PATH_MAX || strlen(path) >= PATH_MAX)
		return false; /* it is the name of a file, without a directory */
	if (try_at(&search, "%.*s/%s", code_dir, code_path, link) ||
	    try_at(&search, "%.*s/.debug/%s", code_dir, code_path, link))
		return true;
	for (i = 0; i < places->n_dirs; i++)
		if (try_at(&search, "%s%.*s/%s", places->dirs[i], dir, path, link) ||
		    try_at(&search, "%s%.*s/.debug/%s", places->dirs[i], dir, path, link) ||
		    try_at(&search, "%s/usr/lib/debug%.*s/%s", places->dirs[i], dir, path, link) ||
		    try_at(&search, "%s/%s", places->dirs[i], link))
			return true;
	return places->local && try_at(&search, "/usr/lib/debug%.*s/%s", dir, path, link);
}

static const char *base_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

bool debug_find_split(const struct debug_places *places, const char *code_path, const char *comp_dir, const char *name,
		      debug_try_fn try_path, void *context)
{
	struct search search = {places, try_path, context};
	const char *dir = *name == '/' || !comp_dir ? "" : comp_dir, *slash = *name == '/' ? "" : "/";
	size_t i;

	for (i = 0; i < places->n_dirs; i++)
		if (try_at(&search, "%s%s%s%s", places->dirs[i], dir, slash, name) ||
		    try_at(&search, "%s/%s", places->dirs[i], base_of(name)))
			return true;
	if (places->local && (*dir == '/' || *name == '/') && try_at(&search, "%s%s%s", dir, slash, name))
		return true;
	return try_at(&search, "%.*s/%s", dir_len(code_path), code_path, name) ||
	       try_at(&search, "%.*s/%s", dir_len(code_path), code_path, base_of(name));
}

bool debug_find_package(const struct debug_places *places, const char *code_path, debug_try_fn try_path, void *context)
{
	struct search search = {places, try_path, context};
	char *real = realpath(code_path, NULL);
	bool found;
	size_t i;

	found = try_at(&search, "%s.dwp", code_path) || (real && try_at(&search, "%s.dwp", real));
	free(real);
	for (i = 0; !found && i < places->n_dirs; i++)
		found = try_at(&search, "%s/%s.dwp", places->dirs[i], base_of(code_path));
	return found;
}

bool debug_find_alt(const struct debug_places *places, const char *from_path, const char *name, const uint8_t *id,
		    size_t id_size, debug_try_fn try_path, void *context)
{
	struct search search = {places, try_path, context};
	char *real;
	bool found = false;
	size_t i;

	/* Relative to the real place of the file that names it, which is often reached by a symbolic link. */
	real = realpath(from_path, NULL);
	if (real && *name != '/')
		found = try_at(&search, "%.*s/%s", dir_len(real), real, name);
	free(real);
	for (i = 0; !found && i < places->n_dirs; i++)
		found = (*name == '/' && try_at(&search, "%s%s", places->dirs[i], name)) ||
			try_at(&search, "%s/%s", places->dirs[i], base_of(name)) ||
			try_at(&search, "%s/.dwz/%s", places->dirs[i], base_of(name));
	if (!found && *name == '/' && places->local)
		found = try_at(&search, "%s", name);
	return found || debug_find_by_id(places, DEBUG_WANT_DEBUG, id, id_size, try_path, context);
}
