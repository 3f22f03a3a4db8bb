/* SPDX-License-Identifier: MIT */
/* The command line of stint-record, parsed and checked. */
#ifndef STINT_RECORD_OPTIONS_H
#define STINT_RECORD_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

#define OPTIONS_MAX_IDS	  1024
#define OPTIONS_MAX_COMMS 64
#define OPTIONS_NEVER	  UINT64_MAX

#define EMBED_KERNEL 1u
#define EMBED_JIT    2u
#define EMBED_SYMTAB 4u

/* Strings point into argv. Zeroed but for the defaults before parsing. */
struct record_options {
	const char *output; /* NULL: the default name */
	pid_t pids[OPTIONS_MAX_IDS];
	size_t n_pids;
	pid_t tids[OPTIONS_MAX_IDS];
	size_t n_tids;
	const char *comms[OPTIONS_MAX_COMMS];
	size_t n_comms;
	const char *cgroup;
	bool all;	  /* asked for, or because nothing else was */
	char **command;	  /* NULL-terminated; NULL when there is none */
	uint32_t freq_hz; /* 0: no samples */
	bool off_cpu;
	uint64_t off_cpu_min_ns;
	uint64_t kernel_stack_min_ns; /* OPTIONS_NEVER: none */
	uint32_t wakers;	      /* enum wakers of bpf/event.h */
	const char *unwind;	      /* the method that is used: "fp", "cfi" or "auto" */
	uint32_t unwind_by;	      /* the same as enum unwind of bpf/event.h */
	uint64_t unwind_bytes;	      /* memory for unwind tables */
	uint64_t duration_ns;	      /* 0: until stopped */
	uint64_t max_bytes;	      /* 0: no limit */
	uint64_t flush_ns;
	uint32_t embed; /* EMBED_* */
};

enum options_result {
	OPTIONS_RUN,
	OPTIONS_DONE, /* help or the version was printed */
};

/*
 * Fails with STINT_ERR_USAGE; the message names the fault. argv may be reordered. Prints only for
 * --help and
 * --version.
 */
int record_options_parse(struct record_options *ret, int argc, char *argv[], enum options_result *ret_result,
			 struct stint_err *err);

#endif
