/* SPDX-License-Identifier: MIT */
/* Runs a harness on the files given to it, for regression tests without libFuzzer. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int run_file(const char *path)
{
	FILE *file = fopen(path, "rb");
	struct stint_buf buf;
	uint8_t bytes[4096];
	uint8_t *exact;
	size_t n;

	if (!file) {
		perror(path);
		return 1;
	}
	stint_buf_init(&buf, 1u << 30);
	while ((n = fread(bytes, 1, sizeof(bytes), file)) > 0)
		stint_buf_bytes(&buf, bytes, n);
	fclose(file);
	/* A copy of exactly that size, so that a sanitizer sees each read behind it. */
	exact = malloc(buf.len ? buf.len : 1);
	if (!exact)
		return 1;
	if (buf.len)
		memcpy(exact, buf.data, buf.len);
	LLVMFuzzerTestOneInput(exact, buf.len);
	free(exact);
	stint_buf_done(&buf);
	return 0;
}

int main(int argc, char **argv)
{
	int i, status = 0;

	for (i = 1; i < argc; i++)
		status |= run_file(argv[i]);
	printf("%s: %d inputs\n", argv[0], argc - 1);
	return status;
}
