/* SPDX-License-Identifier: MIT */
/*
 * What /proc says of processes. Everything here may be gone, or another process's, by the time it is read: callers
 * treat a failure as "unknown". Names in it are chosen by the recorded programs: they may have any bytes.
 */
#ifndef STINT_RECORD_PROCFS_H
#define STINT_RECORD_PROCFS_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PROCFS_COMM_BYTES  16 /* TASK_COMM_LEN, with its NUL; kernel threads' longer names are cut to it */
#define PROCFS_MAX_PATH	   4096
#define PROCFS_MAX_CMDLINE 4096 /* longer command lines are cut */

/* Reads a small file of /proc whole (at most size - 1 bytes), NUL-terminated. Its length, or -1 with errno. */
ssize_t procfs_read(const char *path, char *data, size_t size);

/*
 * Opens a file that a recorded program names, for reading. It may have put anything there: a file that isn't a regular
 * one (opening a device can set it going) is not opened, whatever happens to the path meanwhile. Its number must be ino
 * unless that is 0. -1 when it can't be had.
 */
int procfs_open_regular(const char *path, uint64_t ino);

struct procfs_stat {
	char comm[PROCFS_COMM_BYTES];
	pid_t ppid;
	bool kernel_thread;
	uint64_t start_ns; /* CLOCK_MONOTONIC, rounded down to the kernel's 10 ms ticks */
};

/* Parses /proc/PID/stat (or task/TID/stat). False when it is malformed. */
bool procfs_parse_stat(const char *text, size_t size, struct procfs_stat *ret);

/* Of a process (tid 0: its leader) or one thread. False when it is gone. */
bool procfs_stat(pid_t pid, pid_t tid, struct procfs_stat *ret);

/* Whether a process or thread of this id still runs code: a zombie with no other threads doesn't. */
bool procfs_lives(pid_t id);

/* The length of a path without the " (deleted)" that the kernel puts behind those of deleted files. */
size_t procfs_without_deleted(const char *path, size_t length);

/* The executable, as the process's root shows it, without the kernel's " (deleted)". Its length, or -1. */
ssize_t procfs_exe(pid_t pid, char *path, size_t size);

/* Its arguments, separated by NUL, without the last NUL. 0 for kernel threads; -1 when it is gone. */
ssize_t procfs_cmdline(pid_t pid, char *data, size_t size);

/* Its cgroup's path: of the unified hierarchy, or where there is none of systemd's or the first. -1 when gone. */
ssize_t procfs_cgroup(pid_t pid, char *path, size_t size);

/* A line of /proc/PID/maps. */
struct procfs_mapping {
	uint64_t start, end, file_off;
	uint64_t dev; /* makedev */
	uint64_t ino;
	bool executable;
	const char *path; /* NUL-terminated, unescaped, valid during the call only; "" for anonymous memory */
};

/* Parses one line without its newline, in place. False when it is malformed. */
bool procfs_parse_mapping(char *line, struct procfs_mapping *ret);

#define PROCFS_GONE INT_MIN /* no error code of ours */

/*
 * Calls each(context, mapping) for every executable mapping of the process, by address. Stops early when each
 * returns nonzero, and returns that; PROCFS_GONE when the process is gone or may not be read.
 */
int procfs_mappings(pid_t pid, int (*each)(void *context, const struct procfs_mapping *mapping), void *context);

/* The same from the text of /proc/PID/maps, which all kernels have; from Linux 6.11 on there is a faster way. */
int procfs_mappings_text(pid_t pid, int (*each)(void *context, const struct procfs_mapping *mapping), void *context);

/* Calls each(context, id) for every numeric name in a directory: "/proc", "/proc/1/task". As above. */
int procfs_ids(const char *dir, int (*each)(void *context, pid_t id), void *context);

#endif
