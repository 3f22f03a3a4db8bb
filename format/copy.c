/* SPDX-License-Identifier: MIT */
#include "format/copy.h"

#include <stdlib.h>
#include <string.h>

#include "format/verify.h"

/* Blocks that were left out, to be written as loss records. */
struct losses {
	struct stint_loss *rows;
	size_t n_rows;
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

static int note_loss(struct losses *losses, const struct stint_block_info *block,
                     struct stint_err *err)
{
	struct stint_loss *rows = reallocarray(losses->rows, losses->n_rows + 1, sizeof(*rows));

	if (!rows)
		return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory to list what is lost");
	losses->rows = rows;
	rows[losses->n_rows++] = (struct stint_loss){
	        .from_ns = block->t_min_ns,
	        .to_ns = block->t_max_ns > block->t_min_ns ? block->t_max_ns : block->t_min_ns,
	        .count = block->n_rows,
	        .cause = STINT_LOSS_REPAIRED,
	        .table = block->table,
	};
	return 0;
}

/* Copies block i if it is whole: its checksums are right, and it decodes where its type is known.
 */
static int copy_block(const struct stint_reader *reader, size_t i, struct stint_rows *rows,
                      struct stint_block_writer *w, struct losses *losses, struct stint_err *err)
{
	struct stint_block_header header;
	struct stint_err why = STINT_ERR_INIT;
	const uint8_t *data;
	size_t size;
	int code = stint_reader_decode(reader, i, rows, &why);

	if (!code || code == STINT_ERR_NOTFOUND)
		code = stint_reader_raw(reader, i, rows, &data, &size, &why);
	if (code == STINT_ERR_FORMAT || code == STINT_ERR_LIMIT)
		return note_loss(losses, stint_reader_block(reader, i), err);
	if (code) {
		if (err)
			*err = why;
		return code;
	}
	stint_block_header_decode(data, &header);
	return stint_block_writer_copy(w, &header, data + STINT_BLOCK_HEADER_BYTES, err);
}

static int write_losses(struct stint_block_writer *w, const struct losses *losses,
                        struct stint_err *err)
{
	size_t i, n;
	int code = 0;

	for (i = 0; i < losses->n_rows && !code; i += n) {
		n = losses->n_rows - i;
		if (n > STINT_MAX_BLOCK_ROWS)
			n = STINT_MAX_BLOCK_ROWS;
		code = stint_block_writer_rows(w, STINT_LOSS, losses->rows + i, (uint32_t)n, 0,
		                               err);
	}
	return code;
}

int stint_copy_blocks(const struct stint_reader *reader, struct stint_block_writer *w,
                      struct stint_err *err)
{
	struct losses losses = {0};
	struct stint_rows rows = {0};
	size_t i;
	int code = 0;

	for (i = 0; i < stint_reader_info(reader)->n_blocks && !code; i++)
		code = copy_block(reader, i, &rows, w, &losses, err);
	if (!code)
		code = write_losses(w, &losses, err);
	stint_rows_done(&rows);
	free(losses.rows);
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
