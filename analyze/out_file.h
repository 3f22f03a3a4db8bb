/* SPDX-License-Identifier: MIT */
/* A command's -o FILE: complete or not there. */
#ifndef STINT_ANALYZE_OUT_FILE_H
#define STINT_ANALYZE_OUT_FILE_H

#include <stdbool.h>
#include <stdio.h>

#include "base/err.h"
#include "format/writer.h"

struct out_file {
	FILE *stream;	  /* write here */
	const char *path; /* the caller's */
	char *temp;	  /* what is written until it is complete; NULL where path is written at once */
};

/*
 * Starts writing path; "-" is standard output. A regular file is written under another name beside it and takes its
 * name in out_file_finish; what else is there already (a device, a pipe) is written as it is. The file is as open as
 * the umask allows, and no more than from, the recording that it is made of, if that is a regular file.
 * STINT_ERR_SYSTEM.
 */
int out_file_open(struct out_file *out, const char *path, const char *from, struct stint_err *err);

/* For writers of recordings; valid while out is. Its failures are STINT_ERR_SYSTEM. */
struct stint_sink out_file_sink(struct out_file *out);

/* Completes the file. STINT_ERR_SYSTEM when anything couldn't be written; path is then as it was. */
int out_file_finish(struct out_file *out, struct stint_err *err);

/* Gives up what isn't complete. NULL, zeroed and finished ones are fine. */
void out_file_done(struct out_file *out);

/* True if both paths lead to the same file. */
bool out_file_is_same(const char *a, const char *b);

#endif
