/* SPDX-License-Identifier: MIT */
#include "record/unwind_files.h"

#include <elf.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/sysmacros.h>
#include <time.h>

#include "record/unwind_pass.h"

/* Reading a large file in vain takes time: after each time, it is tried again half as often. */
#define RETRY_NS	    1000000000ull
#define MAX_RETRY_DOUBLINGS 6u

void unwind_files_init(struct unwind_files *files, const struct unwind_map_fds *maps, uint64_t max_bytes)
{
	*files = (struct unwind_files){.map_fd = maps->files};
	unwind_store_init(&files->store, maps->segments, max_bytes);
}

/* One file less has these rows. When it was the last one, their room is given back. */
static void rows_put(struct unwind_files *files, struct unwind_rows *rows, uint64_t now_ns)
{
	const uint64_t *known;

	if (!rows || --rows->n_files)
		return;
	known = stint_map_get(&files->by_rows, rows->hash);
	if (known && *known == (uint64_t)(uintptr_t)rows)
		stint_map_remove(&files->by_rows, rows->hash);
	unwind_store_remove(&files->store, rows->chunks, rows->n_chunks, now_ns);
	free(rows->chunks);
	free(rows);
}

void unwind_files_done(struct unwind_files *files)
{
	uint32_t i;

	if (!files)
		return;
	for (i = 0; i < files->n_files; i++) {
		rows_put(files, files->files[i]->rows, 0);
		free(files->files[i]);
	}
	free(files->files);
	stint_map_done(&files->by_id);
	stint_map_done(&files->by_rows);
	unwind_store_done(&files->store);
}

static uint64_t id_hash(uint64_t dev, uint64_t ino)
{
	uint64_t id[2] = {dev, ino};

	return stint_hash_bytes(id, sizeof(id));
}

static struct unwind_file *get(struct unwind_files *files, const struct unwind_file *wanted)
{
	uint64_t *head;
	struct unwind_file *file;
	void *grown;

	head = stint_map_put(&files->by_id, id_hash(wanted->dev, wanted->ino), NULL);
	if (!head)
		return NULL;
	for (file = (struct unwind_file *)(uintptr_t)*head; file; file = file->next)
		if (file->dev == wanted->dev && file->ino == wanted->ino && file->size_bytes == wanted->size_bytes &&
		    file->mtime_ns == wanted->mtime_ns)
			return file;
	if (files->n_files == files->cap_files) {
		uint32_t cap = files->cap_files ? 2 * files->cap_files : 64;

		grown = cap > UNWIND_MAX_FILES ? NULL : realloc(files->files, cap * sizeof(*files->files));
		if (!grown)
			return NULL;
		files->files = grown;
		files->cap_files = cap;
	}
	file = malloc(sizeof(*file));
	if (!file)
		return NULL;
	*file = *wanted;
	file->next = (struct unwind_file *)(uintptr_t)*head;
	*head = (uint64_t)(uintptr_t)file;
	files->files[files->n_files++] = file;
	return file;
}

struct unwind_file *unwind_files_vdso(struct unwind_files *files)
{
	return get(files, &(struct unwind_file){.ino = UNWIND_VDSO_INO});
}

/* As the kernel has it; a file system may have any time, and any number of seconds is one here. */
static int64_t mtime_ns(const struct stat *st)
{
	return (int64_t)((uint64_t)st->st_mtim.tv_sec * 1000000000u + (uint64_t)st->st_mtim.tv_nsec);
}

struct unwind_file *unwind_files_get(struct unwind_files *files, uint64_t dev, uint64_t ino, const struct stat *st)
{
	const uint64_t *head = stint_map_get(&files->by_id, id_hash(dev, ino));
	struct unwind_file *file;

	if (st)
		return get(files, &(struct unwind_file){.dev = dev,
							.ino = ino,
							.size_bytes = (uint64_t)st->st_size,
							.mtime_ns = mtime_ns(st)});
	for (file = head ? (struct unwind_file *)(uintptr_t)*head : NULL; file; file = file->next)
		if (file->dev == dev && file->ino == ino)
			return file; /* the newest stands first */
	return NULL;
}

static struct unwind_file_key key_of(const struct unwind_file *file)
{
	/* The kernel writes device numbers otherwise than its system calls do. */
	return (struct unwind_file_key){.dev = (uint64_t)major(file->dev) << 20 | minor(file->dev),
					.ino = file->ino,
					.size_bytes = file->size_bytes,
					.mtime_ns = file->mtime_ns};
}

/* From now on the walker finds the rows of mappings that nobody has told it of. */
static void publish(const struct unwind_files *files, const struct unwind_file *file)
{
	struct unwind_file_key key = key_of(file);
	const struct unwind_rows *of = file->rows;
	struct unwind_file_rows rows = {.n_chunks = of->n_chunks};
	uint32_t i;

	if (of->n_chunks > UNWIND_FILE_CHUNKS)
		return;
	for (i = 0; i < of->n_chunks; i++) {
		rows.chunk[i].segment = of->chunks[i].segment;
		rows.chunk[i].first_row = of->chunks[i].first_row;
		rows.chunk[i].n_rows = of->chunks[i].n_rows;
		rows.chunk[i].pc = of->chunks[i].pc;
	}
	unwind_bpf_update(files->map_fd, &key, &rows);
}

/* And from now on it knows that there are none, and waits for them no longer. */
static void publish_none(const struct unwind_files *files, const struct unwind_file *file)
{
	struct unwind_file_key key = key_of(file);
	struct unwind_file_rows none = {0};

	unwind_bpf_update(files->map_fd, &key, &none);
}

static void drop_rows(struct unwind_files *files, struct unwind_file *file, uint64_t now_ns)
{
	publish_none(files, file);
	rows_put(files, file->rows, now_ns);
	file->rows = NULL;
	file->state = UNWIND_FILE_EVICTED;
}

/* Takes the rows from all files that have them. Returns how many were freed. */
static uint64_t evict(struct unwind_files *files, const struct unwind_rows *rows, uint64_t now_ns)
{
	uint64_t n_rows = rows->n_rows;
	uint32_t i, left = rows->n_files;

	for (i = 0; left && i < files->n_files; i++) {
		if (files->files[i]->rows != rows)
			continue;
		drop_rows(files, files->files[i], now_ns);
		left--;
	}
	files->n_evicted++;
	return n_rows;
}

/* Gathers how the rows are used by all files that have them. */
static void gather_use(const struct unwind_files *files)
{
	struct unwind_rows *rows;
	uint32_t i;

	for (i = 0; i < files->n_files; i++) {
		rows = files->files[i]->rows;
		if (rows)
			rows->n_maps = 0, rows->used_ns = 0;
	}
	for (i = 0; i < files->n_files; i++) {
		const struct unwind_file *file = files->files[i];

		rows = file->rows;
		if (!rows)
			continue;
		rows->n_maps += file->n_maps;
		if (rows->used_ns < file->used_ns)
			rows->used_ns = file->used_ns;
	}
}

/* The loaded rows that are missed least: of files that nobody maps, else those unused for longest. */
static const struct unwind_rows *least_used(const struct unwind_files *files, uint64_t keep_ns)
{
	const struct unwind_rows *least = NULL, *rows;
	uint32_t i;

	gather_use(files);
	for (i = 0; i < files->n_files; i++) {
		rows = files->files[i]->rows;
		if (!rows || (rows->n_maps && rows->used_ns >= keep_ns))
			continue;
		if (!least || !rows->n_maps > !least->n_maps ||
		    (!rows->n_maps == !least->n_maps && rows->used_ns < least->used_ns))
			least = rows;
	}
	return least;
}

/* Room that was given back can be used again a little later. */
static uint64_t wait_for_walks(void)
{
	struct timespec pause = {.tv_nsec = UNWIND_QUARANTINE_NS}, now;

	nanosleep(&pause, NULL);
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Drops files until as many rows were freed. False if there was nothing to drop. */
static bool make_room(struct unwind_files *files, uint64_t n_rows, uint64_t *now_ns, uint64_t keep_ns)
{
	uint64_t freed = 0;

	while (freed < n_rows) {
		const struct unwind_rows *victim = least_used(files, keep_ns);

		if (!victim)
			break;
		freed += evict(files, victim, *now_ns);
	}
	if (!freed)
		return false;
	files->evicted(files->context, *now_ns);
	*now_ns = wait_for_walks();
	unwind_store_trim(&files->store, *now_ns);
	return true;
}

/* The vDSO's image ends with its section headers. */
static int vdso_image(struct unwind_source *ret)
{
	const Elf64_Ehdr *ehdr = (const Elf64_Ehdr *)(uintptr_t)getauxval(AT_SYSINFO_EHDR);

	if (!ehdr)
		return STINT_ERR_NOTFOUND;
	*ret = (struct unwind_source){.fd = -1,
				      .data = (const uint8_t *)ehdr,
				      .size_bytes = ehdr->e_shoff + (size_t)ehdr->e_shnum * ehdr->e_shentsize};
	return 0;
}

int unwind_files_read(int fd, const struct unwind_stop *stop, struct unwind_prepared *ret)
{
	struct unwind_source source;
	int rc = fd >= 0 ? unwind_source_of(&source, fd, NULL) : vdso_image(&source);

	*ret = (struct unwind_prepared){0};
	source.stop = stop;
	return rc ? rc : unwind_prepare(ret, &source, NULL);
}

/* Rows that may be the table's: of the same hash. NULL where there are none. */
static struct unwind_rows *find_same(const struct unwind_files *files, const struct unwind_prepared *prepared)
{
	const uint64_t *known = stint_map_get(&files->by_rows, prepared->hash);
	struct unwind_rows *rows = known ? (struct unwind_rows *)(uintptr_t)*known : NULL;

	return rows && rows->n_rows == prepared->n_rows ? rows : NULL;
}

/* Takes room for the rows, which is there or is made. NULL where there is none. */
static struct unwind_rows *take_room(struct unwind_files *files, const struct unwind_prepared *prepared,
				     uint64_t now_ns, uint64_t keep_ns)
{
	bool fits = unwind_store_fits(&files->store, prepared->n_rows);
	struct unwind_rows *rows = fits ? calloc(1, sizeof(*rows)) : NULL;

	if (!rows)
		return NULL;
	rows->hash = prepared->hash;
	rows->n_rows = prepared->n_rows;
	while (unwind_store_take(&files->store, prepared->n_rows, now_ns, &rows->chunks, &rows->n_chunks, NULL)) {
		if (!make_room(files, prepared->n_rows, &now_ns, keep_ns)) {
			free(rows);
			return NULL;
		}
	}
	return rows;
}

bool unwind_files_begin(struct unwind_files *files, struct unwind_file *file, const struct unwind_prepared *prepared,
			bool share, uint64_t now_ns, uint64_t keep_ns, struct unwind_storing *ret)
{
	*ret = (struct unwind_storing){0};
	if (file->state != UNWIND_FILE_NEW && file->state != UNWIND_FILE_EVICTED) {
		file->queued = false;
		return false;
	}
	if (!prepared->n_rows) {
		file->queued = false;
		file->state = UNWIND_FILE_NO_ROWS;
		publish_none(files, file);
		return false;
	}
	file->state = UNWIND_FILE_EVICTED;
	ret->rows = share ? find_same(files, prepared) : NULL;
	ret->known = ret->rows != NULL;
	if (!ret->rows)
		ret->rows = take_room(files, prepared, now_ns, keep_ns);
	if (ret->rows) {
		ret->rows->n_files++;
		return true;
	}
	file->queued = false;
	files->n_refused++;
	file->retry_ns = now_ns + (RETRY_NS << file->n_refused);
	file->n_refused += file->n_refused < MAX_RETRY_DOUBLINGS;
	publish_none(files, file);
	return false;
}

static int write_rows(void *context, const struct unwind_row *rows, uint32_t n)
{
	return unwind_pass_write(context, rows, n);
}

static int compare_rows(void *context, const struct unwind_row *rows, uint32_t n)
{
	return unwind_pass_compare(context, rows, n);
}

bool unwind_files_write(const struct unwind_files *files, struct unwind_prepared *prepared,
			const struct unwind_storing *storing)
{
	struct unwind_pass pass = {
		.store = &files->store, .chunks = storing->rows->chunks, .n_chunks = storing->rows->n_chunks};
	int rc = unwind_prepared_rows(prepared, storing->known ? compare_rows : write_rows, &pass);

	unwind_pass_done(&pass);
	return rc == 0 && unwind_pass_ended(&pass);
}

bool unwind_files_end(struct unwind_files *files, struct unwind_file *file, const struct unwind_storing *storing,
		      bool written, uint64_t now_ns)
{
	uint64_t *known;

	if (!written) {
		rows_put(files, storing->rows, now_ns);
		if (storing->known)
			return false;
		file->queued = false; /* it changes while it is read */
		unwind_files_give_up(files, file);
		return true;
	}
	known = stint_map_put(&files->by_rows, storing->rows->hash, NULL);
	if (known)
		*known = (uint64_t)(uintptr_t)storing->rows;
	files->n_shared += storing->known;
	files->n_loaded++;
	file->queued = false;
	file->n_refused = 0;
	file->rows = storing->rows;
	file->state = UNWIND_FILE_LOADED;
	publish(files, file);
	return true;
}

void unwind_files_give_up(struct unwind_files *files, struct unwind_file *file)
{
	file->state = UNWIND_FILE_NO_ROWS;
	publish_none(files, file);
}

bool unwind_file_is_missed(const struct unwind_file *file, uint64_t now_ns)
{
	if (file->queued)
		return false;
	return file->state == UNWIND_FILE_NEW ||
	       (file->state == UNWIND_FILE_EVICTED && file->used_ns == now_ns && file->retry_ns <= now_ns);
}

static void forget(struct unwind_files *files, struct unwind_file *file)
{
	uint64_t *head = stint_map_get(&files->by_id, id_hash(file->dev, file->ino));
	struct unwind_file_key key = key_of(file);
	struct unwind_file *at;

	if (head && *head == (uint64_t)(uintptr_t)file) {
		*head = (uint64_t)(uintptr_t)file->next;
		if (!*head)
			stint_map_remove(&files->by_id, id_hash(file->dev, file->ino));
	} else if (head) {
		for (at = (struct unwind_file *)(uintptr_t)*head; at; at = at->next)
			if (at->next == file)
				at->next = file->next;
	}
	unwind_bpf_delete(files->map_fd, &key);
	free(file);
}

void unwind_files_expire(struct unwind_files *files, uint64_t before_ns, uint64_t now_ns)
{
	bool dropped = false;
	uint32_t i, n = 0;

	for (i = 0; i < files->n_files; i++) {
		struct unwind_file *file = files->files[i];

		if (file->n_maps || file->queued || file->used_ns >= before_ns) {
			files->files[n++] = file;
			continue;
		}
		if (file->state == UNWIND_FILE_LOADED) {
			drop_rows(files, file, now_ns);
			dropped = true;
		}
		forget(files, file);
	}
	files->n_files = n;
	if (dropped)
		files->evicted(files->context, now_ns);
	unwind_store_trim(&files->store, now_ns);
}
