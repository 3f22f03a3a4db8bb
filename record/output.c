/* SPDX-License-Identifier: MIT */
#include "record/output.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define N_TEMP_TRIES	100
#define MAX_TEMP_NAME	32 /* ".stint-<pid>-<n>" */
#define OUTPUT_MAX_TEMP (sizeof(((struct output *)NULL)->path) + MAX_TEMP_NAME)

static int take_stdout(struct output *out, struct stint_err *err)
{
	if (isatty(STDOUT_FILENO))
		return stint_err_set(err, STINT_ERR_USAGE, 0, -1,
				     "standard output is a terminal; redirect it, or name a file with -o");
	out->fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	if (out->fd < 0)
		return stint_err_set(err, STINT_ERR_SYSTEM, errno, -1, "cannot use standard output");
	out->owned = true;
	if (dup2(STDERR_FILENO, STDOUT_FILENO) >= 0)
		return 0;
	stint_err_set(err, STINT_ERR_SYSTEM, errno, -1, "cannot redirect standard output");
	close(out->fd);
	out->fd = -1;
	return STINT_ERR_SYSTEM;
}

/* Does path name something that must be written to in place: a FIFO, a device? A directory fails in open. */
static bool is_special(const char *path)
{
	struct stat st;

	return !stat(path, &st) && !S_ISREG(st.st_mode);
}

/* Opening waits for nobody, writing does. */
static int open_special(struct output *out, struct stint_err *err)
{
	struct stat st;
	int failed_errno;

	out->fd = open(out->path, O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (out->fd < 0) {
		failed_errno = errno;
		if (failed_errno == ENXIO && !stat(out->path, &st) && S_ISFIFO(st.st_mode))
			return OUTPUT_NO_READER;
		return stint_err_set(err, STINT_ERR_SYSTEM, failed_errno, -1, "cannot write to %s", out->path);
	}
	/* Somebody may have put a file in its place since: that one isn't written over. */
	if (fstat(out->fd, &st) || S_ISREG(st.st_mode))
		return stint_err_set(err, STINT_ERR_SYSTEM, 0, -1, "%s has become another file", out->path);
	if (fcntl(out->fd, F_SETFL, O_WRONLY))
		return stint_err_set(err, STINT_ERR_SYSTEM, errno, -1, "cannot write to %s", out->path);
	out->owned = true;
	return 0;
}

/* How much of a path names the directory: up to its last slash. */
static int directory_length(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? (int)(slash + 1 - path) : 0;
}

/* Without any name, so that nothing is left if the recorder is killed before the recording has begun. */
static int open_nameless(const char *path)
{
	char dir[OUTPUT_MAX_TEMP];

	snprintf(dir, sizeof(dir), "%.*s.", directory_length(path), path);
	return open(dir, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
}

/*
 * Gives a file a name beside the path, and a short one, as the path's may be as long as can be: the open file itself,
 * or where it can have none, a new one, whose descriptor is *ret_fd. Returns 0 or an errno.
 */
static int make_temp(const struct output *out, char temp[OUTPUT_MAX_TEMP], int *ret_fd)
{
	char self[64];
	int i, failed_errno = EEXIST;

	snprintf(self, sizeof(self), "/proc/self/fd/%d", out->fd);
	for (i = 0; i < N_TEMP_TRIES && failed_errno == EEXIST; i++) {
		snprintf(temp, OUTPUT_MAX_TEMP, "%.*s.stint-%d-%d", directory_length(out->path), out->path,
			 (int)getpid(), i);
		failed_errno = 0;
		if (!ret_fd) {
			if (linkat(AT_FDCWD, self, AT_FDCWD, temp, AT_SYMLINK_FOLLOW))
				failed_errno = errno;
			continue;
		}
		*ret_fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (*ret_fd < 0)
			failed_errno = errno;
	}
	return failed_errno;
}

/*
 * Some file systems know no files without a name: what comes before the recording has begun is kept in memory. That a
 * file can be made there is found out now.
 */
static int open_memory(struct output *out)
{
	char temp[OUTPUT_MAX_TEMP];
	int fd, failed_errno = make_temp(out, temp, &fd);

	if (failed_errno)
		return failed_errno;
	close(fd);
	unlink(temp);
	out->fd = memfd_create("recording", MFD_CLOEXEC);
	out->in_memory = true;
	return out->fd < 0 ? errno : 0;
}

/* The old file stays until the recording has begun. */
static int create_file(struct output *out, struct stint_err *err)
{
	struct stat st;
	int failed_errno = 0;

	/* A name that is too long is refused now, not when it is needed. */
	if (lstat(out->path, &st) && errno == ENAMETOOLONG)
		return stint_err_set(err, STINT_ERR_SYSTEM, ENAMETOOLONG, -1, "cannot create %s", out->path);
	out->fd = open_nameless(out->path);
	if (out->fd < 0)
		failed_errno = open_memory(out);
	if (failed_errno)
		return stint_err_set(err, STINT_ERR_SYSTEM, failed_errno, -1, "cannot create %s", out->path);
	out->owned = true;
	out->regular = true;
	return 0;
}

/* Puts what is in memory into the file, and the file in its place. Returns 0 or an errno. */
static int leave_memory(struct output *out, int fd)
{
	off_t from = 0;
	ssize_t n = 1;

	while (from < (off_t)out->written_bytes && n > 0)
		n = sendfile(fd, out->fd, &from, out->written_bytes - (uint64_t)from);
	if (n <= 0)
		return n ? errno : EIO;
	if (dup3(fd, out->fd, O_CLOEXEC) < 0)
		return errno;
	out->in_memory = false;
	return 0;
}

/* Over an old file, by way of a name beside it. Returns 0 or an errno. */
static int replace_file(struct output *out)
{
	char temp[OUTPUT_MAX_TEMP];
	int fd = -1, failed_errno = make_temp(out, temp, out->in_memory ? &fd : NULL);

	if (failed_errno)
		return failed_errno;
	if (out->in_memory)
		failed_errno = leave_memory(out, fd);
	if (!failed_errno && rename(temp, out->path))
		failed_errno = errno;
	if (failed_errno)
		unlink(temp);
	if (fd >= 0)
		close(fd);
	return failed_errno;
}

/* A user id or a group id as sudo writes it; false for anything else. */
static bool parse_id(const char *text, uint32_t *ret)
{
	unsigned long id;
	char *end;

	if (!text || text[0] < '0' || text[0] > '9')
		return false;
	errno = 0;
	id = strtoul(text, &end, 10);
	*ret = (uint32_t)id;
	return !*end && !errno && id < UINT32_MAX;
}

/* Who ran sudo can read what it made. Where that can't be, the file stays root's. */
static void give_to_sudo_user(const struct output *out)
{
	uint32_t uid, gid;

	if (getuid() == 0 && geteuid() == 0 && parse_id(getenv("SUDO_UID"), &uid) && parse_id(getenv("SUDO_GID"), &gid))
		(void)fchown(out->fd, uid, gid);
}

int output_publish(struct output *out, struct stint_err *err)
{
	char self[64];
	int failed_errno = 0;

	if (!out->regular || out->published)
		return 0;
	snprintf(self, sizeof(self), "/proc/self/fd/%d", out->fd);
	if (out->in_memory)
		failed_errno = replace_file(out);
	else if (linkat(AT_FDCWD, self, AT_FDCWD, out->path, AT_SYMLINK_FOLLOW))
		failed_errno = errno == EEXIST ? replace_file(out) : errno;
	if (failed_errno)
		return stint_err_set(err, STINT_ERR_SYSTEM, failed_errno, -1, "cannot create %s", out->path);
	out->published = true;
	give_to_sudo_user(out);
	return 0;
}

static bool is_stdout(const char *path)
{
	return !strcmp(path, "-") || !strcmp(path, "/dev/stdout") || !strcmp(path, "/dev/fd/1") ||
	       !strcmp(path, "/proc/self/fd/1");
}

int output_init(struct output *out, const char *path, uint64_t max_bytes, struct stint_err *err)
{
	size_t length = strlen(path);

	memset(out, 0, sizeof(*out));
	out->fd = -1;
	out->max_bytes = max_bytes;
	if (length == 0 || length >= sizeof(out->path) - MAX_TEMP_NAME)
		return stint_err_set(err, STINT_ERR_USAGE, 0, -1, "the output's name is %s",
				     length ? "too long" : "empty");
	if (max_bytes && max_bytes < OUTPUT_MIN_BYTES)
		return stint_err_set(err, STINT_ERR_USAGE, 0, -1, "the size limit is too small: at least %u bytes",
				     OUTPUT_MIN_BYTES);
	memcpy(out->path, path, length + 1);
	return is_stdout(path) ? take_stdout(out, err) : 0;
}

int output_open(struct output *out, struct stint_err *err)
{
	int ret;

	if (out->fd >= 0)
		return 0;
	if (is_special(out->path))
		ret = open_special(out, err);
	else
		ret = create_file(out, err);
	if (ret && out->fd >= 0) {
		close(out->fd);
		out->fd = -1;
	}
	return ret;
}

/* Writes all of it, waiting where a pipe was made non-blocking by its other users. Returns 0 or an errno. */
static int write_fully(int fd, const uint8_t *data, size_t size, size_t *ret_done)
{
	*ret_done = 0;
	while (*ret_done < size) {
		ssize_t n = write(fd, data + *ret_done, size - *ret_done);
		struct pollfd wait = {.fd = fd, .events = POLLOUT};

		if (n > 0)
			*ret_done += (size_t)n;
		else if (n < 0 && errno == EAGAIN)
			poll(&wait, 1, 1000);
		else if (n < 0 && errno != EINTR)
			return errno;
		else if (n == 0)
			return EIO;
	}
	return 0;
}

/* A torn piece at the end of a file of our own would only be damage to its readers. */
static void cut_back(struct output *out, size_t torn)
{
	if (torn && (!out->regular || ftruncate(out->fd, (off_t)out->written_bytes) ||
		     lseek(out->fd, (off_t)out->written_bytes, SEEK_SET) < 0))
		out->written_bytes += torn;
}

static int sink_write(void *context, const void *data, size_t size, struct stint_err *err)
{
	struct output *out = context;
	uint64_t limit = out->max_bytes && !out->ending ? out->max_bytes - OUTPUT_RESERVE_BYTES : out->max_bytes;
	size_t done;
	int failed_errno;

	if (out->full && !out->ending)
		return stint_err_set(err, STINT_ERR_LIMIT, 0, -1, "%s is full", out->path);
	if (limit && (out->written_bytes > limit || size > limit - out->written_bytes)) {
		out->full = true;
		return stint_err_set(err, STINT_ERR_LIMIT, 0, -1, "%s reached its size limit", out->path);
	}
	failed_errno = write_fully(out->fd, data, size, &done);
	if (!failed_errno) {
		out->written_bytes += size;
		return 0;
	}
	cut_back(out, done);
	out->full = true;
	return stint_err_set(err, STINT_ERR_SYSTEM, failed_errno, -1, "cannot write to %s", out->path);
}

struct stint_sink output_sink(struct output *out)
{
	return (struct stint_sink){.write = sink_write, .context = out};
}

void output_default_path(char *path, size_t size)
{
	char host[65] = "host";
	char when[32] = "";
	time_t now = time(NULL);
	struct tm tm;
	size_t i;

	if (gethostname(host, sizeof(host) - 1) || !host[0])
		memcpy(host, "host", sizeof("host"));
	for (i = 0; host[i]; i++)
		if (host[i] == '/')
			host[i] = '_';
	if (localtime_r(&now, &tm))
		strftime(when, sizeof(when), "%Y%m%d-%H%M%S", &tm);
	snprintf(path, size, "stint-%s-%s.stint", host, when);
}

int output_close(struct output *out, struct stint_err *err)
{
	int fd = out->fd;

	out->fd = -1;
	if (!out->owned || fd < 0 || !close(fd) || errno == EINTR)
		return 0;
	return stint_err_set(err, STINT_ERR_SYSTEM, errno, -1, "cannot finish %s", out->path);
}
