/* SPDX-License-Identifier: MIT */
#include "analyze/elf_unpack.h"

#include <elf.h>
#include <lzma.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <zlib.h>
#include <zstd.h>

#ifndef ELFCOMPRESS_ZSTD
#define ELFCOMPRESS_ZSTD 2
#endif

struct packed_header {
	uint32_t type; /* ELFCOMPRESS_* */
	uint64_t size; /* unpacked */
	size_t header_size;
};

static int read_header(struct elf_bytes packed, enum elf_packed form, struct packed_header *ret, struct stint_err *err)
{
	const uint8_t *at = packed.at;
	size_t i;

	*ret = (struct packed_header){ELFCOMPRESS_ZLIB, 0, 12};
	if (form == ELF_PACKED_64)
		ret->header_size = 24;
	if (packed.size < ret->header_size || (form == ELF_PACKED_OLD && memcmp(at, "ZLIB", 4)))
		return stint_err_set(err, STINT_ERR_FORMAT, 0, -1, "its compression header is damaged");
	switch (form) {
	case ELF_PACKED_32:
		ret->type = elf_u32(at);
		ret->size = elf_u32(at + 4);
		break;
	case ELF_PACKED_64:
		ret->type = elf_u32(at);
		ret->size = elf_u64(at + 8);
		break;
	case ELF_PACKED_OLD:
		for (i = 0; i < 8; i++)
			ret->size = ret->size << 8 | at[4 + i];
		break;
	}
	return 0;
}

static int inflate_all(struct elf_bytes packed, uint8_t *to, uint64_t size, struct stint_err *err)
{
	z_stream z = {.next_in = (uint8_t *)(uintptr_t)packed.at, .next_out = to};
	uint64_t in_left = packed.size, out_left = size;
	int rc;

	if (inflateInit(&z) != Z_OK)
		return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory to decompress it");
	do { /* zlib counts in 32 bits */
		uInt in = in_left > 1u << 30 ? 1u << 30 : (uInt)in_left;
		uInt out = out_left > 1u << 30 ? 1u << 30 : (uInt)out_left;

		z.avail_in = in;
		z.avail_out = out;
		rc = inflate(&z, Z_NO_FLUSH);
		in_left -= in - z.avail_in;
		out_left -= out - z.avail_out;
		if (rc == Z_STREAM_END && out_left && in_left)
			rc = inflateReset(&z); /* linkers may write several streams, one behind the other */
	} while (rc == Z_OK && out_left && in_left);
	inflateEnd(&z);
	if (out_left || (rc != Z_OK && rc != Z_STREAM_END))
		return stint_err_set(err, STINT_ERR_FORMAT, 0, -1, "its zlib data is damaged");
	return 0;
}

static int unpack_to(struct elf_bytes packed, uint32_t type, uint8_t *to, uint64_t size, struct stint_err *err)
{
	size_t got;

	switch (type) {
	case ELFCOMPRESS_ZLIB:
		return inflate_all(packed, to, size, err);
	case ELFCOMPRESS_ZSTD:
		got = ZSTD_decompress(to, size, packed.at, packed.size);
		if (ZSTD_isError(got) || got != size)
			return stint_err_set(err, STINT_ERR_FORMAT, 0, -1, "its zstd data is damaged");
		return 0;
	default:
		return stint_err_set(err, STINT_ERR_UNSUPPORTED, 0, -1, "compression type %u is unknown", type);
	}
}

int elf_unpack(struct elf_bytes packed, enum elf_packed form, struct elf_bytes *ret, struct stint_err *err)
{
	struct packed_header header;
	void *to;
	int rc;

	rc = read_header(packed, form, &header, err);
	if (rc)
		return rc;
	if (header.size > ELF_UNPACK_MAX_BYTES ||
	    (header.size > ELF_UNPACK_SMALL_BYTES && header.size / ELF_UNPACK_MAX_RATIO > packed.size))
		return stint_err_set(err, STINT_ERR_LIMIT, 0, -1, "%zu bytes claim to unpack to %llu", packed.size,
				     (unsigned long long)header.size);
	if (!header.size)
		return 0;
	/* Pages come as they are written: a false claim costs address space only. */
	to = mmap(NULL, header.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (to == MAP_FAILED)
		return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory to decompress it");
	packed.at += header.header_size;
	packed.size -= header.header_size;
	rc = unpack_to(packed, header.type, to, header.size, err);
	if (rc)
		munmap(to, header.size);
	else
		*ret = (struct elf_bytes){to, header.size};
	return rc;
}

void elf_unpack_free(struct elf_bytes *bytes)
{
	if (bytes->at)
		munmap((void *)(uintptr_t)bytes->at, bytes->size);
	*bytes = (struct elf_bytes){NULL, 0};
}

/* Makes room for at least one more byte, within the limit. */
static bool xz_grow(uint8_t **data, size_t *cap)
{
	size_t more = *cap ? *cap * 2 : 1 << 20;
	uint8_t *grown = more > ELF_XZ_MAX_BYTES ? NULL : realloc(*data, more);

	if (!grown)
		return false;
	*data = grown;
	*cap = more;
	return true;
}

int elf_unpack_xz(struct elf_bytes packed, void **ret_data, size_t *ret_size, struct stint_err *err)
{
	lzma_stream xz = LZMA_STREAM_INIT;
	uint8_t *data = NULL;
	size_t cap = 0;
	lzma_ret rc;

	if (lzma_stream_decoder(&xz, ELF_XZ_MAX_BYTES, 0) != LZMA_OK)
		return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory to decompress xz data");
	xz.next_in = packed.at;
	xz.avail_in = packed.size;
	do {
		size_t done = cap - xz.avail_out;

		if (!xz.avail_out && !xz_grow(&data, &cap)) {
			rc = LZMA_MEMLIMIT_ERROR;
			break;
		}
		xz.next_out = data + done;
		xz.avail_out = cap - done;
		rc = lzma_code(&xz, LZMA_FINISH);
	} while (rc == LZMA_OK);
	lzma_end(&xz);
	if (rc != LZMA_STREAM_END) {
		free(data);
		return rc == LZMA_MEMLIMIT_ERROR
			       ? stint_err_set(err, STINT_ERR_LIMIT, 0, -1, "its xz data unpacks to too much")
			       : stint_err_set(err, STINT_ERR_FORMAT, 0, -1, "its xz data is damaged");
	}
	*ret_data = data;
	*ret_size = cap - xz.avail_out;
	return 0;
}

uint32_t elf_crc32(struct elf_bytes bytes)
{
	return (uint32_t)crc32_z(0, bytes.at, bytes.size);
}
