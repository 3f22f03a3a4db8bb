/* SPDX-License-Identifier: MIT */
#include "format/input.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define COPY_BYTES (64u << 10)

/* A temporary file that is gone when it is closed. */
static int open_temporary(void)
{
	const char *dir = getenv("TMPDIR");
	char name[4096];
	int fd;
	size_t len;

	if (!dir || !*dir)
		dir = "/tmp";
	fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd >= 0)
		return fd;
	/* Not every file system has O_TMPFILE. */
	len = strlen(dir);
	if (len + sizeof("/stint-XXXXXX") > sizeof(name)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(name, dir, len);
	memcpy(name + len, "/stint-XXXXXX", sizeof("/stint-XXXXXX"));
	fd = mkostemp(name, O_CLOEXEC);
	if (fd >= 0)
		unlink(name);
	return fd;
}

static int write_all(int fd, const uint8_t *data, size_t size)
{
	while (size) {
		ssize_t n = write(fd, data, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		data += n;
		size -= (size_t)n;
	}
	return 0;
}

/* Copies all of a pipe into a temporary file. Returns its descriptor, or an error's code. */
static int spool(int pipe_fd, struct stint_err *err)
{
	uint8_t *buffer = malloc(COPY_BYTES);
	int fd = open_temporary(), code = 0;
	ssize_t n;

	if (!buffer)
		code = stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory to read");
	else if (fd < 0)
		code = stint_err_set(err, STINT_ERR_IO, errno, -1, "cannot make a temporary file for piped input");
	while (!code) {
		n = read(pipe_fd, buffer, COPY_BYTES);
		if (n == 0)
			break;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			code = stint_err_set(err, STINT_ERR_IO, errno, -1, "cannot read");
		else if (write_all(fd, buffer, (size_t)n))
			code = stint_err_set(err, STINT_ERR_IO, errno, -1,
					     "cannot write piped input to a temporary file");
	}
	free(buffer);
	if (code && fd >= 0)
		close(fd);
	return code ? code : fd;
}

/* Makes fd something that can be read at any offset. Takes it over. */
static int take_descriptor(struct stint_input *in, int fd, struct stint_err *err)
{
	struct stat st;
	int code;

	if (fstat(fd, &st)) {
		code = stint_err_set(err, STINT_ERR_IO, errno, -1, "cannot look at it");
	} else if (S_ISREG(st.st_mode)) {
		in->fd = fd;
		in->size = (uint64_t)st.st_size;
		return 0;
	} else if (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode)) {
		code = spool(fd, err);
		close(fd);
		if (code < 0)
			return code;
		return take_descriptor(in, code, err);
	} else {
		code = stint_err_set(err, STINT_ERR_IO, 0, -1, "is neither a file nor a pipe");
	}
	close(fd);
	return code;
}

int stint_input_open(struct stint_input *in, const char *path, struct stint_err *err)
{
	int fd;

	memset(in, 0, sizeof(*in));
	in->fd = -1;
	if (strcmp(path, "-") == 0)
		fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
	else
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return stint_err_set(err, STINT_ERR_IO, errno, -1, "cannot open");
	return take_descriptor(in, fd, err);
}

void stint_input_open_memory(struct stint_input *in, const void *data, size_t size)
{
	static const uint8_t nothing;

	*in = (struct stint_input){.data = size ? data : &nothing, .fd = -1, .size = size};
}

void stint_input_done(struct stint_input *in)
{
	if (!in->data && in->fd >= 0)
		close(in->fd);
	in->fd = -1;
}

const uint8_t *stint_input_at(const struct stint_input *in, uint64_t offset, size_t size, uint8_t *buffer,
			      struct stint_err *err)
{
	size_t done = 0;

	if (offset > in->size || size > in->size - offset) {
		stint_err_set(err, STINT_ERR_FORMAT, 0, (int64_t)offset, "the file ends here");
		return NULL;
	}
	if (in->data)
		return in->data + offset;
	while (done < size) {
		ssize_t n = pread(in->fd, buffer + done, size - done, (off_t)(offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			stint_err_set(err, STINT_ERR_IO, errno, (int64_t)offset, "cannot read");
			return NULL;
		}
		if (n == 0) {
			stint_err_set(err, STINT_ERR_FORMAT, 0, (int64_t)(offset + done),
				      "the file became shorter while it was read");
			return NULL;
		}
		done += (size_t)n;
	}
	return buffer;
}
