/* SPDX-License-Identifier: MIT */
/* The numbers of FORMAT.md: what stands in a file, and the limits that every reader enforces. */
#ifndef STINT_FORMAT_LAYOUT_H
#define STINT_FORMAT_LAYOUT_H

#include <stdint.h>

#define STINT_FILE_MAGIC	 "\x89STINT\r\n" /* 8 bytes, without a terminator */
#define STINT_FILE_HEADER_BYTES	 64
#define STINT_BLOCK_MAGIC	 0x4b4c4273u /* "sBLK" */
#define STINT_BLOCK_HEADER_BYTES 56
#define STINT_TRAILER_MAGIC	 "STINTEND" /* 8 bytes, without a terminator */
#define STINT_TRAILER_BYTES	 16
#define STINT_FORMAT_MAJOR	 1
#define STINT_FORMAT_MINOR	 0

/* Feature bits of the file header. A reader refuses incompatible bits that it doesn't know. */
#define STINT_INCOMPAT_KNOWN 0u
#define STINT_COMPAT_KNOWN   0u

/* Limits. A file that asks for more is refused at that place, with the limit's name. */
#define STINT_MAX_FILE_HEADER_BYTES 4096u
#define STINT_MAX_BLOCK_BYTES	    (16u << 20) /* of a payload, stored and decoded alike */
#define STINT_MAX_BLOCK_ROWS	    65536u
#define STINT_MAX_COLUMNS	    64u
#define STINT_MAX_STRING_BYTES	    (64u << 10)
#define STINT_MAX_WINDOW_BYTES	    (64u << 10)	 /* of a stack */
#define STINT_MAX_CODE_BYTES	    (256u << 10) /* of a function */
#define STINT_MAX_STACK_DEPTH	    1024u	 /* nodes from a stack's leaf to its root */
#define STINT_MAX_DICTIONARY_ROWS   (64u << 20)	 /* rows of one dictionary in one file */

enum stint_codec {
	STINT_CODEC_NONE = 0,
	STINT_CODEC_ZSTD = 1,
};

/* Block flags. */
#define STINT_BLOCK_CRITICAL 0x0001u /* a reader that doesn't know this type must refuse the file */

/*
 * A block holds rows of one table. Types below 32 are dictionaries: their rows have consecutive ids,
 * the first one's being first_id in the block header, and id 0 always means "none".
 */
enum stint_table {
	STINT_STRING = 1,
	STINT_MODULE = 2,
	STINT_PROCESS = 3,
	STINT_THREAD = 4,
	STINT_MAPPING = 5,
	STINT_FRAME = 6,
	STINT_NODE = 7,
	STINT_STACK = 8,
	STINT_SOURCE = 9,

	STINT_SAMPLE = 32,
	STINT_OFFCPU = 33,
	STINT_TASK = 34,

	STINT_LOSS = 64,
	STINT_CLOCK = 65,
	STINT_TOTAL = 66,
	STINT_META = 67,
	STINT_WINDOW = 68,

	STINT_SYMBOL = 96,
	STINT_CHAIN = 97,
	STINT_SYMBOL_SOURCE = 98,
	STINT_UNWOUND = 99,
	STINT_CODE = 100,

	STINT_INDEX = 127,
};

#define STINT_FIRST_EVENT_TABLE 32
#define STINT_N_TABLES		128

#endif
