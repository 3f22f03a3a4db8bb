/* SPDX-License-Identifier: MIT */
#include "record/command.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define CANNOT_EXEC 127

/*
 * The gate is a socket pair: a byte to the child lets it go, end of file makes it leave. On the way back end of
 * file means that exec closed it, an errno that exec failed. Not a pipe: writing to a child that was killed
 * meanwhile must not raise SIGPIPE here.
 */
static _Noreturn void child_main(int gate_fd, char *const argv[], const struct sigaction *on_child)
{
	ssize_t n;
	char byte;
	int exec_errno;

	do {
		n = recv(gate_fd, &byte, 1, 0);
	} while (n < 0 && errno == EINTR);
	if (n != 1)
		_exit(CANNOT_EXEC);
	sigaction(SIGCHLD, on_child, NULL);
	execvp(argv[0], argv);
	exec_errno = errno;
	send(gate_fd, &exec_errno, sizeof(exec_errno), MSG_NOSIGNAL);
	_exit(CANNOT_EXEC);
}

int command_start(struct command *cmd, char *const argv[], struct stint_err *err)
{
	struct sigaction by_default = {.sa_handler = SIG_DFL}, on_child;
	int gate[2];

	memset(cmd, 0, sizeof(*cmd));
	cmd->gate_fd = -1;
	snprintf(cmd->program, sizeof(cmd->program), "%s", argv[0]);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, gate))
		return stint_err_set(err, STINT_ERR_SYSTEM, errno, -1, "cannot start %s", cmd->program);
	/* Where the caller's caller ignores it, the kernel would keep no exit status for us. */
	sigaction(SIGCHLD, &by_default, &on_child);
	cmd->pid = fork();
	if (cmd->pid == 0) {
		close(gate[0]);
		child_main(gate[1], argv, &on_child);
	}
	close(gate[1]);
	if (cmd->pid < 0) {
		cmd->pid = 0;
		close(gate[0]);
		return stint_err_set(err, STINT_ERR_SYSTEM, errno, -1, "cannot start %s", cmd->program);
	}
	cmd->gate_fd = gate[0];
	return 0;
}

static void reap(struct command *cmd, int options)
{
	pid_t pid;

	do {
		pid = waitpid(cmd->pid, &cmd->status, options);
	} while (pid < 0 && errno == EINTR);
	/* Nothing to wait for (ECHILD) can only mean that somebody else reaped it. */
	cmd->ended = pid != 0;
}

int command_release(struct command *cmd, struct stint_err *err)
{
	int exec_errno = 0;
	ssize_t n;

	n = send(cmd->gate_fd, "", 1, MSG_NOSIGNAL);
	if (n == 1) {
		do {
			n = recv(cmd->gate_fd, &exec_errno, sizeof(exec_errno), MSG_WAITALL);
		} while (n < 0 && errno == EINTR);
		/* The kernel resets a connection whose other end was killed with our byte unread. */
		if (n < 0)
			exec_errno = 0;
	}
	cmd->released = true;
	close(cmd->gate_fd);
	cmd->gate_fd = -1;
	if (n == 0)
		return 0;
	reap(cmd, 0);
	if (exec_errno)
		return stint_err_set(err, STINT_ERR_USAGE, exec_errno, -1, "cannot run %s", cmd->program);
	return stint_err_set(err, STINT_ERR_USAGE, 0, -1, "%s was ended before it could run", cmd->program);
}

bool command_ended(struct command *cmd)
{
	if (cmd->pid > 0 && !cmd->ended)
		reap(cmd, WNOHANG);
	return cmd->ended;
}

void command_signal(struct command *cmd, int signal)
{
	if (cmd->pid > 0 && !cmd->ended)
		kill(cmd->pid, signal);
}

int command_exit_status(const struct command *cmd)
{
	if (!cmd->ended)
		return 0;
	return WIFSIGNALED(cmd->status) ? 128 + WTERMSIG(cmd->status) : WEXITSTATUS(cmd->status);
}

void command_done(struct command *cmd)
{
	if (!cmd || cmd->pid <= 0)
		return;
	if (cmd->gate_fd >= 0)
		close(cmd->gate_fd);
	cmd->gate_fd = -1;
	if (!cmd->released && !cmd->ended) {
		kill(cmd->pid, SIGKILL);
		reap(cmd, 0);
	}
	cmd->pid = 0;
}
