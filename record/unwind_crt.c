/* SPDX-License-Identifier: MIT */
#include "record/unwind_crt.h"

#include <stdbool.h>
#include <string.h>

#define ENDBR64_BYTES	4u
#define MAX_DTORS_BYTES 96u
#define MAX_CLONE_BYTES 192u

/*
 * deregister_tm_clones, register_tm_clones, __do_global_dtors_aux and frame_dummy, in this order, each at a multiple of
 * 16. Offsets in the code.
 */
struct crt {
	uint32_t clones;     /* where the first one starts; the second one makes no frame either */
	uint32_t dtors;	     /* __do_global_dtors_aux */
	uint32_t push, ret;  /* of its frame pointer, and the return behind taking it off again */
	uint32_t dtors_end;  /* behind its other return */
	uint32_t dummy, end; /* frame_dummy, if it is one: else equal */
};

static int32_t load32(const uint8_t *at)
{
	int32_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

/* Where a function starts whose first instruction, but for an endbr64, is at that offset. */
static uint32_t start_of(const uint8_t *code, uint32_t at)
{
	static const uint8_t endbr64[ENDBR64_BYTES] = {0xf3, 0x0f, 0x1e, 0xfa};

	return at >= ENDBR64_BYTES && !memcmp(code + at - ENDBR64_BYTES, endbr64, ENDBR64_BYTES) ? at - ENDBR64_BYTES
												 : at;
}

/* "cmpb $0, completed(%rip); jne return; push %rbp" */
static bool begins_dtors(const uint8_t *code, uint32_t at, uint32_t size, struct crt *ret)
{
	if (size < 10 || at > size - 10 || code[at] != 0x80 || code[at + 1] != 0x3d || code[at + 6] != 0 ||
	    code[at + 7] != 0x75 || code[at + 9] != 0x55)
		return false;
	ret->dtors = start_of(code, at);
	ret->push = at + 9;
	ret->dtors_end = ret->push + code[at + 8] + 1;
	return ret->dtors % 16 == 0 && code[at + 8] < MAX_DTORS_BYTES && ret->dtors_end <= size &&
	       code[ret->dtors_end - 1] == 0xc3;
}

/* "call deregister_tm_clones; movb $1, completed(%rip); pop %rbp; ret" */
static bool ends_dtors(const uint8_t *code, struct crt *ret)
{
	uint32_t at;

	for (at = ret->push + 1; at + 14 < ret->dtors_end; at++) {
		int64_t clones = (int64_t)at + 5 + load32(code + at + 1);

		if (code[at] != 0xe8 || code[at + 5] != 0xc6 || code[at + 6] != 0x05 || code[at + 11] != 1 ||
		    code[at + 12] != 0x5d || code[at + 13] != 0xc3)
			continue;
		if (clones < 0 || clones >= ret->dtors || clones + MAX_CLONE_BYTES < ret->dtors)
			return false;
		ret->clones = (uint32_t)clones;
		ret->ret = at + 13;
		return true;
	}
	return false;
}

/* "jmp register_tm_clones" is all that frame_dummy does. */
static void find_dummy(const uint8_t *code, uint32_t size, struct crt *ret)
{
	uint32_t at = (ret->dtors_end + 15) / 16 * 16, jump;
	int64_t to = -1;

	ret->dummy = ret->end = at;
	if (at + ENDBR64_BYTES > size)
		return;
	jump = start_of(code, at + ENDBR64_BYTES) == at ? at + ENDBR64_BYTES : at;
	if (jump + 5 <= size && code[jump] == 0xe9)
		to = (int64_t)jump + 5 + load32(code + jump + 1);
	else if (jump + 2 <= size && code[jump] == 0xeb)
		to = (int64_t)jump + 2 + (int8_t)code[jump + 1];
	if (to > ret->clones && to < ret->dtors)
		ret->end = jump + (code[jump] == 0xe9 ? 5 : 2);
}

static bool find(const uint8_t *code, uint32_t size, struct crt *ret)
{
	uint32_t at;

	for (at = 0; at < size; at++) {
		if (begins_dtors(code, at, size, ret) && ends_dtors(code, ret)) {
			find_dummy(code, size, ret);
			return true;
		}
	}
	return false;
}

int unwind_crt_x86_64(const uint8_t *code, uint32_t file_off, uint32_t size,
		      int (*add)(void *context, uint32_t start, uint32_t end, const struct unwind_row *row),
		      void *context)
{
	const struct unwind_row leaf = {.kind = UNWIND_SP, .cfa = 1}, pushed = {.kind = UNWIND_SP, .cfa = 2, .fp = 2};
	struct crt crt;
	int rc;

	if (file_off % 16) {
		uint32_t skip = 16 - file_off % 16; /* offsets are multiples of 16 where addresses are */

		code += skip < size ? skip : size;
		size -= skip < size ? skip : size;
		file_off += skip;
	}
	if (!find(code, size, &crt))
		return 0;
	rc = add(context, file_off + crt.clones, file_off + crt.push + 1, &leaf);
	if (!rc)
		rc = add(context, file_off + crt.push + 1, file_off + crt.ret, &pushed);
	if (!rc)
		rc = add(context, file_off + crt.ret, file_off + crt.dtors_end, &leaf);
	if (!rc && crt.end > crt.dummy)
		rc = add(context, file_off + crt.dummy, file_off + crt.end, &leaf);
	return rc;
}
