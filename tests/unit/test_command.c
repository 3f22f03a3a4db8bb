/* SPDX-License-Identifier: MIT */
/* The recorded command: held at the gate, let go, its end told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "record/command.h"

static void wait_end(struct command *cmd)
{
	int i;

	for (i = 0; i < 5000 && !command_ended(cmd); i++)
		usleep(2000);
	assert_true(command_ended(cmd));
}

static int run(char *const argv[])
{
	struct stint_err err = STINT_ERR_INIT;
	struct command cmd;
	int status;

	assert_int_equal(command_start(&cmd, argv, &err), 0);
	assert_int_equal(command_release(&cmd, &err), 0);
	wait_end(&cmd);
	status = command_exit_status(&cmd);
	command_done(&cmd);
	return status;
}

static int run_shell(const char *script)
{
	char *argv[] = {"sh", "-c", (char *)script, NULL};

	return run(argv);
}

static void exit_statuses_are_passed_on(void **state)
{
	(void)state;
	assert_int_equal(run_shell("exit 0"), 0);
	assert_int_equal(run_shell("exit 7"), 7);
	assert_int_equal(run_shell("exit 255"), 255);
	assert_int_equal(run_shell("kill -TERM $$"), 128 + SIGTERM);
	assert_int_equal(run_shell("kill -KILL $$"), 128 + SIGKILL);
}

/* Some service managers start their programs so. The command has it as it was. */
static void an_ignored_sigchld_costs_no_status(void **state)
{
	char *grep[] = {"grep", "-q", "^SigIgn:.*[13579bdf]....$", "/proc/self/status", NULL};

	(void)state;
	signal(SIGCHLD, SIG_IGN);
	assert_int_equal(run_shell("exit 7"), 7);
	signal(SIGCHLD, SIG_IGN);
	assert_int_equal(run(grep), 0); /* signal 17 */
	signal(SIGCHLD, SIG_DFL);
}

static void nothing_runs_before_the_release(void **state)
{
	char path[] = "/tmp/stint-command-XXXXXX";
	char *argv[] = {"rm", path, NULL};
	struct stint_err err = STINT_ERR_INIT;
	char link[64], exe[256], own[256];
	struct command cmd;
	ssize_t n;

	(void)state;
	close(mkstemp(path));
	assert_int_equal(command_start(&cmd, argv, &err), 0);
	usleep(20000);
	assert_false(command_ended(&cmd));
	assert_int_equal(access(path, F_OK), 0);
	snprintf(link, sizeof(link), "/proc/%d/exe", cmd.pid);
	n = readlink(link, exe, sizeof(exe));
	assert_int_equal(n, readlink("/proc/self/exe", own, sizeof(own)));
	assert_memory_equal(exe, own, (size_t)n);
	assert_int_equal(command_release(&cmd, &err), 0);
	wait_end(&cmd);
	assert_int_equal(command_exit_status(&cmd), 0);
	assert_int_equal(access(path, F_OK), -1);
	command_done(&cmd);
}

static void a_failing_exec_names_the_program(void **state)
{
	char *missing[] = {"/nonexistent/stint-no-such-program", NULL};
	char *directory[] = {"/", NULL};
	struct stint_err err = STINT_ERR_INIT;
	struct command cmd;

	(void)state;
	assert_int_equal(command_start(&cmd, missing, &err), 0);
	assert_int_equal(command_release(&cmd, &err), STINT_ERR_USAGE);
	assert_int_equal(err.sys_errno, ENOENT);
	assert_non_null(strstr(err.msg, "stint-no-such-program"));
	assert_true(cmd.ended);
	command_done(&cmd);
	assert_int_equal(command_start(&cmd, directory, &err), 0);
	assert_int_equal(command_release(&cmd, &err), STINT_ERR_USAGE);
	assert_int_equal(err.sys_errno, EACCES);
	command_done(&cmd);
}

static void a_child_killed_at_the_gate(void **state)
{
	char *argv[] = {"true", NULL};
	struct stint_err err = STINT_ERR_INIT;
	struct command cmd;

	(void)state;
	assert_int_equal(command_start(&cmd, argv, &err), 0);
	command_signal(&cmd, SIGKILL);
	usleep(20000);
	assert_int_equal(command_release(&cmd, &err), STINT_ERR_USAGE);
	assert_non_null(strstr(err.msg, "true"));
	assert_int_equal(command_exit_status(&cmd), 128 + SIGKILL);
	command_done(&cmd);
}

static void done_ends_a_child_at_the_gate(void **state)
{
	char *argv[] = {"sleep", "1000", NULL};
	struct stint_err err = STINT_ERR_INIT;
	struct command cmd;
	pid_t pid;

	(void)state;
	assert_int_equal(command_start(&cmd, argv, &err), 0);
	pid = cmd.pid;
	command_done(&cmd);
	assert_int_equal(kill(pid, 0), -1);
	assert_int_equal(errno, ESRCH);
	command_done(&cmd);
	command_done(NULL);
}

/* A recorder that is killed while its child waits: the child leaves without running anything. */
static void no_exec_without_a_recorder(void **state)
{
	char path[] = "/tmp/stint-command-XXXXXX";
	char *argv[] = {"rm", path, NULL};
	struct stint_err err = STINT_ERR_INIT;
	struct command cmd;
	int status, fds[2];
	pid_t recorder;
	char byte;

	(void)state;
	close(mkstemp(path));
	assert_int_equal(pipe(fds), 0);
	recorder = fork();
	if (!recorder) {
		close(fds[0]);
		command_start(&cmd, argv, &err);
		kill(getpid(), SIGKILL);
	}
	close(fds[1]);
	assert_int_equal(waitpid(recorder, &status, 0), recorder);
	assert_true(WIFSIGNALED(status));
	/* The pipe ends when the last process that has it does: the child is gone. */
	assert_int_equal(read(fds[0], &byte, 1), 0);
	close(fds[0]);
	assert_int_equal(access(path, F_OK), 0);
	unlink(path);
}

static void signals_reach_it_and_its_mask_is_the_callers(void **state)
{
	char *argv[] = {"sleep", "1000", NULL};
	struct stint_err err = STINT_ERR_INIT;
	sigset_t all, before;
	struct command cmd;

	(void)state;
	assert_int_equal(command_start(&cmd, argv, &err), 0);
	/* What the recorder blocks afterwards is its own affair. Not SIGINT: a background job inherits it ignored. */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	assert_int_equal(command_release(&cmd, &err), 0);
	assert_false(command_ended(&cmd));
	assert_int_equal(command_exit_status(&cmd), 0);
	command_signal(&cmd, SIGTERM);
	wait_end(&cmd);
	sigprocmask(SIG_SETMASK, &before, NULL);
	assert_int_equal(command_exit_status(&cmd), 128 + SIGTERM);
	command_signal(&cmd, SIGTERM); /* too late: nobody else is hit */
	command_done(&cmd);
}

static void it_inherits_no_descriptor(void **state)
{
	(void)state;
	/* 0, 1, 2, and the directory that ls reads, besides what this test program itself was given. */
	assert_int_equal(run_shell("for fd in /proc/self/fd/*; do case $(readlink $fd) in socket:*) exit 1;; esac; "
				   "done"),
			 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exit_statuses_are_passed_on),
		cmocka_unit_test(an_ignored_sigchld_costs_no_status),
		cmocka_unit_test(nothing_runs_before_the_release),
		cmocka_unit_test(a_failing_exec_names_the_program),
		cmocka_unit_test(a_child_killed_at_the_gate),
		cmocka_unit_test(done_ends_a_child_at_the_gate),
		cmocka_unit_test(no_exec_without_a_recorder),
		cmocka_unit_test(signals_reach_it_and_its_mask_is_the_callers),
		cmocka_unit_test(it_inherits_no_descriptor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
