/* SPDX-License-Identifier: MIT */
#include "record/procfs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S	   UINT64_C(1000000000)
#define KERNEL_THREAD_FLAG 0x00200000u /* PF_KTHREAD */
#define TICK_NS		   UINT64_C(10000000)
#define STAT_BYTES	   1024
#define MAPS_CHUNK_BYTES   (32 * 1024) /* more than the longest line, and few reads for a usual process */
#define DELETED		   " (deleted)"

ssize_t procfs_read(const char *path, char *data, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t length = 0;
	ssize_t n;

	if (fd < 0)
		return -1;
	do {
		n = read(fd, data + length, size - 1 - length);
		if (n > 0)
			length += (size_t)n;
	} while ((n > 0 && length < size - 1) || (n < 0 && errno == EINTR));
	close(fd);
	data[length] = 0;
	return n < 0 ? -1 : (ssize_t)length;
}

int procfs_open_regular(const char *path, uint64_t ino)
{
	int fd = -1, at = open(path, O_PATH | O_CLOEXEC);
	char self[64];
	struct stat st;

	if (at < 0)
		return -1;
	if (!fstat(at, &st) && S_ISREG(st.st_mode) && (!ino || st.st_ino == ino)) {
		snprintf(self, sizeof(self), "/proc/self/fd/%d", at);
		fd = open(self, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	}
	close(at);
	return fd;
}

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

/* /proc counts from boot and includes suspended time; recordings use CLOCK_MONOTONIC, which doesn't. */
static uint64_t monotonic_of_ticks(uint64_t ticks)
{
	uint64_t per_s = (uint64_t)sysconf(_SC_CLK_TCK);
	uint64_t boot_ns = ticks / per_s * NS_PER_S + ticks % per_s * NS_PER_S / per_s;
	uint64_t monotonic_ns = clock_ns(CLOCK_MONOTONIC);
	uint64_t suspended_ns = clock_ns(CLOCK_BOOTTIME) - monotonic_ns;

	/* In whole ticks: between the two readings of the clock some time passed, and equal ticks must stay equal. */
	suspended_ns -= suspended_ns % TICK_NS;
	return boot_ns > suspended_ns ? boot_ns - suspended_ns : 1;
}

bool procfs_parse_stat(const char *text, size_t size, struct procfs_stat *ret)
{
	/* The comm may have parentheses, spaces and newlines in it: it ends at the last parenthesis. */
	const char *open_at = memchr(text, '(', size);
	const char *close_at = memrchr(text, ')', size);
	uint64_t ticks;
	unsigned flags;
	size_t length;
	int ppid;

	memset(ret, 0, sizeof(*ret));
	if (!open_at || !close_at || close_at < open_at)
		return false;
	if (sscanf(close_at + 1, " %*c %d %*d %*d %*d %*d %u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %" SCNu64,
		   &ppid, &flags, &ticks) != 3)
		return false;
	length = (size_t)(close_at - open_at - 1);
	if (length > sizeof(ret->comm) - 1)
		length = sizeof(ret->comm) - 1;
	memcpy(ret->comm, open_at + 1, length);
	ret->ppid = ppid;
	ret->kernel_thread = flags & KERNEL_THREAD_FLAG;
	ret->start_ns = monotonic_of_ticks(ticks);
	return true;
}

bool procfs_stat(pid_t pid, pid_t tid, struct procfs_stat *ret)
{
	char path[64];
	char text[STAT_BYTES];
	ssize_t length;

	if (tid)
		snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", pid, tid);
	else
		snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	length = procfs_read(path, text, sizeof(text));
	return length > 0 && procfs_parse_stat(text, (size_t)length, ret);
}

bool procfs_lives(pid_t id)
{
	char path[64], text[1024];
	const char *name_end;
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d/stat", id);
	if (procfs_read(path, text, sizeof(text)) <= 0)
		return false;
	/* "ID (NAME) STATE ..." */
	name_end = strrchr(text, ')');
	if (!name_end || !strchr("ZX", name_end[1] ? name_end[2] : 'Z'))
		return true;
	/* "task" has a link for each thread besides its own two. */
	snprintf(path, sizeof(path), "/proc/%d/task", id);
	return stat(path, &st) == 0 && st.st_nlink > 3;
}

size_t procfs_without_deleted(const char *path, size_t length)
{
	const size_t deleted = sizeof(DELETED) - 1;

	return length > deleted && !memcmp(path + length - deleted, DELETED, deleted) ? length - deleted : length;
}

ssize_t procfs_exe(pid_t pid, char *path, size_t size)
{
	char link[64];
	ssize_t length;

	snprintf(link, sizeof(link), "/proc/%d/exe", pid);
	length = readlink(link, path, size - 1);
	if (length < 0)
		return -1;
	length = (ssize_t)procfs_without_deleted(path, (size_t)length);
	path[length] = 0;
	return length;
}

ssize_t procfs_cmdline(pid_t pid, char *data, size_t size)
{
	char path[64];
	ssize_t length;

	snprintf(path, sizeof(path), "/proc/%d/cmdline", pid);
	length = procfs_read(path, data, size);
	while (length > 0 && !data[length - 1])
		length--;
	return length;
}

ssize_t procfs_cgroup(pid_t pid, char *path, size_t size)
{
	char name[64];
	char text[PROCFS_MAX_PATH];
	char *line, *next, *controllers, *at, *best = NULL;

	snprintf(name, sizeof(name), "/proc/%d/cgroup", pid);
	if (procfs_read(name, text, sizeof(text)) < 0)
		return -1;
	for (line = text; *line; line = next) {
		next = line + strcspn(line, "\n");
		if (*next)
			*next++ = 0;
		controllers = strchr(line, ':');
		at = controllers ? strchr(controllers + 1, ':') : NULL;
		if (!at)
			continue;
		*at++ = 0;
		if (!best || !strcmp(controllers, ":name=systemd"))
			best = at;
		if (!strcmp(line, "0") && !controllers[1] && strcmp(at, "/")) {
			best = at;
			break;
		}
	}
	if (!best)
		best = text + strlen(text);
	return snprintf(path, size, "%s", best) < (int)size ? (ssize_t)strlen(path) : (ssize_t)size - 1;
}

/* The kernel writes a newline in a path as \012, and nothing else so. */
static void unescape_newlines(char *path)
{
	char *to = path;

	for (; *path; path++) {
		if (!strncmp(path, "\\012", 4)) {
			*to++ = '\n';
			path += 3;
		} else {
			*to++ = *path;
		}
	}
	*to = 0;
}

bool procfs_parse_mapping(char *line, struct procfs_mapping *ret)
{
	unsigned major_no, minor_no;
	char flags[5];
	int at = -1;

	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %x:%x %" SCNu64 "%n", &ret->start, &ret->end, flags,
		   &ret->file_off, &major_no, &minor_no, &ret->ino, &at) != 7 ||
	    at < 0)
		return false;
	if (strlen(flags) != 4 || ret->end <= ret->start)
		return false;
	ret->dev = makedev(major_no, minor_no);
	ret->executable = flags[2] == 'x';
	line += at;
	line += strspn(line, " ");
	unescape_newlines(line);
	ret->path = line;
	return true;
}

/* Hands on the whole lines of the chunk; what is left at its end stays for the next one. */
static int each_line(char *chunk, size_t *length, int (*each)(void *, const struct procfs_mapping *), void *context)
{
	struct procfs_mapping mapping;
	char *line = chunk;
	char *newline;
	int ret = 0;

	while (!ret && (newline = memchr(line, '\n', *length - (size_t)(line - chunk)))) {
		*newline = 0;
		/* "start-end rwxp": most mappings are data, and needn't be parsed. [vsyscall] is no user address. */
		if (memchr(line, 'x', (size_t)(newline - line)) && procfs_parse_mapping(line, &mapping) &&
		    mapping.executable && mapping.start <= INT64_MAX)
			ret = each(context, &mapping);
		line = newline + 1;
	}
	*length -= (size_t)(line - chunk);
	memmove(chunk, line, *length);
	return ret;
}

static int read_text(int fd, int (*each)(void *, const struct procfs_mapping *), void *context)
{
	char *chunk = malloc(MAPS_CHUNK_BYTES);
	size_t length = 0;
	ssize_t n;
	int ret = chunk ? 0 : PROCFS_GONE;

	while (!ret && length < MAPS_CHUNK_BYTES) {
		n = read(fd, chunk + length, MAPS_CHUNK_BYTES - length);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			ret = n < 0 ? PROCFS_GONE : 0;
			break;
		}
		length += (size_t)n;
		ret = each_line(chunk, &length, each, context);
	}
	free(chunk);
	return ret;
}

/* Linux 6.11's PROCMAP_QUERY, as in linux/fs.h since then: the kernel looks the executable mappings up by itself. */
struct procmap_query {
	uint64_t size, query_flags, query_addr;
	uint64_t vma_start, vma_end, vma_flags, vma_page_size, vma_offset, inode;
	uint32_t dev_major, dev_minor;
	uint32_t vma_name_size, build_id_size;
	uint64_t vma_name_addr, build_id_addr;
};

#define PROCMAP_QUERY	       _IOWR('f', 17, struct procmap_query)
#define QUERY_EXECUTABLE       0x04u
#define QUERY_COVERING_OR_NEXT 0x10u

/* False, with nothing handed on, when the kernel has no such query. */
static bool query(int fd, int (*each)(void *, const struct procfs_mapping *), void *context, int *ret)
{
	char name[PROCFS_MAX_PATH];
	struct procmap_query q = {.size = sizeof(q), .query_flags = QUERY_EXECUTABLE | QUERY_COVERING_OR_NEXT};
	struct procfs_mapping mapping = {.executable = true, .path = name};

	for (*ret = 0; !*ret; q.query_addr = q.vma_end) {
		q.vma_name_addr = (uintptr_t)name;
		q.vma_name_size = sizeof(name);
		name[0] = 0;
		if (ioctl(fd, PROCMAP_QUERY, &q)) {
			if (errno == EINTR)
				continue;
			/* ENOENT: none is left. ESRCH: it has ended. Others: only text will do. */
			*ret = errno == ESRCH ? PROCFS_GONE : 0;
			return errno == ENOENT || errno == ESRCH || q.query_addr;
		}
		mapping.start = q.vma_start;
		mapping.end = q.vma_end;
		mapping.file_off = q.vma_offset;
		mapping.dev = makedev(q.dev_major, q.dev_minor);
		mapping.ino = q.inode;
		*ret = each(context, &mapping);
	}
	return true;
}

static int open_maps(pid_t pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	return open(path, O_RDONLY | O_CLOEXEC);
}

int procfs_mappings_text(pid_t pid, int (*each)(void *context, const struct procfs_mapping *mapping), void *context)
{
	int fd = open_maps(pid);
	int ret;

	if (fd < 0)
		return PROCFS_GONE;
	ret = read_text(fd, each, context);
	close(fd);
	return ret;
}

int procfs_mappings(pid_t pid, int (*each)(void *context, const struct procfs_mapping *mapping), void *context)
{
	int fd = open_maps(pid);
	int ret;

	if (fd < 0)
		return PROCFS_GONE;
	if (!query(fd, each, context, &ret))
		ret = read_text(fd, each, context);
	close(fd);
	return ret;
}

int procfs_ids(const char *dir, int (*each)(void *context, pid_t id), void *context)
{
	DIR *stream = opendir(dir);
	struct dirent *entry;
	char *end;
	long id;
	int ret = 0;

	if (!stream)
		return PROCFS_GONE;
	while (!ret && (entry = readdir(stream))) {
		id = strtol(entry->d_name, &end, 10);
		if (!*end && id > 0)
			ret = each(context, (pid_t)id);
	}
	closedir(stream);
	return ret;
}
