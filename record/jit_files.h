/* SPDX-License-Identifier: MIT */
/*
 * The two files in which run-time compilers tell what they compiled: perf-PID.map (a text line a function) and
 * jit-PID.dump (binary, with times). Both are written by the recorded program: any bytes may be in them.
 */
#ifndef STINT_RECORD_JIT_FILES_H
#define STINT_RECORD_JIT_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JIT_MAX_NAME_BYTES 1024 /* longer names are cut */

struct jit_function {
	uint64_t addr, size_bytes;
	uint64_t time_ns;  /* CLOCK_MONOTONIC when it was compiled; 0 when unknown */
	uint64_t file_off; /* of its line or record */
	const char *name;  /* not NUL-terminated; valid during the call only */
	size_t name_size;
};

typedef int (*jit_each_fn)(void *context, const struct jit_function *function);

/*
 * Calls each for every whole line or record that begins between *off and end, and moves *off behind the last one.
 * Malformed lines are skipped; a malformed record ends the file for good. Stops when each returns nonzero, and
 * returns that.
 */
int jit_map_scan(int fd, uint64_t *off, uint64_t end, jit_each_fn each, void *context);
int jit_dump_scan(int fd, uint64_t *off, uint64_t end, jit_each_fn each, void *context);

/* Parses one line, "START SIZE name" in hex, without its newline. */
bool jit_map_line(const char *line, size_t size, struct jit_function *ret);

#endif
