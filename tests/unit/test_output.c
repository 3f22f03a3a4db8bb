/* SPDX-License-Identifier: MIT */
/* Where recordings go: files that appear whole, limits, disks that fill up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "record/output.h"

static char dir[] = "/tmp/stint-output-XXXXXX";
static uint8_t piece[10000];

static int make_dir(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	memset(piece, 'x', sizeof(piece));
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

static const char *in_dir(const char *name)
{
	static char path[512];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static off_t size_of(const char *path)
{
	struct stat st;

	return stat(path, &st) ? -1 : st.st_size;
}

static unsigned files_in_dir(void)
{
	char command[128];
	unsigned n = 0;
	FILE *pipe;

	snprintf(command, sizeof(command), "ls -A %s | wc -l", dir);
	pipe = popen(command, "r");
	assert_int_equal(fscanf(pipe, "%u", &n), 1);
	pclose(pipe);
	return n;
}

static void a_new_file_is_private(void **state)
{
	struct stint_err err = STINT_ERR_INIT;
	struct output out;
	struct stat st;

	(void)state;
	assert_int_equal(output_open(&out, in_dir("new"), 0, &err), 0);
	if (!out.temp[0]) /* this file system has files without a name */
		assert_int_equal(files_in_dir(), 0);
	assert_int_equal(output_sink(&out).write(&out, piece, sizeof(piece), &err), 0);
	assert_int_equal(out.written_bytes, sizeof(piece));
	assert_true(fcntl(out.fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(output_publish(&out, &err), 0);
	assert_int_equal(output_close(&out, &err), 0);
	assert_int_equal(stat(in_dir("new"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_size, sizeof(piece));
}

static void an_old_file_stays_until_the_new_one_is_there(void **state)
{
	struct stint_err err = STINT_ERR_INIT;
	char byte, long_name[NAME_MAX + 2] = "";
	unsigned n_before;
	struct output out;
	int reader;

	(void)state;
	reader = open(in_dir("old"), O_RDWR | O_CREAT, 0644);
	assert_int_equal(write(reader, "o", 1), 1);
	assert_int_equal(output_open(&out, in_dir("old"), 0, &err), 0);
	/* Who has the old file open keeps it as it was. */
	assert_int_equal(pread(reader, &byte, 1, 0), 1);
	assert_int_equal(byte, 'o');
	assert_int_equal(size_of(in_dir("old")), 1);
	assert_int_equal(output_publish(&out, &err), 0);
	assert_int_equal(output_publish(&out, &err), 0);
	assert_int_equal(size_of(in_dir("old")), 0);
	assert_int_equal(output_close(&out, &err), 0);
	assert_int_equal(size_of(in_dir("old")), 0);
	close(reader);
	n_before = files_in_dir();
	/* A recording that never began leaves the old one, and nothing else. */
	assert_int_equal(output_open(&out, in_dir("old"), 0, &err), 0);
	assert_int_equal(output_sink(&out).write(&out, piece, sizeof(piece), &err), 0);
	assert_int_equal(output_close(&out, &err), 0);
	assert_int_equal(size_of(in_dir("old")), 0);
	assert_int_equal(files_in_dir(), n_before);
	/* What can't be created leaves nothing behind. */
	assert_int_equal(output_open(&out, in_dir("missing/file"), 0, &err), STINT_ERR_SYSTEM);
	assert_int_equal(err.sys_errno, ENOENT);
	assert_int_equal(output_open(&out, dir, 0, &err), STINT_ERR_SYSTEM);
	assert_int_equal(output_open(&out, "", 0, &err), STINT_ERR_USAGE);
	memset(long_name, 'n', NAME_MAX + 1);
	assert_int_equal(output_open(&out, in_dir(long_name), 0, &err), STINT_ERR_SYSTEM);
	assert_int_equal(err.sys_errno, ENAMETOOLONG);
	assert_int_equal(files_in_dir(), n_before);
}

static void a_symbolic_link_is_replaced_not_followed(void **state)
{
	struct stint_err err = STINT_ERR_INIT;
	char target[512];
	struct output out;
	struct stat st;
	int fd;

	(void)state;
	snprintf(target, sizeof(target), "%s", in_dir("target"));
	fd = open(target, O_WRONLY | O_CREAT, 0644);
	assert_int_equal(write(fd, "precious", 8), 8);
	close(fd);
	assert_int_equal(symlink(target, in_dir("link")), 0);
	assert_int_equal(output_open(&out, in_dir("link"), 0, &err), 0);
	assert_int_equal(output_publish(&out, &err), 0);
	assert_int_equal(output_close(&out, &err), 0);
	assert_int_equal(size_of(target), 8);
	assert_int_equal(lstat(in_dir("link"), &st), 0);
	assert_true(S_ISREG(st.st_mode));
}

static void the_limit_holds_and_leaves_room_for_the_end(void **state)
{
	const uint64_t max = 4 * OUTPUT_RESERVE_BYTES;
	struct stint_err err = STINT_ERR_INIT;
	struct output out;
	struct stint_sink sink;
	int ret;

	(void)state;
	assert_int_equal(output_open(&out, in_dir("limit"), 1000, &err), STINT_ERR_USAGE);
	assert_int_equal(output_open(&out, in_dir("limit"), max, &err), 0);
	assert_int_equal(output_publish(&out, &err), 0);
	sink = output_sink(&out);
	while (!(ret = sink.write(sink.context, piece, sizeof(piece), &err)))
		;
	assert_int_equal(ret, STINT_ERR_LIMIT);
	assert_true(out.full);
	assert_true(out.written_bytes <= max - OUTPUT_RESERVE_BYTES);
	assert_int_equal(out.written_bytes % sizeof(piece), 0);
	/* Even what would fit is refused now: the ledger counts from here on. */
	assert_int_equal(sink.write(sink.context, piece, 1, &err), STINT_ERR_LIMIT);
	out.ending = true;
	while (!(ret = sink.write(sink.context, piece, sizeof(piece), &err)))
		;
	assert_int_equal(ret, STINT_ERR_LIMIT);
	assert_true(out.written_bytes <= max && out.written_bytes > max - sizeof(piece));
	assert_int_equal(output_close(&out, &err), 0);
	assert_int_equal(size_of(in_dir("limit")), out.written_bytes);
}

static void a_full_device(void **state)
{
	struct stint_err err = STINT_ERR_INIT;
	struct output out;

	(void)state;
	assert_int_equal(output_open(&out, "/dev/full", 0, &err), 0);
	assert_int_equal(output_sink(&out).write(&out, piece, sizeof(piece), &err), STINT_ERR_SYSTEM);
	assert_int_equal(err.sys_errno, ENOSPC);
	assert_non_null(strstr(err.msg, "/dev/full"));
	assert_true(out.full);
	assert_int_equal(out.written_bytes, 0);
	assert_int_equal(output_close(&out, &err), 0);
	assert_int_equal(output_open(&out, "/dev/null", 0, &err), 0);
	assert_int_equal(output_sink(&out).write(&out, piece, sizeof(piece), &err), 0);
	assert_int_equal(output_close(&out, &err), 0);
}

/* A file system of 64 KiB fills up in the middle of a piece: the file ends where the last whole one did. */
static void fill_tmpfs(void)
{
	struct stint_err err = STINT_ERR_INIT;
	struct output out;
	int ret;

	if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("tmpfs", dir, "tmpfs", 0, "size=64k"))
		_exit(77);
	if (output_open(&out, in_dir("small"), 0, &err) || output_publish(&out, &err))
		_exit(1);
	while (!(ret = output_sink(&out).write(&out, piece, sizeof(piece), &err)))
		;
	if (ret != STINT_ERR_SYSTEM || err.sys_errno != ENOSPC || !out.full || out.written_bytes != 6 * sizeof(piece) ||
	    size_of(in_dir("small")) != 6 * (off_t)sizeof(piece))
		_exit(2);
	/* An ending that is small enough for what is left still goes in. */
	out.ending = true;
	if (output_sink(&out).write(&out, piece, 1000, &err) ||
	    size_of(in_dir("small")) != 6 * (off_t)sizeof(piece) + 1000)
		_exit(3);
	_exit(output_close(&out, &err) ? 4 : 0);
}

static void a_disk_that_fills_up_leaves_whole_pieces(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	pid = fork();
	if (!pid)
		fill_tmpfs();
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
		print_message("skipped: needs root to mount a small tmpfs\n");
		skip();
	}
	assert_int_equal(status, 0);
}

/* In a child whose standard output is a pipe: the stream has what was recorded, and nothing else. */
static void the_stream_is_clean(void **state)
{
	struct stint_err err = STINT_ERR_INIT;
	struct output out;
	char got[64];
	int fds[2], status, null_fd;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	pid = fork();
	if (!pid) {
		dup2(fds[1], STDOUT_FILENO);
		null_fd = open("/dev/null", O_WRONLY);
		dup2(null_fd, STDERR_FILENO);
		close(fds[0]);
		close(fds[1]);
		if (output_open(&out, "/dev/stdout", 0, &err) || output_publish(&out, &err))
			_exit(1);
		if (system("echo output of the recorded command"))
			_exit(2);
		if (output_sink(&out).write(&out, "record", 6, &err) || output_close(&out, &err))
			_exit(3);
		_exit(0);
	}
	close(fds[1]);
	assert_int_equal(read(fds[0], got, sizeof(got)), 6);
	assert_memory_equal(got, "record", 6);
	assert_int_equal(read(fds[0], got, sizeof(got)), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	close(fds[0]);
}

static void a_reader_that_goes_away_is_an_error(void **state)
{
	struct stint_err err = STINT_ERR_INIT;
	struct output out = {.path = "-", .owned = true};
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	close(fds[0]);
	out.fd = fds[1];
	assert_int_equal(output_sink(&out).write(&out, piece, sizeof(piece), &err), STINT_ERR_SYSTEM);
	assert_int_equal(err.sys_errno, EPIPE);
	assert_int_equal(output_close(&out, &err), 0);
}

static void the_default_name(void **state)
{
	char path[128], host[65] = "";

	(void)state;
	output_default_path(path, sizeof(path));
	gethostname(host, sizeof(host) - 1);
	assert_int_equal(strncmp(path, "stint-", 6), 0);
	assert_non_null(strstr(path, host));
	assert_string_equal(path + strlen(path) - 6, ".stint");
	assert_null(strchr(path, '/'));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_new_file_is_private),
		cmocka_unit_test(an_old_file_stays_until_the_new_one_is_there),
		cmocka_unit_test(a_symbolic_link_is_replaced_not_followed),
		cmocka_unit_test(the_limit_holds_and_leaves_room_for_the_end),
		cmocka_unit_test(a_full_device),
		cmocka_unit_test(a_disk_that_fills_up_leaves_whole_pieces),
		cmocka_unit_test(the_stream_is_clean),
		cmocka_unit_test(a_reader_that_goes_away_is_an_error),
		cmocka_unit_test(the_default_name),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
