/* SPDX-License-Identifier: MIT */
#include "analyze/debuginfod.h"

#include <dlfcn.h>
#include <elfutils/debuginfod.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* In seconds, unless the user has set the library's own variables. */
#define STALL_SECONDS "20"
#define WHOLE_SECONDS "300"

typedef debuginfod_client *(*begin_fn)(void);
typedef void (*end_fn)(debuginfod_client *);
typedef int (*find_fn)(debuginfod_client *, const unsigned char *, int, char **);

struct debuginfod {
	char *urls;
	void *library;
	debuginfod_client *client;
	end_fn end;
	find_fn find_debug, find_code;
	bool tried, dead;
	char why[128];
};

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

/* A function of the library. POSIX wants function pointers to come out of dlsym; C needs the detour. */
static bool get_function(struct debuginfod *d, const char *name, void *function, size_t size)
{
	void *symbol = dlsym(d->library, name);

	memcpy(function, &symbol, size);
	return symbol != NULL;
}

static bool start(struct debuginfod *d)
{
	begin_fn begin;

	d->library = dlopen("libdebuginfod.so.1", RTLD_NOW | RTLD_LOCAL);
	if (!d->library) {
		snprintf(d->why, sizeof(d->why), "debuginfod: libdebuginfod.so.1 is not installed");
		return false;
	}
	/* The library takes its settings from the environment only. */
	if (setenv("DEBUGINFOD_URLS", d->urls, 1) || setenv("DEBUGINFOD_TIMEOUT", STALL_SECONDS, 0) ||
	    setenv("DEBUGINFOD_MAXTIME", WHOLE_SECONDS, 0))
		return false;
	if (isatty(STDERR_FILENO))
		setenv("DEBUGINFOD_PROGRESS", "1", 0);
	if (!get_function(d, "debuginfod_begin", &begin, sizeof(begin)) ||
	    !get_function(d, "debuginfod_end", &d->end, sizeof(d->end)) ||
	    !get_function(d, "debuginfod_find_debuginfo", &d->find_debug, sizeof(d->find_debug)) ||
	    !get_function(d, "debuginfod_find_executable", &d->find_code, sizeof(d->find_code))) {
		snprintf(d->why, sizeof(d->why), "debuginfod: this libdebuginfod lacks a function");
		return false;
	}
	d->client = begin();
	return d->client != NULL;
}

char *debuginfod_find(struct debuginfod *d, enum debug_want want, const uint8_t *id, size_t id_size,
		      const char **ret_why)
{
	char *path = NULL;
	int fd;

	if (!d || id_size < 2 || id_size > 64)
		return NULL;
	if (!d->tried) {
		d->tried = true;
		d->dead = !start(d);
	}
	if (d->dead) {
		*ret_why = *d->why ? d->why : NULL;
		return NULL;
	}
	fd = (want == DEBUG_WANT_DEBUG ? d->find_debug : d->find_code)(d->client, id, (int)id_size, &path);
	if (fd >= 0) {
		close(fd);
		return path;
	}
	if (fd != -ENOENT) {
		d->dead = true;
		snprintf(d->why, sizeof(d->why), "debuginfod: %s", strerror(-fd));
		*ret_why = d->why;
	}
	return NULL;
}
