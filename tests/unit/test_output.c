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
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
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

static int open_at(struct output *out, const char *path, uint64_t max_bytes, struct stint_err *err)
{
	int ret = output_init(out, path, max_bytes, err);

	return ret ? ret : output_open(out, err);
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
	assert_int_equal(open_at(&out, in_dir("new"), 0, &err), 0);
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
	char byte;
	unsigned n_before;
	struct output out;
	int reader;

	(void)state;
	reader = open(in_dir("old"), O_RDWR | O_CREAT, 0644);
	assert_int_equal(write(reader, "o", 1), 1);
	assert_int_equal(open_at(&out, in_dir("old"), 0, &err), 0);
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
	assert_int_equal(open_at(&out, in_dir("old"), 0, &err), 0);
	assert_int_equal(output_sink(&out).write(&out, piece, sizeof(piece), &err), 0);
	assert_int_equal(output_close(&out, &err), 0);
	assert_int_equal(size_of(in_dir("old")), 0);
	assert_int_equal(files_in_dir(), n_before);
	/* What can't be created leaves nothing behind. */
	assert_int_equal(open_at(&out, in_dir("missing/file"), 0, &err), STINT_ERR_SYSTEM);
	assert_int_equal(err.sys_errno, ENOENT);
	assert_int_equal(open_at(&out, dir, 0, &err), STINT_ERR_SYSTEM);
	assert_int_equal(open_at(&out, "", 0, &err), STINT_ERR_USAGE);
	assert_int_equal(files_in_dir(), n_before);
}

/* As long as a name can be, it is made anew and replaced; one byte more is refused at once. */
static void the_longest_name(void **state)
{
	struct stint_err err = STINT_ERR_INIT;
	char name[NAME_MAX + 2] = "", path[PATH_MAX + 1] = "";
	unsigned n_before = files_in_dir();
	struct output out;
	int i;

	(void)state;
	memset(name, 'n', NAME_MAX);
	for (i = 0; i < 2; i++) {
		assert_int_equal(open_at(&out, in_dir(name), 0, &err), 0);
		assert_int_equal(output_sink(&out).write(&out, piece, sizeof(piece), &err), 0);
		assert_int_equal(output_publish(&out, &err), 0);
		assert_int_equal(output_close(&out, &err), 0);
		assert_int_equal(size_of(in_dir(name)), sizeof(piece));
		assert_int_equal(files_in_dir(), n_before + 1);
	}
	assert_int_equal(unlink(in_dir(name)), 0);
	name[NAME_MAX] = 'n';
	assert_int_equal(open_at(&out, in_dir(name), 0, &err), STINT_ERR_SYSTEM);
	assert_int_equal(err.sys_errno, ENAMETOOLONG);
	memset(path, '/', PATH_MAX - 1);
	assert_int_equal(open_at(&out, path, 0, &err), STINT_ERR_USAGE);
	assert_int_equal(files_in_dir(), n_before);
}

/* Runs it in a child, which ends with _exit or a signal. Returns its status. */
static int in_child(void (*run)(void))
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		run();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

/* From here on this process knows no files without a name, as on NFS and many file systems in user space. */
static void refuse_nameless_files(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, O_TMPFILE & ~O_DIRECTORY, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EOPNOTSUPP),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog filter = {.len = sizeof(code) / sizeof(code[0]), .filter = code};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) ||
	    open(dir, O_TMPFILE | O_WRONLY, 0600) >= 0 || errno != EOPNOTSUPP)
		_exit(77);
}

static void be_killed_before_it_begins(void)
{
	struct stint_err err = STINT_ERR_INIT;
	struct output out;

	refuse_nameless_files();
	if (open_at(&out, in_dir("killed"), 0, &err) || output_sink(&out).write(&out, piece, sizeof(piece), &err))
		_exit(1);
	raise(SIGKILL);
}

static void write_without_nameless_files(void)
{
	struct stint_err err = STINT_ERR_INIT;
	struct output out;
	unsigned n_before = files_in_dir();
	int n;

	refuse_nameless_files();
	if (open_at(&out, in_dir("missing/file"), 0, &err) != STINT_ERR_SYSTEM || err.sys_errno != ENOENT)
		_exit(1);
	/* Anew, and in place of an old one. */
	for (n = 0; n < 2; n++) {
		if (open_at(&out, in_dir("unnamed"), 0, &err) ||
		    output_sink(&out).write(&out, piece, sizeof(piece), &err) ||
		    files_in_dir() != n_before + (unsigned)n || output_publish(&out, &err) ||
		    output_sink(&out).write(&out, "more", 4, &err) || output_close(&out, &err) ||
		    size_of(in_dir("unnamed")) != (off_t)sizeof(piece) + 4 || files_in_dir() != n_before + 1)
			_exit(2 + n);
	}
	/* One that never began. */
	if (open_at(&out, in_dir("unnamed"), 0, &err) || output_close(&out, &err) ||
	    size_of(in_dir("unnamed")) != (off_t)sizeof(piece) + 4 || files_in_dir() != n_before + 1)
		_exit(4);
}

static void where_files_need_names_a_killed_recorder_leaves_nothing(void **state)
{
	unsigned n_before = files_in_dir();
	int status = in_child(be_killed_before_it_begins);

	(void)state;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
		print_message("skipped: no seccomp filters here\n");
		skip();
	}
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGKILL);
	assert_int_equal(files_in_dir(), n_before);
	assert_int_equal(in_child(write_without_nameless_files), 0);
}

/* Whose the file is that a recorder makes which was run with these variables; the group in the high half. */
static uint64_t owner_with(const char *uid, const char *gid)
{
	struct stint_err err = STINT_ERR_INIT;
	struct output out;
	struct stat st;

	setenv("SUDO_UID", uid, 1);
	setenv("SUDO_GID", gid, 1);
	assert_int_equal(open_at(&out, in_dir("sudo"), 0, &err), 0);
	assert_int_equal(output_publish(&out, &err), 0);
	assert_int_equal(output_close(&out, &err), 0);
	unsetenv("SUDO_UID");
	unsetenv("SUDO_GID");
	assert_int_equal(stat(in_dir("sudo"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	return (uint64_t)st.st_gid << 32 | st.st_uid;
}

static void a_file_made_under_sudo_is_the_users(void **state)
{
	static const char *const malformed[] = {
		"", " 1234", "+1234", "-1", "12x", "0x10", "4294967295", "4294968530", "99999999999999999999"};
	struct stint_err err = STINT_ERR_INIT;
	char device[512];
	struct output out;
	struct stat st;
	int reader;
	size_t i;

	(void)state;
	if (geteuid()) {
		print_message("skipped: needs root\n");
		skip();
	}
	assert_int_equal(owner_with("1234", "567"), 567ull << 32 | 1234);
	for (i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++) {
		assert_int_equal(owner_with(malformed[i], "567"), 0);
		assert_int_equal(owner_with("1234", malformed[i]), 0);
	}
	/* What was there before is nobody's to give away. */
	snprintf(device, sizeof(device), "%s", in_dir("device"));
	assert_int_equal(mkfifo(device, 0644), 0);
	setenv("SUDO_UID", "1234", 1);
	setenv("SUDO_GID", "567", 1);
	reader = open(device, O_RDONLY | O_NONBLOCK);
	assert_int_equal(open_at(&out, device, 0, &err), 0);
	assert_int_equal(output_publish(&out, &err), 0);
	assert_int_equal(output_close(&out, &err), 0);
	close(reader);
	unsetenv("SUDO_UID");
	unsetenv("SUDO_GID");
	assert_int_equal(stat(device, &st), 0);
	assert_int_equal(st.st_uid, 0);
	assert_int_equal(st.st_gid, 0);
}

static void a_fifo_without_a_reader_is_not_waited_for(void **state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct stint_err err = STINT_ERR_INIT;
	struct output out;
	int reader, listener;
	char path[512];

	(void)state;
	snprintf(path, sizeof(path), "%s", in_dir("fifo"));
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(output_init(&out, path, 0, &err), 0);
	assert_int_equal(output_open(&out, &err), OUTPUT_NO_READER);
	assert_int_equal(output_open(&out, &err), OUTPUT_NO_READER);
	reader = open(path, O_RDONLY | O_NONBLOCK);
	assert_int_equal(output_open(&out, &err), 0);
	assert_false(fcntl(out.fd, F_GETFL) & O_NONBLOCK);
	assert_int_equal(output_close(&out, &err), 0);
	close(reader);
	/* What nobody will ever read is refused. */
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket", dir);
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(open_at(&out, address.sun_path, 0, &err), STINT_ERR_SYSTEM);
	assert_int_equal(err.sys_errno, ENXIO);
	close(listener);
}

static bool swapping;

/* A name that is a device's and a file's by turns. */
static void *swap(void *context)
{
	char link[512], next[512];
	unsigned n;

	snprintf(link, sizeof(link), "%s", in_dir("swapped"));
	snprintf(next, sizeof(next), "%s/next", dir);
	for (n = 0; __atomic_load_n(&swapping, __ATOMIC_RELAXED); n++)
		if (symlink(n % 2 ? context : "/dev/null", next) || rename(next, link))
			break;
	return NULL;
}

static void a_file_that_takes_a_devices_place_is_not_written_over(void **state)
{
	struct stint_err err = STINT_ERR_INIT;
	char file[512], link[512];
	struct output out;
	struct stat st;
	pthread_t thread;
	int i;

	(void)state;
	snprintf(file, sizeof(file), "%s/precious", dir);
	snprintf(link, sizeof(link), "%s/swapped", dir);
	close(open(file, O_WRONLY | O_CREAT, 0600));
	swapping = true;
	assert_int_equal(pthread_create(&thread, NULL, swap, file), 0);
	for (i = 0; i < 20000; i++) {
		if (open_at(&out, link, 0, &err))
			continue;
		assert_int_equal(fstat(out.fd, &st), 0);
		assert_true(out.regular || !S_ISREG(st.st_mode));
		assert_int_equal(output_close(&out, &err), 0);
	}
	__atomic_store_n(&swapping, false, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
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
	assert_int_equal(open_at(&out, in_dir("link"), 0, &err), 0);
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
	assert_int_equal(open_at(&out, in_dir("limit"), 1000, &err), STINT_ERR_USAGE);
	assert_int_equal(open_at(&out, in_dir("limit"), max, &err), 0);
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
	assert_int_equal(open_at(&out, "/dev/full", 0, &err), 0);
	assert_int_equal(output_sink(&out).write(&out, piece, sizeof(piece), &err), STINT_ERR_SYSTEM);
	assert_int_equal(err.sys_errno, ENOSPC);
	assert_non_null(strstr(err.msg, "/dev/full"));
	assert_true(out.full);
	assert_int_equal(out.written_bytes, 0);
	assert_int_equal(output_close(&out, &err), 0);
	assert_int_equal(open_at(&out, "/dev/null", 0, &err), 0);
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
	if (open_at(&out, in_dir("small"), 0, &err) || output_publish(&out, &err))
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
		if (open_at(&out, "/dev/stdout", 0, &err) || output_publish(&out, &err))
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
		cmocka_unit_test(the_longest_name),
		cmocka_unit_test(where_files_need_names_a_killed_recorder_leaves_nothing),
		cmocka_unit_test(a_file_made_under_sudo_is_the_users),
		cmocka_unit_test(a_fifo_without_a_reader_is_not_waited_for),
		cmocka_unit_test(a_file_that_takes_a_devices_place_is_not_written_over),
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
