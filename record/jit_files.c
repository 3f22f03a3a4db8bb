/* SPDX-License-Identifier: MIT */
#include "record/jit_files.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cursor.h"

#define CHUNK_BYTES (64 * 1024)

/* jitdump, as in tools/perf/Documentation/jitdump-specification.txt of Linux. */
#define DUMP_MAGIC	0x4a695444u
#define DUMP_MIN_HEADER 40u
#define DUMP_ARCH_TIMES 1u  /* times are of the CPU's counter, not of a clock */
#define DUMP_PREFIX	16u /* of every record: id, size, time */
#define DUMP_LOAD	0u
#define DUMP_LOAD_FIXED 40u	    /* pid, tid, vma, address, size, index */
#define DUMP_MAX_RECORD (64u << 20) /* with the code's bytes */

static bool parse_hex(const char **at, const char *end, uint64_t *ret)
{
	const char *start = *at;

	*ret = 0;
	if (end - *at > 2 && (*at)[0] == '0' && ((*at)[1] == 'x' || (*at)[1] == 'X'))
		start = *at += 2;
	for (; *at < end && *at - start <= 16; (*at)++) {
		unsigned digit = (unsigned char)**at - '0';

		if (digit > 9)
			digit = ((unsigned char)**at | 0x20u) - 'a' + 10;
		if (digit > 15)
			break;
		*ret = *ret << 4 | digit;
	}
	return *at > start && *at - start <= 16;
}

bool jit_map_line(const char *line, size_t size, struct jit_function *ret)
{
	const char *at = line;
	const char *end = line + size;

	memset(ret, 0, sizeof(*ret));
	if (!parse_hex(&at, end, &ret->addr) || at == end || *at++ != ' ' || !parse_hex(&at, end, &ret->size_bytes) ||
	    at == end || *at++ != ' ')
		return false;
	ret->name = at;
	ret->name_size = (size_t)(end - at);
	if (ret->name_size > JIT_MAX_NAME_BYTES)
		ret->name_size = JIT_MAX_NAME_BYTES;
	return ret->name_size && ret->size_bytes && ret->addr + ret->size_bytes > ret->addr;
}

static ssize_t read_at(int fd, void *to, size_t size, uint64_t off)
{
	ssize_t n;

	do {
		n = pread(fd, to, size, (off_t)off);
	} while (n < 0 && errno == EINTR);
	return n;
}

/* Hands on the whole lines of a chunk; how many bytes they had. */
static size_t scan_lines(const char *chunk, size_t size, uint64_t off, jit_each_fn each, void *context, int *ret)
{
	const char *line = chunk;
	const char *end = chunk + size;
	const char *newline;
	struct jit_function function;

	while (!*ret && line < end && (newline = memchr(line, '\n', (size_t)(end - line)))) {
		if (jit_map_line(line, (size_t)(newline - line), &function)) {
			function.file_off = off + (uint64_t)(line - chunk);
			*ret = each(context, &function);
		}
		line = newline + 1;
	}
	return (size_t)(line - chunk);
}

int jit_map_scan(int fd, uint64_t *off, uint64_t end, jit_each_fn each, void *context)
{
	char *chunk = malloc(CHUNK_BYTES);
	int ret = 0;
	ssize_t n;
	size_t used;

	while (!ret && chunk && *off < end && (n = read_at(fd, chunk, CHUNK_BYTES, *off)) > 0) {
		used = scan_lines(chunk, (size_t)n, *off, each, context, &ret);
		/* The last line may still be being written. One as long as the chunk is no function: pass over it. */
		if (!used && n == CHUNK_BYTES)
			used = CHUNK_BYTES;
		if (!used)
			break;
		*off += used;
	}
	free(chunk);
	return ret;
}

/* The file's header; its size, or 0 while it isn't there or when it is none of ours. */
static uint32_t dump_header(int fd, bool *ret_arch_times)
{
	uint8_t data[DUMP_MIN_HEADER];
	struct stint_cursor cur = stint_cursor_of(data, sizeof(data));
	uint32_t magic, total;

	if (read_at(fd, data, sizeof(data), 0) != sizeof(data))
		return 0;
	magic = stint_cursor_u32(&cur);
	stint_cursor_u32(&cur); /* version */
	total = stint_cursor_u32(&cur);
	stint_cursor_bytes(&cur, 20); /* machine, padding, pid, time */
	*ret_arch_times = stint_cursor_u64(&cur) & DUMP_ARCH_TIMES;
	return magic == DUMP_MAGIC && total >= DUMP_MIN_HEADER && total <= CHUNK_BYTES ? total : 0;
}

/* A record that tells of a function. The name follows the fixed part, ended by NUL. */
static bool parse_load(const uint8_t *data, size_t size, uint64_t time_ns, struct jit_function *ret)
{
	struct stint_cursor cur = stint_cursor_of(data, size);
	const uint8_t *name_end;

	stint_cursor_bytes(&cur, 16); /* pid, tid, vma */
	ret->addr = stint_cursor_u64(&cur);
	ret->size_bytes = stint_cursor_u64(&cur);
	stint_cursor_u64(&cur); /* index */
	if (cur.bad || !ret->size_bytes || ret->addr + ret->size_bytes <= ret->addr)
		return false;
	ret->name = (const char *)cur.at;
	name_end = memchr(cur.at, 0, stint_cursor_left(&cur));
	ret->name_size = name_end ? (size_t)(name_end - cur.at) : stint_cursor_left(&cur);
	ret->time_ns = time_ns;
	return ret->name_size > 0;
}

int jit_dump_scan(int fd, uint64_t *off, uint64_t end, jit_each_fn each, void *context)
{
	uint8_t data[DUMP_PREFIX + DUMP_LOAD_FIXED + JIT_MAX_NAME_BYTES];
	struct jit_function function = {0};
	bool arch_times = false;
	uint32_t header = dump_header(fd, &arch_times);
	int ret = 0;

	if (!header)
		return 0;
	if (*off < header)
		*off = header;
	while (!ret && *off < end) {
		ssize_t n = read_at(fd, data, sizeof(data), *off);
		struct stint_cursor cur = stint_cursor_of(data, n > 0 ? (size_t)n : 0);
		uint32_t id = stint_cursor_u32(&cur);
		uint32_t size = stint_cursor_u32(&cur);
		uint64_t time_ns = stint_cursor_u64(&cur);
		uint8_t last;

		/* A record counts once its last byte is there. */
		if (cur.bad || size < DUMP_PREFIX || size > DUMP_MAX_RECORD ||
		    read_at(fd, &last, 1, *off + size - 1) != 1)
			break;
		if ((size_t)n > size)
			n = (ssize_t)size;
		function.file_off = *off;
		if (id == DUMP_LOAD &&
		    parse_load(data + DUMP_PREFIX, (size_t)n - DUMP_PREFIX, arch_times ? 0 : time_ns, &function))
			ret = each(context, &function);
		*off += size;
	}
	return ret;
}
