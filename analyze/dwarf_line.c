/* SPDX-License-Identifier: MIT */
/*
 * Line tables. A unit's program is run once, and of its rows only every MARK_EVERYth is kept, with the place in the
 * program behind it: a lookup runs on from there. Keeping all rows took longer than making them.
 */
#include <stdio.h>
#include <stdlib.h>

#include "analyze/dwarf_defs.h"
#include "analyze/dwarf_file.h"

#define MAX_PATH_BYTES	  16384u
#define MAX_FORMATS	  16u
#define MARK_EVERY	  16u
#define FREE_LOOKUP_BYTES 4096u /* of a program that a lookup runs over: far more than MARK_EVERY rows take */

/* What a program changes as it runs. */
struct line_state {
	uint64_t addr;
	uint32_t file, line;
};

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
	uint32_t n_dirs, cap_dirs, n_files, cap_files;
	struct line_mark *marks;
	uint32_t n_marks;
	struct line_sequence *sequences;
	uint32_t n_sequences, cap_sequences;
	struct addr_map map; /* address -> sequence */
};

/* A line table as it is read. */
struct reading {
	struct dwarf_lines *lines;
	struct dwarf_unit *unit;
	struct stint_cursor cur;
	struct dwarf_scratch *scratch; /* has the marks and the ranges of the sequences */
	uint32_t first_mark;	       /* of this sequence */
	uint32_t unmarked;	       /* rows since the last mark */
	bool failed;
};

static bool room(void **array, uint32_t n, uint32_t *cap, size_t size)
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

static bool put_dir(struct dwarf_lines *lines, const char *name)
{
	if (!dwarf_spend(lines->file, DWARF_ROW_COST) ||
	    !room((void **)&lines->dirs, lines->n_dirs, &lines->cap_dirs, sizeof(*lines->dirs)))
		return false;
	lines->dirs[lines->n_dirs++] = name;
	return true;
}

static bool put_file(struct dwarf_lines *lines, const char *name, uint64_t dir)
{
	if (!dwarf_spend(lines->file, DWARF_ROW_COST) ||
	    !room((void **)&lines->files, lines->n_files, &lines->cap_files, sizeof(*lines->files)))
		return false;
	lines->files[lines->n_files++] = (struct line_file){name, dir};
	return true;
}

/* Versions 2 to 4: directories from 1 on (0 is the compilation's), then files from 1 on. */
static bool read_names_old(struct dwarf_lines *lines, struct stint_cursor *cur)
{
	const char *name;
	uint64_t dir;

	if (!put_dir(lines, lines->comp_dir) || !put_file(lines, NULL, 0))
		return false;
	while (*(name = dwarf_inline_string(cur)))
		if (!put_dir(lines, name))
			return false;
	while (*(name = dwarf_inline_string(cur))) {
		dir = dwarf_uleb(cur);
		dwarf_uleb(cur); /* time */
		dwarf_uleb(cur); /* size */
		if (!put_file(lines, name, dir))
			return false;
	}
	return !cur->bad;
}

/* Version 5: each list describes its own columns. */
static bool read_names_new(struct reading *rd, bool files)
{
	uint64_t types[MAX_FORMATS], n, i, j, dir;
	struct dwarf_spec specs[MAX_FORMATS];
	struct stint_cursor *cur = &rd->cur;
	unsigned int n_formats = (unsigned int)dwarf_uint(cur, 1);
	const uint8_t *before;
	struct dwarf_value value;
	const char *name;
	uint32_t size;

	if (n_formats > MAX_FORMATS)
		return false;
	for (i = 0; i < n_formats; i++) {
		types[i] = dwarf_uleb(cur);
		specs[i].form = (uint16_t)dwarf_uleb(cur);
		size = dwarf_form_size(specs[i].form, &rd->unit->sizes);
		specs[i].extra = size == DWARF_NOT_FIXED ? DWARF_SPEC_VARIES : (int32_t)size;
		if (specs[i].form == DW_FORM_IMPLICIT_CONST || specs[i].form == DW_FORM_INDIRECT)
			return false;
	}
	n = dwarf_uleb(cur);
	for (i = 0; i < n && !cur->bad; i++) {
		before = cur->at;
		name = NULL;
		dir = 0;
		for (j = 0; j < n_formats; j++) {
			dwarf_read_value(rd->unit, cur, &specs[j], &value);
			if (types[j] == DW_LNCT_PATH)
				name = dwarf_string(rd->unit, &value);
			else if (types[j] == DW_LNCT_DIRECTORY_INDEX)
				dir = value.num;
		}
		if (cur->at == before || !(files ? put_file(rd->lines, name, dir) : put_dir(rd->lines, name)))
			return false;
	}
	return !cur->bad;
}

/* Everything before the program's first opcode. */
static bool read_line_header(struct reading *rd, uint64_t off)
{
	struct elf_bytes section = rd->unit->file->sections[DWARF_LINE];
	struct line_program *program = &rd->lines->program;
	struct stint_cursor *cur = &rd->cur;
	unsigned int offset_size = 4;
	uint64_t length, header_length;
	struct stint_cursor start;

	*cur = dwarf_cursor(section, off);
	length = dwarf_uint(cur, 4);
	if (length == UINT32_MAX) {
		offset_size = 8;
		length = dwarf_uint(cur, 8);
	}
	if (cur->bad || length > (uint64_t)(cur->end - cur->at))
		return false;
	cur->end = cur->at + length;
	rd->lines->version = (uint8_t)dwarf_uint(cur, 2);
	if (rd->lines->version < 2 || rd->lines->version > 5)
		return false;
	if (rd->lines->version == 5)
		dwarf_skip(cur, 2); /* sizes of addresses and of segment selectors */
	header_length = dwarf_uint(cur, offset_size);
	start = *cur;
	dwarf_skip(&start, header_length);
	program->start = start.at;
	program->end = start.end;
	program->min_inst = (uint8_t)dwarf_uint(cur, 1);
	if (rd->lines->version >= 4)
		dwarf_skip(cur, 1); /* operations per instruction: only VLIW machines have more than one */
	dwarf_skip(cur, 1);	    /* default_is_stmt: every row counts here */
	program->line_base = (int8_t)dwarf_uint(cur, 1);
	program->line_range = (uint8_t)dwarf_uint(cur, 1);
	program->opcode_base = (uint8_t)dwarf_uint(cur, 1);
	program->opcode_lengths = cur->at;
	if (!program->opcode_base || !program->line_range)
		return false;
	dwarf_skip(cur, program->opcode_base - 1u);
	if (cur->bad || start.bad || !dwarf_spend(rd->unit->file, length))
		return false;
	return rd->lines->version >= 5 ? read_names_new(rd, false) && read_names_new(rd, true)
				       : read_names_old(rd->lines, cur);
}

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

static void put_mark(struct reading *rd, const struct line_state *row, const uint8_t *next)
{
	struct dwarf_lines *lines = rd->lines;
	struct line_mark *marks;

	if (!dwarf_spend(rd->unit->file, DWARF_ROW_COST) ||
	    !room(&rd->scratch->marks, lines->n_marks, &rd->scratch->cap_marks, sizeof(*marks))) {
		rd->failed = true;
		return;
	}
	marks = rd->scratch->marks;
	marks[lines->n_marks++] = (struct line_mark){*row, next};
	rd->unmarked = 0;
}

static void end_sequence(struct reading *rd, const struct line_state *st)
{
	struct dwarf_lines *lines = rd->lines;
	struct line_sequence sequence = {rd->first_mark, lines->n_marks - rd->first_mark};
	const struct line_mark *marks = rd->scratch->marks;

	if (!sequence.n_marks)
		return;
	if (!room((void **)&lines->sequences, lines->n_sequences, &lines->cap_sequences, sizeof(sequence)) ||
	    !dwarf_ranges_put(rd->unit->file, &rd->scratch->ranges, marks[rd->first_mark].row.addr, st->addr,
			      lines->n_sequences, 0))
		rd->failed = true;
	else
		lines->sequences[lines->n_sequences++] = sequence;
	rd->first_mark = lines->n_marks;
}

static void define_file(struct reading *rd, struct stint_cursor *operands)
{
	const char *name = dwarf_inline_string(operands);
	uint64_t dir = dwarf_uleb(operands);

	if (!operands->bad && !put_file(rd->lines, name, dir))
		rd->failed = true;
}

static void run_program(struct reading *rd)
{
	static const struct line_state start = {0, 1, 1};
	const struct line_program *program = &rd->lines->program;
	struct line_state st = start;
	struct stint_cursor cur = {.at = program->start, .end = program->end}, extended;
	uint64_t last_addr;

	while (cur.at < cur.end && !rd->failed) {
		last_addr = st.addr;
		switch (line_step(program, &cur, &st, &extended)) {
		case LINE_ROW:
			if (rd->lines->n_marks == rd->first_mark || ++rd->unmarked >= MARK_EVERY)
				put_mark(rd, &st, cur.at);
			break;
		case LINE_END:
			end_sequence(rd, &st);
			st = start;
			break;
		case LINE_FILE:
			define_file(rd, &extended);
			break;
		case LINE_NOTHING:
			break;
		}
		/* Addresses only grow within a sequence; where they don't, what follows can't be searched with it. */
		if (st.addr < last_addr)
			rd->lines->n_marks = rd->first_mark;
	}
}

static bool keep_marks(struct dwarf_lines *lines, struct dwarf_scratch *scratch)
{
	lines->marks = malloc((lines->n_marks + (size_t)1) * sizeof(*lines->marks));
	if (!lines->marks)
		return false;
	if (lines->n_marks)
		memcpy(lines->marks, scratch->marks, lines->n_marks * sizeof(*lines->marks));
	return !addr_map_build(&lines->map, scratch->ranges.at, scratch->ranges.n, &scratch->map);
}

static struct dwarf_lines *read_lines(struct dwarf_unit *unit)
{
	struct reading rd = {.unit = unit, .scratch = &unit->file->scratch, .lines = calloc(1, sizeof(*rd.lines))};

	if (!rd.lines)
		return NULL;
	rd.lines->file = unit->file;
	rd.lines->comp_dir = unit->comp_dir;
	rd.scratch->ranges.n = 0;
	if (read_line_header(&rd, unit->line_off)) {
		run_program(&rd);
		if (keep_marks(rd.lines, rd.scratch))
			return rd.lines;
	}
	dwarf_lines_free(rd.lines);
	return NULL;
}

struct dwarf_lines *dwarf_unit_lines(struct dwarf_unit *unit)
{
	uint64_t *slot;
	bool is_new;

	if (unit->lines_tried)
		return unit->lines;
	unit->lines_tried = true;
	if (!dwarf_unit_root(unit) || !unit->has_line)
		return NULL;
	slot = stint_map_put(&unit->file->lines, unit->line_off, &is_new);
	if (!slot)
		return NULL;
	if (is_new)
		*slot = (uint64_t)(uintptr_t)read_lines(unit);
	unit->lines = (struct dwarf_lines *)(uintptr_t)*slot;
	return unit->lines;
}

void dwarf_lines_free(struct dwarf_lines *lines)
{
	if (!lines)
		return;
	free(lines->dirs);
	free(lines->files);
	free(lines->paths);
	free(lines->marks);
	free(lines->sequences);
	addr_map_done(&lines->map);
	free(lines);
}

/* The last mark of a sequence at or before addr; the first is one. */
static const struct line_mark *find_mark(const struct dwarf_lines *lines, const struct line_sequence *sequence,
					 uint64_t addr)
{
	uint32_t low = sequence->first_mark, high = low + sequence->n_marks, mid;

	while (high - low > 1) {
		mid = low + (high - low) / 2;
		if (lines->marks[mid].row.addr <= addr)
			low = mid;
		else
			high = mid;
	}
	return &lines->marks[low];
}

bool dwarf_lines_find(const struct dwarf_lines *lines, uint64_t addr, uint32_t *ret_file, uint32_t *ret_line)
{
	uint32_t i = addr_map_find(&lines->map, addr);
	const struct line_mark *mark;
	struct stint_cursor cur, extended;
	struct line_state st, row;
	enum line_event event;
	uint64_t work;

	if (i == ADDR_MAP_NONE)
		return false;
	mark = find_mark(lines, &lines->sequences[i], addr);
	cur = (struct stint_cursor){.at = mark->next, .end = lines->program.end};
	st = row = mark->row;
	while (cur.at < cur.end) {
		event = line_step(&lines->program, &cur, &st, &extended);
		if (event == LINE_END || st.addr > addr)
			break;
		if (event == LINE_ROW)
			row = st;
		work = (uint64_t)(cur.at - mark->next);
		if (work > FREE_LOOKUP_BYTES && !dwarf_spend(lines->file, 1))
			break;
	}
	*ret_file = row.file;
	*ret_line = row.line;
	return true;
}

static const char *join_path(struct dwarf_lines *lines, const struct line_file *file)
{
	const char *parts[3] = {lines->comp_dir, file->dir < lines->n_dirs ? lines->dirs[file->dir] : NULL, file->name};
	char path[MAX_PATH_BYTES];
	size_t len = 0, i, part;

	for (i = 0; i < 3; i++) {
		part = parts[i] ? strlen(parts[i]) : 0;
		if (!part || (i == 1 && parts[1] == parts[0]))
			continue;
		if (*parts[i] == '/')
			len = 0;
		else if (len && path[len - 1] != '/')
			path[len++] = '/';
		if (part >= sizeof(path) - 1 - len)
			return file->name;
		memcpy(path + len, parts[i], part);
		len += part;
	}
	return stint_arena_strndup(&lines->file->arena, path, len);
}

const char *dwarf_lines_path(struct dwarf_lines *lines, uint32_t number)
{
	if (number >= lines->n_files || !lines->files[number].name)
		return NULL;
	if (!lines->paths)
		lines->paths = calloc(lines->n_files, sizeof(*lines->paths));
	if (!lines->paths)
		return NULL;
	if (!lines->paths[number])
		lines->paths[number] = join_path(lines, &lines->files[number]);
	return lines->paths[number];
}
