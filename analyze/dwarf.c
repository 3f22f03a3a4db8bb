/* SPDX-License-Identifier: MIT */
#include "analyze/dwarf.h"

#include <elf.h>
#include <stdlib.h>

#include "analyze/dwarf_defs.h"
#include "analyze/dwarf_top.h"

/* Drops ranges that lie in no executable segment: they are of functions that the linker left out. */
static size_t only_code(const struct elf_file *ef, struct addr_range *ranges, size_t n)
{
	size_t i, j, kept = 0;

	for (i = 0; i < n; i++) {
		for (j = 0; j < ef->n_segments; j++)
			if (ef->segments[j].flags & PF_X && ranges[i].start >= ef->segments[j].vaddr &&
			    ranges[i].start - ef->segments[j].vaddr < ef->segments[j].mem_size)
				break;
		if (j < ef->n_segments || !ef->n_segments)
			ranges[kept++] = ranges[i];
	}
	return kept;
}

/* Adds the code of unit i. Where units overlap (folded functions), the first one wins: the map prefers high values. */
static bool add_unit_code(struct dwarf *dw, struct dwarf_ranges *ranges, uint32_t i)
{
	struct dwarf_unit *unit = &dw->file->units[i];
	struct dwarf_value low = {.num = unit->low_pc, .form = unit->has_low ? DW_FORM_ADDR : 0};
	struct dwarf_value high = {.num = unit->high_pc, .form = DW_FORM_ADDR};
	struct dwarf_value list = {.num = unit->ranges, .form = unit->ranges_form};
	uint32_t value = dw->file->n_units - 1 - i;

	if (unit->has_ranges || (unit->has_low && unit->high_pc > unit->low_pc))
		return dwarf_ranges_add(unit, ranges, &low, &high, &list, value, 0, NULL);
	return dwarf_funcs_ranges(unit, ranges, value);
}

static int map_units(struct dwarf *dw, struct stint_err *err)
{
	struct dwarf_ranges ranges = {NULL, 0, 0};
	struct dwarf_unit *unit;
	uint32_t i;
	int rc = 0;

	for (i = 0; !rc && i < dw->file->n_units; i++) {
		unit = &dw->file->units[i];
		if (unit->type != DW_UT_COMPILE && unit->type != DW_UT_SKELETON)
			continue;
		if (!dwarf_unit_root(unit) || unit->type == DW_UT_PARTIAL)
			continue;
		if (!add_unit_code(dw, &ranges, i) && !dw->file->budget)
			rc = stint_err_set(err, STINT_ERR_LIMIT, 0, -1, "its DWARF asks for too much work");
	}
	ranges.n = only_code(dw->sources.elf, ranges.at, ranges.n);
	if (!rc && addr_map_build(&dw->map, ranges.at, ranges.n, &dw->file->scratch.map))
		rc = stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory for DWARF");
	free(ranges.at);
	return rc;
}

/* A package without an index, or one that can't be read, is as good as none. */
static void open_package(struct dwarf *dw)
{
	struct elf_file *ef = dw->sources.open_package(dw->sources.context);
	struct stint_err err = STINT_ERR_INIT;

	if (!ef || elf_file_contents(ef, ".debug_cu_index", &dw->package_index, &err) || !dw->package_index.size)
		return;
	if (dwarf_file_open(&dw->package, ef, true, &err))
		dw->package = NULL;
}

static bool has_splits(const struct dwarf_file *file)
{
	uint32_t i;

	for (i = 0; i < file->n_units; i++)
		if (file->units[i].dwo_name)
			return true;
	return false;
}

int dwarf_open(struct dwarf **ret, const struct dwarf_sources *sources, struct stint_err *err)
{
	struct dwarf *dw = calloc(1, sizeof(*dw));
	struct stint_err ignored = STINT_ERR_INIT;
	int rc;

	*ret = NULL;
	if (!dw)
		return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory for DWARF");
	dw->sources = *sources;
	rc = dwarf_file_open(&dw->file, sources->elf, false, err);
	if (!rc && sources->alt && !dwarf_file_open(&dw->alt, sources->alt, false, &ignored))
		dw->file->alt = dw->alt;
	if (!rc)
		rc = map_units(dw, err);
	if (!rc)
		dw->batch_budget = dw->file->budget;
	if (!rc && has_splits(dw->file))
		open_package(dw);
	if (rc)
		dwarf_close(dw);
	else
		*ret = dw;
	return rc;
}

void dwarf_close(struct dwarf *dw)
{
	size_t i;

	if (!dw)
		return;
	for (i = 0; i < dw->n_splits; i++)
		dwarf_file_close(dw->splits[i]);
	free(dw->splits);
	dwarf_file_close(dw->package);
	dwarf_file_close(dw->alt);
	dwarf_file_close(dw->file);
	addr_map_done(&dw->map);
	free(dw);
}

uint32_t dwarf_chain(struct dwarf_unit *unit, struct dwarf_funcs *funcs, uint32_t func, bool inlines,
		     struct dwarf_lines *lines, const struct dwarf_row *row, struct dwarf_frame *frames)
{
	const struct dwarf_facts *facts;
	const char *file = row ? dwarf_lines_path(lines, row->file) : NULL;
	uint32_t line = row ? row->line : 0, n = 0;

	frames[0] = (struct dwarf_frame){.file = file, .line = line};
	if (func == DWARF_NO_FUNC)
		return row != NULL;
	for (; func != DWARF_NO_FUNC; func = funcs->funcs[func].parent) {
		struct dwarf_frame *frame = &frames[n];

		facts = dwarf_func_facts(unit, funcs, func);
		if (!facts)
			break;
		*frame = (struct dwarf_frame){.linkage = facts->name->linkage,
					      .name = facts->name->name,
					      .file = file,
					      .line = line,
					      .start = facts->low,
					      .note = &facts->name->note};
		frame->inlined = funcs->funcs[func].parent != DWARF_NO_FUNC;
		file = lines ? dwarf_lines_path(lines, facts->call_file) : NULL;
		line = facts->call_line;
		if (inlines || !frame->inlined)
			n += n < DWARF_MAX_CHAIN - 1;
	}
	return n;
}

uint32_t dwarf_lookup(struct dwarf *dw, uint64_t addr, bool inlines, struct dwarf_frame *frames)
{
	uint32_t i = addr_map_find(&dw->map, addr), func;
	struct dwarf_unit *unit, *full;
	struct dwarf_lines *lines;
	struct dwarf_funcs *funcs;
	struct dwarf_row row;
	bool has_row;

	if (i == ADDR_MAP_NONE)
		return 0;
	unit = dwarf_unit_of(dw, i);
	full = dwarf_unit_full(dw, unit);
	lines = dwarf_unit_lines(unit);
	has_row = lines && dwarf_lines_find(lines, addr, &row);
	funcs = dwarf_unit_funcs(full);
	func = funcs ? addr_map_find(&funcs->map, addr) : DWARF_NO_FUNC;
	return dwarf_chain(full, funcs, func, inlines, lines, has_row ? &row : NULL, frames);
}

bool dwarf_spent(const struct dwarf *dw)
{
	bool spent = dw->file->spent || (dw->alt && dw->alt->spent) || (dw->package && dw->package->spent);
	size_t i;

	for (i = 0; i < dw->n_splits && !spent; i++)
		spent = dw->splits[i]->spent;
	return spent;
}

uint32_t dwarf_missing_splits(const struct dwarf *dw, const char **ret_name)
{
	*ret_name = dw->missing_name;
	return dw->n_missing;
}
