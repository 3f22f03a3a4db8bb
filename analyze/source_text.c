/* SPDX-License-Identifier: MIT */
#include "analyze/source_text.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/map.h"

struct source_file {
	char *text; /* NULL when it isn't here */
	size_t size;
	size_t *starts; /* of lines; one more than there are */
	size_t n_lines;
	uint64_t changed_ns;
};

struct source_text {
	const char *const *dirs;
	size_t n_dirs;
	struct stint_intern paths;
	struct source_file *files; /* by id of the path - 1 */
};

struct source_text *source_text_new(const char *const *dirs, size_t n_dirs)
{
	struct source_text *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->dirs = dirs;
	s->n_dirs = n_dirs;
	s->files = calloc(SOURCE_MAX_FILES, sizeof(*s->files));
	if (!s->files) {
		free(s);
		return NULL;
	}
	return s;
}

void source_text_free(struct source_text *s)
{
	uint32_t i;

	if (!s)
		return;
	for (i = 0; i < s->paths.n_entries; i++) {
		free(s->files[i].text);
		free(s->files[i].starts);
	}
	free(s->files);
	stint_intern_done(&s->paths);
	free(s);
}

/* A regular file that is open for reading, or -1. The path is from the recording: no device may be touched by it. */
static int open_regular(const char *path, struct stat *st)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0)
		return -1;
	if (!fstat(fd, st) && S_ISREG(st->st_mode) && st->st_size > 0 && st->st_size <= SOURCE_MAX_BYTES)
		return fd;
	close(fd);
	return -1;
}

/* Below a directory: the whole path, then what is left of it behind its first, its second … directory. */
static int open_below(const char *dir, const char *path, struct stat *st)
{
	char full[PATH_MAX];
	const char *rest = path;
	int fd, len;

	while (rest) {
		rest += strspn(rest, "/");
		len = snprintf(full, sizeof(full), "%s/%s", dir, rest);
		fd = len > 0 && (size_t)len < sizeof(full) ? open_regular(full, st) : -1;
		if (fd >= 0)
			return fd;
		rest = strchr(rest, '/');
	}
	return -1;
}

static bool read_all(struct source_file *file, int fd, size_t size)
{
	ssize_t n;

	file->text = malloc(size);
	while (file->text && file->size < size) {
		n = read(fd, file->text + file->size, size - file->size);
		if (n <= 0)
			break;
		file->size += (size_t)n;
	}
	return file->text && file->size;
}

static bool find_lines(struct source_file *file)
{
	const char *at = file->text, *end = file->text + file->size, *newline;
	size_t n = 1;

	for (; (newline = memchr(at, '\n', (size_t)(end - at))); at = newline + 1)
		n++;
	file->starts = calloc(n + 1, sizeof(*file->starts));
	if (!file->starts)
		return false;
	for (at = file->text; (newline = memchr(at, '\n', (size_t)(end - at))); at = newline + 1)
		file->starts[++file->n_lines] = (size_t)(newline + 1 - file->text);
	if (at < end) /* without a newline at its end */
		file->starts[++file->n_lines] = file->size + 1;
	return true;
}

static void load(const struct source_text *s, const char *path, struct source_file *file)
{
	struct stat st;
	int fd = -1;
	size_t i;

	for (i = 0; i < s->n_dirs && fd < 0; i++)
		fd = open_below(s->dirs[i], path, &st);
	if (fd < 0 && *path == '/')
		fd = open_regular(path, &st);
	if (fd < 0)
		return;
	file->changed_ns = (uint64_t)st.st_mtim.tv_sec * 1000000000u + (uint64_t)st.st_mtim.tv_nsec;
	if (!read_all(file, fd, (size_t)st.st_size) || !find_lines(file)) {
		free(file->text);
		file->text = NULL;
	}
	close(fd);
}

/* NULL where it isn't here. */
static const struct source_file *find(struct source_text *s, const char *path)
{
	bool is_new;
	uint32_t id = stint_intern_find(&s->paths, path, strlen(path) + 1);

	if (!id) {
		if (s->paths.n_entries == SOURCE_MAX_FILES ||
		    stint_intern_put(&s->paths, path, strlen(path) + 1, &id, &is_new))
			return NULL;
		load(s, path, &s->files[id - 1]);
	}
	return s->files[id - 1].text ? &s->files[id - 1] : NULL;
}

const char *source_text_line(struct source_text *s, const char *path, uint32_t line, size_t *ret_len)
{
	const struct source_file *file = s && path && line ? find(s, path) : NULL;

	if (!file || line > file->n_lines)
		return NULL;
	*ret_len = file->starts[line] - 1 - file->starts[line - 1];
	return file->text + file->starts[line - 1];
}

bool source_text_is_newer(struct source_text *s, const char *path, uint64_t realtime_ns)
{
	const struct source_file *file = s && path ? find(s, path) : NULL;

	return file && file->changed_ns > realtime_ns;
}
