/* SPDX-License-Identifier: MIT */
#include "record/unwind_proc_maps.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "record/procfs.h"

/* "start-end perms offset major:minor inode path". False for lines of other mappings than
 * executable ones. */
static bool parse_line(const char *line, struct proc_exec_map *ret, const char **ret_path)
{
	unsigned major, minor;
	char perms[5];
	int path = 0;

	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %x:%x %" SCNu64 " %n", &ret->start, &ret->end, perms,
		   &ret->file_off, &major, &minor, &ret->ino, &path) != 7 ||
	    perms[2] != 'x')
		return false;
	ret->dev = makedev(major, minor);
	*ret_path = line + path;
	ret->is_vdso = !strncmp(*ret_path, "[vdso]", 6);
	return true;
}

bool proc_exec_maps(pid_t pid, void (*each)(void *context, const struct proc_exec_map *map), void *context)
{
	char path[64], *line = NULL;
	const char *mapped;
	size_t room = 0;
	bool any = false;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	file = fopen(path, "re");
	if (!file)
		return false;
	while (getline(&line, &room, file) > 0) {
		struct proc_exec_map map = {0};

		if (!parse_line(line, &map, &mapped))
			continue;
		each(context, &map);
		any = true;
	}
	free(line);
	fclose(file);
	return any;
}

/* The path of the mapping, as the process sees it. */
static int open_by_path(pid_t pid, const struct proc_exec_map *wanted)
{
	char path[4200], *line = NULL;
	struct proc_exec_map map;
	const char *mapped;
	size_t room = 0;
	int fd = -1;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	file = fopen(path, "re");
	if (!file)
		return -1;
	while (fd < 0 && getline(&line, &room, file) > 0) {
		if (!parse_line(line, &map, &mapped) || wanted->start < map.start || wanted->start >= map.end ||
		    map.ino != wanted->ino || map.dev != wanted->dev)
			continue;
		snprintf(path, sizeof(path), "/proc/%d/map_files/%" PRIx64 "-%" PRIx64, (int)pid, map.start, map.end);
		fd = procfs_open_regular(path, 0);
		if (fd >= 0 || mapped[0] != '/')
			break;
		line[strcspn(line, "\n")] = '\0';
		snprintf(path, sizeof(path), "/proc/%d/root%s", (int)pid, mapped);
		fd = procfs_open_regular(path, 0);
	}
	free(line);
	fclose(file);
	return fd;
}

int proc_open_mapped(pid_t pid, const struct proc_exec_map *map)
{
	char path[96];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/map_files/%" PRIx64 "-%" PRIx64, (int)pid, map->start, map->end);
	fd = procfs_open_regular(path, 0);
	/* The mapping may have been split or joined since, or this kernel may not let us in there.
	 */
	return fd >= 0 ? fd : open_by_path(pid, map);
}

bool proc_each_pid(void (*each)(void *context, pid_t pid), void *context)
{
	DIR *dir = opendir("/proc");
	struct dirent *entry;

	if (!dir)
		return false;
	while ((entry = readdir(dir))) {
		char *end;
		long pid = strtol(entry->d_name, &end, 10);

		if (pid > 0 && !*end)
			each(context, (pid_t)pid);
	}
	closedir(dir);
	return true;
}

unsigned proc_n_threads(pid_t pid)
{
	struct stat st;
	char path[64];

	/* A directory has two links more than directories in it. */
	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	return stat(path, &st) || st.st_nlink < 2 ? 0 : (unsigned)st.st_nlink - 2;
}
