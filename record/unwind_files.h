/* SPDX-License-Identifier: MIT */
/* ELF files whose rows are loaded, shared by all processes that map them, within a budget of
 * memory. */
#ifndef STINT_RECORD_UNWIND_FILES_H
#define STINT_RECORD_UNWIND_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/map.h"
#include "record/unwind_bpf.h"
#include "record/unwind_prepare.h"
#include "record/unwind_store.h"

enum unwind_file_state {
	UNWIND_FILE_NEW = 0, /* not read yet */
	UNWIND_FILE_LOADED,
	UNWIND_FILE_NO_ROWS, /* no unwind information, or none that can be used; it stays so */
	UNWIND_FILE_EVICTED, /* it has rows, and there is no memory for them */
};

/* Rows as they are loaded. Copies of a file (in containers, say) have the same ones. */
struct unwind_rows {
	uint64_t hash; /* of the rows */
	uint64_t n_rows;
	struct unwind_chunk *chunks;
	uint32_t n_chunks;
	uint32_t n_files; /* that have them; one more while they are compared or written */
	uint32_t n_maps;  /* of these files; only while a victim is looked for */
	uint64_t used_ns; /* likewise */
};

struct unwind_file {
	uint64_t dev, ino; /* of the file; 0 and 1 for the vDSO */
	uint64_t size_bytes;
	int64_t mtime_ns; /* another file with the same number is another file */
	enum unwind_file_state state;
	struct unwind_rows *rows; /* NULL unless they are loaded */
	uint32_t n_maps;	  /* mappings that refer to it */
	uint64_t used_ns;	  /* when a walk last used it, as far as was noticed */
	uint32_t n_refused;	  /* times in a row that there was no room */
	uint64_t retry_ns;	  /* and until when it needn't be read again for that */
	bool queued;		  /* somebody is about to read it, or at it: it stays */
	struct unwind_file *next; /* of the same hash */
};

struct unwind_files {
	struct unwind_store store;
	int map_fd; /* where the walker in the kernel finds them by identity; not owned */
	struct unwind_file **files;
	uint32_t n_files, cap_files;
	struct stint_map by_id;	  /* hash of dev and ino -> the newest file */
	struct stint_map by_rows; /* their hash -> struct unwind_rows */

	uint64_t n_loaded;    /* tables made */
	uint64_t n_shared;    /* of them, those that another file had already */
	uint64_t n_evicted;   /* tables dropped to make room for others */
	uint64_t n_refused;   /* tables not loaded for want of room */
	uint64_t n_too_large; /* files beyond a limit of unwind_build.h */
	uint64_t load_ns;     /* spent on making tables */

	/* Called when files were dropped, before their room is used again: nothing may refer to
	 * their rows any more. */
	void (*evicted)(void *context, uint64_t now_ns);
	void *context;
};

void unwind_files_init(struct unwind_files *files, const struct unwind_map_fds *maps, uint64_t max_bytes);
void unwind_files_done(struct unwind_files *files);

/* The vDSO's file. NULL without memory. */
struct unwind_file *unwind_files_vdso(struct unwind_files *files);

/*
 * The file with this identity (of the mapping, which overlay file systems tell otherwise than
 * stat), new if there was none. Without st, when the file can't be examined any more: one that is
 * known already. NULL without memory, past UNWIND_MAX_FILES, or if none is known.
 */
struct unwind_file *unwind_files_get(struct unwind_files *files, uint64_t dev, uint64_t ino, const struct stat *st);

/*
 * Makes the rows of an open descriptor (-1: the vDSO of this process), which stays open until they are stored. Takes
 * some time for large files, and touches nothing else: no lock is needed. stop must outlive *ret, which is empty where
 * there are no rows. Fails as unwind_prepare; such a file has none.
 */
int unwind_files_read(int fd, const struct unwind_stop *stop, struct unwind_prepared *ret);

/* Rows on their way to the store. */
struct unwind_storing {
	struct unwind_rows *rows;
	bool known; /* another file has rows that may be the same ones: they are compared, not written */
};

/*
 * Gives a prepared table to a file whose state is NEW or EVICTED, in three steps of which the one that takes some time
 * needs no lock. Room is made by dropping files that no process maps, then those whose use is longest ago, never one
 * used after keep_ns.
 *
 * _begin finds room, or the same rows of another file if share is set. False where nothing is left to be done.
 * _write writes or compares the rows. False where that failed.
 * _end gives them to the file, with what _write returned. False where rows that had seemed to be the same ones are
 * others: then begin again, with share cleared.
 */
bool unwind_files_begin(struct unwind_files *files, struct unwind_file *file, const struct unwind_prepared *prepared,
			bool share, uint64_t now_ns, uint64_t keep_ns, struct unwind_storing *ret);
bool unwind_files_write(const struct unwind_files *files, struct unwind_prepared *prepared,
			const struct unwind_storing *storing);
bool unwind_files_end(struct unwind_files *files, struct unwind_file *file, const struct unwind_storing *storing,
		      bool written, uint64_t now_ns);

/* Nobody can read it: it has no rows from now on. */
void unwind_files_give_up(struct unwind_files *files, struct unwind_file *file);

/* Is it to be read (again)? One that found no room in the line; one that was evicted and is walked again now. */
bool unwind_file_is_missed(const struct unwind_file *file, uint64_t now_ns);

/* Forgets files that no process has mapped since before_ns. */
void unwind_files_expire(struct unwind_files *files, uint64_t before_ns, uint64_t now_ns);

#endif
