/* SPDX-License-Identifier: MIT */
/* What /proc says, with names that its readers usually trip over. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "record/procfs.h"

static const char numbers[] = " S 42 1 1 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 12345 100 1";

static void check_comm(const char *in_stat, const char *comm)
{
	char text[256];
	struct procfs_stat stat;
	int size = snprintf(text, sizeof(text), "7 (%s)%s\n", in_stat, numbers);

	assert_true(procfs_parse_stat(text, (size_t)size, &stat));
	assert_string_equal(stat.comm, comm);
	assert_int_equal(stat.ppid, 42);
	assert_false(stat.kernel_thread);
	assert_true(stat.start_ns > 0);
}

static void any_comm_is_taken_as_it_is(void **state)
{
	static const char *const comms[] = {
		"bash", "",    "a b",	    ") S 1 (",	    "((((",	"))))", "1 (x) R 9 9",
		"\n",	"\\n", "tab\there", "\xff\xfe\x80", "(sd-pam)", " ",	"fifteen chars_x"};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(comms) / sizeof(comms[0]); i++)
		check_comm(comms[i], comms[i]);
	/* Kernel workers show what they do behind their name. */
	check_comm("kworker/0:1H-events_highpri", "kworker/0:1H-ev");
}

static void malformed_stat_is_refused(void **state)
{
	static const char *const texts[] = {"",	  "7",	      "7 (bash",    "7 bash) S 1",
					    ")(", "7 (bash)", "7 (bash) S", "7 (bash) S 1 1 1 0 -1"};
	struct procfs_stat stat;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_false(procfs_parse_stat(texts[i], strlen(texts[i]), &stat));
}

/* The kernel itself is asked: the names are set on this thread and read back from its stat. */
static void real_comms_come_back(void **state)
{
	static const char *const comms[] = {"a) S 1 (b", "two\nlines",	 "spaces   here",
					    ")",	 "\x01\x02\xff", "back\\slash\\n"};
	char before[PROCFS_COMM_BYTES];
	struct procfs_stat stat;
	size_t i;

	(void)state;
	prctl(PR_GET_NAME, before);
	for (i = 0; i < sizeof(comms) / sizeof(comms[0]); i++) {
		prctl(PR_SET_NAME, comms[i]);
		assert_true(procfs_stat(getpid(), gettid(), &stat));
		assert_string_equal(stat.comm, comms[i]);
		assert_int_equal(stat.ppid, getppid());
	}
	prctl(PR_SET_NAME, before);
}

static void start_time_is_monotonic(void **state)
{
	struct procfs_stat stat;
	struct timespec before, after;
	uint64_t before_ns, after_ns;
	int status;
	pid_t pid;

	(void)state;
	clock_gettime(CLOCK_MONOTONIC, &before);
	pid = fork();
	if (!pid) {
		pause();
		_exit(0);
	}
	clock_gettime(CLOCK_MONOTONIC, &after);
	assert_true(procfs_stat(pid, 0, &stat));
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	before_ns = (uint64_t)before.tv_sec * 1000000000u + (uint64_t)before.tv_nsec;
	after_ns = (uint64_t)after.tv_sec * 1000000000u + (uint64_t)after.tv_nsec;
	/* Ticks of 10 ms, rounded down, twice when there was a suspend. */
	assert_true(stat.start_ns + 20000000 >= before_ns);
	assert_true(stat.start_ns <= after_ns + 10000000);
}

static void a_line_of_maps(void **state)
{
	char line[] = "7f0000001000-7f0000002000 r-xp 00003000 fd:0a 1234567           /tmp/a b\\012c (deleted)";
	char anonymous[] = "7f0000001000-7f0000002000 rwxp 00000000 00:00 0 ";
	struct procfs_mapping m;

	(void)state;
	assert_true(procfs_parse_mapping(line, &m));
	assert_int_equal(m.start, 0x7f0000001000);
	assert_int_equal(m.end, 0x7f0000002000);
	assert_int_equal(m.file_off, 0x3000);
	assert_int_equal(m.dev, makedev(0xfd, 0x0a));
	assert_int_equal(m.ino, 1234567);
	assert_true(m.executable);
	assert_string_equal(m.path, "/tmp/a b\nc (deleted)");
	assert_true(procfs_parse_mapping(anonymous, &m));
	assert_string_equal(m.path, "");
}

static void malformed_maps_are_refused(void **state)
{
	static const char *const lines[] = {"",
					    "zz",
					    "1000-",
					    "1000-2000",
					    "1000-2000 r-xp",
					    "2000-1000 r-xp 0 0:0 0",
					    "1000-1000 r-xp 0 0:0 0",
					    "1000-2000 r- 0 0:0 0"};
	char line[64];
	struct procfs_mapping m;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		snprintf(line, sizeof(line), "%s", lines[i]);
		assert_false(procfs_parse_mapping(line, &m));
	}
}

struct wanted {
	uint64_t addr;
	const char *path;
	bool found;
	unsigned n;
	uint64_t last_end;
};

static int look(void *context, const struct procfs_mapping *mapping)
{
	struct wanted *w = context;

	assert_true(mapping->executable);
	assert_true(mapping->start >= w->last_end);
	w->last_end = mapping->end;
	w->n++;
	if (mapping->start <= w->addr && w->addr < mapping->end)
		w->found = !w->path || !strcmp(mapping->path, w->path);
	return 0;
}

static void our_own_mappings(void **state)
{
	char exe[PROCFS_MAX_PATH];
	struct wanted w = {.addr = (uintptr_t)our_own_mappings, .path = exe};

	(void)state;
	assert_true(procfs_exe(getpid(), exe, sizeof(exe)) > 0);
	assert_int_equal(procfs_mappings(getpid(), look, &w), 0);
	assert_true(w.found);
	assert_true(w.n > 3);
	assert_int_equal(procfs_mappings(0x7ffffff0, look, &w), PROCFS_GONE);
}

struct listing {
	char text[65536];
	size_t length;
};

static int list(void *context, const struct procfs_mapping *m)
{
	struct listing *l = context;

	l->length +=
		(size_t)snprintf(l->text + l->length, sizeof(l->text) - l->length, "%lx-%lx %lx %lx %lu %s\n",
				 (long)m->start, (long)m->end, (long)m->file_off, (long)m->dev, (long)m->ino, m->path);
	return l->length < sizeof(l->text) ? 0 : -1;
}

static void both_ways_agree(void **state)
{
	static struct listing fast, text;
	char path[] = "/tmp/stint procfs\nXXXXXX";
	int fd = mkstemp(path);
	void *at;

	(void)state;
	assert_int_equal(ftruncate(fd, 8192), 0);
	at = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 4096);
	assert_ptr_not_equal(at, MAP_FAILED);
	unlink(path);
	assert_int_equal(procfs_mappings(getpid(), list, &fast), 0);
	assert_int_equal(procfs_mappings_text(getpid(), list, &text), 0);
	assert_string_equal(fast.text, text.text);
	assert_non_null(strstr(fast.text, path));
	assert_non_null(strstr(fast.text, "[vdso]"));
	assert_non_null(strstr(fast.text, " (deleted)"));
	munmap(at, 4096);
	close(fd);
}

static int stop(void *context, const struct procfs_mapping *m)
{
	(void)context;
	(void)m;
	return 42;
}

static void the_callback_can_stop_it(void **state)
{
	(void)state;
	assert_int_equal(procfs_mappings(getpid(), stop, NULL), 42);
	assert_int_equal(procfs_mappings_text(getpid(), stop, NULL), 42);
}

/* Far more mappings than one read of the file holds: none may be lost where two reads meet. */
static void thousands_of_mappings(void **state)
{
	const unsigned n = 3000;
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	struct wanted before = {0}, after = {0};
	uint8_t *at;
	unsigned i;

	(void)state;
	at = mmap(NULL, 2 * n * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(at, MAP_FAILED);
	assert_int_equal(procfs_mappings(getpid(), look, &before), 0);
	for (i = 0; i < n; i++)
		assert_int_equal(mprotect(at + 2 * i * page, page, PROT_READ | PROT_EXEC), 0);
	assert_int_equal(procfs_mappings(getpid(), look, &after), 0);
	assert_int_equal(after.n, before.n + n);
	memset(&after, 0, sizeof(after));
	assert_int_equal(procfs_mappings_text(getpid(), look, &after), 0);
	assert_int_equal(after.n, before.n + n);
	munmap(at, 2 * n * page);
}

static void exe_cmdline_and_cgroup(void **state)
{
	char data[PROCFS_MAX_PATH], link[PROCFS_MAX_PATH];
	ssize_t size;

	(void)state;
	size = readlink("/proc/self/exe", link, sizeof(link) - 1);
	assert_true(size > 0);
	link[size] = 0;
	assert_int_equal(procfs_exe(getpid(), data, sizeof(data)), size);
	assert_string_equal(data, link);
	assert_true(procfs_cmdline(getpid(), data, sizeof(data)) > 0);
	assert_non_null(strstr(data, "test_procfs"));
	assert_true(procfs_cgroup(getpid(), data, sizeof(data)) > 0);
	assert_int_equal(data[0], '/');
	assert_int_equal(procfs_exe(0x7ffffff0, data, sizeof(data)), -1);
	assert_int_equal(procfs_cmdline(0x7ffffff0, data, sizeof(data)), -1);
	assert_int_equal(procfs_cgroup(0x7ffffff0, data, sizeof(data)), -1);
}

static int count_self(void *context, pid_t id)
{
	unsigned *n = context;

	*n += id == getpid();
	return 0;
}

static void ids_of_a_directory(void **state)
{
	unsigned n = 0;

	(void)state;
	assert_int_equal(procfs_ids("/proc", count_self, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(procfs_ids("/proc/self/task", count_self, &n), 0);
	assert_int_equal(n, 2);
	assert_int_equal(procfs_ids("/nonexistent", count_self, &n), PROCFS_GONE);
}

static void *wait_for_end(void *arg)
{
	char byte;

	return read(*(int *)arg, &byte, 1) == 1 ? arg : NULL;
}

/* A process whose first thread ends before the other one, which ends with the pipe. */
static _Noreturn void leader_ends_first(int *fd)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, wait_for_end, fd))
		_exit(1);
	pthread_exit(NULL);
}

static bool is_zombie(pid_t pid)
{
	char path[64], text[1024] = "";

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	return procfs_read(path, text, sizeof(text)) > 0 && strstr(text, ") Z ");
}

static void what_lives(void **state)
{
	int fds[2];
	pid_t pid;

	(void)state;
	assert_true(procfs_lives(getpid()));
	assert_false(procfs_lives(0x7ffffff0));
	assert_int_equal(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		close(fds[1]);
		leader_ends_first(&fds[0]);
	}
	assert_true(pid > 0);
	close(fds[0]);
	while (!is_zombie(pid))
		usleep(1000);
	assert_true(procfs_lives(pid));
	close(fds[1]);
	while (procfs_lives(pid)) /* until the other thread has ended, too */
		usleep(1000);
	assert_true(is_zombie(pid));
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_false(procfs_lives(pid));
}

/* A descriptor of what path names must be that file's; where what is NULL, there must be none. */
static void opens(const char *path, uint64_t ino, const char *what)
{
	int fd = procfs_open_regular(path, ino);
	char text[16] = "";

	assert_int_equal(fd >= 0, what != NULL);
	if (fd < 0)
		return;
	assert_int_equal(read(fd, text, sizeof(text) - 1), strlen(what));
	assert_string_equal(text, what);
	assert_int_equal(close(fd), 0);
}

static void only_regular_files_are_opened(void **state)
{
	char dir[] = "/tmp/stint-procfs-XXXXXX";
	struct stat st;
	int fd;

	(void)state;
	assert_non_null(mkdtemp(dir));
	assert_int_equal(chdir(dir), 0);
	fd = open("file", O_WRONLY | O_CREAT, 0600);
	assert_int_equal(write(fd, "text", 4), 4);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(close(fd), 0);
	assert_int_equal(symlink("file", "link") | symlink("/dev/zero", "device"), 0);
	assert_int_equal(mkfifo("fifo", 0600), 0);
	opens("file", 0, "text");
	opens("link", st.st_ino, "text");
	opens("file", st.st_ino + 1, NULL);
	opens("fifo", 0, NULL);
	opens("device", 0, NULL);
	opens(".", 0, NULL);
	opens("nothing", 0, NULL);
	assert_int_equal(unlink("file") | unlink("link") | unlink("device") | unlink("fifo"), 0);
	assert_int_equal(chdir("/") | rmdir(dir), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_comm_is_taken_as_it_is),
		cmocka_unit_test(malformed_stat_is_refused),
		cmocka_unit_test(real_comms_come_back),
		cmocka_unit_test(start_time_is_monotonic),
		cmocka_unit_test(a_line_of_maps),
		cmocka_unit_test(malformed_maps_are_refused),
		cmocka_unit_test(our_own_mappings),
		cmocka_unit_test(both_ways_agree),
		cmocka_unit_test(the_callback_can_stop_it),
		cmocka_unit_test(thousands_of_mappings),
		cmocka_unit_test(exe_cmdline_and_cgroup),
		cmocka_unit_test(ids_of_a_directory),
		cmocka_unit_test(what_lives),
		cmocka_unit_test(only_regular_files_are_opened),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
