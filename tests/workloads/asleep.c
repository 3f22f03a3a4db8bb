/* SPDX-License-Identifier: MIT */
/*
 * asleep: threads blocked for good, each in a function named for it: asleep_in_read() on an empty
 * pipe, asleep_in_futex(), asleep_in_poll(), asleep_in_sleep(). Says ready=1 once all of them are
 * blocked, and stays so until it is killed or its standard input ends.
 */
#include <fcntl.h>
#include <poll.h>

#include "workload.h"

static int pipe_fds[2];
static uint32_t futex_word;
static const char *const names[] = {"in-read", "in-futex", "in-poll", "in-sleep"};
static pid_t tids[4];
static pthread_barrier_t all_here;

NOINLINE void asleep_in_read(void)
{
	char byte;

	for (;;)
		raw_syscall(SYS_read, pipe_fds[0], (long)&byte, 1, 0);
}

NOINLINE void asleep_in_futex(void)
{
	for (;;)
		raw_futex(&futex_word, FUTEX_WAIT, 0);
}

NOINLINE void asleep_in_poll(void)
{
	struct pollfd fd = {.fd = pipe_fds[0], .events = POLLIN};

	for (;;)
		raw_syscall(SYS_poll, (long)&fd, 1, -1, 0);
}

NOINLINE void asleep_in_sleep(void)
{
	for (;;)
		raw_sleep_ns(3600ull * 1000000000u);
}

static void *sleeper(void *arg)
{
	static void (*const functions[])(void) = {asleep_in_read, asleep_in_futex, asleep_in_poll, asleep_in_sleep};
	uintptr_t me = (uintptr_t)arg;

	tids[me] = (pid_t)syscall(SYS_gettid);
	pthread_setname_np(pthread_self(), names[me]);
	pthread_barrier_wait(&all_here);
	functions[me]();
	return NULL;
}

/* Waits until /proc says that the thread sleeps. */
static void wait_until_asleep(pid_t tid)
{
	char path[64], text[512], *end;

	snprintf(path, sizeof path, "/proc/self/task/%d/stat", tid);
	for (;;) {
		FILE *f = fopen(path, "r");
		size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;

		if (f)
			fclose(f);
		text[n] = '\0';
		end = strrchr(text, ')');
		if (end && end[1] == ' ' && end[2] == 'S')
			return;
		usleep(1000);
	}
}

int main(void)
{
	pthread_t threads[4];
	char byte;

	if (pipe(pipe_fds)) {
		perror("pipe");
		return 1;
	}
	pthread_barrier_init(&all_here, NULL, 5);
	for (uintptr_t i = 0; i < 4; i++)
		start_thread(&threads[i], sleeper, (void *)i);
	pthread_barrier_wait(&all_here);
	usleep(20000);
	say("pid", (uint64_t)getpid());
	for (int i = 0; i < 4; i++) {
		wait_until_asleep(tids[i]);
		say(names[i], (uint64_t)tids[i]);
	}
	say("ready", 1);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	return 0;
}
