/* SPDX-License-Identifier: MIT */
/* stint pack: embeds the symbols that a recording needs. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "analyze/commands.h"
#include "analyze/json.h"
#include "analyze/options.h"
#include "analyze/out_file.h"
#include "analyze/pack.h"
#include "analyze/text.h"

struct pack_arguments {
	const char *path;
	const char *output;
	bool only_missing, code, json;
	struct symbol_spec symbols;
};

enum { KEY_FORMAT = 0x680, KEY_ONLY_MISSING = 0x600, KEY_CODE };

static const struct argp_option options[] = {
	{"output", 'o', "FILE", 0, "Where the packed recording goes; '-' is standard output. Never FILE itself", 0},
	{"only-missing", KEY_ONLY_MISSING, NULL, 0,
	 "Pack only frames for which the recording itself has no name: no lines for the others", 0},
	{"code", KEY_CODE, NULL, 0,
	 "Pack the machine code of the functions too, and their source lines, so that 'stint annotate' works without "
	 "the programs",
	 0},
	{"format", KEY_FORMAT, "FORMAT", 0, "How to say what is missing: 'text' (default) or 'json'", 0},
	{0},
};

static const char *const formats[] = {"text", "json", NULL};

static error_t parser(int key, char *arg, struct argp_state *state)
{
	struct pack_arguments *a = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &a->symbols;
		state->child_inputs[1] = &a->path;
		return 0;
	case 'o':
		a->output = option_given(state, "-o: the name of the output", arg);
		return 0;
	case KEY_FORMAT:
		a->json = option_word(state, "format", arg, formats) == 1;
		return 0;
	case KEY_ONLY_MISSING:
		a->only_missing = true;
		return 0;
	case KEY_CODE:
		a->code = true;
		return 0;
	case ARGP_KEY_END:
		if (!a->output)
			option_fault(state, "-o FILE is missing: a recording is never packed in place");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_child children[] = {{.argp = &symbol_argp}, {.argp = &file_argp}, {0}};

static const struct argp argp = {
	.options = options,
	.parser = parser,
	.args_doc = "-o OUT",
	.doc = "Embed the functions, inlined functions and source lines that the recording's addresses need, from the "
	       "programs and debug files found here, so that it reads the same on a machine that has none of them."
	       "\vThe recording itself stays as it is; what was found is added behind it, and packing again adds only "
	       "what wasn't found before. For each module with addresses that nobody has a name for, a line is "
	       "printed: its build ID ('-' for none), how many addresses, its path, and why.",
	.children = children,
};

static int write_packed(const struct pack_arguments *a, struct model *m, struct pack_result *result,
			struct stint_err *err)
{
	struct pack_options what = {.symbols = a->symbols.options, .only_missing = a->only_missing, .code = a->code};
	struct stint_sink sink;
	struct out_file out;
	int code = out_file_open(&out, a->output, a->path, err);

	if (code)
		return code;
	sink = out_file_sink(&out);
	code = pack(m, &what, sink, result, err);
	if (!code)
		code = out_file_finish(&out, err);
	out_file_done(&out);
	return code;
}

static void print_missing(FILE *to, const struct model *m, const struct pack_missing *missing)
{
	const struct stint_module *module = &m->modules.rows[missing->module];
	const struct stint_string *build_id = &m->strings.rows[module->build_id_str];
	uint64_t i;

	for (i = 0; i < build_id->size; i++)
		fprintf(to, "%02x", build_id->data[i]);
	fprintf(to, "%s %" PRIu64 " ", build_id->size ? "" : "-", missing->n_frames);
	text_print_name(to, model_str(m, module->path_str));
	fputs(" (", to);
	text_print_name(to, missing->why);
	fputs(")\n", to);
}

/* The same for programs, that fetch what is missing: one document. */
static int print_json(FILE *to, const struct model *m, const struct pack_result *result, struct stint_err *err)
{
	struct json *j = json_new(to);
	size_t i;

	if (!j)
		return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory to write JSON");
	json_object_begin(j);
	json_key_string(j, "schema", "stint.pack/1");
	json_key_u64(j, "addresses", result->n_frames);
	json_key_u64(j, "packed", result->n_packed);
	json_key_u64(j, "without_name", result->n_unresolved);
	json_key(j, "missing");
	json_array_begin(j);
	for (i = 0; i < result->n_missing; i++) {
		const struct pack_missing *missing = &result->missing[i];
		const struct stint_module *module = &m->modules.rows[missing->module];
		const struct stint_string *build_id = &m->strings.rows[module->build_id_str];

		json_object_begin(j);
		json_key(j, "build_id");
		if (build_id->size)
			json_hex_bytes(j, build_id->data, build_id->size);
		else
			json_null(j);
		json_key_string(j, "path", model_str(m, module->path_str));
		json_key_u64(j, "addresses", missing->n_frames);
		json_key_string(j, "why", missing->why);
		json_object_end(j);
	}
	json_array_end(j);
	json_object_end(j);
	json_free(j);
	return 0;
}

static int print_result(const char *command, const struct pack_arguments *a, const struct model *m,
			const struct pack_result *result, struct stint_err *err)
{
	FILE *to = strcmp(a->output, "-") ? stdout : stderr;
	int code = a->json ? print_json(to, m, result, err) : 0;
	size_t i;

	for (i = 0; i < result->n_missing && !a->json; i++)
		print_missing(to, m, &result->missing[i]);
	fprintf(stderr, "%s: %" PRIu64 " of %" PRIu64 " addresses packed now, %" PRIu64 " without a name\n", command,
		result->n_packed, result->n_frames, result->n_unresolved);
	if (!a->code)
		return code;
	fprintf(stderr,
		"%s: the code of %" PRIu64 " functions packed now, %" PRIu64 " bytes; %" PRIu64
		" functions have none here\n",
		command, result->n_functions, result->n_code_bytes, result->n_without_code);
	if (result->n_over_limit)
		fprintf(stderr, "%s: the code of %" PRIu64 " functions is left out: it is more than %" PRIu64 " MB\n",
			command, result->n_over_limit, PACK_MAX_CODE_BYTES >> 20);
	return code;
}

int cmd_pack(int argc, char **argv)
{
	struct pack_arguments a = {.symbols = SYMBOL_SPEC_INIT};
	struct stint_err err = STINT_ERR_INIT;
	struct pack_result result = {0};
	struct model *m = NULL;
	int code, status = 0;

	options_parse(&argp, argc, argv, &a);
	if (out_file_is_same(a.path, a.output))
		options_fault(argv[0], "-o %s is the recording itself: it is never packed in place", a.output);
	code = model_open(&m, a.path, &err);
	if (!code)
		code = model_failed(m, write_packed(&a, m, &result, &err), &err);
	if (!code)
		code = print_result(argv[0], &a, m, &result, &err);
	if (code)
		status = options_failed(argv[0], &err);
	if (!status)
		status = options_finish_output(argv[0]);
	pack_result_done(&result);
	model_free(m);
	symbol_spec_done(&a.symbols);
	return status;
}
