/* SPDX-License-Identifier: MIT */
/* stint verify: checks every block and every reference of a recording; with --repair, copies what is whole. */
#include <inttypes.h>
#include <string.h>

#include "analyze/commands.h"
#include "analyze/json.h"
#include "analyze/options.h"
#include "analyze/out_file.h"
#include "analyze/text.h"
#include "format/verify.h"

struct verify_options {
	const char *path;
	const char *output;
	bool repair;
	enum output_format format;
};

enum { KEY_FORMAT = 0x500, KEY_REPAIR };

static const struct argp_option options[] = {
	{"repair", KEY_REPAIR, NULL, 0, "Write a recording of the whole blocks to the file given with -o", 0},
	{"output", 'o', "FILE", 0, "Where the repaired recording goes; '-' is standard output. Never FILE itself", 0},
	{"format", KEY_FORMAT, "HOW", 0, "Write 'text' (the default) or 'json'", 0},
	{0},
};

static error_t parser(int key, char *arg, struct argp_state *state)
{
	static const char *const formats[] = {"text", "json", NULL};
	struct verify_options *o = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &o->path;
		return 0;
	case 'o':
		o->output = option_given(state, "-o: the name of the output", arg);
		return 0;
	case KEY_REPAIR:
		o->repair = true;
		return 0;
	case KEY_FORMAT:
		o->format = option_word(state, "format", arg, formats) ? FORMAT_JSON : FORMAT_TEXT;
		return 0;
	case ARGP_KEY_END:
		if (o->repair && !o->output)
			option_fault(state, "--repair needs -o FILE: a recording is never repaired in place");
		if (!o->repair && o->output)
			option_fault(state, "-o is where --repair writes to: --repair is missing");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_child children[] = {{.argp = &file_argp}, {0}};

static const struct argp argp = {
	.options = options,
	.parser = parser,
	.children = children,
	.doc = "Check every block's checksum and every reference of a recording, and name each problem with its place."
	       "\vExit status: 0 when the recording is whole, or was repaired; 1 when it has problems; 3 when it is no "
	       "recording at all. A repaired recording says what was left out; what referred to that stays and shows "
	       "it as unknown, so that verifying it again may have status 1. A recording that its recorder didn't "
	       "finish (killed, or still running) but that is whole up to there has status 0, and the summary says so.",
};

/* Where the results go, and how. */
struct verify_output {
	FILE *out;
	struct json *j; /* NULL for text */
};

static const char *kind_name(enum stint_problem_kind kind)
{
	switch (kind) {
	case STINT_PROBLEM_DAMAGE:
		return "damage";
	case STINT_PROBLEM_REFERENCE:
		return "reference";
	case STINT_PROBLEM_TREE:
		return "tree";
	case STINT_PROBLEM_SUM:
		return "sum";
	case STINT_PROBLEM_MISSING:
		return "missing";
	case STINT_PROBLEM_ORDER:
		return "order";
	}
	return "unknown";
}

static void put_problem(void *context, const struct stint_problem *problem)
{
	const struct verify_output *to = context;

	if (to->j) {
		json_object_begin(to->j);
		json_key_string(to->j, "kind", kind_name(problem->kind));
		json_key_u64(to->j, "offset", problem->file_off);
		json_key_u64(to->j, "count", problem->count);
		json_key_string(to->j, "what", problem->what);
		json_object_end(to->j);
		return;
	}
	fprintf(to->out, "at byte %" PRIu64 ": %s: ", problem->file_off, kind_name(problem->kind));
	text_print_name(to->out, problem->what);
	fprintf(to->out, " (%" PRIu64 " %s)\n", problem->count,
		problem->kind == STINT_PROBLEM_DAMAGE ? "bytes" : "rows");
}

/* The span of the events in blocks, by their headers; 0 when there are none. */
static uint64_t span_ns(const struct stint_reader *reader)
{
	const struct stint_file_info *info = stint_reader_info(reader);
	uint64_t first = UINT64_MAX, last = 0;
	size_t i;

	for (i = 0; i < info->n_blocks; i++) {
		const struct stint_block_info *block = stint_reader_block(reader, i);

		if (block->table < STINT_FIRST_EVENT_TABLE || !block->t_max_ns)
			continue;
		if (block->t_min_ns < first)
			first = block->t_min_ns;
		if (block->t_max_ns > last)
			last = block->t_max_ns;
	}
	return last > first ? last - first : 0;
}

static void put_text_summary(FILE *out, const struct stint_reader *reader, const struct stint_verify_result *result)
{
	if (!result->complete)
		fprintf(out, "no index: the recorder didn't finish; %s up to %s after the first event is whole\n",
			result->n_problems ? "what is not named above," : "everything",
			text_duration(span_ns(reader)).s);
	fprintf(out, "%s: %" PRIu64 " blocks, %" PRIu64 " whole, %" PRIu64 " rows, ",
		result->n_problems ? "damaged"
		: result->complete ? "whole"
				   : "whole, but unfinished",
		result->n_blocks, result->n_whole, result->n_rows);
	if (result->n_problems)
		fprintf(out, "%" PRIu64 " problem%s\n", result->n_problems, result->n_problems == 1 ? "" : "s");
	else
		fprintf(out, "no problems\n");
}

static int check(const struct verify_options *o, const struct stint_reader *reader, FILE *out,
		 struct stint_verify_result *result, struct stint_err *err)
{
	struct verify_output to = {.out = out};
	int code;

	if (o->format == FORMAT_JSON) {
		to.j = json_new(out);
		if (!to.j)
			return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory for JSON");
		json_object_begin(to.j);
		json_key_string(to.j, "schema", "stint.verify/1");
		json_key(to.j, "problems");
		json_array_begin(to.j);
	}
	code = stint_verify(reader, put_problem, &to, result, err);
	if (!code && to.j) {
		json_array_end(to.j);
		json_key_bool(to.j, "whole", result->n_problems == 0);
		json_key_bool(to.j, "complete", result->complete);
		json_key_u64(to.j, "size_bytes", stint_reader_info(reader)->size_bytes);
		json_key_u64(to.j, "span_ns", span_ns(reader));
		json_key_u64(to.j, "n_blocks", result->n_blocks);
		json_key_u64(to.j, "n_whole", result->n_whole);
		json_key_u64(to.j, "n_rows", result->n_rows);
		json_key_u64(to.j, "n_problems", result->n_problems);
		json_object_end(to.j);
	} else if (!code) {
		put_text_summary(out, reader, result);
	}
	json_free(to.j);
	return code;
}

static int repair(const struct verify_options *o, const struct stint_reader *reader, struct stint_err *err)
{
	struct stint_sink sink;
	struct out_file out;
	int code;

	code = out_file_open(&out, o->output, o->path, err);
	if (code)
		return code;
	sink = out_file_sink(&out);
	code = stint_repair(reader, sink, err);
	if (!code)
		code = out_file_finish(&out, err);
	if (!code && o->format == FORMAT_TEXT && strcmp(o->output, "-")) {
		printf("repaired: what is whole is in ");
		text_print_name(stdout, o->output);
		putchar('\n');
	}
	out_file_done(&out);
	return code;
}

int cmd_verify(int argc, char **argv)
{
	struct verify_options o = {0};
	struct stint_err err = STINT_ERR_INIT;
	struct stint_verify_result result = {0};
	struct stint_reader *reader = NULL;
	bool to_stdout;
	int code, status;

	options_parse(&argp, argc, argv, &o);
	if (o.output && out_file_is_same(o.path, o.output))
		options_fault(argv[0], "-o %s is the recording itself: it is never repaired in place", o.output);
	to_stdout = o.output && !strcmp(o.output, "-");
	code = stint_reader_open(&reader, o.path, &err);
	if (!code)
		code = check(&o, reader, to_stdout ? stderr : stdout, &result, &err);
	if (!code && o.repair)
		code = repair(&o, reader, &err);
	if (code && code != STINT_ERR_SYSTEM) /* which names the output */
		stint_err_prefix(&err, "%s", strcmp(o.path, "-") ? o.path : "standard input");
	status = options_finish(argv[0], code, &err);
	if (!status && result.n_problems && !o.repair)
		status = EXIT_STATUS_NO;
	stint_reader_free(reader);
	return status;
}
