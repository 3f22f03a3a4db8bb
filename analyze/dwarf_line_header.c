/* SPDX-License-Identifier: MIT */
/* What stands before a line table's program: the names of directories and files. */
#include <stdio.h>
#include <stdlib.h>

#include "analyze/dwarf_line.h"

#define MAX_PATH_BYTES 16384u
#define MAX_FORMATS    16u

/* A line table's header as it is read. */
struct reading {
	struct dwarf_lines *lines;
	struct dwarf_unit *unit;
	struct stint_cursor cur;
};

static bool put_dir(struct dwarf_lines *lines, const char *name)
{
	if (!dwarf_spend(lines->file, DWARF_ROW_COST) ||
	    !line_room((void **)&lines->dirs, lines->n_dirs, &lines->cap_dirs, sizeof(*lines->dirs)))
		return false;
	lines->dirs[lines->n_dirs++] = name;
	return true;
}

bool dwarf_lines_put_file(struct dwarf_lines *lines, const char *name, uint64_t dir)
{
	if (!dwarf_spend(lines->file, DWARF_ROW_COST) ||
	    !line_room((void **)&lines->files, lines->n_files, &lines->cap_files, sizeof(*lines->files)))
		return false;
	lines->files[lines->n_files++] = (struct line_file){name, dir};
	return true;
}

/* Versions 2 to 4: directories from 1 on (0 is the compilation's), then files from 1 on. */
static bool read_names_old(struct dwarf_lines *lines, struct stint_cursor *cur)
{
	const char *name;
	uint64_t dir;

	if (!put_dir(lines, lines->comp_dir) || !dwarf_lines_put_file(lines, NULL, 0))
		return false;
	while (*(name = dwarf_inline_string(cur)))
		if (!put_dir(lines, name))
			return false;
	while (*(name = dwarf_inline_string(cur))) {
		dir = dwarf_uleb(cur);
		dwarf_uleb(cur); /* time */
		dwarf_uleb(cur); /* size */
		if (!dwarf_lines_put_file(lines, name, dir))
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
		if (cur->at == before ||
		    !(files ? dwarf_lines_put_file(rd->lines, name, dir) : put_dir(rd->lines, name)))
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
	if (cur->bad || start.bad || !dwarf_spend(rd->unit->file, length - (uint64_t)(program->end - program->start)))
		return false;
	return rd->lines->version >= 5 ? read_names_new(rd, false) && read_names_new(rd, true)
				       : read_names_old(rd->lines, cur);
}

static struct dwarf_lines *read_lines(struct dwarf_unit *unit)
{
	struct reading rd = {.unit = unit, .lines = calloc(1, sizeof(*rd.lines))};

	if (!rd.lines)
		return NULL;
	rd.lines->file = unit->file;
	rd.lines->comp_dir = unit->comp_dir;
	if (read_line_header(&rd, unit->line_off)) {
		rd.lines->n_listed = rd.lines->n_files;
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

static const char *join_path(struct dwarf_lines *lines, const struct line_file *file)
{
	const char *parts[3] = {lines->comp_dir, file->dir < lines->n_dirs ? lines->dirs[file->dir] : NULL, file->name};
	char path[MAX_PATH_BYTES];
	size_t len = 0, i, part;

	for (i = 0; i < 3; i++) {
		part = parts[i] ? strnlen(parts[i], sizeof(path)) : 0;
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
	return dwarf_spend(lines->file, len) ? stint_arena_strndup(&lines->file->arena, path, len) : file->name;
}

static bool path_room(struct dwarf_lines *lines)
{
	const char **grown = realloc(lines->paths, lines->n_files * sizeof(*grown));

	if (!grown)
		return false;
	memset(grown + lines->n_paths, 0, (lines->n_files - lines->n_paths) * sizeof(*grown));
	lines->paths = grown;
	lines->n_paths = lines->n_files;
	return true;
}

const char *dwarf_lines_path(struct dwarf_lines *lines, uint32_t number)
{
	if (number >= lines->n_files || !lines->files[number].name)
		return NULL;
	if (number >= lines->n_paths && !path_room(lines))
		return NULL;
	if (!lines->paths[number])
		lines->paths[number] = join_path(lines, &lines->files[number]);
	return lines->paths[number];
}
