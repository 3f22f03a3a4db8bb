/* SPDX-License-Identifier: MIT */
/*
 * stint dump: every row of every block as it stands in the file, one JSON object a line: for debugging, and for
 * comparing this reader with another.
 */
#include <inttypes.h>
#include <string.h>

#include "analyze/commands.h"
#include "analyze/json.h"
#include "analyze/options.h"
#include "analyze/text.h"
#include "format/reader.h"

static error_t parser(int key, char *arg, struct argp_state *state)
{
	(void)arg;
	if (key != ARGP_KEY_INIT)
		return ARGP_ERR_UNKNOWN;
	state->child_inputs[0] = state->input;
	return 0;
}

static const struct argp_child children[] = {{.argp = &file_argp}, {0}};

static const struct argp argp = {
	.parser = parser,
	.children = children,
	.doc = "Write every row of every block as it stands in the file, one JSON object a line: for debugging, and "
	       "for comparing stint's reader with another.",
};

static void put_number(void *context, const char *name, uint64_t value)
{
	json_key_u64(context, name, value);
}

static void put_bytes(void *context, const char *name, struct stint_string bytes)
{
	json_key(context, name[0] ? name : "hex");
	json_hex_bytes(context, bytes.data, bytes.size);
}

static void put_row(struct json *j, size_t block, const struct stint_rows *rows, size_t i, const void *row)
{
	json_object_begin(j);
	json_key_u64(j, "block", block);
	json_key_string(j, "table", stint_table_name(rows->table));
	if (rows->table < STINT_FIRST_EVENT_TABLE)
		json_key_u64(j, "id", rows->first_id + i);
	stint_row_visit(rows->table, row, put_number, j);
	stint_row_visit_bytes(rows->table, row, put_bytes, j);
	json_object_end(j);
}

/* What a message begins with: the command, and which recording it is about. */
struct origin {
	const char *command, *file;
};

static void say_from(const struct origin *from)
{
	fprintf(stderr, "%s: ", from->command);
	text_print_name(stderr, from->file);
	fputs(": ", stderr);
}

/* Says what can't be dumped on standard error, and goes on. Blocks are counted as they are in the file, from 0 on. */
static int dump(const struct origin *from, const struct stint_reader *reader, struct json *j, bool *ret_whole,
		struct stint_err *err)
{
	const struct stint_file_info *info = stint_reader_info(reader);
	struct stint_rows rows = {0};
	size_t i, k;
	int code = 0;

	*ret_whole = true;
	for (i = 0; i < info->n_damage; i++) {
		const struct stint_damage *damage = stint_reader_damage(reader, i);

		/* Without an index all rows are read all the same. */
		if (damage->size_bytes)
			*ret_whole = false;
		say_from(from);
		fprintf(stderr, "%" PRIu64 " bytes at %" PRIu64 ": %s\n", damage->size_bytes, damage->file_off,
			damage->why);
	}
	for (i = 0; i < info->n_blocks && !ferror(stdout); i++) {
		const char *row;

		code = stint_reader_decode(reader, i, &rows, err);
		if (code == STINT_ERR_NOTFOUND) {
			say_from(from);
			fprintf(stderr, "block %zu is of the unknown type %u: left out\n", i,
				stint_reader_block(reader, i)->table);
			continue;
		}
		if (code == STINT_ERR_FORMAT || code == STINT_ERR_LIMIT) {
			say_from(from);
			fprintf(stderr, "%s\n", err->msg);
			*ret_whole = false;
			continue;
		}
		if (code)
			break;
		row = rows.rows;
		for (k = 0; k < rows.n_rows; k++, row += stint_row_bytes(rows.table))
			put_row(j, i, &rows, k, row);
	}
	stint_rows_done(&rows);
	return code == STINT_ERR_NOMEM || code == STINT_ERR_IO ? code : 0;
}

int cmd_dump(int argc, char **argv)
{
	const char *file = NULL;
	struct stint_err err = STINT_ERR_INIT;
	struct stint_reader *reader = NULL;
	struct json *j = json_new(stdout);
	bool whole = true;
	struct origin from = {.command = argv[0]};
	int code, status;

	options_parse(&argp, argc, argv, &file);
	from.file = strcmp(file, "-") ? file : "standard input";
	code = j ? stint_reader_open(&reader, file, &err) : stint_err_set(&err, STINT_ERR_NOMEM, 0, -1, "no memory");
	if (!code)
		code = dump(&from, reader, j, &whole, &err);
	if (code)
		stint_err_prefix(&err, "%s", from.file);
	status = options_finish(argv[0], code, &err);
	if (!status && !whole)
		status = EXIT_STATUS_INPUT;
	stint_reader_free(reader);
	json_free(j);
	return status;
}
