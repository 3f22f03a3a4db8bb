/* SPDX-License-Identifier: MIT */
/* The command behind "--": started, held before its first instruction, released, waited for. */
#ifndef STINT_RECORD_COMMAND_H
#define STINT_RECORD_COMMAND_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

struct command {
	pid_t pid;   /* 0 while there is none */
	int gate_fd; /* valid from start to release: the child waits at its other end */
	int status;  /* as from waitpid, valid once ended */
	bool ended;
	bool released;
	char program[256];
};

/*
 * Forks a child that waits to be released before it execs argv. When the recorder dies first, the child never execs;
 * once released it outlives the recorder, as a production command should. The child has the signal mask and
 * dispositions that the caller has now: call it before the recorder changes its own. The caller's disposition of
 * SIGCHLD becomes the default one, without which there is no status to pass on.
 */
int command_start(struct command *cmd, char *const argv[], struct stint_err *err);

/*
 * Lets it exec, and waits until it has. Fails with STINT_ERR_USAGE when the exec failed, naming the program, or
 * when the child died at the gate; it has then ended.
 */
int command_release(struct command *cmd, struct stint_err *err);

/* Has it ended? Reaps it when so. Never blocks. */
bool command_ended(struct command *cmd);

void command_signal(struct command *cmd, int signal); /* passes a signal on while it runs */

/* What the recorder exits with: the command's status, or 128 + signal. 0 while it runs. */
int command_exit_status(const struct command *cmd);

/* Ends a child that was never released, and closes the gate. NULL and zeroed are fine. */
void command_done(struct command *cmd);

#endif
