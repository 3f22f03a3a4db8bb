/* SPDX-License-Identifier: MIT */
#include "record/signals.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <unistd.h>

#include "record/clock.h"

#define PATIENCE_NS 200000000ull

static void stop_set(sigset_t *set)
{
	struct sigaction hangup;

	sigemptyset(set);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGTERM);
	/* A blocked signal arrives even where nohup has it ignored. */
	if (sigaction(SIGHUP, NULL, &hangup) == 0 && hangup.sa_handler != SIG_IGN)
		sigaddset(set, SIGHUP);
}

/* A handler has no context. */
static volatile sig_atomic_t begun;

/* Says why, with what a signal handler may use. The file needs no ending to be read. */
static _Noreturn void stop_at_once(int number)
{
	static const char late[] = "stint-record: stopped at once: the recording lacks its last second\n";
	static const char early[] = "stint-record: stopped before recording began\n";

	if (write(STDERR_FILENO, begun ? late : early, begun ? sizeof(late) - 1 : sizeof(early) - 1) < 0)
		_exit(128 + number);
	_exit(128 + number);
}

void signals_begun(void)
{
	begun = true;
}

static int queue_fd = -1;
static volatile uint64_t untaken_since_ns; /* when the oldest stop that waits to be taken came */

static void on_signal(int number, siginfo_t *info, void *ucontext)
{
	const struct signal_taken taken = {.number = number, .from_terminal = info->si_code == SI_KERNEL};
	uint64_t now_ns = clock_now_ns();
	int saved_errno = errno;

	(void)ucontext;
	/* Nobody takes them: a pipe's reader doesn't read, a disk doesn't answer. */
	if (number != SIGCHLD && untaken_since_ns && now_ns - untaken_since_ns > PATIENCE_NS)
		stop_at_once(number);
	if (number != SIGCHLD && !untaken_since_ns)
		untaken_since_ns = now_ns;
	if (write(queue_fd, &taken, sizeof(taken)) < 0) {
		/* Full of signals that wait: one more changes nothing. */
	}
	errno = saved_errno;
}

static void handle(const sigset_t *set, const struct sigaction *action)
{
	int number;

	for (number = 1; number < NSIG; number++)
		if (sigismember(set, number) == 1)
			sigaction(number, action, NULL);
}

int signals_init(struct signals *sig, struct stint_err *err)
{
	struct sigaction ignore = {.sa_handler = SIG_IGN};
	struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART};
	int fds[2];

	sig->n_stops = 0;
	if (pipe2(fds, O_NONBLOCK | O_CLOEXEC))
		return stint_err_set(err, STINT_ERR_SYSTEM, errno, -1, "cannot take signals");
	sig->fd = fds[0];
	queue_fd = fds[1];
	untaken_since_ns = 0;
	stop_set(&action.sa_mask);
	sigaddset(&action.sa_mask, SIGCHLD);
	handle(&action.sa_mask, &action);
	/* A write that fails is an error like others. */
	sigaction(SIGPIPE, &ignore, NULL);
	sigaction(SIGXFSZ, &ignore, NULL);
	return 0;
}

void signals_done(struct signals *sig)
{
	if (sig->fd <= 0)
		return;
	close(sig->fd);
	close(queue_fd);
	sig->fd = 0;
	queue_fd = -1;
}

void signals_wait(const struct signals *sig, int timeout_ms)
{
	struct pollfd pfd = {.fd = sig->fd, .events = POLLIN};

	(void)poll(&pfd, 1, timeout_ms);
}

bool signals_waiting(void)
{
	return untaken_since_ns != 0;
}

bool signals_take(struct signals *sig, struct signal_taken *ret)
{
	untaken_since_ns = 0;
	while (read(sig->fd, ret, sizeof(*ret)) == (ssize_t)sizeof(*ret)) {
		if (ret->number == SIGCHLD)
			continue;
		sig->n_stops++;
		return true;
	}
	return false;
}

void signals_release(struct signals *sig)
{
	struct sigaction action = {.sa_handler = stop_at_once}, by_default = {.sa_handler = SIG_DFL};
	sigset_t set;

	stop_set(&set);
	handle(&set, &action);
	sigaction(SIGCHLD, &by_default, NULL);
	signals_done(sig);
}
