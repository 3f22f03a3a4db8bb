/* SPDX-License-Identifier: MIT */
#include "record/session.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/membarrier.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "record/cpus.h"
#include "record/privileges.h"
#include "record/procfs.h"
#include "stint.skel.h"

#define LIST_BUFFER_BYTES (64 << 10)
#define FORGET_BATCH	  4096
#define PHASE_PATIENCE_NS 5000000 /* many times what a program may take */

struct session {
	struct stint_bpf *bpf;
	struct session_options options;
	struct ring_buffer *ring;
	const char *source, *source_unit;
	/* The tracepoints that tell an interrupt from the thread it interrupts. */
	bool has_interrupts, has_softirqs;
	bool has_cpu_steps, has_map_hook, has_bpf_alloc;
	struct bpf_link *sample_links[CPUS_MAX];
	int n_cpus;
	/* libbpf's consumer returns only what the callback said last, so the count is kept here. */
	int (*each)(void *context, const void *event, size_t size);
	void *context;
	size_t n_drained;
	char libbpf_said[160]; /* its last warning: what a failed load was about */
};

/* libbpf's print function has no context. */
static char *libbpf_said;

static int remember_warning(enum libbpf_print_level level, const char *fmt, va_list args)
{
	if (level == LIBBPF_WARN && libbpf_said && !libbpf_said[0])
		vsnprintf(libbpf_said, 160, fmt, args);
	return 0;
}

static int on_ring_event(void *context, void *data, size_t size)
{
	struct session *s = context;

	s->n_drained++;
	return s->each(s->context, data, size) ? -1 : 0;
}

static bool has_tracepoint(const struct btf *btf, const char *name)
{
	char type[64];

	snprintf(type, sizeof(type), "btf_trace_%s", name);
	return btf__find_by_name_kind(btf, type, BTF_KIND_TYPEDEF) > 0;
}

/* Is there a function with so many parameters? */
static bool has_function(const struct btf *btf, const char *name, uint32_t n_params)
{
	__s32 id = btf__find_by_name_kind(btf, name, BTF_KIND_FUNC);
	const struct btf_type *type = id > 0 ? btf__type_by_id(btf, id) : NULL;

	type = type ? btf__type_by_id(btf, type->type) : NULL;
	return type && btf_vlen(type) == n_params;
}

/*
 * Which of the kernel's tracepoints exist, and with which arguments, is read from its BTF: what is
 * missing isn't loaded, so that the rest still works.
 */
static int probe_kernel(struct session *s, struct stint_err *err)
{
	const struct btf_type *type;
	struct btf *btf = btf__load_vmlinux_btf();
	__s32 id;

	if (!btf)
		return stint_err_set(err, STINT_ERR_SYSTEM, errno, -1,
				     "this kernel doesn't describe its types (/sys/kernel/btf/vmlinux): it needs "
				     "CONFIG_DEBUG_INFO_BTF");
	id = btf__find_by_name_kind(btf, "btf_trace_sched_switch", BTF_KIND_TYPEDEF);
	type = id > 0 ? btf__type_by_id(btf, id) : NULL;
	type = type ? btf__type_by_id(btf, type->type) : NULL; /* the pointer */
	type = type ? btf__type_by_id(btf, type->type) : NULL; /* the function */
	/* One parameter is the tracepoint's own: preempt, prev, next and the state are the others. */
	s->options.config.has_prev_state = type && btf_is_func_proto(type) && btf_vlen(type) >= 5;
	s->has_interrupts = has_tracepoint(btf, "local_timer_entry") && has_tracepoint(btf, "local_timer_exit") &&
			    has_tracepoint(btf, "irq_handler_entry") && has_tracepoint(btf, "irq_handler_exit");
	/* In a realtime kernel they are threads, which may be preempted in the middle. */
	s->has_softirqs = has_tracepoint(btf, "softirq_entry") && has_tracepoint(btf, "softirq_exit") &&
			  access("/sys/kernel/realtime", F_OK) != 0;
	s->has_bpf_alloc = btf__find_by_name_kind(btf, "bpf_mem_alloc_init", BTF_KIND_FUNC) > 0;
	s->has_cpu_steps = has_tracepoint(btf, "cpuhp_enter");
	s->has_map_hook = has_tracepoint(btf, "vm_unmapped_area");
	/* With its fifth argument, which the verifier provides. */
	s->options.config.late_stacks = has_function(btf, "bpf_task_work_schedule_resume_impl", 5) &&
					has_function(btf, "bpf_preempt_disable", 0) &&
					has_function(btf, "bpf_preempt_enable", 0);
	btf__free(btf);
	if (!type)
		return stint_err_set(err, STINT_ERR_SYSTEM, 0, -1,
				     "this kernel has no BTF for the sched_switch tracepoint");
	return 0;
}

static int load_failed(struct session *s, int rc, struct stint_err *err)
{
	char why[160];

	if (privileges_explain(why, sizeof(why)))
		return stint_err_set(err, STINT_ERR_SYSTEM, 0, -1, "%s", why);
	if (rc == -EMFILE)
		return stint_err_set(err, STINT_ERR_SYSTEM, EMFILE, -1,
				     "loading the BPF programs takes more open files than the limit (ulimit -n)");
	s->libbpf_said[strcspn(s->libbpf_said, "\n")] = 0;
	return stint_err_set(err, STINT_ERR_SYSTEM, -rc, -1,
			     "the kernel refused the BPF programs, which need Linux 5.17 or later (%s)",
			     s->libbpf_said);
}

/* Before Linux 6.1, programs of perf events use no map that allocates its entries as they come. */
static void allocate_maps(struct session *s)
{
	struct bpf_map *maps[] = {s->bpf->maps.target_pids, s->bpf->maps.unwind_slices, s->bpf->maps.unwind_files};
	size_t i;

	for (i = 0; i < sizeof(maps) / sizeof(maps[0]) && !s->has_bpf_alloc; i++)
		bpf_map__set_map_flags(maps[i], bpf_map__map_flags(maps[i]) & ~BPF_F_NO_PREALLOC);
}

static void choose_programs(struct session *s)
{
	const struct session_options *opt = &s->options;
	bool follows = opt->config.targets & TARGET_PIDS;
	bool wakers = opt->off_cpu && opt->config.wakers != WAKERS_NONE;
	bool interrupts = wakers && s->has_interrupts, softirqs = wakers && s->has_softirqs;
	bool unwinds = opt->config.unwind == UNWIND_BY_CFI || opt->config.unwind == UNWIND_BY_BOTH;
	bool dumps = opt->config.unwind == UNWIND_BY_BOTH || opt->config.unwind == UNWIND_BY_DUMP;

	bpf_program__set_autoload(s->bpf->progs.on_sample, opt->freq_hz > 0);
	bpf_program__set_autoload(s->bpf->progs.on_map, unwinds && s->has_map_hook);
	bpf_program__set_autoload(s->bpf->progs.on_switch, opt->off_cpu);
	bpf_program__set_autoload(s->bpf->progs.on_waking, opt->off_cpu);
	bpf_program__set_autoload(s->bpf->progs.list_off_cpu, opt->off_cpu);
	bpf_program__set_autoload(s->bpf->progs.on_timer_entry, interrupts);
	bpf_program__set_autoload(s->bpf->progs.on_timer_exit, interrupts);
	bpf_program__set_autoload(s->bpf->progs.on_irq_entry, interrupts);
	bpf_program__set_autoload(s->bpf->progs.on_irq_exit, interrupts);
	bpf_program__set_autoload(s->bpf->progs.on_softirq_entry, softirqs);
	bpf_program__set_autoload(s->bpf->progs.on_softirq_exit, softirqs);
	bpf_program__set_autoload(s->bpf->progs.on_fork, opt->off_cpu || follows || unwinds);
	bpf_program__set_autoload(s->bpf->progs.on_exec, follows || unwinds);
	bpf_program__set_autoload(s->bpf->progs.on_exit, follows || unwinds);
	bpf_program__set_autoload(s->bpf->progs.on_cpu_step, s->has_cpu_steps);
	bpf_map__set_max_entries(s->bpf->maps.cpu_arrivals, (uint32_t)cpus_n_ids());
	if (!unwinds) {
		bpf_map__set_autocreate(s->bpf->maps.unwind_segments, false);
		bpf_map__set_autocreate(s->bpf->maps.unwind_mappings, false);
		bpf_map__set_autocreate(s->bpf->maps.unwind_slices, false);
		bpf_map__set_autocreate(s->bpf->maps.unwind_files, false);
		bpf_map__set_autocreate(s->bpf->maps.unwind_fresh, false);
		bpf_map__set_autocreate(s->bpf->maps.unwind_replaced, false);
		bpf_map__set_autocreate(s->bpf->maps.row_caches, false);
	}
	if (!dumps)
		bpf_map__set_autocreate(s->bpf->maps.dumps, false);
	if (!opt->config.late_stacks)
		bpf_map__set_autocreate(s->bpf->maps.late_stacks, false);
}

static int attach_program(struct bpf_program *prog, struct bpf_link **link, struct stint_err *err)
{
	if (!bpf_program__autoload(prog))
		return 0;
	*link = bpf_program__attach(prog);
	if (!*link)
		return stint_err_set(err, STINT_ERR_SYSTEM, errno, -1, "cannot attach the BPF program %s",
				     bpf_program__name(prog));
	return 0;
}

int session_new(struct session **ret, const struct session_options *options, struct stint_err *err)
{
	struct session *s = calloc(1, sizeof(*s));
	int rc;

	*ret = NULL;
	if (!s)
		return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory for the recording session");
	s->options = *options;
	libbpf_said = s->libbpf_said;
	libbpf_set_print(remember_warning);
	libbpf_set_strict_mode(LIBBPF_STRICT_ALL);
	rc = probe_kernel(s, err);
	if (rc)
		goto out;
	s->options.config.self_pid = (uint32_t)getpid();
	s->bpf = stint_bpf__open();
	if (!s->bpf) {
		rc = load_failed(s, -errno, err);
		goto out;
	}
	memcpy(&s->bpf->rodata->config, &s->options.config, sizeof(s->options.config));
	choose_programs(s);
	allocate_maps(s);
	rc = stint_bpf__load(s->bpf);
	if (rc) {
		rc = load_failed(s, rc, err);
		goto out;
	}
	/* Before anything is opened on a CPU. */
	rc = attach_program(s->bpf->progs.on_cpu_step, &s->bpf->links.on_cpu_step, err);
	if (rc)
		goto out;
	s->ring = ring_buffer__new(bpf_map__fd(s->bpf->maps.ring), on_ring_event, s, NULL);
	if (!s->ring) {
		rc = stint_err_set(err, STINT_ERR_SYSTEM, errno, -1, "cannot map the ring of BPF events");
		goto out;
	}
	*ret = s;
	return 0;
out:
	session_free(s);
	return rc;
}

void session_free(struct session *s)
{
	int i;

	if (!s)
		return;
	for (i = 0; i < s->n_cpus; i++)
		bpf_link__destroy(s->sample_links[i]);
	ring_buffer__free(s->ring);
	stint_bpf__destroy(s->bpf);
	libbpf_said = NULL;
	free(s);
}

void session_unwind_maps(const struct session *s, struct unwind_map_fds *ret)
{
	ret->segments = bpf_map__fd(s->bpf->maps.unwind_segments);
	ret->mappings = bpf_map__fd(s->bpf->maps.unwind_mappings);
	ret->slices = bpf_map__fd(s->bpf->maps.unwind_slices);
	ret->files = bpf_map__fd(s->bpf->maps.unwind_files);
}

static int add_target(struct bpf_map *map, const void *key, size_t size, struct stint_err *err)
{
	uint8_t one = 1;
	int rc = bpf_map__update_elem(map, key, size, &one, sizeof(one), BPF_ANY);

	if (rc)
		return stint_err_set(err, STINT_ERR_SYSTEM, -rc, -1, "cannot add a target");
	return 0;
}

int session_add_pid(struct session *s, pid_t pid, struct stint_err *err)
{
	return add_target(s->bpf->maps.target_pids, &pid, sizeof(pid), err);
}

int session_add_tid(struct session *s, pid_t tid, struct stint_err *err)
{
	return add_target(s->bpf->maps.target_tids, &tid, sizeof(tid), err);
}

int session_add_exec(struct session *s, pid_t pid, struct stint_err *err)
{
	return add_target(s->bpf->maps.target_execs, &pid, sizeof(pid), err);
}

int session_add_comm(struct session *s, const char *comm, struct stint_err *err)
{
	char key[EVENT_COMM_BYTES] = {0};

	memcpy(key, comm, strnlen(comm, sizeof(key) - 1));
	return add_target(s->bpf->maps.target_comms, key, sizeof(key), err);
}

/* The kernel's side removes what ends; what had ended before it was attached is still in the map. */
static bool any_exists(const struct bpf_map *map)
{
	uint32_t id, next, *last = NULL, n;

	for (n = 0; n < bpf_map__max_entries(map) && !bpf_map__get_next_key(map, last, &next, sizeof(next)); n++) {
		if (procfs_lives((pid_t)next))
			return true;
		id = next;
		last = &id;
	}
	return false;
}

bool session_targets_left(const struct session *s)
{
	return any_exists(s->bpf->maps.target_pids) || any_exists(s->bpf->maps.target_tids);
}

static int open_sampler(int cpu, uint32_t type, uint64_t event, uint32_t freq_hz)
{
	struct perf_event_attr attr = {
		.size = sizeof(attr),
		.type = type,
		.config = event,
		.freq = 1,
		.sample_freq = freq_hz,
		.exclude_idle = 1,
		/* As the sideband's, or its rings would refuse what this event reports. */
		.use_clockid = 1,
		.clockid = CLOCK_MONOTONIC,
	};

	return (int)syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);
}

/* One CPU's sampling event. Cycles where there is a PMU that counts them, the CPU clock where not.
 */
static int attach_sampler(struct session *s, int cpu, const struct sideband *sideband, struct stint_err *err)
{
	bool cycles = s->source && strcmp(s->source, "cycles") == 0;
	int fd = -1;

	if (!s->source || cycles)
		fd = open_sampler(cpu, PERF_TYPE_HARDWARE, PERF_COUNT_HW_CPU_CYCLES, s->options.freq_hz);
	if (fd >= 0) {
		s->source = "cycles";
		s->source_unit = "cycles";
	} else if (!cycles) {
		fd = open_sampler(cpu, PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CPU_CLOCK, s->options.freq_hz);
		if (fd >= 0) {
			s->source = "cpu-clock";
			s->source_unit = "ns";
		}
	}
	if (fd < 0 && errno == ENODEV)
		return 0; /* the CPU is offline */
	if (fd < 0 && errno == EINVAL)
		return stint_err_set(err, STINT_ERR_SYSTEM, 0, -1,
				     "the kernel refuses %u samples a second: see "
				     "/proc/sys/kernel/perf_event_max_sample_rate",
				     s->options.freq_hz);
	if (fd < 0)
		return stint_err_set(err, STINT_ERR_SYSTEM, errno, -1, "cannot sample CPU %d", cpu);
	/* The event itself writes nothing: its BPF program does. But throttling is reported here.
	 */
	if (sideband && sideband_fd(sideband, cpu) >= 0)
		(void)ioctl(fd, PERF_EVENT_IOC_SET_OUTPUT, sideband_fd(sideband, cpu));
	s->sample_links[cpu] = bpf_program__attach_perf_event(s->bpf->progs.on_sample, fd);
	if (!s->sample_links[cpu]) {
		int rc = errno;

		close(fd);
		return stint_err_set(err, STINT_ERR_SYSTEM, rc, -1, "cannot attach to the samples of CPU %d", cpu);
	}
	return 0;
}

int session_attach(struct session *s, const struct sideband *sideband, struct stint_err *err)
{
	struct {
		struct bpf_program *prog;
		struct bpf_link **link;
	} programs[] = {
		{s->bpf->progs.on_fork, &s->bpf->links.on_fork},
		{s->bpf->progs.on_exec, &s->bpf->links.on_exec},
		{s->bpf->progs.on_exit, &s->bpf->links.on_exit},
		{s->bpf->progs.on_map, &s->bpf->links.on_map},
		/* Ends before beginnings: a beginning without its end would count for ever. */
		{s->bpf->progs.on_timer_exit, &s->bpf->links.on_timer_exit},
		{s->bpf->progs.on_irq_exit, &s->bpf->links.on_irq_exit},
		{s->bpf->progs.on_softirq_exit, &s->bpf->links.on_softirq_exit},
		{s->bpf->progs.on_timer_entry, &s->bpf->links.on_timer_entry},
		{s->bpf->progs.on_irq_entry, &s->bpf->links.on_irq_entry},
		{s->bpf->progs.on_softirq_entry, &s->bpf->links.on_softirq_entry},
		{s->bpf->progs.on_waking, &s->bpf->links.on_waking},
		{s->bpf->progs.on_switch, &s->bpf->links.on_switch},
		{s->bpf->progs.list_off_cpu, &s->bpf->links.list_off_cpu},
	};
	size_t i;
	int cpu, rc;

	for (i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
		rc = attach_program(programs[i].prog, programs[i].link, err);
		if (rc)
			return rc;
	}
	if (s->options.freq_hz == 0)
		return 0;
	s->n_cpus = cpus_n_ids();
	for (cpu = 0; cpu < s->n_cpus; cpu++) {
		rc = attach_sampler(s, cpu, sideband, err);
		if (rc)
			return rc;
	}
	return 0;
}

int session_reopen(struct session *s, int cpu, const struct sideband *sideband, struct stint_err *err)
{
	struct bpf_link *old = s->sample_links[cpu];
	int rc;

	if (s->options.freq_hz == 0)
		return 0;
	s->sample_links[cpu] = NULL;
	rc = attach_sampler(s, cpu, sideband, err);
	if (rc)
		s->sample_links[cpu] = old;
	else
		bpf_link__destroy(old);
	return rc;
}

uint64_t session_cpu_arrivals(const struct session *s)
{
	return __atomic_load_n(&s->bpf->bss->control.n_cpu_arrivals, __ATOMIC_ACQUIRE);
}

uint64_t session_cpu_arrival_ns(const struct session *s, int cpu)
{
	uint32_t key = (uint32_t)cpu;
	uint64_t ns = 0;

	return bpf_map__lookup_elem(s->bpf->maps.cpu_arrivals, &key, sizeof(key), &ns, sizeof(ns), 0) ? 0 : ns;
}

const char *session_source(const struct session *s, const char **ret_unit)
{
	*ret_unit = s->source_unit;
	return s->source;
}

/* Waits until every program that may have seen the old phase has ended: they run with preemption
 * off. */
static void set_phase(struct session *s, enum phase phase)
{
	struct timespec patience = {.tv_nsec = PHASE_PATIENCE_NS};

	__atomic_store_n(&s->bpf->bss->control.phase, phase, __ATOMIC_SEQ_CST);
	/* Kernels that leave some CPUs without a tick (nohz_full) refuse it. */
	if (syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) == 0)
		return;
	while (clock_nanosleep(CLOCK_MONOTONIC, 0, &patience, &patience) == EINTR)
		;
}

void session_begin(struct session *s, uint64_t now_ns)
{
	s->bpf->bss->control.start_ns = now_ns;
	set_phase(s, PHASE_RECORDING);
}

void session_stop(struct session *s)
{
	set_phase(s, PHASE_STOPPING);
}

void session_detach(struct session *s)
{
	set_phase(s, PHASE_IDLE);
}

size_t session_drain(struct session *s, int (*each)(void *context, const void *event, size_t size), void *context)
{
	s->each = each;
	s->context = context;
	s->n_drained = 0;
	(void)ring_buffer__consume(s->ring);
	return s->n_drained;
}

int session_counters(const struct session *s, struct event_counters *ret, struct stint_err *err)
{
	/* As many values as there can be CPUs: whatever their ids, without gaps. */
	int n_cpus = libbpf_num_possible_cpus(), cpu, rc;
	const size_t n_fields = sizeof(*ret) / sizeof(uint64_t);
	struct event_counters *all;
	uint32_t zero = 0;
	size_t i;

	memset(ret, 0, sizeof(*ret));
	if (n_cpus <= 0)
		return stint_err_set(err, STINT_ERR_SYSTEM, -n_cpus, -1, "cannot tell the number of CPUs");
	all = calloc((size_t)n_cpus, sizeof(*all));
	if (!all)
		return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory for the counters");
	rc = bpf_map__lookup_elem(s->bpf->maps.counters, &zero, sizeof(zero), all, (size_t)n_cpus * sizeof(*all), 0);
	if (rc)
		rc = stint_err_set(err, STINT_ERR_SYSTEM, -rc, -1, "cannot read the BPF counters");
	for (cpu = 0; cpu < n_cpus && rc == 0; cpu++) {
		for (i = 0; i < n_fields; i++)
			((uint64_t *)ret)[i] += ((uint64_t *)&all[cpu])[i];
	}
	free(all);
	return rc;
}

/* Hands over the whole records in the buffer; returns how many bytes are left over, or a negative
 * code. */
static ssize_t list_records(char *buffer, size_t size,
			    int (*each)(void *context, const struct event_task *task, struct stint_err *err),
			    void *context, struct stint_err *err)
{
	struct event_task *task = (struct event_task *)buffer;
	size_t at = 0;
	int rc;

	while (size - at >= sizeof(*task)) {
		task = (struct event_task *)(buffer + at);
		if (task->size_bytes > size - at)
			break;
		rc = each(context, task, err);
		if (rc)
			return rc;
		at += task->size_bytes;
	}
	memmove(buffer, buffer + at, size - at);
	return (ssize_t)(size - at);
}

int session_list(struct session *s, int (*each)(void *context, const struct event_task *task, struct stint_err *err),
		 void *context, struct stint_err *err)
{
	char *buffer = NULL;
	ssize_t n, left = 0;
	int fd, rc = 0;

	if (!s->bpf->links.list_off_cpu)
		return 0;
	fd = bpf_iter_create(bpf_link__fd(s->bpf->links.list_off_cpu));
	if (fd < 0)
		return stint_err_set(err, STINT_ERR_SYSTEM, errno, -1, "cannot list the threads that are off the CPU");
	buffer = malloc(LIST_BUFFER_BYTES);
	if (!buffer) {
		rc = stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory for the list of threads");
		goto out;
	}
	for (;;) {
		n = read(fd, buffer + left, LIST_BUFFER_BYTES - (size_t)left);
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n < 0)
			rc = stint_err_set(err, STINT_ERR_SYSTEM, errno, -1,
					   "cannot list the threads that are off the CPU");
		if (n <= 0)
			break;
		left = list_records(buffer, (size_t)(left + n), each, context, err);
		if (left < 0) {
			rc = (int)left;
			break;
		}
	}
out:
	free(buffer);
	close(fd);
	return rc;
}

int session_forget_stacks(struct session *s, struct stint_err *err)
{
	int fd = bpf_map__fd(s->bpf->maps.sent_stacks), rc = 0;
	uint64_t *keys = malloc(FORGET_BATCH * sizeof(*keys));
	uint8_t *values = malloc(FORGET_BATCH);
	uint32_t cursor = 0, n;
	bool first = true;

	if (!keys || !values) {
		rc = stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory to empty the map of stacks");
		goto out;
	}
	do {
		n = FORGET_BATCH;
		rc = bpf_map_lookup_and_delete_batch(fd, first ? NULL : &cursor, &cursor, keys, values, &n, NULL);
		first = false;
	} while (rc == 0);
	if (rc == -ENOENT)
		rc = 0;
	else
		rc = stint_err_set(err, STINT_ERR_SYSTEM, -rc, -1, "cannot empty the map of stacks");
	__atomic_add_fetch(&s->bpf->bss->control.stack_generation, 1, __ATOMIC_SEQ_CST);
out:
	free(keys);
	free(values);
	return rc;
}
