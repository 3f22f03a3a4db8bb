/* SPDX-License-Identifier: MIT */
/*
 * messaging [N] [GAP_US]: a parent that sends N one-byte messages through a pipe to a child
 * process, GAP_US apart or more: the child is asleep in receive_message() when a message comes, and when the
 * pipe ends. Prints how many messages the child got, and waited for with the end.
 */
#include <sys/wait.h>

#include "workload.h"

NOINLINE long receive_message(int fd)
{
	char byte;

	return raw_syscall(SYS_read, fd, (long)&byte, 1, 0);
}

NOINLINE void send_message(int fd)
{
	char byte = 'x';

	raw_syscall(SYS_write, fd, (long)&byte, 1, 0);
}

NOINLINE void between_messages(uint64_t ns)
{
	raw_sleep_ns(ns);
}

int main(int argc, char **argv)
{
	uint64_t n = number_arg(argc, argv, 1, 100, 1, 1000000);
	uint64_t gap_ns = number_arg(argc, argv, 2, 2000, 1, 1000000) * 1000;
	uint64_t n_received = 0;
	int fds[2], status;
	pid_t child;

	if (pipe(fds)) {
		perror("pipe");
		return 1;
	}
	child = fork();
	if (child == 0) {
		close(fds[1]);
		while (receive_message(fds[0]) == 1)
			n_received++;
		say("receiver", (uint64_t)getpid());
		say("received", n_received);
		say("waits", n_received + 1);
		return 0;
	}
	close(fds[0]);
	for (uint64_t i = 0; i < n; i++) {
		between_messages(gap_ns);
		wait_until_blocked(child, child, SYS_read);
		send_message(fds[1]);
	}
	wait_until_blocked(child, child, SYS_read);
	close(fds[1]);
	waitpid(child, &status, 0);
	say("sender", (uint64_t)getpid());
	say("sent", n);
	return 0;
}
