/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "format/block_writer.h"
#include "format/reader_internal.h"
#include "format/schema.h"
#include "format/verify.h"

/* Blocks that were left out, to be written as loss records. */
struct losses {
	struct stint_loss *rows;
	size_t n_rows;
};

static int note_loss(struct losses *losses, const struct stint_block_info *block)
{
	struct stint_loss *rows = reallocarray(losses->rows, losses->n_rows + 1, sizeof(*rows));

	if (!rows)
		return STINT_ERR_NOMEM;
	losses->rows = rows;
	rows[losses->n_rows++] = (struct stint_loss){
	        .from_ns = block->t_min_ns,
	        .to_ns = block->t_max_ns,
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
		return note_loss(losses, stint_reader_block(reader, i))
		               ? stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory to repair")
		               : 0;
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
		n = losses->n_rows - i < STINT_MAX_BLOCK_ROWS ? losses->n_rows - i
		                                              : STINT_MAX_BLOCK_ROWS;
		code = stint_block_writer_rows(w, STINT_LOSS, losses->rows + i, (uint32_t)n, 0,
		                               err);
	}
	return code;
}

int stint_repair(const struct stint_reader *reader, struct stint_sink sink, struct stint_err *err)
{
	const struct stint_file_info *info = stint_reader_info(reader);
	struct stint_file_header header = {
	        /* Blocks of a newer minor version are copied, so the file stays one. */
	        .major = STINT_FORMAT_MAJOR,
	        .minor = info->minor > STINT_FORMAT_MINOR ? info->minor : STINT_FORMAT_MINOR,
	        .header_bytes = STINT_FILE_HEADER_BYTES,
	        .compat = info->compat,
	        .incompat = info->incompat,
	};
	struct stint_block_writer *w = malloc(sizeof(*w));
	struct losses losses = {0};
	struct stint_rows rows = {0};
	size_t i;
	int code;

	if (!w)
		return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory to repair");
	memcpy(header.recording_id, info->recording_id, sizeof(header.recording_id));
	code = stint_block_writer_init(w, &header, 0, sink, err);
	for (i = 0; i < info->n_blocks && !code; i++)
		code = copy_block(reader, i, &rows, w, &losses, err);
	if (!code)
		code = write_losses(w, &losses, err);
	if (!code)
		code = stint_block_writer_index(w, err);
	stint_block_writer_done(w);
	stint_rows_done(&rows);
	free(losses.rows);
	free(w);
	return code;
}
