/* SPDX-License-Identifier: MIT */
/*
 * What executable mappings are mapped from: files by path and build ID, the vDSO, anonymous memory. Small numbers
 * stand for them in mappings; their rows (STINT_MODULE) are written when they are first needed.
 */
#ifndef STINT_RECORD_MODULES_H
#define STINT_RECORD_MODULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/map.h"
#include "format/writer.h"
#include "record/elf_notes.h"

#define MODULES_FILES 1024 /* files whose modules are remembered; a power of two */

struct modules_file {
	uint64_t dev, ino, path_hash;
	uint32_t module;
};

struct modules_info {
	uint32_t row; /* STINT_MODULE, 0 until written; always 0 for per-process kinds */
	uint8_t kind; /* enum stint_module_kind */
};

struct modules {
	struct stint_writer *writer;
	struct stint_intern keys;   /* kind, build ID size, build ID, path */
	struct modules_info *infos; /* by number, from 1 */
	uint32_t cap_infos;
	struct modules_file *files;
	struct build_id vdso;
	uint64_t n_unreadable;
};

/* A mapping as /proc or the kernel's report tells it. */
struct modules_source {
	pid_t pid;
	uint64_t start, end;
	uint64_t dev, ino;	 /* ino 0 where unknown */
	const char *path;	 /* NUL-terminated */
	const uint8_t *build_id; /* NULL where unknown */
	uint32_t build_id_size;
};

int modules_init(struct modules *mods, struct stint_writer *writer, struct stint_err *err);
void modules_done(struct modules *mods); /* zeroed is fine */

/* The module's number. Reads the build ID from the file where the source has none. */
int modules_of(struct modules *mods, const struct modules_source *src, uint32_t *ret_module, struct stint_err *err);

/* Of the kinds ANON and UNKNOWN every process has its own rows, with virtual addresses. */
bool modules_per_process(const struct modules *mods, uint32_t module);
bool modules_is_vdso(const struct modules *mods, uint32_t module);
bool modules_is_file(const struct modules *mods, uint32_t module);

/*
 * Opens the file of a module, which that process has at an address: the mapped file itself, else by its path if its
 * build ID is the module's. -1 when it isn't there any more.
 */
int modules_open(const struct modules *mods, uint32_t module, pid_t pid, uint64_t addr);

/* The row; process is that of its STINT_PROCESS, used by per-process kinds only. */
int modules_row(struct modules *mods, uint32_t module, uint32_t process, uint32_t *ret_row, struct stint_err *err);

/* The row for addresses of a process that no mapping is known for. */
int modules_unknown_row(struct modules *mods, uint32_t process, uint32_t *ret_row, struct stint_err *err);

/* Forgets which file had which build ID: a file number may be another file's by now. Call it every second or so. */
void modules_forget_files(struct modules *mods);

/* Forgets every number given out, to give memory back. Rows stay what they are. */
void modules_forget(struct modules *mods);

size_t modules_bytes(const struct modules *mods);

#endif
