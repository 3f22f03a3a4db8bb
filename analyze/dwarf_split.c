/* SPDX-License-Identifier: MIT */
/* Split DWARF: the unit behind a skeleton, in a file of its own (.dwo) or in a package of all of them (.dwp). */
#include <stdlib.h>

#include "analyze/dwarf_defs.h"
#include "analyze/dwarf_top.h"

#define MAX_COLUMNS 16u

/* A package's index: a hash table from a unit's id to a row; each row says which part of each section is the unit's. */
struct package_index {
	struct elf_bytes bytes;
	uint32_t version, n_columns, n_units, n_slots;
	uint64_t hashes, rows, columns, offsets, sizes; /* where its tables begin */
};

static uint32_t index_u32(const struct package_index *index, uint64_t off)
{
	return off > index->bytes.size || index->bytes.size - off < 4 ? 0 : elf_u32(index->bytes.at + off);
}

static bool read_index(struct package_index *index, struct elf_bytes bytes)
{
	*index = (struct package_index){.bytes = bytes};
	if (bytes.size < 16)
		return false;
	index->version = index_u32(index, 0) & 0xffff; /* 2 fills four bytes, 5 only two */
	index->n_columns = index_u32(index, 4);
	index->n_units = index_u32(index, 8);
	index->n_slots = index_u32(index, 12);
	if ((index->version != 2 && index->version != 5) || index->n_columns > MAX_COLUMNS || !index->n_slots ||
	    index->n_slots & (index->n_slots - 1))
		return false;
	index->hashes = 16;
	index->rows = index->hashes + 8 * (uint64_t)index->n_slots;
	index->columns = index->rows + 4 * (uint64_t)index->n_slots;
	index->offsets = index->columns + 4 * (uint64_t)index->n_columns;
	index->sizes = index->offsets + 4 * (uint64_t)index->n_columns * index->n_units;
	return index->sizes + 4 * (uint64_t)index->n_columns * index->n_units <= bytes.size;
}

/* The row of a unit, from 1 on; 0 when it isn't there, or looking for it is too much work. */
static uint32_t index_row(struct dwarf_file *file, const struct package_index *index, uint64_t id)
{
	uint64_t mask = index->n_slots - 1, slot = id & mask, step = (id >> 32 & mask) | 1, seen;
	uint32_t i;

	/* Open addressing, as DWARF 5, 7.3.5.3 has it. The number of slots is a power of two. */
	for (i = 0; i < index->n_slots && dwarf_spend(file, 1); i++, slot = (slot + step) & mask) {
		seen = elf_u64(index->bytes.at + index->hashes + 8 * slot);
		if (seen == id)
			return index_u32(index, index->rows + 4 * slot);
		if (!seen && !index_u32(index, index->rows + 4 * slot))
			return 0;
	}
	return 0;
}

/* A unit's part of a section; the whole of it when the index has no such column. */
static struct elf_bytes index_part(const struct package_index *index, uint32_t row, uint32_t id, struct elf_bytes whole)
{
	uint64_t place, off, size;
	uint32_t i;

	for (i = 0; i < index->n_columns; i++) {
		if (index_u32(index, index->columns + 4 * i) != id)
			continue;
		place = 4 * ((uint64_t)(row - 1) * index->n_columns + i);
		off = index_u32(index, index->offsets + place);
		size = index_u32(index, index->sizes + place);
		if (!whole.at || off > whole.size || size > whole.size - off)
			return (struct elf_bytes){whole.at, 0};
		return (struct elf_bytes){whole.at + off, size};
	}
	return whole;
}

static struct dwarf_unit *find_in_package(struct dwarf *dw, uint64_t id)
{
	struct dwarf_file *file = dw->package;
	struct package_index index;
	struct elf_bytes info;
	struct dwarf_unit *unit;
	uint32_t row;

	if (!file || !read_index(&index, dw->package_index))
		return NULL;
	row = index_row(file, &index, id);
	if (!row || row > index.n_units)
		return NULL;
	info = index_part(&index, row, DW_SECT_INFO, file->sections[DWARF_INFO]);
	if (!info.size)
		return NULL;
	unit = dwarf_unit_at(file, (uint64_t)(info.at - file->sections[DWARF_INFO].at) + info.size - 1);
	if (!unit || unit->root_tried)
		return NULL;
	unit->abbrev = index_part(&index, row, DW_SECT_ABBREV, file->sections[DWARF_ABBREV]);
	unit->str_offsets = index_part(&index, row, DW_SECT_STR_OFFSETS, file->sections[DWARF_STR_OFFSETS]);
	if (index.version == 5)
		unit->rnglists = index_part(&index, row, DW_SECT_RNGLISTS, file->sections[DWARF_RNGLISTS]);
	return unit;
}

static bool keep_split(struct dwarf *dw, struct dwarf_file *file)
{
	struct dwarf_file **grown;

	if (!(dw->n_splits & (dw->n_splits - 1))) {
		grown = realloc(dw->splits, (dw->n_splits ? dw->n_splits * 2 : 1) * sizeof(*grown));
		if (!grown)
			return false;
		dw->splits = grown;
	}
	dw->splits[dw->n_splits++] = file;
	return true;
}

static struct dwarf_unit *find_in_file(struct dwarf *dw, const struct dwarf_unit *skeleton)
{
	struct elf_file *ef = dw->sources.open_split(dw->sources.context, skeleton->comp_dir, skeleton->dwo_name);
	struct stint_err err = STINT_ERR_INIT;
	struct dwarf_file *file;
	uint32_t i;

	if (!ef || dwarf_file_open(&file, ef, true, &err))
		return NULL;
	if (!keep_split(dw, file)) {
		dwarf_file_close(file);
		return NULL;
	}
	for (i = 0; i < file->n_units; i++) {
		struct dwarf_unit *unit = &file->units[i];

		if (unit->version >= 5 && unit->type != DW_UT_SPLIT_COMPILE)
			continue;
		unit->skeleton = (struct dwarf_unit *)(uintptr_t)skeleton; /* addresses in its root need it */
		if (dwarf_unit_root(unit) && unit->dwo_id == skeleton->dwo_id)
			return unit;
	}
	return NULL; /* it was compiled again since */
}

struct dwarf_unit *dwarf_unit_split(struct dwarf *dw, struct dwarf_unit *skeleton)
{
	struct dwarf_unit *unit;

	if (skeleton->split_tried)
		return skeleton->split;
	skeleton->split_tried = true;
	unit = find_in_package(dw, skeleton->dwo_id);
	if (unit) {
		unit->skeleton = skeleton;
		if (!dwarf_unit_root(unit) || unit->dwo_id != skeleton->dwo_id)
			unit = NULL;
	}
	if (!unit)
		unit = find_in_file(dw, skeleton);
	if (!unit && !dw->n_missing++)
		dw->missing_name = skeleton->dwo_name;
	skeleton->split = unit;
	return unit;
}
