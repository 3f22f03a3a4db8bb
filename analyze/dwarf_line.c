/* SPDX-License-Identifier: MIT */
/* Line tables: the program of a unit is run once, and kept as rows by address. */
#include <stdio.h>
#include <stdlib.h>

#include "analyze/dwarf_defs.h"
#include "analyze/dwarf_file.h"

#define MAX_PATH_BYTES 16384u
#define MAX_FORMATS 16u

struct line_row {
	uint64_t addr;
	uint32_t file, line;
};

struct line_file {
	const char *name;
	uint64_t dir;
};

struct line_sequence {
	uint32_t first_row, n_rows;
};

struct dwarf_lines {
	struct dwarf_file *file; /* for its arena */
	const char *comp_dir;    /* may be NULL */
	uint8_t version;
	const char **dirs;
	struct line_file *files;
	const char **paths; /* of files, as far as they were asked for */
	uint32_t n_dirs, cap_dirs, n_files, cap_files;
	struct line_row *rows;
	uint32_t n_rows;
	struct line_sequence *sequences;
	uint32_t n_sequences, cap_sequences;
	struct addr_map map; /* address -> sequence */
};

/* The state of a line program. */
struct program_state {
	struct dwarf_lines *lines;
	struct dwarf_unit *unit;
	struct stint_cursor cur;
	const uint8_t *opcode_lengths;
	struct dwarf_scratch *scratch; /* has the rows and the ranges of the sequences */
	uint64_t addr;
	uint32_t file, line;
	uint32_t first_row; /* of this sequence */
	uint8_t min_inst, line_range, opcode_base;
	int8_t line_base;
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
static bool read_names_new(struct program_state *st, bool files)
{
	uint64_t types[MAX_FORMATS], n, i, j, dir;
	struct dwarf_spec specs[MAX_FORMATS];
	struct stint_cursor *cur = &st->cur;
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
		size = dwarf_form_size(specs[i].form, &st->unit->sizes);
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
			dwarf_read_value(st->unit, cur, &specs[j], &value);
			if (types[j] == DW_LNCT_PATH)
				name = dwarf_string(st->unit, &value);
			else if (types[j] == DW_LNCT_DIRECTORY_INDEX)
				dir = value.num;
		}
		if (cur->at == before || !(files ? put_file(st->lines, name, dir) : put_dir(st->lines, name)))
			return false;
	}
	return !cur->bad;
}

/* Everything before the program's first opcode. */
static bool read_line_header(struct program_state *st, uint64_t off)
{
	struct elf_bytes section = st->unit->file->sections[DWARF_LINE];
	struct stint_cursor *cur = &st->cur;
	unsigned int offset_size = 4;
	uint64_t length, header_length;
	struct stint_cursor program;

	*cur = dwarf_cursor(section, off);
	length = dwarf_uint(cur, 4);
	if (length == UINT32_MAX) {
		offset_size = 8;
		length = dwarf_uint(cur, 8);
	}
	if (cur->bad || length > (uint64_t)(cur->end - cur->at))
		return false;
	cur->end = cur->at + length;
	st->lines->version = (uint8_t)dwarf_uint(cur, 2);
	if (st->lines->version < 2 || st->lines->version > 5)
		return false;
	if (st->lines->version == 5)
		dwarf_skip(cur, 2); /* sizes of addresses and of segment selectors */
	header_length = dwarf_uint(cur, offset_size);
	program = *cur;
	dwarf_skip(&program, header_length);
	st->min_inst = (uint8_t)dwarf_uint(cur, 1);
	if (st->lines->version >= 4)
		dwarf_skip(cur, 1); /* operations per instruction: only VLIW machines have more than one */
	dwarf_skip(cur, 1);         /* default_is_stmt: every row counts here */
	st->line_base = (int8_t)dwarf_uint(cur, 1);
	st->line_range = (uint8_t)dwarf_uint(cur, 1);
	st->opcode_base = (uint8_t)dwarf_uint(cur, 1);
	st->opcode_lengths = cur->at;
	if (!st->opcode_base || !st->line_range)
		return false;
	dwarf_skip(cur, st->opcode_base - 1u);
	if (cur->bad || program.bad || !dwarf_spend(st->unit->file, length))
		return false;
	if (st->lines->version >= 5 ? !read_names_new(st, false) || !read_names_new(st, true) :
				      !read_names_old(st->lines, cur))
		return false;
	*cur = program;
	return true;
}

/* Takes the row as it stands; what doesn't change the answer for any address is left out. */
static void emit_row(struct program_state *st)
{
	struct dwarf_lines *lines = st->lines;
	struct line_row *rows = st->scratch->rows, *last = NULL;

	if (lines->n_rows > st->first_row)
		last = &rows[lines->n_rows - 1];
	if (last && last->addr == st->addr) {
		last->file = st->file;
		last->line = st->line;
		return;
	}
	if (last && last->file == st->file && last->line == st->line)
		return;
	if (!dwarf_spend(st->unit->file, DWARF_ROW_COST) ||
	    !room(&st->scratch->rows, lines->n_rows, &st->scratch->cap_rows, sizeof(*rows))) {
		st->failed = true;
		return;
	}
	rows = st->scratch->rows;
	rows[lines->n_rows++] = (struct line_row){st->addr, st->file, st->line};
}

static void end_sequence(struct program_state *st)
{
	struct dwarf_lines *lines = st->lines;
	struct line_sequence sequence = {st->first_row, lines->n_rows - st->first_row};
	const struct line_row *rows = st->scratch->rows;

	if (sequence.n_rows) {
		if (!room((void **)&lines->sequences, lines->n_sequences, &lines->cap_sequences, sizeof(sequence)) ||
		    !dwarf_ranges_put(st->unit->file, &st->scratch->ranges, rows[st->first_row].addr, st->addr,
				      lines->n_sequences, 0))
			st->failed = true;
		else
			lines->sequences[lines->n_sequences++] = sequence;
	}
	st->first_row = lines->n_rows;
	st->addr = 0;
	st->file = 1;
	st->line = 1;
}

static void extended_opcode(struct program_state *st)
{
	uint64_t size = dwarf_uleb(&st->cur);
	struct stint_cursor cur = st->cur;
	const char *name;
	uint64_t dir;

	dwarf_skip(&st->cur, size);
	if (!size || st->cur.bad)
		return;
	cur.end = st->cur.at;
	switch (dwarf_uint(&cur, 1)) {
	case DW_LNE_END_SEQUENCE:
		end_sequence(st);
		break;
	case DW_LNE_SET_ADDRESS:
		st->addr = dwarf_uint(&cur, size - 1 < 8 ? (unsigned int)(size - 1) : 8);
		break;
	case DW_LNE_DEFINE_FILE:
		name = dwarf_inline_string(&cur);
		dir = dwarf_uleb(&cur);
		if (!cur.bad && !put_file(st->lines, name, dir))
			st->failed = true;
		break;
	default:
		break;
	}
}

static void standard_opcode(struct program_state *st, uint8_t opcode)
{
	unsigned int i;

	switch (opcode) {
	case DW_LNS_COPY:
		emit_row(st);
		break;
	case DW_LNS_ADVANCE_PC:
		st->addr += dwarf_uleb(&st->cur) * st->min_inst;
		break;
	case DW_LNS_ADVANCE_LINE:
		st->line += (uint32_t)dwarf_sleb(&st->cur);
		break;
	case DW_LNS_SET_FILE:
		st->file = (uint32_t)dwarf_uleb(&st->cur);
		break;
	case DW_LNS_CONST_ADD_PC:
		st->addr += (uint64_t)((255 - st->opcode_base) / st->line_range) * st->min_inst;
		break;
	case DW_LNS_FIXED_ADVANCE_PC:
		st->addr += dwarf_uint(&st->cur, 2);
		break;
	default:
		for (i = 0; i < st->opcode_lengths[opcode - 1]; i++)
			dwarf_uleb(&st->cur);
		break;
	}
}

static void run_program(struct program_state *st)
{
	uint64_t last_addr;
	uint8_t opcode;

	st->file = 1;
	st->line = 1;
	while (st->cur.at < st->cur.end && !st->failed) {
		last_addr = st->addr;
		opcode = *st->cur.at++;
		if (opcode >= st->opcode_base) {
			opcode = (uint8_t)(opcode - st->opcode_base);
			st->addr += (uint64_t)(opcode / st->line_range) * st->min_inst;
			st->line += (uint32_t)(st->line_base + opcode % st->line_range);
			emit_row(st);
		} else if (opcode) {
			standard_opcode(st, opcode);
		} else {
			extended_opcode(st);
		}
		/* Addresses only grow within a sequence; where they don't, what follows can't be searched with it. */
		if (st->addr < last_addr && st->lines->n_rows > st->first_row)
			st->lines->n_rows = st->first_row;
	}
}

static bool keep_rows(struct dwarf_lines *lines, struct dwarf_scratch *scratch)
{
	lines->rows = malloc((lines->n_rows + (size_t)1) * sizeof(*lines->rows));
	if (!lines->rows)
		return false;
	if (lines->n_rows)
		memcpy(lines->rows, scratch->rows, lines->n_rows * sizeof(*lines->rows));
	return !addr_map_build(&lines->map, scratch->ranges.at, scratch->ranges.n, &scratch->map);
}

static struct dwarf_lines *read_lines(struct dwarf_unit *unit)
{
	struct program_state st = {.unit = unit, .scratch = &unit->file->scratch,
				   .lines = calloc(1, sizeof(*st.lines))};

	if (!st.lines)
		return NULL;
	st.lines->file = unit->file;
	st.lines->comp_dir = unit->comp_dir;
	st.scratch->ranges.n = 0;
	if (read_line_header(&st, unit->line_off)) {
		run_program(&st);
		if (keep_rows(st.lines, st.scratch))
			return st.lines;
	}
	dwarf_lines_free(st.lines);
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
	free(lines->rows);
	free(lines->sequences);
	addr_map_done(&lines->map);
	free(lines);
}

bool dwarf_lines_find(const struct dwarf_lines *lines, uint64_t addr, uint32_t *ret_file, uint32_t *ret_line)
{
	uint32_t i = addr_map_find(&lines->map, addr), low, high, mid;

	if (i == ADDR_MAP_NONE)
		return false;
	low = lines->sequences[i].first_row;
	high = low + lines->sequences[i].n_rows;
	while (high - low > 1) {
		mid = low + (high - low) / 2;
		if (lines->rows[mid].addr <= addr)
			low = mid;
		else
			high = mid;
	}
	*ret_file = lines->rows[low].file;
	*ret_line = lines->rows[low].line;
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
