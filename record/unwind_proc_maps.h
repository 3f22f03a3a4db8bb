/* SPDX-License-Identifier: MIT */
/* Executable mappings as /proc shows them, and the files behind them. */
#ifndef STINT_RECORD_UNWIND_PROC_MAPS_H
#define STINT_RECORD_UNWIND_PROC_MAPS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct proc_exec_map {
	uint64_t start, end, file_off;
	uint64_t dev, ino; /* ino 0: not a file */
	bool is_vdso;
};

/* Calls each for every executable mapping of the process, in order of address. False if it has none
 * (any more). */
bool proc_exec_maps(pid_t pid, void (*each)(void *context, const struct proc_exec_map *map), void *context);

/* Opens the file that is mapped at exactly this range, also when it was deleted or lies in a
 * container. -1 if it can't. */
int proc_open_mapped(pid_t pid, const struct proc_exec_map *map);

/* Calls each for every process; false if /proc can't be read. */
bool proc_each_pid(void (*each)(void *context, pid_t pid), void *context);

unsigned proc_n_threads(pid_t pid); /* 0 when the process is gone */

#endif
