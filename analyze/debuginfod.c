/* SPDX-License-Identifier: MIT */
#include "analyze/debuginfod.h"

#include <dlfcn.h>
#include <elfutils/debuginfod.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "analyze/progress.h"

/* In seconds: without any new byte, and for one file; DEBUGINFOD_TIMEOUT and DEBUGINFOD_MAXTIME say otherwise. */
#define STALL_S "10"
#define WHOLE_S "300"
#define GRACE_S 3u /* the library's own clock goes first: what it gives up itself, it doesn't remember as missing */

typedef debuginfod_client *(*begin_fn)(void);
typedef void (*end_fn)(debuginfod_client *);
typedef int (*find_fn)(debuginfod_client *, const unsigned char *, int, char **);
typedef void (*set_progress_fn)(debuginfod_client *, debuginfod_progressfn_t);
typedef void (*set_data_fn)(debuginfod_client *, void *);
typedef void *(*get_data_fn)(debuginfod_client *);

struct debuginfod {
	char *urls;
	void *library;
	debuginfod_client *client;
	end_fn end;
	find_fn find_debug, find_code;
	unsigned long stall_s, whole_s;
	struct timespec began, moved; /* the present download: its start, and when bytes came last */
	long bytes;
	bool late; /* given up by the clock */
	bool tried, dead;
	char why[192];
};

/* For the library's callback, which comes without one where it is old. */
static get_data_fn get_data;

struct debuginfod *debuginfod_new(const char *urls)
{
	struct debuginfod *d = urls && *urls ? calloc(1, sizeof(*d)) : NULL;

	if (!d)
		return NULL;
	d->urls = strdup(urls);
	if (d->urls)
		return d;
	free(d);
	return NULL;
}

void debuginfod_free(struct debuginfod *d)
{
	if (!d)
		return;
	if (d->client)
		d->end(d->client);
	if (d->library)
		dlclose(d->library);
	free(d->urls);
	free(d);
}

static double seconds_since(const struct timespec *then)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - then->tv_sec) + (double)(now.tv_nsec - then->tv_nsec) / 1e9;
}

/*
 * Called by the library all the time while it waits. A server that takes the connection and never answers, or sends
 * next to nothing, must not hold up a report: nonzero gives it up.
 */
static int on_progress(debuginfod_client *client, long bytes, long of_bytes)
{
	struct debuginfod *d = get_data(client);

	/* Before the length is known the library counts its rounds; these are no bytes. */
	if (of_bytes > 0 && bytes != d->bytes) {
		d->bytes = bytes;
		clock_gettime(CLOCK_MONOTONIC, &d->moved);
	}
	progress_show("debuginfod", d->bytes > 0 ? (uint64_t)d->bytes : 0, of_bytes > 0 ? (uint64_t)of_bytes : 0);
	d->late |= seconds_since(&d->moved) >= (double)d->stall_s + GRACE_S ||
		   seconds_since(&d->began) >= (double)d->whole_s + GRACE_S;
	return d->late;
}

/* A whole number of seconds from the environment; none, or 0, is no limit, as it is to the library. */
static unsigned long seconds_of(const char *name)
{
	const char *text = getenv(name);
	unsigned long value = text && *text >= '0' && *text <= '9' ? strtoul(text, NULL, 10) : 0;

	return value && value < INT_MAX ? value : INT_MAX;
}

/* A function of the library. POSIX wants function pointers to come out of dlsym; C needs the detour. */
static bool get_function(struct debuginfod *d, const char *name, void *function, size_t size)
{
	void *symbol = dlsym(d->library, name);

	memcpy(function, &symbol, size);
	return symbol != NULL;
}

static bool get_functions(struct debuginfod *d, begin_fn *begin, set_progress_fn *set_progress, set_data_fn *set_data)
{
	return get_function(d, "debuginfod_begin", begin, sizeof(*begin)) &&
	       get_function(d, "debuginfod_end", &d->end, sizeof(d->end)) &&
	       get_function(d, "debuginfod_set_progressfn", set_progress, sizeof(*set_progress)) &&
	       get_function(d, "debuginfod_set_user_data", set_data, sizeof(*set_data)) &&
	       get_function(d, "debuginfod_get_user_data", &get_data, sizeof(get_data)) &&
	       get_function(d, "debuginfod_find_debuginfo", &d->find_debug, sizeof(d->find_debug)) &&
	       get_function(d, "debuginfod_find_executable", &d->find_code, sizeof(d->find_code));
}

static bool start(struct debuginfod *d)
{
	begin_fn begin;
	set_progress_fn set_progress;
	set_data_fn set_data;

	d->library = dlopen("libdebuginfod.so.1", RTLD_NOW | RTLD_LOCAL);
	if (!d->library) {
		snprintf(d->why, sizeof(d->why), "debuginfod: libdebuginfod.so.1 is not installed");
		return false;
	}
	if (!get_functions(d, &begin, &set_progress, &set_data)) {
		snprintf(d->why, sizeof(d->why), "debuginfod: this libdebuginfod lacks a function");
		return false;
	}
	/* The library takes its settings from the environment only. */
	if (!setenv("DEBUGINFOD_URLS", d->urls, 1) && !setenv("DEBUGINFOD_TIMEOUT", STALL_S, 0) &&
	    !setenv("DEBUGINFOD_MAXTIME", WHOLE_S, 0) && !setenv("DEBUGINFOD_RETRY_LIMIT", "0", 0))
		d->client = begin();
	if (!d->client) {
		snprintf(d->why, sizeof(d->why), "debuginfod: no memory");
		return false;
	}
	d->stall_s = seconds_of("DEBUGINFOD_TIMEOUT");
	d->whole_s = seconds_of("DEBUGINFOD_MAXTIME");
	set_data(d->client, d);
	set_progress(d->client, on_progress);
	return true;
}

/* Servers that failed aren't asked again, but what was downloaded before is still there. */
static char *find_cached(enum debug_want want, const uint8_t *id, size_t id_size)
{
	static const char *const places[][2] = {{"DEBUGINFOD_CACHE_PATH", ""},
						{"XDG_CACHE_HOME", "/debuginfod_client"},
						{"HOME", "/.cache/debuginfod_client"},
						{"HOME", "/.debuginfod_client_cache"}};
	char hex[2 * DEBUGINFOD_MAX_ID + 1], path[PATH_MAX];
	struct stat st;
	size_t i;
	int n;

	for (i = 0; i < id_size; i++)
		snprintf(hex + 2 * i, 3, "%02x", id[i]);
	for (i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		const char *dir = getenv(places[i][0]);

		if (!dir || !*dir)
			continue;
		n = snprintf(path, sizeof(path), "%s%s/%s/%s", dir, places[i][1], hex,
			     want == DEBUG_WANT_DEBUG ? "debuginfo" : "executable");
		/* An empty file remembers that servers didn't have it. */
		if (n > 0 && (size_t)n < sizeof(path) && !stat(path, &st) && S_ISREG(st.st_mode) && st.st_size)
			return strdup(path);
	}
	return NULL;
}

/* Downloads a file, or finds it in the cache. NULL when no server has it, or (d->dead then) they failed. */
static char *download(struct debuginfod *d, enum debug_want want, const uint8_t *id, size_t id_size)
{
	char *path = NULL;
	int fd;

	clock_gettime(CLOCK_MONOTONIC, &d->began);
	d->moved = d->began;
	d->bytes = 0;
	fd = (want == DEBUG_WANT_DEBUG ? d->find_debug : d->find_code)(d->client, id, (int)id_size, &path);
	progress_clear();
	if (fd >= 0) {
		close(fd);
		return path;
	}
	if (fd == -ENOENT && !d->late)
		return NULL;
	d->dead = true;
	/* The library has a clock of its own, which counts in whole seconds. */
	if (!d->late && fd != -ETIME)
		snprintf(d->why, sizeof(d->why), "debuginfod: %s", strerror(-fd));
	else if (seconds_since(&d->began) + 1 >= (double)d->whole_s)
		snprintf(d->why, sizeof(d->why), "debuginfod: not done within %lu s (DEBUGINFOD_MAXTIME)", d->whole_s);
	else
		snprintf(d->why, sizeof(d->why), "debuginfod: no answer within %lu s (DEBUGINFOD_TIMEOUT)", d->stall_s);
	return NULL;
}

char *debuginfod_find(struct debuginfod *d, enum debug_want want, const uint8_t *id, size_t id_size,
		      const char **ret_why)
{
	char *path = NULL;

	if (!d || id_size < 2 || id_size > DEBUGINFOD_MAX_ID)
		return NULL;
	if (!d->tried) {
		d->tried = true;
		d->dead = !start(d);
	}
	if (!d->dead)
		path = download(d, want, id, id_size);
	if (!path && d->dead) {
		path = find_cached(want, id, id_size);
		*ret_why = path ? NULL : d->why;
	}
	return path;
}
