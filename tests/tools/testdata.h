/* SPDX-License-Identifier: MIT */
/* What the programs that write testdata/ share. */
#ifndef STINT_TESTS_TESTDATA_H
#define STINT_TESTS_TESTDATA_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "tests/unit/format_util.h"

static const char *directory;
static const uint8_t recording_id[16] = {0x10, 0x32, 0x54, 0x76, 0x98, 0xba, 0x4c, 0xde,
					 0x81, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef};

static inline void check(int code, const char *what)
{
	if (!code)
		return;
	fprintf(stderr, "%s fails with %d\n", what, code);
	exit(1);
}

static inline void save(const char *name, const struct stint_buf *buf)
{
	char path[4096];
	FILE *file;

	check(stint_buf_status(buf), name);
	snprintf(path, sizeof(path), "%s/%s.stint", directory, name);
	file = fopen(path, "wb");
	if (!file || fwrite(buf->data, 1, buf->len, file) != buf->len || fclose(file)) {
		perror(path);
		exit(1);
	}
}

#endif
