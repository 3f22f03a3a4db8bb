/* SPDX-License-Identifier: MIT */
/*
 * Writes an ELF file with many functions, out of order, whose unwind table is large.
 * usage: huge_elf FILE FUNCTIONS ROWS
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/unit/unwind_huge.h"

int main(int argc, char **argv)
{
	long n_functions = argc == 4 ? strtol(argv[2], NULL, 10) : 0,
	     n_rows = argc == 4 ? strtol(argv[3], NULL, 10) : 0;
	int fd;

	if (n_functions < 1 || n_functions > 4000000 || n_rows < 2 || n_rows > HUGE_FUNCTION_BYTES) {
		fprintf(stderr, "usage: huge_elf FILE FUNCTIONS ROWS\n");
		return 2;
	}
	fd = open(argv[1], O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
	if (fd < 0) {
		perror(argv[1]);
		return 1;
	}
	huge_write(fd, (uint32_t)n_functions, (uint32_t)n_rows, true, false);
	return close(fd) ? 1 : 0;
}
