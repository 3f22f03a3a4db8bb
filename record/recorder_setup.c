/* SPDX-License-Identifier: MIT */
/* From options to a recorder that is ready to begin. */
#include <errno.h>
#include <linux/magic.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "record/clock.h"
#include "record/procfs.h"
#include "record/recorder_internal.h"

#define INITIAL_PID_NAMESPACE 0xeffffffcu /* its inode: the same on every kernel */

#define TARGETS_POLL_NS 100000000ull
#define READER_POLL_MS	20 /* of a FIFO */

#define PRIORITY	   -10
#define WINDOWS_PER_SECOND 500u	      /* of processes that start and of files that are being loaded */
#define DICTIONARY_BYTES   (4u << 20) /* of the whole 32 MiB that the recorder may hold */

/* Where cgroup v2 is mounted: alone, or beside v1. */
static const char *const cgroup_roots[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};

static bool is_cgroup(const char *path, uint64_t *ret_id)
{
	struct statfs fs;
	struct stat st;

	if (statfs(path, &fs) || fs.f_type != CGROUP2_SUPER_MAGIC)
		return false;
	/* A cgroup's id is its directory's inode number. */
	if (stat(path, &st) || !S_ISDIR(st.st_mode))
		return false;
	*ret_id = st.st_ino;
	return true;
}

/* As a directory, or by its path below the root, as /proc/PID/cgroup has it. */
static int cgroup_id(const char *path, uint64_t *ret_id, struct stint_err *err)
{
	char full[4096];
	size_t i;

	if (is_cgroup(path, ret_id))
		return 0;
	for (i = 0; i < sizeof(cgroup_roots) / sizeof(cgroup_roots[0]); i++) {
		int n = snprintf(full, sizeof(full), "%s/%s", cgroup_roots[i], path);

		if (n < (int)sizeof(full) && is_cgroup(full, ret_id))
			return 0;
	}
	return stint_err_set(err, STINT_ERR_USAGE, 0, -1, "--cgroup: no cgroup (v2) of that name: '%s'", path);
}

static int open_session(struct recorder *r, struct stint_err *err)
{
	const struct record_options *opt = r->options;
	struct session_options so = {.freq_hz = opt->freq_hz, .off_cpu = opt->off_cpu};
	int rc;

	so.config.off_cpu_min_ns = opt->off_cpu_min_ns;
	so.config.kernel_stack_min_ns = opt->kernel_stack_min_ns;
	so.config.wakers = opt->wakers;
	so.config.unwind = opt->unwind_by;
	so.config.windows_per_second = WINDOWS_PER_SECOND;
	so.config.window_bytes = opt->unwind_by == UNWIND_BY_DUMP ? EVENT_CHUNK_BYTES : EVENT_MAX_WINDOW_BYTES;
	so.config.targets = (opt->all ? TARGET_ALL : 0) | (opt->n_pids || opt->command ? TARGET_PIDS : 0) |
			    (opt->n_tids ? TARGET_TIDS : 0) | (opt->n_comms ? TARGET_COMM : 0) |
			    (opt->cgroup ? TARGET_CGROUP : 0);
	if (opt->cgroup) {
		rc = cgroup_id(opt->cgroup, &so.config.cgroup_id, err);
		if (rc)
			return rc;
	}
	return session_new(&r->session, &so, err);
}

/* The process that a process's or thread's id belongs to; 0 when there is none. */
static pid_t process_of(pid_t id)
{
	char path[64], line[256];
	FILE *file;
	int pid = 0;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)id);
	file = fopen(path, "re");
	if (!file)
		return 0;
	while (pid == 0 && fgets(line, sizeof(line), file))
		(void)sscanf(line, "Tgid: %d", &pid);
	fclose(file);
	return pid;
}

static int check_pid(pid_t pid, struct stint_err *err)
{
	pid_t process = process_of(pid);

	if (process == 0 || !procfs_lives(pid))
		return stint_err_set(err, STINT_ERR_USAGE, 0, -1, "--pid: no such process: %d", (int)pid);
	if (process != pid)
		return stint_err_set(err, STINT_ERR_USAGE, 0, -1,
				     "--pid: %d is a thread of process %d: use --tid for threads", (int)pid,
				     (int)process);
	return 0;
}

static int check_tid(pid_t tid, struct stint_err *err)
{
	if (process_of(tid) == 0 || !procfs_lives(tid))
		return stint_err_set(err, STINT_ERR_USAGE, 0, -1, "--tid: no such thread: %d", (int)tid);
	return 0;
}

/* The kernel names threads by its own ids, which are others than those that a container has for them. */
static int check_namespace(struct stint_err *err)
{
	struct stat st;

	if (stat("/proc/self/ns/pid", &st) || st.st_ino == INITIAL_PID_NAMESPACE)
		return 0;
	return stint_err_set(err, STINT_ERR_SYSTEM, 0, -1,
			     "process ids here are a container's, not the kernel's: record in the "
			     "host's pid namespace (docker run --pid=host)");
}

static int check_targets(const struct record_options *opt, struct stint_err *err)
{
	size_t i;
	int rc = check_namespace(err);

	for (i = 0; i < opt->n_pids && rc == 0; i++)
		rc = check_pid(opt->pids[i], err);
	for (i = 0; i < opt->n_tids && rc == 0; i++)
		rc = check_tid(opt->tids[i], err);
	return rc;
}

static int add_targets(struct recorder *r, struct stint_err *err)
{
	const struct record_options *opt = r->options;
	size_t i;
	int rc = 0;

	for (i = 0; i < opt->n_pids && rc == 0; i++)
		rc = session_add_pid(r->session, opt->pids[i], err);
	for (i = 0; i < opt->n_tids && rc == 0; i++)
		rc = session_add_tid(r->session, opt->tids[i], err);
	for (i = 0; i < opt->n_comms && rc == 0; i++)
		rc = session_add_comm(r->session, opt->comms[i], err);
	if (rc == 0 && opt->command)
		rc = session_add_exec(r->session, r->command.pid, err);
	return rc;
}

/* With processes and threads alone as targets, that is once they and their children have ended. */
void recorder_check_targets(struct recorder *r)
{
	const struct record_options *opt = r->options;
	uint64_t now = clock_now_ns();

	if (opt->all || opt->n_comms || opt->cgroup || opt->command || now - r->targets_checked_ns < TARGETS_POLL_NS)
		return;
	r->targets_checked_ns = now;
	r->targets_gone = !session_targets_left(r->session);
	r->stop |= r->targets_gone;
}

static int init_output(struct recorder *r, struct stint_err *err)
{
	char path[sizeof(r->output.path)];

	if (!r->options->output)
		output_default_path(path, sizeof(path));
	return output_init(&r->output, r->options->output ? r->options->output : path, r->options->max_bytes, err);
}

/* Between the steps, which may take a while: who asks for an end gets it, and the sideband's rings
 * are small. */
static int between_steps(struct recorder *r, struct stint_err *err)
{
	struct signal_taken taken;

	if (signals_take(&r->signals, &taken))
		return stint_err_set(err, STINT_ERR_SYSTEM, 0, -1, "stopped before recording began");
	return r->sideband ? sideband_drain(r->sideband, err) : 0;
}

static int open_output(struct recorder *r, struct stint_err *err)
{
	struct stint_writer_options wo = {.max_dictionary_bytes = DICTIONARY_BYTES};
	int rc = output_open(&r->output, err);

	while (rc == OUTPUT_NO_READER) {
		signals_wait(&r->signals, READER_POLL_MS);
		rc = between_steps(r, err);
		if (rc == 0)
			rc = output_open(&r->output, err);
	}
	if (rc)
		return rc;
	if (getrandom(wo.recording_id, sizeof(wo.recording_id), 0) != sizeof(wo.recording_id))
		return stint_err_set(err, STINT_ERR_SYSTEM, errno, -1, "cannot make a recording id");
	/* A random UUID's version and variant. */
	wo.recording_id[6] = (wo.recording_id[6] & 0x0f) | 0x40;
	wo.recording_id[8] = (wo.recording_id[8] & 0x3f) | 0x80;
	return stint_writer_new(&r->writer, &wo, output_sink(&r->output), err);
}

/* Everything that turns addresses and ids into rows. */
static int open_translation(struct recorder *r, struct stint_err *err)
{
	int rc = tasks_new(&r->tasks, r->writer, err);

	if (rc == 0)
		rc = kernel_syms_new(&r->kernel, r->writer, r->options->embed & EMBED_KERNEL, err);
	if (rc == 0)
		rc = windows_new(&r->windows, r->writer, r->tasks, err);
	if (rc == 0)
		rc = stacks_new(&r->stacks, r->writer, r->tasks, r->kernel, r->windows, err);
	if (rc == 0)
		rc = asleep_new(&r->asleep, err);
	if (rc == 0)
		rc = batch_init(&r->batch, err);
	r->translate.writer = r->writer;
	r->translate.tasks = r->tasks;
	r->translate.stacks = r->stacks;
	r->translate.asleep = r->asleep;
	r->ledger.writer = r->writer;
	return rc;
}

/*
 * The processes that exist already. With a narrow target only its own are written, with what they
 * start; others are met as wakers, one by one, or when the kernel finds them to be a target.
 */
static int snapshot(struct recorder *r, struct stint_err *err)
{
	const struct record_options *opt = r->options;
	pid_t pids[OPTIONS_MAX_IDS + 1];
	size_t i, n = opt->n_pids;
	int rc = 0;

	tasks_embed_vdso(r->tasks, opt->embed & EMBED_KERNEL);
	tasks_embed_jit(r->tasks, opt->embed & EMBED_JIT);
	tasks_embed_names(r->tasks, opt->embed & EMBED_SYMTAB);
	if (opt->all)
		return tasks_snapshot(r->tasks, NULL, 0, err);
	tasks_follow_none(r->tasks);
	memcpy(pids, opt->pids, n * sizeof(*pids));
	if (opt->command)
		pids[n++] = r->command.pid;
	for (i = 0; i < n && rc == 0; i++)
		rc = tasks_follow(r->tasks, pids[i], err);
	if (rc == 0 && (opt->n_tids || opt->n_comms || opt->cgroup))
		return tasks_snapshot(r->tasks, NULL, 0, err);
	return rc ? rc : tasks_snapshot(r->tasks, pids, n, err);
}

/* The unwind tables of the processes that snapshot reads, and of those that they start. */
static int open_unwind(struct recorder *r, struct stint_err *err)
{
	const struct record_options *opt = r->options;
	struct unwind_tables_options to = {.memory_bytes = opt->unwind_bytes, .interrupted = signals_waiting};
	pid_t pids[OPTIONS_MAX_IDS + 1];
	int rc;

	if (opt->unwind_by == UNWIND_BY_DUMP)
		asleep_copy(r->asleep);
	if (opt->unwind_by == UNWIND_BY_FP || opt->unwind_by == UNWIND_BY_DUMP)
		return 0;
	session_unwind_maps(r->session, &to.maps);
	memcpy(pids, opt->pids, opt->n_pids * sizeof(*pids));
	to.pids = pids;
	if (!(opt->all || opt->n_tids || opt->n_comms || opt->cgroup)) {
		to.n_pids = opt->n_pids;
		if (opt->command)
			pids[to.n_pids++] = r->command.pid;
	}
	rc = unwind_tables_new(&r->unwind, &to, err);
	if (rc == 0) {
		asleep_unwind_by(r->asleep, r->unwind);
		windows_unwind_by(r->windows, opt->unwind_by == UNWIND_BY_BOTH ? r->unwind : NULL);
	}
	return rc;
}

/* A few descriptors for each CPU are more than the usual limit allows on a large host. */
static void raise_file_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
}

int recorder_open(struct recorder *r, struct stint_err *err)
{
	int rc = check_targets(r->options, err);

	if (rc == 0)
		rc = open_session(r, err);
	/* Where the recording goes to standard output, the command must not. */
	if (rc == 0)
		rc = init_output(r, err);
	if (rc == 0 && r->options->command)
		rc = command_start(&r->command, r->options->command, err);
	raise_file_limit(); /* the command keeps its own */
	if (rc == 0)
		rc = signals_init(&r->signals, err);
	/* From here on a signal that asks for an end is answered, not obeyed on the spot. */
	if (rc == 0)
		rc = open_output(r, err);
	if (rc == 0)
		rc = open_translation(r, err);
	if (rc == 0)
		rc = add_targets(r, err);
	if (rc == 0)
		rc = between_steps(r, err);
	if (rc == 0)
		rc = recorder_note_cpus(r, err);
	/* What happens during the snapshot is reported by the sideband. */
	if (rc == 0)
		rc = sideband_new(&r->sideband, err);
	if (rc == 0)
		rc = snapshot(r, err);
	if (rc == 0)
		rc = between_steps(r, err);
	if (rc == 0)
		rc = open_unwind(r, err);
	if (rc == 0)
		rc = between_steps(r, err);
	if (rc == 0)
		rc = session_attach(r->session, r->sideband, err);
	if (rc == 0)
		rc = between_steps(r, err);
	/* It needs little of a CPU, but needs it in time: what doesn't fit into the ring meanwhile
	 * is lost. */
	(void)setpriority(PRIO_PROCESS, 0, PRIORITY);
	/* Reading the kernel's types and symbols took memory that isn't needed again. */
	malloc_trim(0);
	return rc;
}
