/* SPDX-License-Identifier: MIT */
/* The tables in use, for those who load them (unwind_tables.c) and those who walk by them (unwind_tables_walk.c). */
#ifndef STINT_RECORD_UNWIND_TABLES_INTERNAL_H
#define STINT_RECORD_UNWIND_TABLES_INTERNAL_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "record/unwind_bpf.h"
#include "record/unwind_files.h"
#include "record/unwind_procs.h"
#include "record/unwind_tables.h"
#include "record/unwind_watch.h"

#define MAX_PENDING 256u /* each holds a descriptor */

/* A file that is to be read, already open. */
struct pending {
	struct unwind_file *file;
	int fd; /* -1 for the vDSO */
};

struct unwind_tables {
	struct unwind_files files;
	struct unwind_procs procs;
	struct unwind_watch *watch;
	struct unwind_view mappings; /* a struct unwind_mappings */
	uint64_t *generation;	     /* the one in it */
	uint64_t *version;	     /* likewise */
	struct pending pending[MAX_PENDING];
	uint32_t n_pending;
	bool all;
	bool started, loader_started;
	bool stopping;		   /* read without the lock, too */
	bool (*interrupted)(void); /* NULL, but while the first tables are made */
	struct unwind_stop stop;   /* asked while a file is read */
	int wake_fd;		   /* an eventfd: stopping, or the watch has a new ring */
	uint64_t now_ns, sweep_ns, n_lost;
	pthread_t thread, loader;
	pthread_cond_t work;  /* something is pending, or the loader is to stop */
	pthread_mutex_t lock; /* of everything above, but for waiting for watch */
};

#endif
