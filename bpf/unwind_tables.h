/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The unwind tables as the recorder lays them out for the walker in the kernel.
 *
 * Rows lie in segments of 2 MiB, each a map of its own, so that memory grows with what is loaded. A
 * process has a slice of the array of mappings, sorted by address; a mapping says which rows of
 * which segment are those of its file. A slice is never changed while a process names it: the
 * recorder writes another one, switches the process over, and uses the old one's room again only
 * when no walk can be reading it.
 *
 * The recorder hears of a new process or mapping a little later than it happens. Until then the
 * walker looks up an address's mapping by itself, and finds the rows by the file's identity.
 */
#ifndef STINT_BPF_UNWIND_TABLES_H
#define STINT_BPF_UNWIND_TABLES_H

#include "bpf/unwind_row.h"

#define UNWIND_SEGMENT_ROWS  262144u
#define UNWIND_MAX_SEGMENTS  1024u
#define UNWIND_MAX_MAPPINGS  131072u /* of all processes */
#define UNWIND_MAX_SLICE     8192u   /* of one process */
#define UNWIND_MAX_PROCESSES 32768u
#define UNWIND_SLICE_STEPS   13 /* of a binary search through a slice */
#define UNWIND_SEGMENT_STEPS 18

#define UNWIND_MAX_FILES   65536u
#define UNWIND_FILE_CHUNKS 4u  /* files with more are left to the recorder */
#define UNWIND_MAX_FRESH   14u /* mappings of a process that the walker looks up by itself */

/* In place of a segment's number. */
#define UNWIND_NO_SEGMENT      0xffffffffu /* no rows: code is followed by its frame pointers */
#define UNWIND_PENDING_SEGMENT 0xfffffffeu /* the file's rows are about to be loaded */

struct unwind_segment {
	struct unwind_row rows[UNWIND_SEGMENT_ROWS];
};

struct unwind_mapping {
	uint64_t start, end; /* addresses in the process */
	uint64_t bias;	     /* a row's pc is the address less this */
	uint32_t segment;
	uint32_t first_row;
	uint32_t n_rows;
	uint32_t used; /* set by the walker: the recorder drops what isn't used when memory is short
	                */
};

struct unwind_mappings {
	struct unwind_mapping m[UNWIND_MAX_MAPPINGS];
	uint64_t generation; /* goes up when rows are about to be dropped, and again when no slice
	                        names them any more: what the walker has kept for itself is void */
	uint64_t version;    /* goes up after anything here has changed, or was looked at for what is
	                     used: a walk may end otherwise than before */
};

/*
 * Of a process, by its pid. An exec gives the process another vDSO, at another address as a rule:
 * that is how the walker sees that a slice is of the image before.
 */
struct unwind_slice {
	uint64_t vdso;
	uint64_t as_of_ns; /* what was mapped later isn't in it */
	uint32_t first, n;
};

/* The kernel's own device number, and what tells a file from an earlier one of its number; for the vDSO 0, 1, 0, 0. */
struct unwind_file_key {
	uint64_t dev, ino;
	uint64_t size_bytes;
	int64_t mtime_ns;
};

/* A file that isn't known here is about to be loaded, as far as anybody knows. */
struct unwind_file_rows {
	uint32_t n_chunks; /* 0: it has no rows, or they are left out */
	struct {
		uint32_t segment, first_row, n_rows;
		uint32_t pc; /* of its first row */
	} chunk[UNWIND_FILE_CHUNKS];
};

#define UNWIND_VDSO_INO 1u

#endif
