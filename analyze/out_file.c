/* SPDX-License-Identifier: MIT */
#include "analyze/out_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"

static int failed(const char *path, int sys_errno, struct stint_err *err)
{
	return stint_err_set(err, STINT_ERR_SYSTEM, sys_errno, -1, "%s", path);
}

/* As open as the user's umask allows, and as the recording that it is made of. */
static mode_t mode_for(const char *from)
{
	mode_t mask = umask(0);
	struct stat st;

	umask(mask);
	if ((strcmp(from, "-") ? stat(from, &st) : fstat(STDIN_FILENO, &st)) || !S_ISREG(st.st_mode))
		return 0666 & ~mask;
	return st.st_mode & 0666 & ~mask;
}

/* A new file beside path. */
static int open_temp(struct out_file *out, const char *from, struct stint_err *err)
{
	struct stint_buf name;
	int fd, code = 0;

	stint_buf_init(&name, 1 << 16);
	stint_buf_printf(&name, "%s.XXXXXX", out->path);
	stint_buf_u8(&name, '\0');
	if (stint_buf_status(&name)) {
		stint_buf_done(&name);
		return failed(out->path, ENAMETOOLONG, err);
	}
	out->temp = (char *)name.data;
	fd = mkstemp(out->temp);
	if (fd < 0) {
		code = failed(out->path, errno, err);
		free(out->temp);
		out->temp = NULL;
		return code;
	}
	out->stream = fdopen(fd, "w");
	if (!out->stream) {
		code = failed(out->path, errno, err);
		close(fd);
	} else if (fchmod(fd, mode_for(from))) {
		code = failed(out->path, errno, err);
	}
	return code;
}

int out_file_open(struct out_file *out, const char *path, const char *from, struct stint_err *err)
{
	struct stat st;
	int code;

	memset(out, 0, sizeof(*out));
	out->path = path;
	if (!strcmp(path, "-")) {
		out->stream = stdout;
		return 0;
	}
	if (!stat(path, &st) && !S_ISREG(st.st_mode)) {
		out->stream = fopen(path, "w");
		return out->stream ? 0 : failed(path, errno, err);
	}
	code = open_temp(out, from, err);
	if (code)
		out_file_done(out);
	return code;
}

int out_file_finish(struct out_file *out, struct stint_err *err)
{
	bool broken = fflush(out->stream) || ferror(out->stream);
	int code = broken ? failed(out->stream == stdout ? "standard output" : out->path, errno, err) : 0;

	if (out->stream == stdout)
		return code;
	if (fclose(out->stream) && !code)
		code = failed(out->path, errno, err);
	out->stream = NULL;
	if (!code && out->temp && rename(out->temp, out->path))
		code = failed(out->path, errno, err);
	if (!code) {
		free(out->temp);
		out->temp = NULL;
	}
	return code;
}

void out_file_done(struct out_file *out)
{
	if (!out)
		return;
	if (out->stream && out->stream != stdout)
		fclose(out->stream);
	if (out->temp)
		unlink(out->temp);
	free(out->temp);
	memset(out, 0, sizeof(*out));
}

bool out_file_is_same(const char *a, const char *b)
{
	struct stat sa, sb;

	return !stat(a, &sa) && !stat(b, &sb) && sa.st_dev == sb.st_dev && sa.st_ino == sb.st_ino;
}

static int sink_write(void *context, const void *data, size_t size, struct stint_err *err)
{
	struct out_file *out = context;

	if (fwrite(data, 1, size, out->stream) == size)
		return 0;
	return stint_err_set(err, STINT_ERR_SYSTEM, errno, -1, "%s", out->path);
}

struct stint_sink out_file_sink(struct out_file *out)
{
	return (struct stint_sink){.write = sink_write, .context = out};
}
