/* SPDX-License-Identifier: MIT */
/* Signals as things to read between two rounds of work. */
#ifndef STINT_RECORD_SIGNALS_H
#define STINT_RECORD_SIGNALS_H

#include <stdbool.h>

#include "base/err.h"

struct signals {
	int fd;		  /* 0 while there is none */
	unsigned n_stops; /* taken so far */
};

struct signal_taken {
	int number;
	bool from_terminal; /* every process in the foreground has got it */
};

/*
 * From here on SIGCHLD and the signals that stop a recording wait to be taken: SIGINT, SIGTERM, and SIGHUP unless it
 * was ignored. SIGPIPE and SIGXFSZ are errors of write. When one that stops comes and an earlier one has waited in vain
 * for a while, because a write doesn't come back, it ends the process at once. One at a time.
 */
int signals_init(struct signals *sig, struct stint_err *err);
void signals_done(struct signals *sig); /* zeroed is fine */

/* Waits for a signal, at most this long. */
void signals_wait(const struct signals *sig, int timeout_ms);

/* Has one that stops come since signals_take was last called? */
bool signals_waiting(void);

/* The next one that stops; false when there is none. */
bool signals_take(struct signals *sig, struct signal_taken *ret);

/* The recording has begun: a signal that ends the process at once says from now on what that costs it. */
void signals_begun(void);

/* From now on those that stop end the process at once. */
void signals_release(struct signals *sig);

#endif
