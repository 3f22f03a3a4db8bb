/* SPDX-License-Identifier: MIT */
#include "record/sideband.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cursor.h"
#include "record/cpus.h"
#include "record/perf_ring.h"

#define RINGS_BYTES	(16u << 20) /* all rings together, if that leaves each at least MIN_RING_BYTES */
#define MAX_RING_BYTES	(512u << 10)
#define MIN_RING_BYTES	(64u << 10)
#define MAX_QUEUE_BYTES (4u << 20)
#define LOOK_AHEAD	1024 /* records searched for the mapping that tells an exec's file */
#define SAMPLE_ID_BYTES 24   /* of PERF_SAMPLE_TID | TIME | CPU */

struct ring {
	struct perf_ring perf;
	uint64_t lost_reported;	  /* by PERF_RECORD_LOST */
	uint64_t throttled_since; /* 0: not throttled */
};

/* A record in the queue: its header and body without the sample id, at queue.data + offset. */
struct entry {
	uint64_t time_ns;
	uint32_t offset;
	uint32_t size;
};

struct sideband {
	struct ring *rings; /* by CPU; without an event where there is none */
	int n_rings;
	size_t ring_bytes; /* without the control page */
	bool build_ids, reads_lost;
	struct stint_buf queue;
	struct entry *entries; /* [next, n_entries) wait, in time order */
	size_t next, n_entries, cap_entries;
	uint64_t n_records, n_throttled, throttled_ns;
	uint64_t lost_before; /* in rings that were replaced */
	uint64_t lost_told;   /* the loss that tasks know of */
};

static int perf_open(const struct sideband *sb, struct perf_ring *ring, int cpu)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_DUMMY,
		.sample_type = PERF_SAMPLE_TID | PERF_SAMPLE_TIME | PERF_SAMPLE_CPU,
		.read_format = sb->reads_lost ? PERF_FORMAT_LOST : 0,
		.sample_id_all = 1,
		.mmap = 1,
		.mmap2 = 1,
		.comm = 1,
		.comm_exec = 1,
		.task = 1,
		.build_id = sb->build_ids,
		.use_clockid = 1,
		.clockid = CLOCK_MONOTONIC,
		/* Nobody polls: the rings are emptied by the clock, so nothing is ever woken for a record. */
		.watermark = 1,
		.wakeup_watermark = MAX_RING_BYTES,
		.exclude_kernel = 1,
	};

	return perf_ring_open(ring, &attr, cpu);
}

/* Opens the event with what this kernel has: what it doesn't know is EINVAL, and left out from then on. */
static int perf_open_probing(struct sideband *sb, struct perf_ring *ring, int cpu)
{
	int open_errno = perf_open(sb, ring, cpu);

	if (open_errno == EINVAL && sb->reads_lost) {
		sb->reads_lost = false;
		open_errno = perf_open(sb, ring, cpu);
	}
	if (open_errno == EINVAL && sb->build_ids) {
		sb->build_ids = false;
		open_errno = perf_open(sb, ring, cpu);
	}
	return open_errno;
}

/* Maps the ring, smaller where the limit on locked memory (kernel.perf_event_mlock_kb) asks for it. */
static int ring_map(struct sideband *sb, struct perf_ring *ring)
{
	int map_errno = perf_ring_map(ring, sb->ring_bytes);

	while ((map_errno == EPERM || map_errno == ENOMEM) && sb->ring_bytes > MIN_RING_BYTES) {
		/* Rings differ in size only after this; each knows its own. */
		sb->ring_bytes /= 2;
		map_errno = perf_ring_map(ring, sb->ring_bytes);
	}
	return map_errno;
}

static int fail_open(struct stint_err *err, int sys_errno)
{
	if (sys_errno == EACCES || sys_errno == EPERM)
		return stint_err_set(err, STINT_ERR_SYSTEM, sys_errno, -1,
				     "cannot follow processes (perf_event_open); run as root, or with CAP_PERFMON");
	if (sys_errno == ENOSYS)
		return stint_err_set(err, STINT_ERR_SYSTEM, sys_errno, -1,
				     "cannot follow processes: this kernel was built without perf events");
	return stint_err_set(err, STINT_ERR_SYSTEM, sys_errno, -1, "cannot follow processes (perf_event_open)");
}

static int open_rings(struct sideband *sb, struct stint_err *err)
{
	int n_open = 0;
	int failed_errno = ENODEV;
	int cpu;

	for (cpu = 0; cpu < sb->n_rings; cpu++) {
		struct perf_ring *ring = &sb->rings[cpu].perf;
		int map_errno, open_errno = perf_open_probing(sb, ring, cpu);

		if (open_errno) {
			failed_errno = open_errno;
			if (failed_errno == ENODEV) /* an offline CPU */
				continue;
			return fail_open(err, failed_errno);
		}
		map_errno = ring_map(sb, ring);
		if (map_errno)
			return stint_err_set(err, STINT_ERR_SYSTEM, map_errno, -1,
					     "cannot map a ring of process events (see kernel.perf_event_mlock_kb)");
		n_open++;
	}
	return n_open ? 0 : fail_open(err, failed_errno);
}

static size_t choose_ring_bytes(int n_cpus)
{
	size_t bytes = MAX_RING_BYTES;

	while (bytes > MIN_RING_BYTES && bytes * (size_t)n_cpus > RINGS_BYTES)
		bytes /= 2;
	return bytes;
}

int sideband_new(struct sideband **ret, struct stint_err *err)
{
	struct sideband *sb = calloc(1, sizeof(*sb));
	int n_cpus = cpus_n_ids();
	int code;
	int cpu;

	*ret = NULL;
	if (sb)
		sb->rings = calloc((size_t)n_cpus, sizeof(*sb->rings));
	if (!sb || !sb->rings) {
		free(sb);
		return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory for process events");
	}
	for (cpu = 0; cpu < n_cpus; cpu++)
		sb->rings[cpu].perf.fd = -1;
	sb->n_rings = n_cpus;
	sb->ring_bytes = choose_ring_bytes(sb->n_rings);
	sb->build_ids = true;
	sb->reads_lost = true;
	stint_buf_init(&sb->queue, MAX_QUEUE_BYTES);
	code = open_rings(sb, err);
	if (code) {
		sideband_free(sb);
		return code;
	}
	*ret = sb;
	return 0;
}

void sideband_free(struct sideband *sb)
{
	int cpu;

	if (!sb)
		return;
	for (cpu = 0; cpu < sb->n_rings; cpu++)
		perf_ring_close(&sb->rings[cpu].perf);
	free(sb->rings);
	free(sb->entries);
	stint_buf_done(&sb->queue);
	free(sb);
}

static bool is_task_record(uint32_t type)
{
	return type == PERF_RECORD_MMAP2 || type == PERF_RECORD_COMM || type == PERF_RECORD_FORK ||
	       type == PERF_RECORD_EXIT;
}

/* Records that are only counted. */
static void count_record(struct sideband *sb, struct ring *ring, const struct perf_event_header *header, uint64_t at)
{
	uint64_t word;

	if (header->type == PERF_RECORD_LOST && header->size >= sizeof(*header) + 16) {
		perf_ring_copy(&ring->perf, at + sizeof(*header) + 8, &word, sizeof(word));
		ring->lost_reported += word;
	} else if (header->type == PERF_RECORD_THROTTLE && header->size >= sizeof(*header) + 8) {
		sb->n_throttled++;
		perf_ring_copy(&ring->perf, at + sizeof(*header), &ring->throttled_since, sizeof(word));
	} else if (header->type == PERF_RECORD_UNTHROTTLE && header->size >= sizeof(*header) + 8) {
		perf_ring_copy(&ring->perf, at + sizeof(*header), &word, sizeof(word));
		if (ring->throttled_since && word > ring->throttled_since)
			sb->throttled_ns += word - ring->throttled_since;
		ring->throttled_since = 0;
	}
}

/* False when the queue is full. */
static bool queue_record(struct sideband *sb, struct ring *ring, const struct perf_event_header *header, uint64_t at)
{
	struct entry *entry;
	size_t cap, offset = sb->queue.len;
	uint8_t *copy;

	if (sb->n_entries == sb->cap_entries) {
		cap = sb->cap_entries ? sb->cap_entries * 2 : 256;
		entry = realloc(sb->entries, cap * sizeof(*entry));
		if (!entry)
			return false;
		sb->entries = entry;
		sb->cap_entries = cap;
	}
	copy = stint_buf_grow(&sb->queue, header->size);
	if (!copy) {
		sb->queue.failed = 0; /* full for now: the record stays where it is */
		return false;
	}
	perf_ring_copy(&ring->perf, at, copy, header->size);
	entry = &sb->entries[sb->n_entries++];
	entry->offset = (uint32_t)offset;
	entry->size = header->size - SAMPLE_ID_BYTES;
	memcpy(&entry->time_ns, copy + entry->size + 8, sizeof(entry->time_ns));
	sb->n_records++;
	return true;
}

struct drain {
	struct sideband *sb;
	struct ring *ring;
};

/* Of perf_ring_drain. */
static bool take_record(void *context, struct perf_ring *perf, const struct perf_event_header *header, uint64_t at)
{
	const struct drain *drain = context;

	(void)perf;
	if (is_task_record(header->type))
		return header->size < sizeof(*header) + SAMPLE_ID_BYTES ||
		       queue_record(drain->sb, drain->ring, header, at);
	count_record(drain->sb, drain->ring, header, at);
	return true;
}

static int by_time(const void *a_void, const void *b_void)
{
	const struct entry *a = a_void, *b = b_void;

	if (a->time_ns != b->time_ns)
		return a->time_ns < b->time_ns ? -1 : 1;
	return a->offset < b->offset ? -1 : a->offset > b->offset;
}

/* Gives the room of applied records back. */
static void compact(struct sideband *sb)
{
	size_t i, n_left = sb->n_entries - sb->next;
	uint32_t low = UINT32_MAX;

	if (!sb->next)
		return;
	memmove(sb->entries, sb->entries + sb->next, n_left * sizeof(sb->entries[0]));
	sb->n_entries = n_left;
	sb->next = 0;
	if (!n_left) {
		stint_buf_reset(&sb->queue);
		return;
	}
	for (i = 0; i < n_left; i++)
		if (sb->entries[i].offset < low)
			low = sb->entries[i].offset;
	memmove(sb->queue.data, sb->queue.data + low, sb->queue.len - low);
	sb->queue.len -= low;
	for (i = 0; i < n_left; i++)
		sb->entries[i].offset -= low;
}

int sideband_drain(struct sideband *sb, struct stint_err *err)
{
	size_t i, n_before;
	int cpu;

	(void)err;
	compact(sb);
	n_before = sb->n_entries;
	for (cpu = 0; cpu < sb->n_rings; cpu++) {
		struct drain drain = {.sb = sb, .ring = &sb->rings[cpu]};

		perf_ring_drain(&sb->rings[cpu].perf, take_record, &drain);
	}
	for (i = n_before ? n_before : 1; i < sb->n_entries; i++)
		if (sb->entries[i].time_ns < sb->entries[i - 1].time_ns)
			break;
	if (i < sb->n_entries)
		qsort(sb->entries, sb->n_entries, sizeof(sb->entries[0]), by_time);
	return 0;
}

/* A record of the queue, taken apart. */
struct record {
	struct perf_event_header header;
	struct stint_cursor body;
	uint64_t time_ns;
	pid_t pid; /* every kind of them begins with it */
};

static struct record record_of(const struct sideband *sb, const struct entry *entry)
{
	const uint8_t *at = sb->queue.data + entry->offset;
	struct record record = {.time_ns = entry->time_ns};

	memcpy(&record.header, at, sizeof(record.header));
	record.body = stint_cursor_of(at + sizeof(record.header), entry->size - sizeof(record.header));
	record.pid = (pid_t)stint_cursor_u32(&record.body);
	return record;
}

/* The string that ends the record; NULL where it has no end. */
static const char *record_string(struct record *record)
{
	size_t left = stint_cursor_left(&record->body);

	return !record->body.bad && memchr(record->body.at, 0, left) ? (const char *)record->body.at : NULL;
}

static bool parse_mmap(struct record *record, struct tasks_mmap *ret)
{
	struct stint_cursor *body = &record->body;
	uint32_t first, second;

	memset(ret, 0, sizeof(*ret));
	stint_cursor_u32(body); /* tid */
	ret->start = stint_cursor_u64(body);
	ret->size_bytes = stint_cursor_u64(body);
	ret->file_off = stint_cursor_u64(body);
	ret->executable = !(record->header.misc & PERF_RECORD_MISC_MMAP_DATA);
	if (record->header.misc & PERF_RECORD_MISC_MMAP_BUILD_ID) {
		ret->build_id_size = stint_cursor_u8(body);
		stint_cursor_bytes(body, 3);
		ret->build_id = stint_cursor_bytes(body, 20);
		if (ret->build_id_size > 20)
			return false;
	} else {
		first = stint_cursor_u32(body);
		second = stint_cursor_u32(body);
		ret->dev = makedev(first, second);
		ret->ino = stint_cursor_u64(body);
		stint_cursor_u64(body); /* generation */
	}
	stint_cursor_u64(body); /* protection, flags */
	ret->path = record_string(record);
	return ret->path && ret->size_bytes && ret->start + ret->size_bytes > ret->start;
}

/* The file that an exec loaded: the first mapping that follows it. NULL when it isn't here yet. */
static const char *exec_file(const struct sideband *sb, pid_t pid, struct tasks_mmap *map)
{
	size_t i;

	for (i = sb->next + 1; i < sb->n_entries && i <= sb->next + LOOK_AHEAD; i++) {
		struct record record = record_of(sb, &sb->entries[i]);

		if (record.pid != pid)
			continue;
		if (record.header.type == PERF_RECORD_MMAP2 && parse_mmap(&record, map) && map->path[0] == '/' &&
		    map->path[1] != '/')
			return map->path;
		if (record.header.type != PERF_RECORD_MMAP2)
			return NULL;
	}
	return NULL;
}

static int apply_comm(const struct sideband *sb, struct record *record, struct tasks *tasks, struct stint_err *err)
{
	pid_t tid = (pid_t)stint_cursor_u32(&record->body);
	bool exec = record->header.misc & PERF_RECORD_MISC_COMM_EXEC;
	const char *comm = record_string(record);
	struct tasks_mmap map;

	if (!comm)
		return 0;
	return tasks_on_comm(tasks, record->time_ns, record->pid, tid, comm, exec,
			     exec ? exec_file(sb, record->pid, &map) : NULL, err);
}

static int apply_task(struct record *record, struct tasks *tasks, struct stint_err *err)
{
	pid_t parent_pid = (pid_t)stint_cursor_u32(&record->body);
	pid_t tid = (pid_t)stint_cursor_u32(&record->body);
	pid_t parent_tid = (pid_t)stint_cursor_u32(&record->body);

	if (record->body.bad)
		return 0;
	if (record->header.type == PERF_RECORD_EXIT)
		return tasks_on_exit(tasks, record->time_ns, record->pid, tid, err);
	return tasks_on_fork(tasks, record->time_ns, record->pid, tid, parent_pid, parent_tid, err);
}

static int apply_record(const struct sideband *sb, const struct entry *entry, struct tasks *tasks,
			struct stint_err *err)
{
	struct record record = record_of(sb, entry);
	struct tasks_mmap map;

	if (record.pid <= 0) /* outside of our pid namespace */
		return 0;
	switch (record.header.type) {
	case PERF_RECORD_COMM:
		return apply_comm(sb, &record, tasks, err);
	case PERF_RECORD_FORK:
	case PERF_RECORD_EXIT:
		return apply_task(&record, tasks, err);
	default:
		return parse_mmap(&record, &map) ? tasks_on_mmap(tasks, record.time_ns, record.pid, &map, err) : 0;
	}
}

static uint64_t lost_in_records(const struct sideband *sb)
{
	uint64_t n = sb->lost_before;
	int cpu;

	for (cpu = 0; cpu < sb->n_rings; cpu++)
		n += sb->rings[cpu].lost_reported;
	return n;
}

int sideband_apply(struct sideband *sb, uint64_t until_ns, struct tasks *tasks, struct stint_err *err)
{
	uint64_t lost = lost_in_records(sb);
	int ret = 0;

	if (lost != sb->lost_told)
		tasks_on_lost(tasks);
	sb->lost_told = lost;
	for (; !ret && sb->next < sb->n_entries && sb->entries[sb->next].time_ns <= until_ns; sb->next++)
		ret = apply_record(sb, &sb->entries[sb->next], tasks, err);
	return ret;
}

static uint64_t lost_in_ring(const struct sideband *sb, const struct ring *ring)
{
	uint64_t counts[2] = {0, 0}; /* the event's value, records lost */

	if (sb->reads_lost && ring->perf.fd >= 0 && read(ring->perf.fd, counts, sizeof(counts)) != sizeof(counts))
		counts[1] = 0;
	return counts[1] > ring->lost_reported ? counts[1] : ring->lost_reported;
}

uint64_t sideband_lost(const struct sideband *sb)
{
	uint64_t lost = sb->lost_before;
	int cpu;

	for (cpu = 0; cpu < sb->n_rings; cpu++)
		lost += lost_in_ring(sb, &sb->rings[cpu]);
	return lost;
}

int sideband_reopen(struct sideband *sb, int cpu, uint64_t now_ns)
{
	struct ring *ring = &sb->rings[cpu], fresh = {.perf = {.fd = -1}};
	int sys_errno = perf_open_probing(sb, &fresh.perf, cpu);

	if (sys_errno == 0)
		sys_errno = ring_map(sb, &fresh.perf);
	if (sys_errno) {
		perf_ring_close(&fresh.perf);
		return sys_errno;
	}
	/* What the old one still holds; what finds no room is lost with it. */
	(void)sideband_drain(sb, NULL);
	sb->lost_before += lost_in_ring(sb, ring) + !perf_ring_is_empty(&ring->perf);
	if (ring->throttled_since && now_ns > ring->throttled_since)
		sb->throttled_ns += now_ns - ring->throttled_since;
	perf_ring_close(&ring->perf);
	*ring = fresh;
	return 0;
}

uint64_t sideband_throttled(const struct sideband *sb)
{
	return sb->n_throttled;
}

uint64_t sideband_throttled_ns(const struct sideband *sb, uint64_t now_ns)
{
	uint64_t ns = sb->throttled_ns;
	int cpu;

	for (cpu = 0; cpu < sb->n_rings; cpu++) {
		uint64_t since_ns = sb->rings[cpu].throttled_since;

		if (since_ns && now_ns > since_ns)
			ns += now_ns - since_ns;
	}
	return ns;
}

int sideband_fd(const struct sideband *sb, int cpu)
{
	return cpu >= 0 && cpu < sb->n_rings ? sb->rings[cpu].perf.fd : -1;
}

bool sideband_has_build_ids(const struct sideband *sb)
{
	return sb->build_ids;
}

uint64_t sideband_records(const struct sideband *sb)
{
	return sb->n_records;
}

size_t sideband_memory_bytes(const struct sideband *sb)
{
	size_t bytes = sizeof(*sb) + (size_t)sb->n_rings * sizeof(sb->rings[0]) + sb->queue.cap +
		       sb->cap_entries * sizeof(sb->entries[0]);
	int cpu;

	for (cpu = 0; cpu < sb->n_rings; cpu++)
		bytes += perf_ring_bytes(&sb->rings[cpu].perf);
	return bytes;
}
