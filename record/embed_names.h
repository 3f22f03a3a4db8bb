/* SPDX-License-Identifier: MIT */
/*
 * Names of functions in files (--embed=symtab), for the addresses that the recording has: read from each file's own
 * symbol tables while the process that maps it is there, so that deleted files and those in containers have them too.
 */
#ifndef STINT_RECORD_EMBED_NAMES_H
#define STINT_RECORD_EMBED_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/map.h"
#include "format/writer.h"

#define EMBED_MAX_FILES 4096u	      /* in a recording; others stay without names */
#define EMBED_MAX_OPEN	128u	      /* at a time */
#define EMBED_GONE_NS	1000000000ull /* instead, once the process is gone: an open file keeps its file system busy */
#define EMBED_KEEP_OPEN_NS                                                                                             \
	10000000000ull		   /* after the last new address: what a program runs at its end has a name too */
#define EMBED_MAX_ADDRESSES 16384u /* of one file at a time */

struct embed_file;

struct embed_names {
	struct stint_writer *writer;
	struct embed_file *files; /* a list */
	unsigned n_files, n_open;
	struct stint_map by_module; /* module row: struct embed_file */
	struct stint_map seen;	    /* hashes of module rows and addresses */
	struct stint_map written;   /* hashes of the symbols in the file */
};

void embed_names_init(struct embed_names *en, struct stint_writer *writer);
void embed_names_done(struct embed_names *en); /* zeroed is fine */

/*
 * An address, as an offset in the file of this module (STINT_MODULE), is in the recording, in a stack of this process;
 * of a return address, the byte before. open_file gives a descriptor of the file, or -1, when one is needed; it is kept
 * for a while, as the next address may come when the process is gone, and the file with it.
 */
int embed_names_address(struct embed_names *en, pid_t pid, uint32_t module_row, uint64_t file_off,
			int (*open_file)(void *context), void *context, struct stint_err *err);

/*
 * Looks up what is new, and writes it (STINT_SYMBOL). Call it every second or so: a file that took long waits until
 * that is a small part of the time, and where many together take long the rest waits for the next call; but not the
 * last time.
 */
int embed_names_write(struct embed_names *en, bool last, struct stint_err *err);

size_t embed_names_bytes(const struct embed_names *en);

#endif
