/* SPDX-License-Identifier: MIT */
#include "record/jit_maps.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "record/jit_files.h"
#include "record/procfs.h"

#define MAX_WRITTEN 65536u /* remembered; when they are forgotten a symbol may be written twice */

#define PATIENCE   20 /* reading a process's files takes at most this part of the time */
#define TAIL_BYTES 64
#define MAX_STEPS  (4u << 20) /* addresses looked at in one reading: functions that overlap cost more */

struct address {
	uint64_t addr;		    /* to look up: of a return address, the byte before */
	uint64_t start, size_bytes; /* of the function found, by the map; size 0: none yet */
	uint64_t from_ns;
	uint32_t module;
	uint32_t name_str;
	bool searched; /* in all that was read so far */
	bool changed;  /* its function is to be written */
};

/* One of the two kinds of files. */
struct jit_file {
	int (*scan)(int fd, uint64_t *off, uint64_t end, jit_each_fn each, void *context);
	int fd; /* -1 until it could be opened */
	ino_t ino;
	uint64_t off;		  /* everything before it was searched */
	uint64_t size;		  /* of the file when it was read last */
	uint8_t tail[TAIL_BYTES]; /* what stands before off, to notice a file written anew */
};

struct jit_process {
	struct jit_process *next;
	struct address *addresses; /* by addr and module, once sorted */
	size_t n, cap;
	size_t n_sorted;
	struct jit_file map, dump;
	int root_fd; /* of its root directory */
	pid_t pid;
	uid_t uid;
	uint64_t read_ns;  /* the last time that nothing in the map was unknown */
	uint64_t later_ns; /* not to be read again before */
	char map_path[40];
};

void jit_maps_init(struct jit_maps *jm, struct stint_writer *writer)
{
	memset(jm, 0, sizeof(*jm));
	jm->writer = writer;
}

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

static void process_free(struct jit_process *jp)
{
	close_fd(jp->map.fd);
	close_fd(jp->dump.fd);
	close_fd(jp->root_fd);
	free(jp->addresses);
	free(jp);
}

void jit_maps_done(struct jit_maps *jm)
{
	while (jm->processes) {
		struct jit_process *next = jm->processes->next;

		process_free(jm->processes);
		jm->processes = next;
	}
	stint_map_done(&jm->written);
	memset(jm, 0, sizeof(*jm));
}

/* The process's id in its own pid namespace, by which it names its files. */
static pid_t own_pid(pid_t pid)
{
	char path[64];
	char status[4096];
	const char *line, *end, *at;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	if (procfs_read(path, status, sizeof(status)) < 0 || !(line = strstr(status, "\nNSpid:")))
		return pid;
	end = line + 1 + strcspn(line + 1, "\n");
	for (at = end; at > line && at[-1] >= '0' && at[-1] <= '9'; at--)
		;
	return at < end ? (pid_t)strtol(at, NULL, 10) : pid;
}

struct jit_process *jit_process_get(struct jit_maps *jm, pid_t pid)
{
	struct jit_process *jp;
	char path[64];
	struct stat st;

	for (jp = jm->processes; jp; jp = jp->next)
		if (jp->pid == pid)
			return jp;
	jp = jm->n_processes < JIT_MAX_PROCESSES ? calloc(1, sizeof(*jp)) : NULL;
	if (!jp)
		return NULL;
	jp->pid = pid;
	jp->map = (struct jit_file){.scan = jit_map_scan, .fd = -1};
	jp->dump = (struct jit_file){.scan = jit_dump_scan, .fd = -1};
	snprintf(path, sizeof(path), "/proc/%d", pid);
	jp->uid = stat(path, &st) ? 0 : st.st_uid;
	snprintf(path, sizeof(path), "/proc/%d/root", pid);
	jp->root_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	/* Gone already: its files may still be where they are on most hosts. */
	if (jp->root_fd < 0)
		jp->root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	snprintf(jp->map_path, sizeof(jp->map_path), "/tmp/perf-%d.map", own_pid(pid));
	jp->next = jm->processes;
	jm->processes = jp;
	jm->n_processes++;
	return jp;
}

void jit_process_address(struct jit_process *jp, uint64_t addr, bool exact, uint32_t module)
{
	struct address *bigger;
	size_t cap;

	if (jp->n == jp->cap) {
		cap = jp->cap ? jp->cap * 2 : 64;
		bigger = cap > JIT_MAX_ADDRESSES ? NULL : realloc(jp->addresses, cap * sizeof(*bigger));
		if (!bigger)
			return;
		jp->addresses = bigger;
		jp->cap = cap;
	}
	jp->addresses[jp->n++] = (struct address){.addr = exact ? addr : addr - 1, .module = module};
}

static int compare(const void *a_void, const void *b_void)
{
	const struct address *a = a_void, *b = b_void;

	if (a->addr != b->addr)
		return a->addr < b->addr ? -1 : 1;
	if (a->module != b->module)
		return a->module < b->module ? -1 : 1;
	return b->searched - a->searched;
}

/* Sorts the new addresses in; of equal ones the one that was searched for stays. */
static void sort_addresses(struct jit_process *jp)
{
	size_t i, n = 0;

	if (jp->n_sorted == jp->n)
		return;
	qsort(jp->addresses, jp->n, sizeof(jp->addresses[0]), compare);
	for (i = 0; i < jp->n; i++)
		if (!n || jp->addresses[i].addr != jp->addresses[n - 1].addr ||
		    jp->addresses[i].module != jp->addresses[n - 1].module)
			jp->addresses[n++] = jp->addresses[i];
	jp->n = jp->n_sorted = n;
}

bool jit_is_dump(const char *path)
{
	const char *name = strrchr(path, '/');
	size_t length;

	name = name ? name + 1 : path;
	length = strcspn(name, " "); /* before " (deleted)" */
	return length > 9 && !strncmp(name, "jit-", 4) && !strncmp(name + length - 5, ".dump", 5);
}

/* Opens a path as the process sees it. Its symbolic links are followed within its own root. */
static int open_in_root(const struct jit_process *jp, const char *path)
{
	struct open_how how = {
		.flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};

	return (int)syscall(SYS_openat2, jp->root_fd, path, &how, sizeof(how));
}

static bool read_tail(int fd, uint64_t off, uint8_t *tail)
{
	memset(tail, 0, TAIL_BYTES);
	return off < TAIL_BYTES || pread(fd, tail, TAIL_BYTES, (off_t)(off - TAIL_BYTES)) == TAIL_BYTES;
}

/*
 * Makes fd the file, unless it is already. Only a regular file that belongs to the process's user or to root is
 * believed. A Java VM writes its map anew each time it is asked to: such a file is read from its beginning again.
 */
static void take_file(struct jit_file *file, int fd, uid_t uid)
{
	uint8_t tail[TAIL_BYTES];
	struct stat st;

	if (fd < 0)
		return;
	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || (st.st_uid != uid && st.st_uid != 0)) {
		close(fd);
		return;
	}
	if (file->fd < 0 || file->ino != st.st_ino || !read_tail(fd, file->off, tail) ||
	    memcmp(tail, file->tail, TAIL_BYTES))
		file->off = 0;
	close_fd(file->fd);
	file->fd = fd;
	file->ino = st.st_ino;
	file->size = (uint64_t)st.st_size;
}

void jit_process_dump(struct jit_process *jp, const char *path)
{
	char name[PROCFS_MAX_PATH];

	snprintf(name, sizeof(name), "%.*s", (int)strcspn(path, " "), path);
	if (jp->dump.fd < 0)
		take_file(&jp->dump, open_in_root(jp, name), jp->uid);
}

/* What a scan needs to know. */
struct scanning {
	struct jit_maps *jm;
	struct jit_process *jp;
	uint64_t searched_to; /* in this file, for addresses that aren't new */
	uint32_t steps;
	struct stint_err *err;
};

static int write_symbol(struct jit_maps *jm, const struct stint_symbol *row, struct stint_err *err)
{
	bool is_new;

	if (jm->written.n_used >= MAX_WRITTEN)
		stint_map_done(&jm->written);
	if (!stint_map_put(&jm->written, stint_hash_bytes(row, sizeof(*row)), &is_new))
		return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory for the names of compiled code");
	return is_new ? stint_writer_add(jm->writer, STINT_SYMBOL, row, err) : 0;
}

/*
 * A function that has one of our addresses. A dump tells when it was compiled, and is written as it comes. Of a map
 * the last line counts, once all were seen; what replaces a function known before is there since the last reading.
 */
static int found(struct scanning *s, struct address *address, const struct jit_function *fn)
{
	struct stint_symbol row = {
		.addr = fn->addr, .size_bytes = fn->size_bytes, .from_ns = fn->time_ns, .module = address->module};
	int ret = stint_writer_string(s->jm->writer, fn->name, fn->name_size, &row.name_str, s->err);

	if (ret)
		return ret;
	if (fn->time_ns)
		return write_symbol(s->jm, &row, s->err);
	if (address->size_bytes && address->start == fn->addr && address->name_str == row.name_str)
		return 0;
	address->from_ns = address->size_bytes && address->searched ? s->jp->read_ns : 0;
	address->start = fn->addr;
	address->size_bytes = fn->size_bytes;
	address->name_str = row.name_str;
	address->changed = true;
	return 0;
}

static int each_function(void *context, const struct jit_function *fn)
{
	struct scanning *s = context;
	struct address *addresses = s->jp->addresses;
	size_t low = 0, high = s->jp->n;
	int ret = 0;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (addresses[mid].addr < fn->addr)
			low = mid + 1;
		else
			high = mid;
	}
	for (; !ret && low < s->jp->n && addresses[low].addr - fn->addr < fn->size_bytes && s->steps < MAX_STEPS;
	     low++, s->steps++)
		if (!addresses[low].searched || fn->file_off >= s->searched_to)
			ret = found(s, &addresses[low], fn);
	return ret;
}

/* New addresses are searched for in the whole file, the others in what was added to it. */
static int scan_file(struct scanning *s, struct jit_file *file, bool any_new)
{
	uint64_t off = any_new ? 0 : file->off;
	int ret;

	if (file->fd < 0)
		return 0;
	s->searched_to = file->off;
	ret = file->scan(file->fd, &off, JIT_MAX_FILE_BYTES, each_function, s);
	if (off > file->off)
		file->off = off;
	read_tail(file->fd, file->off, file->tail);
	return ret;
}

/*
 * An older function may reach over addresses that are another's by now. No two rows of the same time are to say
 * different things of one address, so it is cut down to the part around its own.
 */
static void trim(const struct jit_process *jp, size_t i, struct stint_symbol *row)
{
	const struct address *at = &jp->addresses[i], *other;
	uint64_t end = row->addr + row->size_bytes;
	size_t k;

	for (k = i; k > 0; k--) {
		other = &jp->addresses[k - 1];
		if (other->addr < row->addr || other->module != at->module)
			break;
		if (other->size_bytes && (other->start != at->start || other->name_str != at->name_str)) {
			row->addr = other->addr + 1;
			break;
		}
	}
	for (k = i + 1; k < jp->n; k++) {
		other = &jp->addresses[k];
		if (other->addr >= end || other->module != at->module)
			break;
		if (other->size_bytes && (other->start != at->start || other->name_str != at->name_str)) {
			end = other->addr;
			break;
		}
	}
	row->size_bytes = end - row->addr;
}

static bool same_function(const struct address *a, const struct address *b)
{
	return a->size_bytes && a->module == b->module && a->start == b->start && a->name_str == b->name_str;
}

/* A function that replaced another one did so at all of its addresses, those too that nothing was known of before. */
static uint64_t since_when(const struct jit_process *jp, size_t i)
{
	const struct address *at = &jp->addresses[i];
	uint64_t end = at->start + at->size_bytes;
	size_t k;

	if (at->from_ns)
		return at->from_ns;
	for (k = i; k > 0 && jp->addresses[k - 1].addr >= at->start; k--)
		if (same_function(&jp->addresses[k - 1], at) && jp->addresses[k - 1].from_ns)
			return jp->addresses[k - 1].from_ns;
	for (k = i + 1; k < jp->n && jp->addresses[k].addr < end; k++)
		if (same_function(&jp->addresses[k], at) && jp->addresses[k].from_ns)
			return jp->addresses[k].from_ns;
	return 0;
}

static int write_changed(struct scanning *s)
{
	struct jit_process *jp = s->jp;
	int ret = 0;
	size_t i;

	for (i = 0; !ret && i < jp->n; i++) {
		struct address *address = &jp->addresses[i];
		struct stint_symbol row = {.addr = address->start,
					   .size_bytes = address->size_bytes,
					   .module = address->module,
					   .name_str = address->name_str};

		if (address->changed) {
			row.from_ns = since_when(jp, i);
			trim(jp, i, &row);
			ret = write_symbol(s->jm, &row, s->err);
		}
		address->searched = true;
		address->changed = false;
	}
	return ret;
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static int read_process(struct jit_maps *jm, struct jit_process *jp, struct stint_err *err)
{
	struct scanning s = {.jm = jm, .jp = jp, .err = err};
	uint64_t began_ns = now_ns();
	bool any_new = false;
	int ret;
	size_t i;

	if (!jp->n)
		return 0;
	sort_addresses(jp);
	for (i = 0; i < jp->n && !any_new; i++)
		any_new = !jp->addresses[i].searched;
	take_file(&jp->map, open_in_root(jp, jp->map_path), jp->uid);
	ret = scan_file(&s, &jp->map, any_new);
	if (!ret)
		ret = scan_file(&s, &jp->dump, any_new);
	if (!ret)
		ret = write_changed(&s);
	jp->read_ns = began_ns;
	jp->later_ns = began_ns + PATIENCE * (now_ns() - began_ns);
	return ret;
}

/* Whether lines were added to the map since it was read. Where not, that was seen now. */
static bool has_grown(struct jit_process *jp, uint64_t at_ns)
{
	struct stat st;

	if (jp->map.fd < 0 || fstat(jp->map.fd, &st))
		return false;
	if ((uint64_t)st.st_size > jp->map.size)
		return true;
	jp->read_ns = at_ns;
	return false;
}

int jit_maps_read(struct jit_maps *jm, enum jit_reading reading, struct stint_err *err)
{
	struct jit_process *jp;
	uint64_t began_ns = now_ns();
	int ret = 0;

	for (jp = jm->processes; jp && !ret; jp = jp->next) {
		if (reading == JIT_READ_GROWN && !has_grown(jp, began_ns))
			continue;
		if (reading == JIT_READ_LAST || began_ns >= jp->later_ns)
			ret = read_process(jm, jp, err);
	}
	return ret;
}

int jit_process_finish(struct jit_maps *jm, struct jit_process *jp, struct stint_err *err)
{
	struct jit_process **at = &jm->processes;
	int ret;

	if (!jp)
		return 0;
	ret = read_process(jm, jp, err);
	while (*at != jp)
		at = &(*at)->next;
	*at = jp->next;
	jm->n_processes--;
	process_free(jp);
	return ret;
}

size_t jit_maps_bytes(const struct jit_maps *jm)
{
	size_t bytes = jm->written.n_slots * sizeof(struct stint_map_slot);
	const struct jit_process *jp;

	for (jp = jm->processes; jp; jp = jp->next)
		bytes += sizeof(*jp) + jp->cap * sizeof(jp->addresses[0]);
	return bytes;
}
