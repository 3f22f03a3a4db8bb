/* SPDX-License-Identifier: MIT */
#include "record/unwind_tables_internal.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "bpf/event.h"
#include "record/clock.h"
#include "record/privileges.h"
#include "record/unwind_proc_maps.h"

#define SWEEP_NS  1000000000ull
#define KEEP_NS	  2000000000ull	 /* a table used so lately isn't dropped for another one */
#define EXPIRE_NS 30000000000ull /* a file that nobody maps any more is kept that long */
#define BATCH_NS  300000	 /* a new process maps one file after the other */

/* Whose mappings are being added. */
struct add_context {
	struct unwind_tables *tables;
	struct unwind_proc *proc;
	uint64_t time_ns; /* since when they are there; 0 for before anybody asked */
};

/* What the walker remembers of walks may not be so any more. */
static void changed(struct unwind_tables *t)
{
	__atomic_fetch_add(t->version, 1, __ATOMIC_SEQ_CST);
}

/* Nobody waits for a table that is being made: neither who stops the threads, nor who interrupts the beginning. */
static bool stop_asked(void *context)
{
	const struct unwind_tables *t = context;

	return __atomic_load_n(&t->stopping, __ATOMIC_RELAXED) || (t->interrupted && t->interrupted());
}

/*
 * Stores a file's rows. The lock is held but for the writing itself. Where they seem to be those of another file and
 * are not, once more.
 */
static void store(struct unwind_tables *t, struct unwind_file *file, struct unwind_prepared *prepared, uint64_t keep_ns)
{
	uint64_t now_ns = clock_now_ns(), keep_from_ns = now_ns > keep_ns ? now_ns - keep_ns : 0;
	struct unwind_storing storing;
	bool share = true, written, done = false;

	while (!done && unwind_files_begin(&t->files, file, prepared, share, now_ns, keep_from_ns, &storing)) {
		pthread_mutex_unlock(&t->lock);
		written = unwind_files_write(&t->files, prepared, &storing);
		pthread_mutex_lock(&t->lock);
		now_ns = clock_now_ns();
		done = unwind_files_end(&t->files, file, &storing, written, now_ns);
		share = false;
	}
}

/*
 * Reads the next file that mappings are waiting for, and writes those mappings with their rows; no table used in the
 * last keep_ns gives way. The lock is held but for what takes long: new mappings are taken note of meanwhile.
 */
static void load_next(struct unwind_tables *t, uint64_t keep_ns)
{
	struct pending next = t->pending[0];
	uint64_t start_ns = clock_now_ns();
	struct unwind_prepared prepared;
	int rc;

	memmove(t->pending, t->pending + 1, --t->n_pending * sizeof(next));
	pthread_mutex_unlock(&t->lock);
	rc = unwind_files_read(next.fd, &t->stop, &prepared);
	pthread_mutex_lock(&t->lock);
	t->files.n_too_large += rc == STINT_ERR_LIMIT;
	store(t, next.file, &prepared, keep_ns);
	t->files.load_ns += clock_now_ns() - start_ns;
	if (next.fd >= 0)
		close(next.fd);
	unwind_prepared_done(&prepared);
	unwind_procs_touch(&t->procs, next.file);
	unwind_procs_commit(&t->procs, clock_now_ns());
	changed(t);
}

/* Puts a file in line for reading. The descriptor is this function's from now on. */
static void queue(struct unwind_tables *t, struct unwind_file *file, int fd)
{
	bool wanted = file && (file->state == UNWIND_FILE_NEW || file->state == UNWIND_FILE_EVICTED) && !file->queued &&
		      (fd >= 0 || file->ino == UNWIND_VDSO_INO);

	if (wanted && t->n_pending < MAX_PENDING) {
		file->queued = true;
		t->pending[t->n_pending++] = (struct pending){file, fd};
		pthread_cond_signal(&t->work);
	} else if (fd >= 0) {
		close(fd);
	}
}

/* The file behind a mapping; put in line for reading when it is new. NULL where there is none. */
static struct unwind_file *file_of(struct unwind_tables *t, pid_t pid, const struct proc_exec_map *map)
{
	struct unwind_file *file;
	struct stat st;
	int fd = -1;

	if (map->is_vdso) {
		file = unwind_files_vdso(&t->files);
	} else if (!map->ino) {
		return NULL;
	} else {
		fd = proc_open_mapped(pid, map);
		file = unwind_files_get(&t->files, map->dev, map->ino, fd >= 0 && !fstat(fd, &st) ? &st : NULL);
	}
	queue(t, file, fd);
	if (file)
		file->used_ns = t->now_ns;
	return file;
}

static void add_map(void *context, const struct proc_exec_map *map)
{
	struct add_context *add = context;
	struct unwind_map mapped = {.start = map->start, .end = map->end, .file_off = map->file_off};

	mapped.file = file_of(add->tables, add->proc->pid, map);
	mapped.lost = map->ino && !mapped.file;
	if (map->is_vdso)
		add->proc->vdso = map->start;
	if (!unwind_proc_map(add->proc, &mapped, add->time_ns))
		add->tables->procs.n_left_out++;
}

/* Reads all mappings of a process from /proc. */
static void read_process(void *context, pid_t pid)
{
	struct unwind_tables *t = context;
	struct add_context add = {.tables = t, .proc = unwind_procs_add(&t->procs, pid)};

	if (pid == getpid() || !add.proc)
		return;
	unwind_proc_clear(add.proc);
	add.proc->as_of_ns = clock_now_ns();
	if (!proc_exec_maps(pid, add_map, &add) && t->all)
		unwind_procs_remove(&t->procs, pid, t->now_ns); /* a kernel thread, or it ended */
}

/* Reports were lost: what is known of the processes may be wrong, so all of it is read again. */
static void read_again(struct unwind_tables *t)
{
	uint32_t i;

	t->n_lost++;
	if (t->all)
		proc_each_pid(read_process, t);
	for (i = 0; i < t->procs.n_procs; i++) {
		pid_t pid = t->procs.procs[i]->pid;

		if (!proc_n_threads(pid))
			unwind_procs_remove(&t->procs, pid, t->now_ns), i--;
		else if (!t->all)
			read_process(t, pid);
	}
}

static void apply(struct unwind_tables *t, const struct unwind_event *event)
{
	struct unwind_proc *proc = unwind_procs_find(&t->procs, event->pid);
	struct proc_exec_map map;

	switch (event->kind) {
	case UNWIND_EVENT_FORK:
		unwind_procs_fork(&t->procs, event->parent, event->pid, t->now_ns);
		break;
	case UNWIND_EVENT_EXEC:
		if (!proc && t->all)
			proc = unwind_procs_add(&t->procs, event->pid);
		if (proc)
			unwind_procs_exec(&t->procs, proc, t->now_ns);
		break;
	case UNWIND_EVENT_MMAP:
		if (!proc && t->all)
			read_process(t, event->pid);
		if (!proc)
			break;
		map = (struct proc_exec_map){.start = event->start,
					     .end = event->start + event->size_bytes,
					     .file_off = event->file_off,
					     .dev = event->dev,
					     .ino = event->ino,
					     .is_vdso = event->is_vdso};
		add_map(&(struct add_context){t, proc, event->time_ns}, &map);
		break;
	default:
		/* Other threads may go on without the first one. */
		if (proc && proc_n_threads(event->pid) <= 1)
			unwind_procs_remove(&t->procs, event->pid, t->now_ns);
	}
}

static void bring_back_file(struct unwind_tables *t, struct unwind_file *file, pid_t pid,
			    const struct proc_exec_map *map)
{
	int fd = proc_open_mapped(pid, map);

	if (fd < 0 && file->ino != UNWIND_VDSO_INO && proc_n_threads(pid)) {
		unwind_files_give_up(&t->files, file);
		unwind_procs_touch(&t->procs, file);
	}
	queue(t, file, fd);
}

/* Reads what is missed, as far as others are used less. */
static void bring_back(struct unwind_tables *t)
{
	uint32_t i, j;

	for (i = 0; i < t->procs.n_procs; i++) {
		struct unwind_proc *proc = t->procs.procs[i];

		for (j = 0; j < proc->n_maps; j++) {
			struct unwind_map *m = &proc->maps[j];
			struct proc_exec_map map = {.start = m->start, .end = m->end, .file_off = m->file_off};

			if (!m->file || !unwind_file_is_missed(m->file, t->now_ns))
				continue;
			map.dev = m->file->dev;
			map.ino = m->file->ino;
			bring_back_file(t, m->file, proc->pid, &map);
		}
	}
}

static void sweep(struct unwind_tables *t)
{
	uint32_t i;

	t->sweep_ns = t->now_ns;
	for (i = 0; i < t->procs.n_procs; i++)
		if (!proc_n_threads(t->procs.procs[i]->pid))
			unwind_procs_remove(&t->procs, t->procs.procs[i]->pid, t->now_ns), i--;
	unwind_procs_sweep(&t->procs, t->now_ns);
	bring_back(t);
	unwind_files_expire(&t->files, t->now_ns - EXPIRE_NS, t->now_ns);
	unwind_store_rest(&t->files.store);
}

/* Applies what was reported, mappings first and their rows later: reading a large file takes some
 * time. */
static void update(struct unwind_tables *t)
{
	const struct unwind_event *events;
	bool lost;
	size_t i, n;

	unwind_watch_read(t->watch, &events, &n, &lost);
	for (i = 0; i < n; i++)
		apply(t, &events[i]);
	if (lost)
		read_again(t);
	unwind_procs_commit(&t->procs, t->now_ns);
	if (n || lost)
		changed(t);
	if (t->now_ns - t->sweep_ns >= SWEEP_NS) {
		sweep(t);
		changed(t); /* known walks leave no mark on the mappings they use */
	}
}

/*
 * Both threads have little to do, each thing once, and stacks are incomplete until it is done: on a
 * busy host they go first.
 */
static void hurry(void)
{
	setpriority(PRIO_PROCESS, (id_t)gettid(), -10);
}

/* Takes note of processes and mappings. */
static void *run(void *context)
{
	const struct timespec batch = {.tv_nsec = BATCH_NS};
	struct unwind_tables *t = context;
	uint64_t n_wakes;
	bool stop = false;

	pthread_setname_np(pthread_self(), "stint-unwind");
	hurry();
	/* Capabilities are each thread's own. What it can do without more, it does. */
	(void)privileges_drop(false, NULL);
	while (!stop) {
		unwind_watch_wait(t->watch, t->wake_fd, SWEEP_NS / 1000000);
		(void)!read(t->wake_fd, &n_wakes, sizeof(n_wakes)); /* nonblocking: EAGAIN without one */
		pthread_mutex_lock(&t->lock);
		t->now_ns = clock_now_ns();
		update(t);
		stop = t->stopping;
		pthread_mutex_unlock(&t->lock);
		nanosleep(&batch, NULL);
	}
	return NULL;
}

/* Reads files, which takes longer. */
static void *run_loader(void *context)
{
	struct unwind_tables *t = context;

	pthread_setname_np(pthread_self(), "stint-tables");
	hurry();
	(void)privileges_drop(false, NULL);
	pthread_mutex_lock(&t->lock);
	while (!t->stopping) {
		if (t->n_pending)
			load_next(t, KEEP_NS);
		else
			pthread_cond_wait(&t->work, &t->lock);
	}
	pthread_mutex_unlock(&t->lock);
	return NULL;
}

static void on_evicted(void *context, uint64_t now_ns)
{
	struct unwind_tables *t = context;

	__atomic_fetch_add(t->generation, 1, __ATOMIC_SEQ_CST);
	unwind_procs_touch(&t->procs, NULL);
	unwind_procs_commit(&t->procs, now_ns);
	/* A walk that began in between may have kept rows that are gone now. */
	__atomic_fetch_add(t->generation, 1, __ATOMIC_SEQ_CST);
}

static int start(struct unwind_tables *t, const struct unwind_tables_options *options, struct stint_err *err)
{
	size_t i;
	int rc;

	t->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (!unwind_view_init(&t->mappings, options->maps.mappings, sizeof(struct unwind_mappings))) {
		t->generation = unwind_view_get(&t->mappings, offsetof(struct unwind_mappings, generation),
						sizeof(*t->generation));
		t->version =
			unwind_view_get(&t->mappings, offsetof(struct unwind_mappings, version), sizeof(*t->version));
	}
	if (t->wake_fd < 0 || !t->generation || !t->version)
		return stint_err_set(err, STINT_ERR_SYSTEM, errno, -1, "mapping the kernel's unwind tables");
	rc = unwind_procs_init(&t->procs, &t->files, options->maps.slices, &t->mappings);
	if (rc)
		return stint_err_set(err, rc, 0, -1, "no memory for unwind tables");
	rc = unwind_watch_new(&t->watch, err);
	if (rc)
		return rc;
	t->now_ns = t->sweep_ns = clock_now_ns();
	if (t->all && !proc_each_pid(read_process, t))
		return stint_err_set(err, STINT_ERR_SYSTEM, errno, -1, "reading /proc");
	for (i = 0; i < options->n_pids; i++)
		read_process(t, options->pids[i]);
	return 0;
}

/*
 * The tables of what runs already, before anything is recorded. What finds no room stays out until it is known what is
 * used: until then nothing gives way, however long it takes, or who comes last would have all the room.
 */
static void load_all(struct unwind_tables *t)
{
	pthread_mutex_lock(&t->lock);
	do {
		while (t->n_pending && !stop_asked(t))
			load_next(t, UINT64_MAX);
		t->now_ns = clock_now_ns();
		bring_back(t);
	} while (t->n_pending && !stop_asked(t));
	t->interrupted = NULL; /* from now on who starts to record hears of it first */
	unwind_procs_commit(&t->procs, t->now_ns);
	pthread_mutex_unlock(&t->lock);
}

static int start_threads(struct unwind_tables *t, struct stint_err *err)
{
	int rc = pthread_create(&t->thread, NULL, run, t);

	t->started = rc == 0;
	if (rc == 0)
		rc = pthread_create(&t->loader, NULL, run_loader, t);
	t->loader_started = rc == 0;
	return rc ? stint_err_set(err, STINT_ERR_SYSTEM, rc, -1, "starting the threads that prepare unwind tables") : 0;
}

int unwind_tables_new(struct unwind_tables **ret, const struct unwind_tables_options *options, struct stint_err *err)
{
	struct unwind_tables *t = calloc(1, sizeof(*t));
	int rc;

	*ret = NULL;
	if (!t)
		return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory for unwind tables");
	pthread_mutex_init(&t->lock, NULL);
	pthread_cond_init(&t->work, NULL);
	t->wake_fd = -1;
	t->all = options->n_pids == 0;
	t->stop = (struct unwind_stop){stop_asked, t};
	t->interrupted = options->interrupted;
	unwind_files_init(&t->files, &options->maps,
			  options->memory_bytes ? options->memory_bytes : UNWIND_DEFAULT_MEMORY);
	t->files.evicted = on_evicted;
	t->files.context = t;
	rc = start(t, options, err);
	if (rc == 0) {
		load_all(t);
		rc = start_threads(t, err);
	}
	if (rc)
		unwind_tables_free(t);
	else
		*ret = t;
	return rc;
}

static void wake(struct unwind_tables *t)
{
	const uint64_t one = 1;

	(void)!write(t->wake_fd, &one, sizeof(one));
}

int unwind_tables_reopen(struct unwind_tables *t, int cpu)
{
	int sys_errno;

	if (!t)
		return 0;
	pthread_mutex_lock(&t->lock);
	sys_errno = unwind_watch_reopen(t->watch, cpu);
	pthread_mutex_unlock(&t->lock);
	wake(t);
	return sys_errno;
}

void unwind_tables_free(struct unwind_tables *t)
{
	if (!t)
		return;
	__atomic_store_n(&t->stopping, true, __ATOMIC_RELAXED); /* whoever reads a file holds no lock */
	pthread_mutex_lock(&t->lock);
	pthread_cond_signal(&t->work);
	pthread_mutex_unlock(&t->lock);
	if (t->started) {
		wake(t);
		pthread_join(t->thread, NULL);
	}
	if (t->loader_started)
		pthread_join(t->loader, NULL);
	while (t->n_pending)
		if (t->pending[--t->n_pending].fd >= 0)
			close(t->pending[t->n_pending].fd);
	if (t->procs.files)
		unwind_procs_done(&t->procs);
	unwind_files_done(&t->files);
	unwind_watch_free(t->watch);
	unwind_view_done(&t->mappings);
	if (t->wake_fd >= 0)
		close(t->wake_fd);
	pthread_cond_destroy(&t->work);
	pthread_mutex_destroy(&t->lock);
	free(t);
}

uint64_t unwind_tables_left_out(const struct unwind_tables *t)
{
	if (!t)
		return 0;
	return __atomic_load_n(&t->files.n_evicted, __ATOMIC_RELAXED) +
	       __atomic_load_n(&t->files.n_refused, __ATOMIC_RELAXED) +
	       __atomic_load_n(&t->files.n_too_large, __ATOMIC_RELAXED) +
	       __atomic_load_n(&t->procs.n_left_out, __ATOMIC_RELAXED);
}
