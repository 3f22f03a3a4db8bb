/* SPDX-License-Identifier: MIT */
/*
 * Writes the recordings of testdata/ that no writer of this version makes, block by block and byte by
 * byte, into a directory: make_testdata_raw DIRECTORY. testdata/README.md says what each file is for.
 */
#include "format/checksum.h"
#include "format/codec.h"
#include "format/header.h"
#include "tests/tools/testdata.h"

/* Files built block by block, as a writer never would. */
struct raw {
	struct stint_buf buf;
	struct stint_buf payload;
	struct stint_block_header block;
};

static void raw_start(struct raw *raw, uint16_t major, uint16_t minor, uint64_t incompat)
{
	struct stint_file_header header = {
		.major = major, .minor = minor, .header_bytes = minor ? 80 : 64, .incompat = incompat};
	uint8_t bytes[STINT_FILE_HEADER_BYTES];

	memset(raw, 0, sizeof(*raw));
	stint_buf_init(&raw->buf, 1u << 25);
	stint_buf_init(&raw->payload, 1u << 25);
	memcpy(header.recording_id, recording_id, sizeof(recording_id));
	stint_file_header_encode(&header, bytes);
	stint_buf_bytes(&raw->buf, bytes, sizeof(bytes));
	stint_buf_bytes(&raw->buf, "newer header....", header.header_bytes - 64);
}

/* Appends a block with raw->payload as it is; raw->block says the rest. */
static void raw_block(struct raw *raw, uint8_t table, uint32_t n_rows)
{
	struct stint_block_header *block = &raw->block;
	uint8_t bytes[STINT_BLOCK_HEADER_BYTES];

	block->table = table;
	block->n_rows = n_rows;
	if (table < STINT_FIRST_EVENT_TABLE && !block->first_id)
		block->first_id = 1;
	block->stored_bytes = (uint32_t)raw->payload.len;
	if (!block->raw_bytes)
		block->raw_bytes = block->stored_bytes;
	block->payload_check = stint_checksum(raw->payload.data, raw->payload.len);
	stint_block_header_encode(block, bytes);
	stint_buf_bytes(&raw->buf, bytes, sizeof(bytes));
	stint_buf_bytes(&raw->buf, raw->payload.data, raw->payload.len);
	*block = (struct stint_block_header){.seq = block->seq + 1};
	stint_buf_reset(&raw->payload);
}

static void raw_save(struct raw *raw, const char *name)
{
	save(name, &raw->buf);
	stint_buf_done(&raw->buf);
	stint_buf_done(&raw->payload);
}

static void raw_bytes(struct raw *raw, const char *bytes, size_t size)
{
	stint_buf_bytes(&raw->payload, bytes, size);
}

#define BYTES(raw, literal) raw_bytes(raw, literal, sizeof(literal) - 1)

/* One good block of strings, so that the file has something to read. */
static void raw_good(struct raw *raw)
{
	BYTES(raw, "\x01\x01\x30\x05\x01\x02"
		   "abc");
	raw_block(raw, STINT_STRING, 2);
}

/* What a newer writer may do, and this reader skips. */
static void make_newer(void)
{
	struct raw raw;

	raw_start(&raw, 1, 7, 0);
	raw_good(&raw);
	BYTES(&raw, "anything at all");
	raw_block(&raw, 50, 999999);
	/* A clock row with an unknown column in the middle, in an unknown encoding; and an unknown
	 * flag. */
	BYTES(&raw, "\x03"
		    "\x01\x00\x01"
		    "\x3f\x70\x04"
		    "\x02\x00\x02"
		    "\x05"
		    "????"
		    "\x80\x01");
	raw.block.flags = 0x8000;
	raw.block.t_min_ns = 5;
	raw.block.t_max_ns = 5;
	raw_block(&raw, STINT_CLOCK, 1);
	raw_save(&raw, "newer");

	raw_start(&raw, 1, 7, 0);
	raw_good(&raw);
	raw.block.flags = STINT_BLOCK_CRITICAL;
	raw_block(&raw, 50, 1);
	raw_save(&raw, "refused-critical");

	raw_start(&raw, 2, 0, 0);
	raw_good(&raw);
	raw_save(&raw, "refused-major");

	raw_start(&raw, 1, 0, 4);
	raw_good(&raw);
	raw_save(&raw, "refused-feature");
}

/* Encodings that stint's writer doesn't choose; FORMAT.md explains these very bytes. */
static void make_encodings(void)
{
	struct raw raw;

	raw_start(&raw, 1, 0, 0);
	/* monotonic_ns: delta over varints, 1000, 1500, 1499; realtime_ns: delta over a constant,
	 * 10, 20, 30. */
	BYTES(&raw, "\x02\x01\x01\x05\x02\x21\x01"
		    "\xd0\x0f\xe8\x07\x01"
		    "\x14");
	raw.block.t_min_ns = 1000;
	raw.block.t_max_ns = 1500;
	raw_block(&raw, STINT_CLOCK, 3);
	/* monotonic_ns: planes of two bytes, 256, 513, 2; realtime_ns isn't there. */
	BYTES(&raw, "\x01\x01\x10\x02\x06"
		    "\x00\x01\x02\x01\x02\x00");
	raw.block.t_min_ns = 2;
	raw.block.t_max_ns = 513;
	raw_block(&raw, STINT_CLOCK, 3);
	/* Two off-cpu rows: end_ns 1000 and 3000; off_ns 400 and 0; start_ref 0 and 1; runq_ns 50
	 * with WOKEN. */
	BYTES(&raw, "\x05"
		    "\x01\x00\x03"
		    "\x02\x00\x02"
		    "\x03\x01\x04"
		    "\x04\x00\x02"
		    "\x0d\x00\x02"
		    "\x90\x03\x00"
		    "\x00\x32"
		    "\xd0\x0f\xa0\x1f"
		    "\x00\x10"
		    "\x00\x01");
	raw.block.t_min_ns = 600;
	raw.block.t_max_ns = 3000;
	raw_block(&raw, STINT_OFFCPU, 2);
	/* No rows at all. */
	BYTES(&raw, "\x00");
	raw_block(&raw, STINT_META, 0);
	raw_save(&raw, "encodings");
}

/* One broken block behind a good one. */
static void broken(const char *name, uint8_t table, uint32_t n_rows, const char *bytes, size_t size)
{
	struct raw raw;

	raw_start(&raw, 1, 0, 0);
	raw_good(&raw);
	raw_bytes(&raw, bytes, size);
	raw_block(&raw, table, n_rows);
	raw_save(&raw, name);
}

#define BROKEN(name, table, n_rows, literal) broken(name, table, n_rows, literal, sizeof(literal) - 1)

static void make_broken(void)
{
	BROKEN("bad-columns", STINT_CLOCK, 1, "\x41\x01\x00\x01\x05");
	BROKEN("bad-directory", STINT_CLOCK, 1, "\x02\x01\x00");
	BROKEN("bad-column-size", STINT_CLOCK, 1, "\x01\x01\x00\x7f\x05");
	BROKEN("bad-column-twice", STINT_CLOCK, 1, "\x02\x01\x00\x01\x01\x00\x01\x05\x06");
	BROKEN("bad-packing", STINT_CLOCK, 1, "\x01\x01\x40\x01\x05");
	BROKEN("bad-transform", STINT_CLOCK, 1, "\x01\x01\x02\x01\x05");
	BROKEN("bad-plane-width", STINT_CLOCK, 1, "\x01\x01\x10\x09\x09\x01\x02\x03\x04\x05\x06\x07\x08\x09");
	BROKEN("bad-plane-size", STINT_CLOCK, 2, "\x01\x01\x10\x01\x03\x01\x02\x03");
	BROKEN("bad-varint", STINT_CLOCK, 1, "\x01\x01\x00\x0b\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01");
	BROKEN("bad-too-wide", STINT_TASK, 1, "\x01\x02\x00\x05\x80\x80\x80\x80\x10");
	BROKEN("bad-rest", STINT_CLOCK, 1, "\x01\x01\x00\x01\x05\x06");
	BROKEN("bad-start-ref", STINT_OFFCPU, 1, "\x01\x0d\x00\x01\x01");
	BROKEN("bad-blob", STINT_CLOCK, 1, "\x01\x01\x30\x02\x01\x61");
	BROKEN("bad-string-length", STINT_STRING, 1, "\x01\x01\x30\x02\x05\x61");
	BROKEN("bad-long-string", STINT_STRING, 1, "\x01\x01\x30\x04\x81\x80\x04\x61");
	BROKEN("bad-long-window", STINT_WINDOW, 1, "\x01\x15\x30\x04\x81\x80\x04\x61");
	BROKEN("bad-long-code", STINT_CODE, 1, "\x01\x04\x30\x04\x81\x80\x10\x61");
	BROKEN("bad-row-count", STINT_META, 65537, "\x00");
	BROKEN("rule-reference", STINT_META, 1, "\x01\x01\x00\x01\x09");
	BROKEN("rule-tree", STINT_NODE, 2, "\x01\x01\x00\x02\x00\x02");
	BROKEN("rule-time-range", STINT_CLOCK, 1, "\x01\x01\x00\x01\x05");
}

/* Blocks whose header is at fault. */
static void make_broken_headers(void)
{
	struct raw raw;

	raw_start(&raw, 1, 0, 0);
	raw_good(&raw);
	BYTES(&raw, "\x00");
	raw.block.codec = 9;
	raw_block(&raw, STINT_META, 1);
	BYTES(&raw, "\x00");
	raw.block.raw_bytes = 2;
	raw_block(&raw, STINT_META, 1);
	BYTES(&raw, "\x00");
	raw.block.codec = STINT_CODEC_ZSTD;
	raw_block(&raw, STINT_META, 1);
	BYTES(&raw, "\x00");
	raw.block.raw_bytes = STINT_MAX_BLOCK_BYTES + 1;
	raw_block(&raw, STINT_META, 1);
	/* Again an id that was there. */
	raw_good(&raw);
	raw_save(&raw, "bad-headers");

	raw_start(&raw, 1, 0, 0);
	raw_good(&raw);
	BYTES(&raw, "\x00");
	raw.block.first_id = STINT_MAX_DICTIONARY_ROWS;
	raw_block(&raw, STINT_NODE, 2);
	raw_save(&raw, "bad-ids");

	raw_start(&raw, 1, 0, 0);
	raw_good(&raw);
	BYTES(&raw, "\x00");
	raw.block.first_id = 1;
	raw_block(&raw, STINT_META, 1);
	raw_save(&raw, "bad-event-ids");
}

/* zstd frames that aren't what the header says. */
static void make_broken_frames(void)
{
	static const char container[] = "\x01\x01\x00\x05\xff\xff\xff\xff\x0f";
	struct stint_compressor *c = stint_compressor_new(0);
	struct raw raw;
	int i;

	raw_start(&raw, 1, 0, 0);
	raw_good(&raw);
	for (i = 0; i < 4; i++) {
		check(stint_compress(c, container, sizeof(container) - 1, NULL, 0, &raw.payload), "stint_compress");
		if (i == 1) /* a second frame */
			check(stint_compress(c, container, sizeof(container) - 1, NULL, 0, &raw.payload),
			      "stint_compress");
		if (i == 3) /* a frame that is cut off */
			raw.payload.len--;
		raw.block.codec = STINT_CODEC_ZSTD;
		raw.block.raw_bytes = (uint32_t)sizeof(container) - 1 + (i == 2);
		raw.block.t_max_ns = UINT64_MAX;
		raw_block(&raw, STINT_TASK, 1);
	}
	raw_save(&raw, "bad-frames");
	stint_compressor_free(c);
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: make_testdata_raw DIRECTORY\n");
		return 2;
	}
	directory = argv[1];
	make_newer();
	make_encodings();
	make_broken();
	make_broken_headers();
	make_broken_frames();
	return 0;
}
