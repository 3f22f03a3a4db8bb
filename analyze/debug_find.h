/* SPDX-License-Identifier: MIT */
/* Where files with code and debug information may be: --symbols directories first, then this system's own places. */
#ifndef STINT_ANALYZE_DEBUG_FIND_H
#define STINT_ANALYZE_DEBUG_FIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct debug_places {
	const char *const *dirs; /* debug roots, .build-id trees, sysroots, or plain directories of files */
	size_t n_dirs;
	bool local;
};

enum debug_want {
	DEBUG_WANT_CODE,  /* the program or library itself */
	DEBUG_WANT_DEBUG, /* its separate debug file */
};

/* Called for each place in order. Returns true when it was what is looked for: then the search ends. */
typedef bool (*debug_try_fn)(void *context, const char *path);

/* Places that go by build ID. Returns whether try was satisfied; likewise below. */
bool debug_find_by_id(const struct debug_places *places, enum debug_want want, const uint8_t *id, size_t id_size,
		      debug_try_fn try_path, void *context);

/* Places that go by the path that the recorded process saw ("[kernel]" and the like have none). */
bool debug_find_by_path(const struct debug_places *places, enum debug_want want, const char *path,
			debug_try_fn try_path, void *context);

/* Where a kernel's vmlinux may be, of whatever release. */
bool debug_find_kernel(const struct debug_places *places, debug_try_fn try_path, void *context);

/* Where a kernel module's file may be, besides the places that go by build ID. */
bool debug_find_kernel_module(const struct debug_places *places, const char *name, debug_try_fn try_path,
			      void *context);

/* Where the file named by a .gnu_debuglink may be. code_path is where the code was found, path as recorded. */
bool debug_find_by_link(const struct debug_places *places, const char *code_path, const char *path, const char *link,
			debug_try_fn try_path, void *context);

/* Where a split DWARF file (.dwo) may be, named by a unit that was compiled in comp_dir (may be NULL). */
bool debug_find_split(const struct debug_places *places, const char *code_path, const char *comp_dir, const char *name,
		      debug_try_fn try_path, void *context);

/* Where the package of split files (.dwp) of a program may be. */
bool debug_find_package(const struct debug_places *places, const char *code_path, debug_try_fn try_path, void *context);

/* Where a dwz file named by .gnu_debugaltlink of the file at from_path may be. */
bool debug_find_alt(const struct debug_places *places, const char *from_path, const char *name, const uint8_t *id,
		    size_t id_size, debug_try_fn try_path, void *context);

#endif
