/* SPDX-License-Identifier: MIT */
/*
 * Makes a recording for tests, from a description on standard input:
 *
 *   make_recording OUT <description
 *   make_recording OUT --random SEED SAMPLES OFFCPU STACKS THREADS
 *
 * A description has one row a line; '#' begins a comment. Times are durations from the recording's start. Names that
 * begin rows are labels, to be used in later lines; "-" stands for none.
 *
 *   meta KEY VALUE
 *   thread LABEL PID TID COMM [START]
 *       COMM may have %20 for a blank and other %XX.
 *   module LABEL KIND PATH [BUILD-ID]
 *       KIND is file, kernel, kmod, vdso, anon or unknown.
 *   stack LABEL USER-END KERNEL-END FRAME...
 *       Innermost first; ends are numbers of format/rows.h. FRAME is MODULE:FUNCTION (k! before it: a kernel
 *       frame; x!: one that ran at its address, as the innermost one always did), or MODULE:+0xADDR for an
 *       address without a symbol.
 *   symbol MODULE ADDR SIZE NAME [TIME]
 *       A name that the recording has; from that time on.
 *   sample TIME CPU THREAD STACK [WEIGHT]
 *   offcpu START WAKE END FLAGS CPU THREAD STATE SYSCALL STACK WAKER
 *       WAKE is "-" when not woken; FLAGS any of s (open at the start), e (open at the end), u (wake-up unseen),
 *       p (preempted), or "-"; SYSCALL a number or "-".
 *   loss CAUSE COUNT FROM TO TABLE
 *       Numbers of format/rows.h and format/layout.h.
 *   clock TIME REALTIME_NS
 *   flush
 *       Ends the blocks so far.
 *   nofinish
 *       Leaves the index out, as a killed recorder does.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "analyze/options.h"
#include "base/amount.h"
#include "base/map.h"
#include "tests/tools/random_recording.h"

#define MAX_WORDS 1100
#define BASE_NS	  RANDOM_START_NS

struct maker {
	struct stint_writer *w;
	struct stint_intern labels; /* "thread T1" */
	uint32_t ids[65536];	    /* by label */
	struct stint_intern functions;
	uint32_t module_kinds[65536]; /* by module id */
	uint64_t freq_hz;
	bool finish;
	unsigned line;
};

static void fail(const struct maker *mk, const char *what, const char *word)
{
	fprintf(stderr, "make_recording: line %u: %s: '%s'\n", mk->line, what, word);
	exit(2);
}

static uint64_t number(const struct maker *mk, const char *word)
{
	char *end;
	uint64_t value = strtoull(word, &end, 0);

	if (!*word || *end)
		fail(mk, "no number", word);
	return value;
}

static uint64_t moment(const struct maker *mk, const char *word)
{
	uint64_t ns;

	if (!stint_parse_time(word, STINT_NEEDS_UNIT, &ns))
		fail(mk, "no time", word);
	return BASE_NS + ns;
}

static void set_label(struct maker *mk, const char *kind, const char *label, uint32_t id)
{
	char key[128];
	uint32_t at;

	snprintf(key, sizeof(key), "%s %s", kind, label);
	if (stint_intern_put(&mk->labels, key, strlen(key), &at, NULL) || at >= 65536)
		fail(mk, "too many labels", label);
	mk->ids[at] = id;
}

static uint32_t label(const struct maker *mk, const char *kind, const char *word)
{
	char key[128];
	uint32_t at;

	if (!strcmp(word, "-"))
		return 0;
	/* An id that stands for itself may be one that no row has. */
	if (word[0] == '#')
		return (uint32_t)number(mk, word + 1);
	snprintf(key, sizeof(key), "%s %s", kind, word);
	at = stint_intern_find(&mk->labels, key, strlen(key));
	if (!at)
		fail(mk, "unknown label", word);
	return mk->ids[at];
}

/* %XX becomes that byte. */
static uint32_t string(const struct maker *mk, const char *word)
{
	char *text = strdup(word);
	size_t n = 0;
	uint32_t id = 0;

	if (!text)
		exit(4);
	for (; *word; word++) {
		unsigned byte;

		if (*word == '%' && sscanf(word + 1, "%2x", &byte) == 1) {
			text[n++] = (char)byte;
			word += 2;
		} else {
			text[n++] = *word;
		}
	}
	RANDOM_MUST(stint_writer_string(mk->w, text, n, &id, err));
	free(text);
	return id;
}

static void make_thread(struct maker *mk, char **words, int n)
{
	struct stint_process process = {.start_ns = 1, .ppid = 1};
	struct stint_thread thread = {.start_ns = 1};
	uint32_t id;

	process.pid = (uint32_t)number(mk, words[2]);
	process.exe_str = string(mk, "/usr/bin/demo");
	process.start_ns = n > 5 ? number(mk, words[5]) : 1;
	RANDOM_MUST(stint_writer_intern(mk->w, STINT_PROCESS, &process, &thread.process, err));
	thread.tid = (uint32_t)number(mk, words[3]);
	thread.start_ns = process.start_ns;
	thread.comm_str = string(mk, words[4]);
	RANDOM_MUST(stint_writer_intern(mk->w, STINT_THREAD, &thread, &id, err));
	set_label(mk, "thread", words[1], id);
}

static void make_module(struct maker *mk, char **words, int n)
{
	static const char *const kinds[] = {"file", "kernel", "kmod", "vdso", "anon", "unknown", NULL};
	struct stint_module row = {0};
	uint32_t id;

	row.kind = (uint32_t)parse_word(words[2], kinds) + 1;
	row.path_str = string(mk, words[3]);
	row.build_id_str = n > 4 ? string(mk, words[4]) : 0;
	RANDOM_MUST(stint_writer_intern(mk->w, STINT_MODULE, &row, &id, err));
	set_label(mk, "module", words[1], id);
}

/* A function is 256 bytes at a place of its own, and its symbol is in the recording. */
static struct stint_frame frame_of(struct maker *mk, char *word, bool leaf)
{
	struct stint_frame frame = {.flags = leaf ? STINT_FRAME_EXACT : 0};
	struct stint_symbol symbol = {.size_bytes = 0x100};
	char *colon = strchr(word, ':');
	uint32_t at;
	bool is_new;

	if (!colon)
		fail(mk, "no MODULE:FUNCTION", word);
	if (colon[1] == '+') {
		frame.addr = number(mk, colon + 2);
		*colon = '\0';
		frame.module = label(mk, "module", word);
		return frame;
	}
	if (stint_intern_put(&mk->functions, word, strlen(word), &at, &is_new))
		exit(4);
	*colon = '\0';
	frame.module = label(mk, "module", word);
	symbol.module = frame.module;
	symbol.addr = 0x10000 + at * 0x100;
	frame.addr = symbol.addr + 0x10;
	if (is_new) {
		symbol.name_str = string(mk, colon + 1);
		RANDOM_MUST(stint_writer_add(mk->w, STINT_SYMBOL, &symbol, err));
	}
	return frame;
}

static void make_symbol(struct maker *mk, char **words, int n)
{
	struct stint_symbol row = {.addr = number(mk, words[2]), .size_bytes = number(mk, words[3])};

	row.module = label(mk, "module", words[1]);
	row.name_str = string(mk, words[4]);
	row.from_ns = n > 5 ? moment(mk, words[5]) : 0;
	RANDOM_MUST(stint_writer_add(mk->w, STINT_SYMBOL, &row, err));
}

static void make_stack(struct maker *mk, char **words, int n)
{
	struct stint_stack row = {.user_end = (uint32_t)number(mk, words[2]),
				  .kernel_end = (uint32_t)number(mk, words[3])};
	uint32_t id;
	int i;

	for (i = n - 1; i >= 4; i--) {
		bool kernel = !strncmp(words[i], "k!", 2);
		bool exact = i == 4 || !strncmp(words[i], "x!", 2);
		struct stint_frame frame = frame_of(mk, words[i] + (words[i][1] == '!' ? 2 : 0), exact);
		struct stint_node node = {.parent = row.leaf};

		row.n_kernel += kernel;
		RANDOM_MUST(stint_writer_intern(mk->w, STINT_FRAME, &frame, &node.frame, err));
		RANDOM_MUST(stint_writer_intern(mk->w, STINT_NODE, &node, &row.leaf, err));
	}
	RANDOM_MUST(stint_writer_intern(mk->w, STINT_STACK, &row, &id, err));
	set_label(mk, "stack", words[1], id);
}

static void make_sample(struct maker *mk, char **words, int n)
{
	struct stint_source source = {
		.name_str = string(mk, "cpu-clock"), .unit_str = string(mk, "ns"), .freq_hz = mk->freq_hz};
	struct stint_sample row = {.time_ns = moment(mk, words[1]), .weight = n > 5 ? number(mk, words[5]) : 1};

	row.cpu = (uint32_t)number(mk, words[2]);
	row.thread = label(mk, "thread", words[3]);
	row.stack = label(mk, "stack", words[4]);
	RANDOM_MUST(stint_writer_intern(mk->w, STINT_SOURCE, &source, &row.source, err));
	RANDOM_MUST(stint_writer_add(mk->w, STINT_SAMPLE, &row, err));
}

static void make_offcpu(struct maker *mk, char **words, int n)
{
	struct stint_offcpu row = {.start_ns = moment(mk, words[1]), .end_ns = moment(mk, words[3])};

	(void)n;
	if (strcmp(words[2], "-")) {
		row.wake_ns = moment(mk, words[2]);
		row.flags |= STINT_OFFCPU_WOKEN;
	}
	row.flags |= strchr(words[4], 's') ? STINT_OFFCPU_OPEN_START : 0;
	row.flags |= strchr(words[4], 'e') ? STINT_OFFCPU_OPEN_END : 0;
	row.flags |= strchr(words[4], 'u') ? STINT_OFFCPU_WAKE_UNSEEN : 0;
	row.flags |= strchr(words[4], 'p') ? STINT_OFFCPU_PREEMPTED : 0;
	row.cpu_out = (uint32_t)number(mk, words[5]);
	row.cpu = strchr(words[4], 'e') ? STINT_NO_CPU : row.cpu_out;
	row.thread = label(mk, "thread", words[6]);
	row.state = (uint32_t)number(mk, words[7]);
	row.syscall = strcmp(words[8], "-") ? (uint32_t)number(mk, words[8]) + 1 : 0;
	row.stack = label(mk, "stack", words[9]);
	row.waker = label(mk, "thread", words[10]);
	RANDOM_MUST(stint_writer_add(mk->w, STINT_OFFCPU, &row, err));
}

static void make_loss(struct maker *mk, char **words, int n)
{
	struct stint_loss row = {.cause = (uint32_t)number(mk, words[1]), .count = number(mk, words[2])};

	(void)n;
	row.from_ns = moment(mk, words[3]);
	row.to_ns = moment(mk, words[4]);
	row.table = (uint32_t)number(mk, words[5]);
	RANDOM_MUST(stint_writer_add(mk->w, STINT_LOSS, &row, err));
}

static void make_clock(struct maker *mk, char **words, int n)
{
	struct stint_clock row = {moment(mk, words[1]), number(mk, words[2])};

	(void)n;
	RANDOM_MUST(stint_writer_add(mk->w, STINT_CLOCK, &row, err));
}

static void make_meta(struct maker *mk, char **words, int n)
{
	struct stint_meta row = {string(mk, words[1]), string(mk, words[2])};

	(void)n;
	RANDOM_MUST(stint_writer_add(mk->w, STINT_META, &row, err));
}

static void make_freq(struct maker *mk, char **words, int n)
{
	(void)n;
	mk->freq_hz = number(mk, words[1]);
}

static void make_flush(struct maker *mk, char **words, int n)
{
	(void)words;
	(void)n;
	RANDOM_MUST(stint_writer_flush(mk->w, err));
}

static void make_nofinish(struct maker *mk, char **words, int n)
{
	(void)words;
	(void)n;
	mk->finish = false;
}

static const struct {
	const char *name;
	int min_words;
	void (*make)(struct maker *mk, char **words, int n);
} rows[] = {
	{"meta", 3, make_meta},	  {"thread", 5, make_thread},	  {"module", 4, make_module},
	{"stack", 4, make_stack}, {"sample", 5, make_sample},	  {"offcpu", 11, make_offcpu},
	{"loss", 6, make_loss},	  {"clock", 3, make_clock},	  {"flush", 1, make_flush},
	{"freq", 2, make_freq},	  {"nofinish", 1, make_nofinish}, {"symbol", 5, make_symbol},
};

static void make_line(struct maker *mk, char *line)
{
	static char *words[MAX_WORDS];
	char *save = NULL, *word;
	size_t i;
	int n = 0;

	for (word = strtok_r(line, " \t\n", &save); word && *word != '#' && n < MAX_WORDS;
	     word = strtok_r(NULL, " \t\n", &save))
		words[n++] = word;
	if (!n)
		return;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (strcmp(rows[i].name, words[0]))
			continue;
		if (n < rows[i].min_words)
			fail(mk, "too few words", words[0]);
		rows[i].make(mk, words, n);
		return;
	}
	fail(mk, "unknown row", words[0]);
}

static int write_fd(void *context, const void *data, size_t size, struct stint_err *err)
{
	const char *at = data;

	while (size) {
		ssize_t n = write(*(int *)context, at, size);

		if (n < 0)
			return stint_err_set(err, STINT_ERR_IO, 1, -1, "write");
		at += n;
		size -= (size_t)n;
	}
	return 0;
}

static void make_described(struct stint_sink sink)
{
	struct stint_writer_options options = {.recording_id = {1, 2, 3}};
	struct maker *mk = calloc(1, sizeof(*mk));
	char *line = NULL;
	size_t cap = 0;

	if (!mk)
		exit(4);
	mk->finish = true;
	mk->freq_hz = 99;
	RANDOM_MUST(stint_writer_new(&mk->w, &options, sink, err));
	for (mk->line = 1; getline(&line, &cap, stdin) >= 0; mk->line++)
		make_line(mk, line);
	RANDOM_MUST(mk->finish ? stint_writer_finish(mk->w, err) : stint_writer_flush(mk->w, err));
	stint_writer_free(mk->w);
	stint_intern_done(&mk->labels);
	stint_intern_done(&mk->functions);
	free(line);
	free(mk);
}

int main(int argc, char **argv)
{
	struct stint_sink sink = {.write = write_fd};
	int fd;

	if (argc != 2 && argc != 8) {
		fprintf(stderr, "usage: make_recording OUT [--random SEED SAMPLES OFFCPU STACKS "
				"THREADS]\n");
		return 2;
	}
	fd = strcmp(argv[1], "-") ? open(argv[1], O_WRONLY | O_CREAT | O_TRUNC, 0644) : 1;
	if (fd < 0) {
		perror(argv[1]);
		return 4;
	}
	sink.context = &fd;
	if (argc == 2) {
		make_described(sink);
	} else {
		struct random_recording r = {strtoull(argv[3], NULL, 0), strtoull(argv[4], NULL, 0),
					     strtoull(argv[5], NULL, 0), (uint32_t)strtoul(argv[6], NULL, 0),
					     (uint32_t)strtoul(argv[7], NULL, 0)};

		random_recording_write(&r, sink);
	}
	return close(fd) ? 4 : 0;
}
