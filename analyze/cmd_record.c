/* SPDX-License-Identifier: MIT */
/* stint record: hands over to stint-record, which is a program of its own so that it can stay small
 * and privileged. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "analyze/commands.h"
#include "analyze/options.h"

#define RECORDER "stint-record"

/* The recorder that was installed with this program, if there is one. */
static bool path_beside_itself(char *path, size_t size)
{
	ssize_t len = readlink("/proc/self/exe", path, size);
	char *slash;

	if (len <= 0 || (size_t)len >= size)
		return false;
	path[len] = '\0';
	slash = strrchr(path, '/');
	if (!slash || (size_t)(slash + 1 - path) + sizeof(RECORDER) > size)
		return false;
	memcpy(slash + 1, RECORDER, sizeof(RECORDER));
	return access(path, X_OK) == 0;
}

int cmd_record(int argc, char **argv)
{
	char path[PATH_MAX];
	struct stint_err err;
	char name[] = RECORDER;

	(void)argc;
	argv[0] = name;
	if (path_beside_itself(path, sizeof(path)))
		execv(path, argv);
	else
		execvp(RECORDER, argv);
	if (errno == ENOENT)
		stint_err_set(&err, STINT_ERR_SYSTEM, 0, -1,
			      "%s is neither beside this program nor in PATH; it is built where "
			      "clang, bpftool and "
			      "libbpf are installed",
			      RECORDER);
	else
		stint_err_set(&err, STINT_ERR_SYSTEM, errno, -1, "%s can't be started", RECORDER);
	return options_failed("stint record", &err);
}
