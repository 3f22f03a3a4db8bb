/* SPDX-License-Identifier: MIT */
/*
 * interrupted [N]: the main thread sleeps in long_sleep(); a second thread, "knocker", interrupts
 * it N times with a signal, whose handler sleeps once for 1 ms in handler_sleep(). Prints how often
 * the handler ran.
 */
#include <signal.h>

#include "workload.h"

static volatile sig_atomic_t n_handled;
static uint64_t n_signals;
static pid_t pid, main_tid;

NOINLINE void handler_sleep(void)
{
	raw_sleep_ns(1000000);
}

static void on_signal(int signal)
{
	(void)signal;
	handler_sleep();
	n_handled++;
}

NOINLINE void long_sleep(void)
{
	raw_sleep_ns(100000000);
}

static void *knocker(void *arg)
{
	(void)arg;
	pthread_setname_np(pthread_self(), "knocker");
	for (uint64_t i = 0; i < n_signals; i++) {
		uint64_t handled = (uint64_t)n_handled;

		raw_sleep_ns(2000000);
		raw_syscall(SYS_tgkill, pid, main_tid, SIGUSR1, 0);
		while ((uint64_t)n_handled == handled)
			raw_sleep_ns(500000);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	struct sigaction action = {.sa_handler = on_signal};
	pthread_t thread;

	n_signals = number_arg(argc, argv, 1, 100, 1, 100000);
	pid = getpid();
	main_tid = (pid_t)syscall(SYS_gettid);
	sigaction(SIGUSR1, &action, NULL);
	start_thread(&thread, knocker, NULL);
	while ((uint64_t)n_handled < n_signals)
		long_sleep();
	pthread_join(thread, NULL);
	say("pid", (uint64_t)pid);
	say("handled", (uint64_t)n_handled);
	return 0;
}
