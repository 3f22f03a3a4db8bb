/* SPDX-License-Identifier: MIT */
#include "record/modules.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "record/procfs.h"
#include "record/unwind_proc_maps.h"
#include "record/vdso.h"

#define KEY_HEAD_BYTES 2 /* kind, build ID size */
#define MAX_KEY_BYTES  (KEY_HEAD_BYTES + BUILD_ID_MAX_BYTES + PROCFS_MAX_PATH)
#define LOW_4G	       UINT64_C(0x100000000)

static int no_memory(struct stint_err *err)
{
	return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory for the mapped files");
}

int modules_init(struct modules *mods, struct stint_writer *writer, struct stint_err *err)
{
	memset(mods, 0, sizeof(*mods));
	mods->writer = writer;
	mods->files = calloc(MODULES_FILES, sizeof(*mods->files));
	vdso_build_id(&mods->vdso);
	return mods->files ? 0 : no_memory(err);
}

void modules_done(struct modules *mods)
{
	stint_intern_done(&mods->keys);
	free(mods->infos);
	free(mods->files);
	memset(mods, 0, sizeof(*mods));
}

static bool starts_with(const char *text, const char *start)
{
	return !strncmp(text, start, strlen(start));
}

/* Is this memory without a file that could be read elsewhere? A memfd with a build ID is a program like any other. */
static bool is_anonymous(const char *path, bool has_build_id)
{
	if (path[0] != '/' || starts_with(path, "//anon") || starts_with(path, "/dev/zero") ||
	    starts_with(path, "/SYSV") || starts_with(path, "/anon_hugepage"))
		return true;
	return starts_with(path, "/memfd:") && !has_build_id;
}

/* The number of this kind, path and build ID; *ret_new tells whether it is the first time. */
static int intern(struct modules *mods, enum stint_module_kind kind, const struct build_id *build_id, const char *path,
		  size_t path_size, uint32_t *ret, bool *ret_new, struct stint_err *err)
{
	uint8_t key[MAX_KEY_BYTES];
	uint32_t cap;
	void *bigger;

	if (path_size > PROCFS_MAX_PATH)
		path_size = PROCFS_MAX_PATH;
	key[0] = (uint8_t)kind;
	key[1] = build_id->size;
	memcpy(key + KEY_HEAD_BYTES, build_id->bytes, build_id->size);
	memcpy(key + KEY_HEAD_BYTES + build_id->size, path, path_size);
	if (stint_intern_put(&mods->keys, key, KEY_HEAD_BYTES + build_id->size + path_size, ret, ret_new))
		return no_memory(err);
	if (*ret >= mods->cap_infos) {
		cap = mods->cap_infos ? mods->cap_infos * 2 : 256;
		bigger = realloc(mods->infos, cap * sizeof(*mods->infos));
		if (!bigger)
			return no_memory(err);
		mods->infos = bigger;
		mods->cap_infos = cap;
	}
	if (*ret_new)
		mods->infos[*ret] = (struct modules_info){.kind = (uint8_t)kind};
	return 0;
}

/*
 * The mapped file itself, also when it was deleted or is in another mount namespace; by its path as the process sees
 * it; or, when the process is gone, by its path here.
 */
static int open_mapped(const struct modules_source *src)
{
	char path[PROCFS_MAX_PATH + 64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/map_files/%" PRIx64 "-%" PRIx64, src->pid, src->start, src->end);
	fd = procfs_open_regular(path, 0);
	if (fd < 0) {
		snprintf(path, sizeof(path), "/proc/%d/root%s", src->pid, src->path);
		fd = procfs_open_regular(path, src->ino);
	}
	if (fd < 0)
		fd = procfs_open_regular(src->path, src->ino);
	return fd;
}

/* True when the file could be read, with a build ID or without one. */
static bool read_build_id(const struct modules_source *src, struct build_id *ret)
{
	int fd = open_mapped(src);

	ret->size = 0;
	if (fd < 0)
		return false;
	elf_notes_file(fd, ret);
	close(fd);
	return true;
}

static struct modules_file *file_slot(struct modules *mods, const struct modules_source *src, uint64_t path_hash)
{
	const uint64_t key[3] = {src->dev, src->ino, path_hash};

	return &mods->files[stint_hash_bytes(key, sizeof(key)) & (MODULES_FILES - 1)];
}

static int file_module(struct modules *mods, const struct modules_source *src, uint32_t *ret, struct stint_err *err)
{
	size_t length = strlen(src->path);
	uint64_t path_hash = stint_hash_bytes(src->path, length);
	struct modules_file *slot = file_slot(mods, src, path_hash);
	struct build_id build_id = {0};
	bool readable = true;
	bool is_new;
	int code;

	if (src->build_id) {
		build_id.size = (uint8_t)src->build_id_size;
		memcpy(build_id.bytes, src->build_id, build_id.size);
	} else if (src->ino && slot->module && slot->dev == src->dev && slot->ino == src->ino &&
		   slot->path_hash == path_hash) {
		*ret = slot->module;
		return 0;
	} else {
		readable = read_build_id(src, &build_id);
	}
	if (is_anonymous(src->path, build_id.size > 0))
		return intern(mods, STINT_MODULE_ANON, &build_id, src->path, procfs_without_deleted(src->path, length),
			      ret, &is_new, err);
	/* Without a build ID the mark stays, lest the file that has the name now be taken for this one. */
	if (build_id.size)
		length = procfs_without_deleted(src->path, length);
	code = intern(mods, STINT_MODULE_FILE, &build_id, src->path, length, ret, &is_new, err);
	if (code)
		return code;
	if (is_new && !readable)
		mods->n_unreadable++;
	if (src->ino)
		*slot = (struct modules_file){src->dev, src->ino, path_hash, *ret};
	return 0;
}

int modules_of(struct modules *mods, const struct modules_source *src, uint32_t *ret_module, struct stint_err *err)
{
	const struct build_id none = {0};
	const char *path = src->path;
	bool is_new;

	/* A 32-bit process has another vDSO than ours. */
	if (!strcmp(path, "[vdso]"))
		return intern(mods, STINT_MODULE_VDSO, src->start < LOW_4G ? &none : &mods->vdso, path, strlen(path),
			      ret_module, &is_new, err);
	if (src->build_id_size <= BUILD_ID_MAX_BYTES && !is_anonymous(path, true))
		return file_module(mods, src, ret_module, err);
	if (path[0] != '[')
		path = "[anon]";
	return intern(mods, STINT_MODULE_ANON, &none, path, strlen(path), ret_module, &is_new, err);
}

bool modules_per_process(const struct modules *mods, uint32_t module)
{
	return mods->infos[module].kind == STINT_MODULE_ANON;
}

bool modules_is_vdso(const struct modules *mods, uint32_t module)
{
	return mods->infos[module].kind == STINT_MODULE_VDSO;
}

bool modules_is_file(const struct modules *mods, uint32_t module)
{
	return mods->infos[module].kind == STINT_MODULE_FILE;
}

/* The mapping that has an address, as /proc shows it: what we know may be several, joined. */
struct mapping_search {
	uint64_t addr;
	struct proc_exec_map found;
};

static void each_mapping(void *context, const struct proc_exec_map *map)
{
	struct mapping_search *search = context;

	if (search->addr >= map->start && search->addr < map->end)
		search->found = *map;
}

static bool is_build(int fd, const uint8_t *bytes, uint8_t size)
{
	struct build_id build_id;

	return elf_notes_file(fd, &build_id) && build_id.size == size && !memcmp(build_id.bytes, bytes, size);
}

int modules_open(const struct modules *mods, uint32_t module, pid_t pid, uint64_t addr)
{
	const struct stint_intern_entry *key = &mods->keys.entries[module - 1];
	const uint8_t *build_id = key->data + KEY_HEAD_BYTES;
	uint8_t build_id_size = key->data[1];
	int path_size = (int)(key->size - KEY_HEAD_BYTES - build_id_size);
	const char *path = (const char *)build_id + build_id_size;
	struct mapping_search search = {.addr = addr};
	char name[PROCFS_MAX_PATH + 64];
	int fd = -1, i;

	if (proc_exec_maps(pid, each_mapping, &search) && search.found.ino)
		fd = proc_open_mapped(pid, &search.found);
	/* The process may have mapped something else there since. */
	if (fd >= 0 && (!build_id_size || is_build(fd, build_id, build_id_size)))
		return fd;
	for (i = 0; i < 2 && build_id_size; i++) {
		if (fd >= 0)
			close(fd);
		if (i)
			snprintf(name, sizeof(name), "%.*s", path_size, path);
		else
			snprintf(name, sizeof(name), "/proc/%d/root%.*s", pid, path_size, path);
		fd = procfs_open_regular(name, 0);
		if (fd >= 0 && is_build(fd, build_id, build_id_size))
			return fd;
	}
	if (fd >= 0)
		close(fd);
	return -1;
}

int modules_row(struct modules *mods, uint32_t module, uint32_t process, uint32_t *ret_row, struct stint_err *err)
{
	struct modules_info *info = &mods->infos[module];
	const struct stint_intern_entry *key = &mods->keys.entries[module - 1];
	size_t build_id_size = key->data[1];
	const uint8_t *build_id = key->data + KEY_HEAD_BYTES;
	struct stint_module row = {.kind = info->kind};
	int ret;

	*ret_row = info->row;
	if (info->row)
		return 0;
	ret = stint_writer_string(mods->writer, build_id + build_id_size, key->size - KEY_HEAD_BYTES - build_id_size,
				  &row.path_str, err);
	if (!ret)
		ret = stint_writer_string(mods->writer, build_id, build_id_size, &row.build_id_str, err);
	if (modules_per_process(mods, module))
		row.process = process;
	if (!ret)
		ret = stint_writer_intern(mods->writer, STINT_MODULE, &row, ret_row, err);
	if (!ret && !row.process)
		info->row = *ret_row;
	return ret;
}

int modules_unknown_row(struct modules *mods, uint32_t process, uint32_t *ret_row, struct stint_err *err)
{
	static const char path[] = "[unknown]";
	struct stint_module row = {.kind = STINT_MODULE_UNKNOWN, .process = process};
	int ret = stint_writer_string(mods->writer, path, strlen(path), &row.path_str, err);

	if (!ret)
		ret = stint_writer_intern(mods->writer, STINT_MODULE, &row, ret_row, err);
	return ret;
}

void modules_forget_files(struct modules *mods)
{
	memset(mods->files, 0, MODULES_FILES * sizeof(*mods->files));
}

void modules_forget(struct modules *mods)
{
	stint_intern_done(&mods->keys);
	free(mods->infos);
	mods->infos = NULL;
	mods->cap_infos = 0;
	modules_forget_files(mods);
}

size_t modules_bytes(const struct modules *mods)
{
	return stint_intern_bytes(&mods->keys) + mods->cap_infos * sizeof(*mods->infos) +
	       MODULES_FILES * sizeof(*mods->files);
}
