/* SPDX-License-Identifier: MIT */
/* Line tables from the inside: for dwarf_line*.c. */
#ifndef STINT_ANALYZE_DWARF_LINE_H
#define STINT_ANALYZE_DWARF_LINE_H

#include <stdlib.h>

#include "analyze/dwarf_defs.h"
#include "analyze/dwarf_file.h"

/* What a program changes as it runs. */
struct line_state {
	uint64_t addr;
	uint32_t file, line;
};
#define LINE_START ((struct line_state){0, 1, 1})

/* A row, and where the program goes on from it. */
struct line_mark {
	struct line_state row;
	const uint8_t *next;
};

struct line_file {
	const char *name;
	uint64_t dir;
};

struct line_sequence {
	uint32_t first_mark, n_marks;
};

struct line_program {
	const uint8_t *start, *end;
	const uint8_t *opcode_lengths;
	uint8_t min_inst, line_range, opcode_base;
	int8_t line_base;
};

struct dwarf_lines {
	struct dwarf_file *file; /* for its arena and budget */
	const char *comp_dir;	 /* may be NULL */
	uint8_t version;
	struct line_program program;
	const char **dirs;
	struct line_file *files;
	const char **paths; /* of files, as far as they were asked for */
	uint32_t n_paths;   /* room for that many */
	uint32_t n_dirs, cap_dirs, n_files, cap_files;
	uint32_t n_listed; /* of the files: those in the header, which the program may add to */
	bool marked;	   /* the program was run for marks */
	struct line_mark *marks;
	uint32_t n_marks;
	struct line_sequence *sequences;
	uint32_t n_sequences, cap_sequences;
	struct addr_map map; /* address -> sequence */
};

/* Room for one more in an array that grows by doubling. */
static inline bool line_room(void **array, uint32_t n, uint32_t *cap, size_t size)
{
	uint32_t more = *cap ? *cap * 2 : 64;
	void *grown;

	if (n < *cap)
		return true;
	grown = more < *cap ? NULL : realloc(*array, more * size);
	if (!grown)
		return false;
	*array = grown;
	*cap = more;
	return true;
}

/* Adds a file to the list. False without memory or budget. */
bool dwarf_lines_put_file(struct dwarf_lines *lines, const char *name, uint64_t dir);

/* What a step of a program has done. */
enum line_event {
	LINE_NOTHING,
	LINE_ROW,
	LINE_END,  /* of a sequence: the state stands at the first address behind it */
	LINE_FILE, /* DW_LNE_DEFINE_FILE: extended.at is at its operands */
};

static inline enum line_event extended_opcode(struct stint_cursor *cur, struct line_state *st,
					      struct stint_cursor *extended)
{
	uint64_t size = dwarf_uleb(cur);

	*extended = *cur;
	dwarf_skip(cur, size);
	if (!size || cur->bad)
		return LINE_NOTHING;
	extended->end = cur->at;
	switch (dwarf_uint(extended, 1)) {
	case DW_LNE_END_SEQUENCE:
		return LINE_END;
	case DW_LNE_SET_ADDRESS:
		st->addr = dwarf_uint(extended, size - 1 < 8 ? (unsigned int)(size - 1) : 8);
		return LINE_NOTHING;
	case DW_LNE_DEFINE_FILE:
		return LINE_FILE;
	default:
		return LINE_NOTHING;
	}
}

static inline enum line_event standard_opcode(const struct line_program *program, struct stint_cursor *cur,
					      struct line_state *st, uint8_t opcode)
{
	unsigned int i;

	switch (opcode) {
	case DW_LNS_COPY:
		return LINE_ROW;
	case DW_LNS_ADVANCE_PC:
		st->addr += dwarf_uleb(cur) * program->min_inst;
		break;
	case DW_LNS_ADVANCE_LINE:
		st->line += (uint32_t)dwarf_sleb(cur);
		break;
	case DW_LNS_SET_FILE:
		st->file = (uint32_t)dwarf_uleb(cur);
		break;
	case DW_LNS_CONST_ADD_PC:
		st->addr += (uint64_t)((255 - program->opcode_base) / program->line_range) * program->min_inst;
		break;
	case DW_LNS_FIXED_ADVANCE_PC:
		st->addr += dwarf_uint(cur, 2);
		break;
	default:
		for (i = 0; i < program->opcode_lengths[opcode - 1]; i++)
			dwarf_uleb(cur);
		break;
	}
	return LINE_NOTHING;
}

static inline enum line_event line_step(const struct line_program *program, struct stint_cursor *cur,
					struct line_state *st, struct stint_cursor *extended)
{
	uint8_t opcode = *cur->at++;

	if (opcode >= program->opcode_base) {
		opcode = (uint8_t)(opcode - program->opcode_base);
		st->addr += (uint64_t)(opcode / program->line_range) * program->min_inst;
		st->line += (uint32_t)(program->line_base + opcode % program->line_range);
		return LINE_ROW;
	}
	return opcode ? standard_opcode(program, cur, st, opcode) : extended_opcode(cur, st, extended);
}

#endif
