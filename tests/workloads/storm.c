/* SPDX-License-Identifier: MIT */
/*
 * storm [N] [PROGRAM]: N short processes one after the other (vfork and exec of PROGRAM, /bin/true
 * where none is named), each reaped before the next one starts. Prints child=PID for each.
 */
#include <sys/wait.h>

#include "workload.h"

/* One child, from vfork to its end. Returns its pid, and whether it exited with 0. */
NOINLINE pid_t run_child(const char *program, int *ret_ok)
{
	int status = -1;
	pid_t child = vfork();

	if (child == 0) {
		execl(program, program, (char *)NULL);
		_exit(127);
	}
	if (child < 0) {
		perror("vfork");
		exit(1);
	}
	*ret_ok = waitpid(child, &status, 0) == child && status == 0;
	return child;
}

int main(int argc, char **argv)
{
	uint64_t n = number_arg(argc, argv, 1, 1000, 1, 100000), n_ok = 0;
	const char *program = argc > 2 ? argv[2] : "/bin/true";
	pid_t *children = calloc(n, sizeof *children);
	uint64_t started = now_ns();

	if (!children)
		return 1;
	for (uint64_t i = 0; i < n; i++) {
		int ok;

		children[i] = run_child(program, &ok);
		n_ok += (uint64_t)ok;
	}
	say("pid", (uint64_t)getpid());
	say("children", n);
	say("exited_with_0", n_ok);
	say("ns_per_child", (now_ns() - started) / n);
	for (uint64_t i = 0; i < n; i++)
		printf("child=%d\n", children[i]);
	free(children);
	return n_ok == n ? 0 : 1;
}
