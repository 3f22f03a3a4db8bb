/* SPDX-License-Identifier: MIT */
#include "record/unwind_watch.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/perf_event.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "record/cpus.h"
#include "record/perf_ring.h"

#define RING_PAGES	 32u
#define MAX_RECORD_BYTES (64u << 10) /* a record's size is 16 bits wide */
#define MAX_BATCH	 (1u << 20)  /* events of one read */

struct unwind_watch {
	struct perf_ring *rings; /* by CPU; without an event where there is none */
	struct perf_ring *fresh; /* those that are to replace them */
	uint32_t n_rings;
	struct pollfd *polled; /* the caller's, and one for each ring */
	uint32_t n_polled;
	struct unwind_event *events;
	size_t n_events, cap_events;
	uint8_t record[MAX_RECORD_BYTES];
	bool lost;
};

static int open_ring(struct perf_ring *ring, int cpu)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_DUMMY,
		.sample_type = PERF_SAMPLE_TIME,
		.sample_id_all = 1,
		.mmap = 1,
		.mmap2 = 1,
		.comm = 1,
		.comm_exec = 1,
		.task = 1,
		.watermark = 1,
		.wakeup_watermark = 1,
		.use_clockid = 1,
		.clockid = CLOCK_MONOTONIC,
	};
	int sys_errno = perf_ring_open(ring, &attr, cpu);

	if (sys_errno == 0)
		sys_errno = perf_ring_map(ring, RING_PAGES * (size_t)sysconf(_SC_PAGESIZE));
	if (sys_errno)
		perf_ring_close(ring);
	return sys_errno;
}

static void poll_ring(struct unwind_watch *watch, uint32_t cpu)
{
	watch->polled[1 + cpu] = (struct pollfd){.fd = watch->rings[cpu].fd, .events = POLLIN};
	if (watch->n_polled < cpu + 2)
		watch->n_polled = cpu + 2;
}

static int open_all(struct unwind_watch *watch, struct stint_err *err)
{
	uint32_t cpu;

	for (cpu = 0; cpu < watch->n_rings; cpu++) {
		int sys_errno = open_ring(&watch->rings[cpu], (int)cpu);

		if (sys_errno && sys_errno != ENODEV) /* a CPU that is offline */
			return stint_err_set(err, STINT_ERR_SYSTEM, sys_errno, -1,
					     "watching for new mappings on CPU %" PRIu32, cpu);
		poll_ring(watch, cpu);
	}
	return 0;
}

int unwind_watch_new(struct unwind_watch **ret, struct stint_err *err)
{
	size_t n_cpus = (size_t)cpus_n_ids(), i;
	struct unwind_watch *watch = calloc(1, sizeof(*watch));
	int rc = 0;

	*ret = NULL;
	if (watch) {
		watch->rings = calloc(n_cpus, sizeof(*watch->rings));
		watch->fresh = calloc(n_cpus, sizeof(*watch->fresh));
		watch->polled = calloc(n_cpus + 1, sizeof(*watch->polled));
	}
	if (!watch || !watch->rings || !watch->fresh || !watch->polled)
		rc = stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory to watch for new mappings");
	for (i = 0; !rc && i < n_cpus; i++) {
		watch->rings[i].fd = watch->fresh[i].fd = watch->polled[1 + i].fd = -1;
		watch->n_rings++;
	}
	if (!rc)
		rc = open_all(watch, err);
	if (rc)
		unwind_watch_free(watch);
	else
		*ret = watch;
	return rc;
}

void unwind_watch_free(struct unwind_watch *watch)
{
	uint32_t i;

	if (!watch)
		return;
	for (i = 0; i < watch->n_rings; i++) {
		perf_ring_close(&watch->rings[i]);
		perf_ring_close(&watch->fresh[i]);
	}
	free(watch->rings);
	free(watch->fresh);
	free(watch->polled);
	free(watch->events);
	free(watch);
}

void unwind_watch_wait(struct unwind_watch *watch, int stop_fd, int timeout_ms)
{
	watch->polled[0] = (struct pollfd){.fd = stop_fd, .events = POLLIN};
	poll(watch->polled, watch->n_polled, timeout_ms);
}

int unwind_watch_reopen(struct unwind_watch *watch, int cpu)
{
	perf_ring_close(&watch->fresh[cpu]);
	return open_ring(&watch->fresh[cpu], cpu);
}

/* What happened on that CPU in between is nowhere. */
static void replace(struct unwind_watch *watch, uint32_t cpu)
{
	perf_ring_close(&watch->rings[cpu]);
	watch->rings[cpu] = watch->fresh[cpu];
	watch->fresh[cpu] = (struct perf_ring){.fd = -1};
	poll_ring(watch, cpu);
	watch->lost = true;
}

static void add(struct unwind_watch *watch, const struct unwind_event *event)
{
	if (watch->n_events == watch->cap_events) {
		size_t cap = watch->cap_events ? 2 * watch->cap_events : 256;
		void *grown = cap > MAX_BATCH ? NULL : realloc(watch->events, cap * sizeof(*watch->events));

		if (!grown) {
			watch->lost = true;
			return;
		}
		watch->events = grown;
		watch->cap_events = cap;
	}
	watch->events[watch->n_events++] = *event;
}

/* The records as the kernel lays them out; what stands behind these fields is the path, then the
 * time. */
struct mmap2_record {
	struct perf_event_header header;
	uint32_t pid, tid;
	uint64_t addr, len, pgoff;
	uint32_t maj, min;
	uint64_t ino, ino_generation;
	uint32_t prot, flags;
	char filename[];
};

struct task_record {
	struct perf_event_header header;
	uint32_t pid, ppid, tid, ptid;
	uint64_t time;
};

struct comm_record {
	struct perf_event_header header;
	uint32_t pid, tid;
};

static void take_record(struct unwind_watch *watch)
{
	const struct perf_event_header *header = (const void *)watch->record;
	const struct mmap2_record *mmap2 = (const void *)watch->record;
	const struct task_record *task = (const void *)watch->record;
	const struct comm_record *comm = (const void *)watch->record;
	struct unwind_event event = {0};

	/* Every record but those of loss ends with its time (sample_id_all). */
	memcpy(&event.time_ns, watch->record + header->size - sizeof(event.time_ns), sizeof(event.time_ns));
	switch (header->type) {
	case PERF_RECORD_MMAP2:
		event.kind = UNWIND_EVENT_MMAP;
		event.pid = (pid_t)mmap2->pid;
		event.start = mmap2->addr;
		event.size_bytes = mmap2->len;
		event.file_off = mmap2->pgoff;
		event.dev = makedev(mmap2->maj, mmap2->min);
		event.ino = mmap2->ino;
		event.is_vdso = !strcmp(mmap2->filename, "[vdso]");
		add(watch, &event);
		break;
	case PERF_RECORD_COMM:
		event.kind = UNWIND_EVENT_EXEC;
		event.pid = (pid_t)comm->pid;
		if (header->misc & PERF_RECORD_MISC_COMM_EXEC)
			add(watch, &event);
		break;
	case PERF_RECORD_FORK:
		event.kind = UNWIND_EVENT_FORK;
		event.pid = (pid_t)task->pid;
		event.parent = (pid_t)task->ppid;
		if (task->pid != task->ppid)
			add(watch, &event);
		break;
	case PERF_RECORD_EXIT:
		event.kind = UNWIND_EVENT_EXIT;
		event.pid = (pid_t)task->pid;
		if (task->pid == task->tid)
			add(watch, &event);
		break;
	case PERF_RECORD_LOST:
		watch->lost = true;
		break;
	default:
		break;
	}
}

/* Of perf_ring_drain. */
static bool copy_record(void *context, struct perf_ring *ring, const struct perf_event_header *header, uint64_t at)
{
	struct unwind_watch *watch = context;

	if (header->size < sizeof(*header) + sizeof(uint64_t))
		return true;
	perf_ring_copy(ring, at, watch->record, header->size);
	take_record(watch);
	return true;
}

static int compare_times(const void *a, const void *b)
{
	const struct unwind_event *x = a, *y = b;

	return (x->time_ns > y->time_ns) - (x->time_ns < y->time_ns);
}

void unwind_watch_read(struct unwind_watch *watch, const struct unwind_event **ret, size_t *ret_n, bool *ret_lost)
{
	uint32_t i;

	watch->n_events = 0;
	watch->lost = false;
	for (i = 0; i < watch->n_rings; i++) {
		perf_ring_drain(&watch->rings[i], copy_record, watch);
		if (watch->fresh[i].page)
			replace(watch, i);
	}
	if (watch->n_events)
		qsort(watch->events, watch->n_events, sizeof(*watch->events), compare_times);
	*ret = watch->events;
	*ret_n = watch->n_events;
	*ret_lost = watch->lost;
}
