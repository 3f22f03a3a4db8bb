/* SPDX-License-Identifier: MIT */
#include "record/signals.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

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

int signals_init(struct signals *sig, struct stint_err *err)
{
	struct sigaction ignore = {.sa_handler = SIG_IGN};
	sigset_t set;

	sig->n_stops = 0;
	stop_set(&set);
	sigaddset(&set, SIGCHLD);
	/* A write that fails is an error like others. */
	sigaction(SIGPIPE, &ignore, NULL);
	sigaction(SIGXFSZ, &ignore, NULL);
	sigprocmask(SIG_BLOCK, &set, NULL);
	sig->fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (sig->fd < 0) {
		sig->fd = 0;
		return stint_err_set(err, STINT_ERR_SYSTEM, errno, -1, "cannot take signals");
	}
	return 0;
}

void signals_done(struct signals *sig)
{
	if (sig->fd > 0)
		close(sig->fd);
	sig->fd = 0;
}

void signals_wait(const struct signals *sig, int timeout_ms)
{
	struct pollfd pfd = {.fd = sig->fd, .events = POLLIN};

	(void)poll(&pfd, 1, timeout_ms);
}

bool signals_take(struct signals *sig, struct signal_taken *ret)
{
	struct signalfd_siginfo info;

	while (read(sig->fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGCHLD)
			continue;
		sig->n_stops++;
		ret->number = (int)info.ssi_signo;
		ret->from_terminal = info.ssi_code == SI_KERNEL;
		return true;
	}
	return false;
}

/* Says why, with what a signal handler may use. The file needs no ending to be read. */
static void stop_at_once(int number)
{
	static const char text[] =
	        "stint-record: stopped at once: the recording lacks its last second\n";

	if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
		_exit(128 + number);
	_exit(128 + number);
}

void signals_release(struct signals *sig)
{
	struct sigaction action = {.sa_handler = stop_at_once};
	sigset_t set;

	signals_done(sig);
	stop_set(&set);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	if (sigismember(&set, SIGHUP))
		sigaction(SIGHUP, &action, NULL);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}
