/* SPDX-License-Identifier: MIT */
#include "record/facts.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/buf.h"
#include "bpf/event.h"
#include "format/rows.h"
#include "record/clock.h"

#define MAX_VALUE_BYTES 4096

static int put_meta(struct stint_writer *writer, const char *key, const void *value, size_t size, struct stint_err *err)
{
	struct stint_meta row;
	int rc = stint_writer_string(writer, key, strlen(key), &row.key_str, err);

	if (rc == 0)
		rc = stint_writer_string(writer, value, size, &row.value_str, err);
	return rc ? rc : stint_writer_add(writer, STINT_META, &row, err);
}

static int put_text(struct stint_writer *writer, const char *key, const char *value, struct stint_err *err)
{
	return put_meta(writer, key, value, strlen(value), err);
}

static int put_number(struct stint_writer *writer, const char *key, uint64_t value, struct stint_err *err)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	return put_text(writer, key, text, err);
}

/* The targets as they were named. */
static void describe_target(struct stint_buf *text, const struct record_options *opt)
{
	size_t i;

	if (opt->all)
		stint_buf_printf(text, "all ");
	for (i = 0; i < opt->n_pids; i++)
		stint_buf_printf(text, "pid:%d ", (int)opt->pids[i]);
	for (i = 0; i < opt->n_tids; i++)
		stint_buf_printf(text, "tid:%d ", (int)opt->tids[i]);
	for (i = 0; i < opt->n_comms; i++)
		stint_buf_printf(text, "comm:%s ", opt->comms[i]);
	if (opt->cgroup)
		stint_buf_printf(text, "cgroup:%s ", opt->cgroup);
	if (opt->command)
		stint_buf_printf(text, "command ");
	if (text->len && text->data[text->len - 1] == ' ')
		text->len--;
}

static void describe_command(struct stint_buf *text, const struct record_options *opt)
{
	char **word;

	for (word = opt->command; word && *word; word++)
		stint_buf_printf(text, "%s%s", word == opt->command ? "" : " ", *word);
}

static int put_described(struct stint_writer *writer, const char *key,
			 void (*describe)(struct stint_buf *text, const struct record_options *opt),
			 const struct record_options *opt, struct stint_err *err)
{
	struct stint_buf text;
	int rc;

	stint_buf_init(&text, MAX_VALUE_BYTES);
	describe(&text, opt);
	/* A text that is too long is cut where the buffer stopped taking it. */
	rc = put_meta(writer, key, text.data, text.len, err);
	stint_buf_done(&text);
	return rc;
}

static int put_boot_id(struct stint_writer *writer, struct stint_err *err)
{
	FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
	char text[64] = "";

	if (!file)
		return 0;
	if (fgets(text, sizeof(text), file))
		text[strcspn(text, "\n")] = 0;
	fclose(file);
	return put_text(writer, "boot_id", text, err);
}

static int put_system(struct stint_writer *writer, struct stint_err *err)
{
	struct utsname uts;
	int rc;

	if (uname(&uts))
		return 0;
	rc = put_text(writer, "host", uts.nodename, err);
	if (rc == 0)
		rc = put_text(writer, "kernel", uts.release, err);
	if (rc == 0)
		rc = put_text(writer, "arch", uts.machine, err);
	if (rc == 0)
		rc = put_number(writer, "n_cpus", (uint64_t)sysconf(_SC_NPROCESSORS_ONLN), err);
	return rc ? rc : put_boot_id(writer, err);
}

static const char *wakers_name(uint32_t wakers)
{
	return wakers == WAKERS_STACK ? "stack" : wakers == WAKERS_TASK ? "task" : "none";
}

static const char *min_text(uint64_t ns, char text[24])
{
	if (ns == OPTIONS_NEVER)
		return "none";
	snprintf(text, 24, "%" PRIu64, ns);
	return text;
}

int facts_begin(struct stint_writer *writer, const struct record_options *opt, uint64_t start_ns, struct stint_err *err)
{
	uint64_t off_cpu_min_ns = opt->off_cpu ? opt->off_cpu_min_ns : OPTIONS_NEVER;
	char text[24];
	int rc = put_system(writer, err);

	if (rc == 0)
		rc = put_text(writer, "recorder", "stint-record " STINT_VERSION, err);
	if (rc == 0 && opt->command)
		rc = put_described(writer, "command", describe_command, opt, err);
	if (rc == 0)
		rc = put_described(writer, "target", describe_target, opt, err);
	if (rc == 0)
		rc = put_number(writer, "freq_hz", opt->freq_hz, err);
	if (rc == 0)
		rc = put_text(writer, "off_cpu_min_ns", min_text(off_cpu_min_ns, text), err);
	if (rc == 0)
		rc = put_text(writer, "kernel_stack_min_ns", min_text(opt->kernel_stack_min_ns, text), err);
	if (rc == 0)
		rc = put_text(writer, "unwind", opt->unwind, err);
	if (rc == 0)
		rc = put_text(writer, "wakers", wakers_name(opt->wakers), err);
	if (rc == 0)
		rc = put_number(writer, "start_ns", start_ns, err);
	return rc ? rc : facts_clock(writer, err);
}

int facts_end(struct stint_writer *writer, uint64_t end_ns, struct stint_err *err)
{
	return put_number(writer, "end_ns", end_ns, err);
}

int facts_cpus(struct stint_writer *writer, const char *key, const struct cpus *cpus, struct stint_err *err)
{
	char text[CPUS_TEXT_BYTES];

	return cpus_text(cpus, text) ? put_text(writer, key, text, err) : 0;
}

int facts_clock(struct stint_writer *writer, struct stint_err *err)
{
	struct stint_clock row;
	uint64_t before = clock_now_ns();

	/* As near as can be to the middle of the two readings. */
	row.realtime_ns = clock_ns(CLOCK_REALTIME);
	row.monotonic_ns = before + (clock_now_ns() - before) / 2;
	return stint_writer_add(writer, STINT_CLOCK, &row, err);
}

int facts_source(struct stint_writer *writer, const char *name, const char *unit, uint32_t freq_hz, uint32_t *ret_id,
		 struct stint_err *err)
{
	struct stint_source row = {.freq_hz = freq_hz};
	int rc = stint_writer_string(writer, name, strlen(name), &row.name_str, err);

	if (rc == 0)
		rc = stint_writer_string(writer, unit, strlen(unit), &row.unit_str, err);
	return rc ? rc : stint_writer_intern(writer, STINT_SOURCE, &row, ret_id, err);
}
