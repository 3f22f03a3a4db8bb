/* SPDX-License-Identifier: MIT */
#ifndef STINT_FORMAT_COPY_H
#define STINT_FORMAT_COPY_H

#include "format/block_writer.h"
#include "format/reader.h"

/* The file header that a copy of a recording has: its own, as far as this version can vouch for it.
 */
struct stint_file_header stint_copy_header(const struct stint_reader *reader);

/*
 * Writes every whole block of a recording as it is under a new number, but for index blocks, and
 * then a loss row for each one that was left out: because it is damaged, is there for the second
 * time, or defines ids that aren't behind those that its dictionary has already.
 */
int stint_copy_blocks(const struct stint_reader *reader, struct stint_block_writer *w, struct stint_err *err);

#endif
