/* SPDX-License-Identifier: MIT */
#include "base/err.h"

#include <stdio.h>
#include <string.h>

int stint_err_set(struct stint_err *err, int code, int sys_errno, int64_t file_off, const char *fmt, ...)
{
	va_list ap;
	char errno_text[64], end[128] = "";
	size_t len = 0;

	if (!err)
		return code;
	err->code = code;
	err->sys_errno = sys_errno;
	err->file_off = file_off;
	if (file_off >= 0)
		len = (size_t)snprintf(end, sizeof(end), " (at byte %lld)", (long long)file_off);
	if (sys_errno)
		snprintf(end + len, sizeof(end) - len, ": %s", strerror_r(sys_errno, errno_text, sizeof(errno_text)));
	va_start(ap, fmt);
	vsnprintf(err->msg, sizeof(err->msg) - strlen(end), fmt, ap);
	va_end(ap);
	len = strlen(err->msg);
	snprintf(err->msg + len, sizeof(err->msg) - len, "%s", end);
	return code;
}

int stint_err_prefix(struct stint_err *err, const char *fmt, ...)
{
	char text[sizeof(err->msg)];
	va_list ap;
	size_t len;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	len = strlen(text);
	snprintf(text + len, sizeof(text) - len, ": %.*s", (int)(sizeof(text) - len), err->msg);
	memcpy(err->msg, text, sizeof(text));
	return err->code;
}

int stint_err_exit_status(int code)
{
	switch (code) {
	case STINT_OK:
		return 0;
	case STINT_ERR_USAGE:
		return 2;
	case STINT_ERR_NOMEM:
	case STINT_ERR_SYSTEM:
		return 4;
	default:
		return 3;
	}
}
