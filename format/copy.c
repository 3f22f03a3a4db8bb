/* SPDX-License-Identifier: MIT */
#include "format/copy.h"

#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "format/schema.h"
#include "format/verify.h"

struct copy {
	const struct stint_reader *reader;
	struct stint_block_writer *w;
	struct stint_rows rows;
	struct stint_loss *losses; /* of what was left out */
	size_t n_losses;
	struct stint_map numbers;		   /* of the blocks that were copied */
	uint32_t next_id[STINT_FIRST_EVENT_TABLE]; /* behind the last one copied, by dictionary */
};

struct stint_file_header stint_copy_header(const struct stint_reader *reader)
{
	const struct stint_file_info *info = stint_reader_info(reader);
	struct stint_file_header header = {
		.major = STINT_FORMAT_MAJOR,
		/* Blocks of a newer minor version are copied, so the file stays one. */
		.minor = info->minor > STINT_FORMAT_MINOR ? info->minor : STINT_FORMAT_MINOR,
		.header_bytes = STINT_FILE_HEADER_BYTES,
		.compat = info->compat,
		.incompat = info->incompat,
	};

	memcpy(header.recording_id, info->recording_id, sizeof(header.recording_id));
	return header;
}

static int note_loss(struct copy *c, uint64_t from_ns, uint64_t to_ns, uint64_t count, uint32_t table,
		     struct stint_err *err)
{
	struct stint_loss *losses = reallocarray(c->losses, c->n_losses + 1, sizeof(*losses));

	if (!losses)
		return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory to list what is lost");
	c->losses = losses;
	losses[c->n_losses++] = (struct stint_loss){
		.from_ns = from_ns,
		.to_ns = to_ns > from_ns ? to_ns : from_ns,
		.count = count,
		.cause = STINT_LOSS_REPAIRED,
		.table = table,
	};
	return 0;
}

static int note_block(struct copy *c, const struct stint_block_info *block, struct stint_err *err)
{
	return note_loss(c, block->t_min_ns, block->t_max_ns, block->n_rows, block->table, err);
}

/*
 * The places without a block that could be found. How many blocks each held, the numbers of those around it say: one at
 * least; and so do their times, roughly, as blocks of one flush are about the same time.
 */
static int note_places(struct copy *c, struct stint_err *err)
{
	const struct stint_file_info *info = stint_reader_info(c->reader);
	const struct stint_block_info *before = NULL, *next = NULL, *block;
	uint64_t from_ns = 0, to_ns;
	size_t i, k = 0, ahead;
	int code = 0;

	for (i = 0; i < info->n_damage && !code; i++) {
		const struct stint_damage *damage = stint_reader_damage(c->reader, i);

		if (!damage->size_bytes)
			continue;
		for (; k < info->n_blocks; k++) {
			block = stint_reader_block(c->reader, k);
			if (block->file_off > damage->file_off)
				break;
			before = block;
			if (block->t_max_ns)
				from_ns = block->t_min_ns;
		}
		next = k < info->n_blocks ? stint_reader_block(c->reader, k) : NULL;
		to_ns = before ? before->t_max_ns : 0;
		for (ahead = k; ahead < info->n_blocks && ahead < k + STINT_N_TABLES; ahead++) {
			block = stint_reader_block(c->reader, ahead);
			if (block->t_max_ns > to_ns)
				to_ns = block->t_max_ns;
		}
		code = note_loss(c, from_ns, to_ns,
				 before && next && next->seq > before->seq + 1 ? next->seq - before->seq - 1 : 1, 0,
				 err);
	}
	return code;
}

/*
 * Whether a whole block is there for the second time, or defines ids that aren't behind those of its
 * dictionary in front of it: a file with such blocks isn't valid.
 */
static int is_out_of_place(struct copy *c, const struct stint_block_info *block, bool *ret, struct stint_err *err)
{
	bool defines = stint_is_dictionary(block->table) && block->n_rows, is_new;

	*ret = true;
	if (defines && block->first_id < c->next_id[block->table])
		return 0;
	if (!stint_map_put(&c->numbers, block->seq, &is_new))
		return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory to tell which blocks are copied");
	if (!is_new)
		return 0;
	*ret = false;
	if (defines)
		c->next_id[block->table] = block->first_id + block->n_rows;
	return 0;
}

/* Copies block i if it is whole, which is: its checksums are right, and it decodes where its type is
 * known. */
static int copy_block(struct copy *c, size_t i, struct stint_err *err)
{
	const struct stint_block_info *block = stint_reader_block(c->reader, i);
	struct stint_block_header header;
	struct stint_err why = STINT_ERR_INIT;
	const uint8_t *data;
	bool leave_out;
	size_t size;
	int code = stint_reader_decode(c->reader, i, &c->rows, &why);

	if (!code || code == STINT_ERR_NOTFOUND)
		code = stint_reader_raw(c->reader, i, &c->rows, &data, &size, &why);
	if (code == STINT_ERR_FORMAT || code == STINT_ERR_LIMIT)
		return note_block(c, block, err);
	if (code) {
		if (err)
			*err = why;
		return code;
	}
	code = is_out_of_place(c, block, &leave_out, err);
	if (code)
		return code;
	if (leave_out)
		return note_block(c, block, err);
	stint_block_header_decode(data, &header);
	return stint_block_writer_copy(c->w, &header, data + STINT_BLOCK_HEADER_BYTES, err);
}

static int write_losses(const struct copy *c, struct stint_err *err)
{
	size_t i, n;
	int code = 0;

	for (i = 0; i < c->n_losses && !code; i += n) {
		n = c->n_losses - i;
		if (n > STINT_MAX_BLOCK_ROWS)
			n = STINT_MAX_BLOCK_ROWS;
		code = stint_block_writer_rows(c->w, STINT_LOSS, c->losses + i, (uint32_t)n, 0, err);
	}
	return code;
}

int stint_copy_blocks(const struct stint_reader *reader, struct stint_block_writer *w, struct stint_err *err)
{
	struct copy c = {.reader = reader, .w = w};
	size_t i;
	int code = 0;

	for (i = 0; i < stint_reader_info(reader)->n_blocks && !code; i++)
		code = copy_block(&c, i, err);
	if (!code)
		code = note_places(&c, err);
	if (!code)
		code = write_losses(&c, err);
	stint_map_done(&c.numbers);
	stint_rows_done(&c.rows);
	free(c.losses);
	return code;
}

int stint_repair(const struct stint_reader *reader, struct stint_sink sink, struct stint_err *err)
{
	struct stint_writer_options options = {0};
	struct stint_writer *w;
	int code = stint_writer_new_copy(&w, reader, &options, sink, err);

	if (!code)
		code = stint_writer_finish(w, err);
	stint_writer_free(w);
	return code;
}
