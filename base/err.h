/* SPDX-License-Identifier: MIT */
/*
 * Errors as values. A fallible function returns 0 or one of the negative codes below, and fills in
 * the struct stint_err it was given. Libraries never print; the message is fit to be shown as it is.
 */
#ifndef STINT_BASE_ERR_H
#define STINT_BASE_ERR_H

#include <stdarg.h>
#include <stdint.h>

enum stint_code {
	STINT_OK = 0,
	STINT_ERR_NOMEM = -1,	    /* an allocation failed */
	STINT_ERR_IO = -2,	    /* open, read or write failed; sys_errno says why */
	STINT_ERR_FORMAT = -3,	    /* the input breaks its format's rules */
	STINT_ERR_LIMIT = -4,	    /* the input asks for more than a named limit allows */
	STINT_ERR_UNSUPPORTED = -5, /* valid, but needs something this build doesn't have */
	STINT_ERR_USAGE = -6,	    /* the caller's arguments are wrong */
	STINT_ERR_SYSTEM = -7,	    /* the kernel refused: permission, missing feature, no space */
	STINT_ERR_NOTFOUND = -8,    /* nothing by that name, id or address */
};

/* What went wrong. Plain data, no ownership; copy it freely. */
struct stint_err {
	int code;	  /* an enum stint_code; 0 while nothing failed */
	int sys_errno;	  /* errno of the failing call, 0 where none applies */
	int64_t file_off; /* byte offset in the input, -1 where none applies */
	char msg[256];	  /* one line, no newline at its end */
};

#define STINT_ERR_INIT                                                                                                 \
	{                                                                                                              \
		.file_off = -1                                                                                         \
	}

/*
 * Fills in *err (NULL is allowed) and returns code, so that "return stint_err_set(…)" reads well.
 * The text of sys_errno is appended to the message when sys_errno is not 0; an offset is appended
 * when file_off is not negative. Long messages are cut before these, never overrun.
 */
int stint_err_set(struct stint_err *err, int code, int sys_errno, int64_t file_off, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));

/* Puts "text: " in front of the message, as callers that know the file's name do. Returns err->code. */
int stint_err_prefix(struct stint_err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The exit status of stint's command-line contract for an error code: 0, 2, 3 or 4. */
int stint_err_exit_status(int code);

#endif
