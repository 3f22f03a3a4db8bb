/* SPDX-License-Identifier: MIT */
/*
 * walk CFI_PROGRAM FP_PROGRAM ROUNDS COPIES DIRECTORY: what walking a user stack costs, by the
 * kernel's run-time statistics of BPF programs. The two programs are the same (chain.c), built
 * without and with frame pointers. In each round every way of walking takes its turn at every
 * depth: hot, the same stack again and again; cold, one walk in each of COPIES of the program
 * (files of their own, with tables of their own), after going through so much memory that little of
 * the last walk's is cached. Prints one line of key=value for each, times in ns: a hot one is a
 * batch's mean, a cold one a round's.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "bpf/event.h"
#include "record/unwind_tables.h"
#include "tests/bench/chain.h"
#include "tests/workloads/workload.h"
#include "walk.skel.h"

#define MAX_ROUNDS  10000
#define MAX_COPIES  256
#define HOT_RUNS    100
#define EVICT_BYTES (4u << 20)

enum way { CFI, FP, KERNEL, KERNEL_CUT, NOTHING, N_WAYS };

static const char *const way_names[] = {"cfi", "fp", "kernel", "kernel-cut", "nothing"};
static const uint32_t depths[] = {10, 30, 60, 120};
#define N_DEPTHS (sizeof(depths) / sizeof(depths[0]))

struct child {
	pid_t pid;
	int to, from;
};

struct result {
	double ns[MAX_ROUNDS];
	uint32_t n_frames, end;
};

struct bench {
	struct walk_bpf *by_cfi, *by_fp;
	int prog_fds[N_WAYS];			      /* inherited by the children */
	struct child cfi[MAX_COPIES], fp[MAX_COPIES]; /* the first ones are hot */
	uint32_t n_children, n_rounds;
	const char *directory;
	struct result hot[N_WAYS][N_DEPTHS], cold[N_WAYS][N_DEPTHS];
};

static void fail(const char *what)
{
	fprintf(stderr, "walk: %s: %s\n", what, strerror(errno));
	exit(1);
}

static struct walk_bpf *load(uint32_t unwind)
{
	struct config config = {.targets = TARGET_ALL, .unwind = unwind};
	struct walk_bpf *bpf = walk_bpf__open();

	if (!bpf)
		fail("opening the BPF programs");
	memcpy(&bpf->rodata->config, &config, sizeof(config));
	if (walk_bpf__load(bpf))
		fail("loading the BPF programs");
	return bpf;
}

/* A file of its own. */
static void copy_file(const char *path, const char *to)
{
	int in = open(path, O_RDONLY | O_CLOEXEC);
	int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
	struct stat st;

	if (in < 0 || out < 0 || fstat(in, &st) || sendfile(out, in, NULL, (size_t)st.st_size) != st.st_size)
		fail(to);
	close(in);
	close(out);
}

static void start(struct bench *b, struct child *child, const char *program, uint32_t number)
{
	char path[512], ready;
	int to[2], from[2];

	snprintf(path, sizeof(path), "%s/%s-%u", b->directory, strrchr(program, '/') + 1, number);
	copy_file(program, path);
	if (pipe2(to, O_CLOEXEC) || pipe2(from, O_CLOEXEC))
		fail("pipe");
	child->pid = fork();
	if (child->pid == 0) {
		dup2(to[0], STDIN_FILENO);
		dup2(from[1], STDOUT_FILENO);
		execl(path, path, (char *)NULL);
		_exit(127);
	}
	close(to[0]);
	close(from[1]);
	child->to = to[1];
	child->from = from[0];
	if (read(child->from, &ready, 1) != 1)
		fail(path);
}

static void stop(struct child *child)
{
	close(child->to);
	close(child->from);
	waitpid(child->pid, NULL, 0);
}

static struct bpf_program *program(struct bench *b, enum way way)
{
	switch (way) {
	case CFI:
		return b->by_cfi->progs.walk_stint;
	case FP:
		return b->by_fp->progs.walk_stint;
	case KERNEL:
	case KERNEL_CUT:
		return b->by_fp->progs.walk_kernel;
	default:
		return b->by_fp->progs.walk_nothing;
	}
}

static void usage_so_far(struct bpf_program *prog, uint64_t *ns, uint64_t *n)
{
	struct bpf_prog_info info = {0};
	__u32 size = sizeof(info);

	if (bpf_obj_get_info_by_fd(bpf_program__fd(prog), &info, &size))
		fail("reading a BPF program's statistics");
	*ns = info.run_time_ns;
	*n = info.run_cnt;
}

static void give(struct child *child, const struct chain_order *order)
{
	char done;

	if (write(child->to, order, sizeof(*order)) != (ssize_t)sizeof(*order) || read(child->from, &done, 1) != 1)
		fail("a program that is to be walked has ended");
}

static void measure(struct bench *b, enum way way, size_t depth, bool hot, uint32_t round)
{
	struct result *result = hot ? &b->hot[way][depth] : &b->cold[way][depth];
	struct child *children = way == CFI ? b->cfi : b->fp;
	struct walk_bpf *bpf = way == CFI ? b->by_cfi : b->by_fp;
	struct bpf_program *prog = program(b, way);
	struct chain_order order = {.prog_fd = b->prog_fds[way],
				    .depth = depths[depth],
				    .n_runs = hot ? HOT_RUNS : 1,
				    .evict_bytes = hot ? 0 : EVICT_BYTES};
	uint64_t ns_before, n_before, ns, n;
	uint32_t i;

	b->by_fp->bss->kernel_bytes = (way == KERNEL_CUT ? depths[depth] : EVENT_MAX_FRAMES) * 8;
	usage_so_far(prog, &ns_before, &n_before);
	for (i = hot ? 0 : 1; i < (hot ? 1 : b->n_children); i++)
		give(&children[i], &order);
	usage_so_far(prog, &ns, &n);
	if (n == n_before)
		fail("no statistics");
	result->ns[round] = (double)(ns - ns_before) / (double)(n - n_before);
	result->n_frames = bpf->bss->n_frames;
	result->end = bpf->bss->end;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void print(struct bench *b, const char *mode, enum way way, size_t depth, struct result *result)
{
	qsort(result->ns, b->n_rounds, sizeof(result->ns[0]), by_value);
	printf("mode=%s way=%s depth=%u frames=%u end=%u min=%.1f quarter=%.1f median=%.1f\n", mode, way_names[way],
	       depths[depth], result->n_frames, result->end, result->ns[0], result->ns[b->n_rounds / 4],
	       result->ns[b->n_rounds / 2]);
}

int main(int argc, char **argv)
{
	static struct bench b;
	struct unwind_tables_options options = {0};
	struct stint_err err = STINT_ERR_INIT;
	struct unwind_tables *tables;
	pid_t pids[MAX_COPIES];
	uint32_t i, round, way;
	int stats_fd;
	size_t depth;

	if (argc != 6) {
		fprintf(stderr, "usage: walk CFI_PROGRAM FP_PROGRAM ROUNDS COPIES DIRECTORY\n");
		return 2;
	}
	b.n_rounds = (uint32_t)number_arg(argc, argv, 3, 0, 1, MAX_ROUNDS);
	b.n_children = (uint32_t)number_arg(argc, argv, 4, 0, 0, MAX_COPIES - 1) + 1;
	b.directory = argv[5];
	signal(SIGPIPE, SIG_IGN);
	libbpf_set_strict_mode(LIBBPF_STRICT_ALL);
	b.by_cfi = load(UNWIND_BY_BOTH);
	b.by_fp = load(UNWIND_BY_FP);
	for (way = 0; way < N_WAYS; way++) {
		b.prog_fds[way] = dup(bpf_program__fd(program(&b, way)));
		if (b.prog_fds[way] < 0)
			fail("dup");
	}
	for (i = 0; i < b.n_children; i++) {
		start(&b, &b.cfi[i], argv[1], i);
		start(&b, &b.fp[i], argv[2], i);
		pids[i] = b.cfi[i].pid;
	}
	options.maps.segments = bpf_map__fd(b.by_cfi->maps.unwind_segments);
	options.maps.mappings = bpf_map__fd(b.by_cfi->maps.unwind_mappings);
	options.maps.slices = bpf_map__fd(b.by_cfi->maps.unwind_slices);
	options.maps.files = bpf_map__fd(b.by_cfi->maps.unwind_files);
	options.pids = pids;
	options.n_pids = b.n_children;
	if (unwind_tables_new(&tables, &options, &err)) {
		fprintf(stderr, "walk: %s\n", err.msg);
		return 1;
	}
	stats_fd = bpf_enable_stats(BPF_STATS_RUN_TIME);
	if (stats_fd < 0)
		fail("turning BPF statistics on");
	for (round = 0; round < b.n_rounds; round++) {
		for (depth = 0; depth < N_DEPTHS; depth++) {
			for (way = 0; way < N_WAYS; way++)
				measure(&b, way, depth, true, round);
			for (way = 0; way < N_WAYS && b.n_children > 1; way++)
				measure(&b, way, depth, false, round);
		}
	}
	for (way = 0; way < N_WAYS; way++) {
		for (depth = 0; depth < N_DEPTHS; depth++) {
			print(&b, "hot", way, depth, &b.hot[way][depth]);
			if (b.n_children > 1)
				print(&b, "cold", way, depth, &b.cold[way][depth]);
		}
	}
	close(stats_fd);
	unwind_tables_free(tables);
	for (i = 0; i < b.n_children; i++) {
		stop(&b.cfi[i]);
		stop(&b.fp[i]);
	}
	walk_bpf__destroy(b.by_cfi);
	walk_bpf__destroy(b.by_fp);
	return 0;
}
