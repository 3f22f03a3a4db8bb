/* SPDX-License-Identifier: MIT */
/*
 * timeouts [N] [MS]: the main thread waits N times for data that never comes, in wait_for_data(),
 * until its SO_RCVTIMEO of MS ms wakes it; a second thread burns the same CPU all the while, so that
 * every timer that expires interrupts it. Prints how often it waited and who it was that burned.
 */
#include <sys/socket.h>
#include <sys/time.h>

#include "workload.h"

static volatile int done;
static volatile pid_t burner_tid;

static void *burn(void *arg)
{
	(void)arg;
	pthread_setname_np(pthread_self(), "bystander");
	burner_tid = (pid_t)syscall(SYS_gettid);
	while (!done)
		;
	return NULL;
}

NOINLINE long wait_for_data(int fd)
{
	char byte;

	return raw_syscall(SYS_recvfrom, fd, (long)&byte, 1, 0);
}

int main(int argc, char **argv)
{
	uint64_t n = number_arg(argc, argv, 1, 100, 1, 100000);
	uint64_t ms = number_arg(argc, argv, 2, 12, 1, 1000), waits = 0;
	struct timeval timeout = {.tv_usec = (suseconds_t)(ms * 1000)};
	pthread_t thread;
	int fds[2];

	pin_to_cpu(0);
	if (socketpair(AF_UNIX, SOCK_DGRAM, 0, fds) ||
	    setsockopt(fds[0], SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout)) {
		perror("timeouts");
		return 1;
	}
	start_thread(&thread, burn, NULL);
	while (waits < n && wait_for_data(fds[0]) == -EAGAIN)
		waits++;
	done = 1;
	pthread_join(thread, NULL);
	say("waits", waits);
	say("bystander", (uint64_t)burner_tid);
	return waits == n ? 0 : 1;
}
