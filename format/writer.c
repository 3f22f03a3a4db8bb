/* SPDX-License-Identifier: MIT */
#include "format/writer.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "format/block_writer.h"
#include "format/copy.h"

/* Rows of one table per block: enough to compress well, few enough to lose and to hold. */
#define BLOCK_ROWS		 32768u
/* Pending bytes of strings, or of a table's columns of bytes, at which these are written. */
#define BLOCK_STRING_BYTES	 (1u << 20)
#define DEFAULT_DICTIONARY_BYTES (8u << 20)
#define ROW_BYTES_MAX		 64u /* of a dictionary */
/* Columns are entropy-coded one by one, so higher levels find hardly more: 3 saves 0 to 2%. */
#define DEFAULT_LEVEL		 1

/* A table's rows that are in no block yet. */
struct pending {
	uint8_t *rows;
	uint32_t n_rows;
	uint32_t cap_rows;
	uint64_t n_total; /* rows ever added */
	/* Dictionaries only: the look-up, and how many ids were given out before it was last
	 * emptied. */
	struct stint_intern intern;
	uint32_t n_forgotten;
	size_t string_bytes;	  /* of pending strings; they stand in intern, which is emptied only when
	                        none pend. Of other tables: of what stands in bytes */
	struct stint_arena bytes; /* copies of what the pending rows' columns of bytes point to */
};

struct stint_writer {
	struct stint_block_writer blocks;
	struct pending tables[STINT_INDEX];
	size_t max_dictionary_bytes;
	uint64_t generation;
	uint64_t n_appended;
	bool finished;
};

/* The order in which dictionaries are written, so that every row comes behind what it refers to. */
static const uint8_t dictionary_order[] = {
	STINT_STRING, STINT_PROCESS, STINT_MODULE, STINT_THREAD, STINT_MAPPING,
	STINT_FRAME,  STINT_NODE,    STINT_STACK,  STINT_SOURCE,
};

#define N_DICTIONARIES (sizeof(dictionary_order) / sizeof(dictionary_order[0]))

static int no_memory(struct stint_err *err)
{
	return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory for the rows to be written");
}

static int start(struct stint_writer **ret, const struct stint_writer_options *options,
		 const struct stint_file_header *header, struct stint_sink sink, struct stint_err *err)
{
	struct stint_writer *w = calloc(1, sizeof(*w));
	int code;

	*ret = NULL;
	if (!w)
		return no_memory(err);
	w->max_dictionary_bytes =
		options->max_dictionary_bytes ? options->max_dictionary_bytes : DEFAULT_DICTIONARY_BYTES;
	code = stint_block_writer_init(
		&w->blocks, header, options->compression_level ? options->compression_level : DEFAULT_LEVEL, sink, err);
	if (code)
		stint_writer_free(w);
	else
		*ret = w;
	return code;
}

int stint_writer_new(struct stint_writer **ret, const struct stint_writer_options *options, struct stint_sink sink,
		     struct stint_err *err)
{
	struct stint_file_header header = {
		.major = STINT_FORMAT_MAJOR,
		.minor = STINT_FORMAT_MINOR,
		.header_bytes = STINT_FILE_HEADER_BYTES,
	};

	memcpy(header.recording_id, options->recording_id, sizeof(header.recording_id));
	return start(ret, options, &header, sink, err);
}

/* Goes on counting where the copied blocks end. Damaged ones count too: rows may refer to their
 * ids. */
static void count_copied(struct stint_writer *w, const struct stint_reader *reader)
{
	size_t i;

	for (i = 0; i < stint_reader_info(reader)->n_blocks; i++) {
		const struct stint_block_info *block = stint_reader_block(reader, i);
		struct pending *p;
		uint64_t last_id = (uint64_t)block->first_id + block->n_rows - 1;

		/* Types that are unknown here may be beyond the array. */
		if (!stint_schema_of(block->table))
			continue;
		p = &w->tables[block->table];
		if (!stint_is_dictionary(block->table))
			p->n_total += block->n_rows;
		else if (block->n_rows && last_id > p->n_total)
			p->n_total = last_id;
		p->n_forgotten = (uint32_t)p->n_total;
	}
}

int stint_writer_new_copy(struct stint_writer **ret, const struct stint_reader *reader,
			  const struct stint_writer_options *options, struct stint_sink sink, struct stint_err *err)
{
	static const uint8_t no_id[sizeof(options->recording_id)];
	struct stint_file_header header = stint_copy_header(reader);
	int code;

	if (memcmp(options->recording_id, no_id, sizeof(no_id)) != 0)
		memcpy(header.recording_id, options->recording_id, sizeof(header.recording_id));
	code = start(ret, options, &header, sink, err);
	if (code)
		return code;
	code = stint_copy_blocks(reader, &(*ret)->blocks, err);
	if (code) {
		stint_writer_free(*ret);
		*ret = NULL;
		return code;
	}
	count_copied(*ret, reader);
	return 0;
}

void stint_writer_free(struct stint_writer *w)
{
	size_t i;

	if (!w)
		return;
	for (i = 0; i < STINT_INDEX; i++) {
		free(w->tables[i].rows);
		stint_arena_done(&w->tables[i].bytes);
		stint_intern_done(&w->tables[i].intern);
	}
	stint_block_writer_done(&w->blocks);
	free(w);
}

/* Refuses to go on after a failure or the index. */
static int check_writable(const struct stint_writer *w, struct stint_err *err)
{
	if (w->finished)
		return stint_err_set(err, STINT_ERR_USAGE, 0, -1, "the recording is already finished");
	return stint_block_writer_status(&w->blocks, err);
}

static int write_table(struct stint_writer *w, uint32_t table, struct stint_err *err)
{
	struct pending *p = &w->tables[table];
	uint32_t first_id = stint_is_dictionary(table) ? (uint32_t)(p->n_total - p->n_rows + 1) : 0;
	int code = 0;

	if (p->n_rows)
		code = stint_block_writer_rows(&w->blocks, table, p->rows, p->n_rows, first_id, err);
	p->n_rows = 0;
	p->string_bytes = 0;
	stint_arena_done(&p->bytes);
	return code;
}

/* Frees the dictionaries' look-up when it has grown too large. Ids stay used up. */
static void forget_dictionaries(struct stint_writer *w)
{
	size_t i, bytes = 0;

	for (i = 0; i < N_DICTIONARIES; i++)
		bytes += stint_intern_bytes(&w->tables[dictionary_order[i]].intern);
	if (bytes <= w->max_dictionary_bytes)
		return;
	for (i = 0; i < N_DICTIONARIES; i++) {
		struct pending *p = &w->tables[dictionary_order[i]];

		stint_intern_done(&p->intern);
		p->n_forgotten = (uint32_t)p->n_total;
	}
	w->generation++;
}

static int write_dictionaries(struct stint_writer *w, struct stint_err *err)
{
	size_t i;
	int code = 0;

	for (i = 0; i < N_DICTIONARIES && !code; i++)
		code = write_table(w, dictionary_order[i], err);
	forget_dictionaries(w);
	return code;
}

/* Makes room for one more pending row and returns it; NULL when there is no memory. */
static uint8_t *reserve_row(struct pending *p, size_t row_bytes)
{
	if (p->n_rows == p->cap_rows) {
		uint32_t cap = p->cap_rows ? p->cap_rows * 2 : 64;
		uint8_t *rows = realloc(p->rows, cap * row_bytes);

		if (!rows)
			return NULL;
		p->rows = rows;
		p->cap_rows = cap;
	}
	return p->rows + p->n_rows * row_bytes;
}

/*
 * Finds or adds a row by its key: a string's bytes, which row is NULL for, or the row itself. ret_id may
 * point into the row, so it is written last.
 */
static int intern(struct stint_writer *w, uint32_t table, const void *row, const void *key, size_t key_bytes,
		  uint32_t *ret_id, struct stint_err *err)
{
	const struct stint_schema *schema = stint_schema_of(table);
	struct pending *p = &w->tables[table];
	uint32_t id = stint_intern_find(&p->intern, key, key_bytes);
	uint8_t *at;

	if (id) {
		*ret_id = p->n_forgotten + id;
		return 0;
	}
	if (p->n_total >= STINT_MAX_DICTIONARY_ROWS)
		return stint_err_set(err, STINT_ERR_LIMIT, 0, -1, "%s rows are at STINT_MAX_DICTIONARY_ROWS",
				     schema->name);
	at = reserve_row(p, schema->row_bytes);
	if (!at || stint_intern_put(&p->intern, key, key_bytes, &id, NULL))
		return no_memory(err);
	if (row) {
		memcpy(at, row, schema->row_bytes);
	} else {
		struct stint_string string = {.data = p->intern.entries[id - 1].data, .size = key_bytes};

		memcpy(at, &string, sizeof(string));
		p->string_bytes += key_bytes;
	}
	p->n_rows++;
	p->n_total++;
	*ret_id = p->n_forgotten + id;
	if (p->n_rows >= BLOCK_ROWS || p->string_bytes >= BLOCK_STRING_BYTES)
		return write_dictionaries(w, err);
	return 0;
}

int stint_writer_intern(struct stint_writer *w, enum stint_table table, const void *row, uint32_t *ret_id,
			struct stint_err *err)
{
	const struct stint_schema *schema = stint_schema_of(table);
	const struct stint_string *string = row;
	int code = check_writable(w, err);

	if (!code && (!schema || !stint_is_dictionary(table)))
		code = stint_err_set(err, STINT_ERR_USAGE, 0, -1, "table %d is no dictionary", (int)table);
	if (!code && table == STINT_STRING)
		return stint_writer_string(w, string->data, string->size, ret_id, err);
	if (!code)
		code = intern(w, table, row, row, schema->row_bytes, ret_id, err);
	if (code)
		*ret_id = 0;
	return code;
}

int stint_writer_append(struct stint_writer *w, enum stint_table table, const void *row, uint32_t *ret_id,
			struct stint_err *err)
{
	const struct stint_schema *schema = stint_schema_of(table);
	uint8_t key[ROW_BYTES_MAX + sizeof(w->n_appended)];
	int code = check_writable(w, err);

	if (!code && (!schema || !stint_is_dictionary(table) || table == STINT_STRING))
		code = stint_err_set(err, STINT_ERR_USAGE, 0, -1, "table %d has no rows to append", (int)table);
	if (!code) {
		/* The look-up's entries are numbered as the ids are, so that it needs one: of a size that
		 * no row has. */
		assert(schema->row_bytes <= ROW_BYTES_MAX);
		memcpy(key, row, schema->row_bytes);
		memcpy(key + schema->row_bytes, &w->n_appended, sizeof(w->n_appended));
		w->n_appended++;
		code = intern(w, table, row, key, schema->row_bytes + sizeof(w->n_appended), ret_id, err);
	}
	if (code)
		*ret_id = 0;
	return code;
}

int stint_writer_string(struct stint_writer *w, const void *data, size_t size, uint32_t *ret_id, struct stint_err *err)
{
	int code = check_writable(w, err);

	if (size > STINT_MAX_STRING_BYTES)
		size = STINT_MAX_STRING_BYTES;
	if (!code && size)
		code = intern(w, STINT_STRING, NULL, data, size, ret_id, err);
	if (code || !size)
		*ret_id = 0;
	return code;
}

/* Makes the columns of bytes of a pending row point to copies of what they point to. */
static int keep_bytes(struct pending *p, const struct stint_schema *schema, uint8_t *row, struct stint_err *err)
{
	size_t i;

	for (i = 0; i < schema->n_columns; i++) {
		const struct stint_column *column = &schema->columns[i];
		struct stint_string *bytes = (struct stint_string *)(row + column->offset);
		char *copy;

		if (column->width)
			continue;
		if (bytes->size > column->max_bytes)
			return stint_err_set(err, STINT_ERR_LIMIT, 0, -1, "%s of %" PRIu64 " bytes are over %s",
					     schema->name, bytes->size, column->limit);
		copy = stint_arena_strndup(&p->bytes, bytes->data, (size_t)bytes->size);
		if (!copy)
			return no_memory(err);
		bytes->data = (const uint8_t *)copy;
		p->string_bytes += (size_t)bytes->size;
	}
	return 0;
}

int stint_writer_add(struct stint_writer *w, enum stint_table table, const void *row, struct stint_err *err)
{
	const struct stint_schema *schema = stint_schema_of(table);
	int code = check_writable(w, err);
	struct pending *p;
	uint8_t *at;

	if (code)
		return code;
	if (!schema || stint_is_dictionary(table) || table >= STINT_INDEX)
		return stint_err_set(err, STINT_ERR_USAGE, 0, -1, "table %d has no rows to add", (int)table);
	p = &w->tables[table];
	at = reserve_row(p, schema->row_bytes);
	if (!at)
		return no_memory(err);
	memcpy(at, row, schema->row_bytes);
	code = keep_bytes(p, schema, at, err);
	if (code)
		return code;
	p->n_rows++;
	p->n_total++;
	if (p->n_rows < BLOCK_ROWS && p->string_bytes < BLOCK_STRING_BYTES)
		return 0;
	code = write_dictionaries(w, err);
	return code ? code : write_table(w, table, err);
}

int stint_writer_flush(struct stint_writer *w, struct stint_err *err)
{
	int code = check_writable(w, err);
	uint32_t table;

	if (!code)
		code = write_dictionaries(w, err);
	for (table = STINT_FIRST_EVENT_TABLE; table < STINT_INDEX && !code; table++)
		code = write_table(w, table, err);
	return code;
}

int stint_writer_finish(struct stint_writer *w, struct stint_err *err)
{
	int code = stint_writer_flush(w, err);

	if (!code)
		code = stint_block_writer_index(&w->blocks, err);
	w->finished = true;
	return code;
}

uint64_t stint_writer_size_bytes(const struct stint_writer *w)
{
	return w->blocks.size_bytes;
}

uint64_t stint_writer_rows(const struct stint_writer *w, enum stint_table table)
{
	return (unsigned int)table < STINT_INDEX ? w->tables[table].n_total : 0;
}

size_t stint_writer_memory_bytes(const struct stint_writer *w)
{
	size_t bytes = sizeof(*w) - sizeof(w->blocks) + stint_block_writer_memory_bytes(&w->blocks);
	uint32_t table;

	for (table = 0; table < STINT_INDEX; table++) {
		const struct pending *p = &w->tables[table];
		const struct stint_schema *schema = stint_schema_of(table);

		bytes += schema ? (size_t)p->cap_rows * schema->row_bytes : 0;
		bytes += stint_intern_bytes(&p->intern) + p->bytes.total_bytes;
	}
	return bytes;
}

uint64_t stint_writer_generation(const struct stint_writer *w)
{
	return w->generation;
}
