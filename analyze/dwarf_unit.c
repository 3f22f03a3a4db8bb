/* SPDX-License-Identifier: MIT */
/* Units: their headers, root entries and abbreviations. */
#include <stdlib.h>

#include "analyze/dwarf_defs.h"
#include "analyze/dwarf_file.h"

static const char *const section_names[DWARF_N_SECTIONS] = {
	".debug_info",	      ".debug_abbrev", ".debug_str",	".debug_line",	   ".debug_line_str",
	".debug_str_offsets", ".debug_addr",   ".debug_ranges", ".debug_rnglists",
};

static int read_sections(struct dwarf_file *file, struct elf_file *ef, struct stint_err *err)
{
	char name[64];
	size_t i, len;
	int rc;

	file->budget = DWARF_BUDGET_BASE;
	for (i = 0; i < DWARF_N_SECTIONS; i++) {
		len = strlen(section_names[i]);
		memcpy(name, section_names[i], len + 1);
		if (file->split)
			memcpy(name + len, ".dwo", sizeof(".dwo"));
		rc = elf_file_contents(ef, name, &file->sections[i], err);
		if (rc)
			return rc;
		file->budget += (uint64_t)file->sections[i].size *
				(i == DWARF_LINE ? DWARF_BUDGET_PER_LINE_BYTE : DWARF_BUDGET_PER_BYTE);
	}
	if (!file->sections[DWARF_INFO].size)
		return stint_err_set(err, STINT_ERR_NOTFOUND, 0, -1, "there is no DWARF in it");
	return 0;
}

/* What the header says between its version and the root entry. False for versions that nobody knows. */
static bool read_header(struct dwarf_unit *unit, struct stint_cursor *cur)
{
	if (unit->version < 2 || unit->version > 5)
		return false;
	unit->type = DW_UT_COMPILE;
	if (unit->version == 5) {
		unit->type = (uint8_t)dwarf_uint(cur, 1);
		unit->sizes.address = (uint8_t)dwarf_uint(cur, 1);
		unit->abbrev_off = dwarf_uint(cur, unit->sizes.offset);
	} else {
		unit->abbrev_off = dwarf_uint(cur, unit->sizes.offset);
		unit->sizes.address = (uint8_t)dwarf_uint(cur, 1);
	}
	if (unit->type == DW_UT_SKELETON || unit->type == DW_UT_SPLIT_COMPILE)
		unit->dwo_id = dwarf_uint(cur, 8);
	else if (unit->type == DW_UT_TYPE || unit->type == DW_UT_SPLIT_TYPE)
		dwarf_skip(cur, 8 + (uint64_t)unit->sizes.offset);
	unit->sizes.ref_addr = unit->version == 2 ? unit->sizes.address : unit->sizes.offset;
	return !cur->bad && (unit->sizes.address == 4 || unit->sizes.address == 8);
}

/* Where things begin when the root entry doesn't say: behind the header of a table, or at once in GNU's older form. */
static void set_defaults(struct dwarf_unit *unit)
{
	const struct dwarf_file *file = unit->file;

	unit->abbrev = file->sections[DWARF_ABBREV];
	unit->str_offsets = file->sections[DWARF_STR_OFFSETS];
	unit->rnglists = file->sections[DWARF_RNGLISTS];
	if (unit->version >= 5) {
		unit->addr_base = unit->sizes.offset == 8 ? 16 : 8;
		unit->str_offsets_base = unit->addr_base;
		unit->rnglists_base = unit->sizes.offset == 8 ? 20 : 12;
	}
}

static int add_unit(struct dwarf_file *file, const struct dwarf_unit *unit)
{
	struct dwarf_unit *grown;

	if (file->n_units == DWARF_MAX_UNITS)
		return STINT_ERR_LIMIT;
	if (!(file->n_units & (file->n_units - 1))) {
		grown = realloc(file->units, (file->n_units ? (size_t)file->n_units * 2 : 1) * sizeof(*grown));
		if (!grown)
			return STINT_ERR_NOMEM;
		file->units = grown;
	}
	file->units[file->n_units++] = *unit;
	return 0;
}

static int read_units(struct dwarf_file *file)
{
	struct elf_bytes info = file->sections[DWARF_INFO];
	struct stint_cursor cur = dwarf_cursor(info, 0);
	struct dwarf_unit unit;
	uint64_t length;
	int rc = 0;

	while (!rc && cur.at < cur.end) {
		memset(&unit, 0, sizeof(unit));
		unit.file = file;
		unit.off = (uint64_t)(cur.at - info.at);
		unit.sizes.offset = 4;
		length = dwarf_uint(&cur, 4);
		if (length == UINT32_MAX) {
			unit.sizes.offset = 8;
			length = dwarf_uint(&cur, 8);
		}
		if (cur.bad || length > (uint64_t)(cur.end - cur.at) || length < 7)
			break; /* cut off, or not a unit: there is no finding the next one */
		unit.end = (uint64_t)(cur.at - info.at) + length;
		unit.version = (uint8_t)dwarf_uint(&cur, 2);
		if (read_header(&unit, &cur)) {
			unit.first_die = (uint64_t)(cur.at - info.at);
			set_defaults(&unit);
			if (unit.first_die < unit.end)
				rc = add_unit(file, &unit);
		}
		cur = dwarf_cursor(info, unit.end);
	}
	return rc;
}

int dwarf_file_open(struct dwarf_file **ret, struct elf_file *ef, bool split, struct stint_err *err)
{
	struct dwarf_file *file = calloc(1, sizeof(*file));
	int rc;

	*ret = NULL;
	if (!file)
		return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory for DWARF");
	file->split = split;
	rc = read_sections(file, ef, err);
	if (!rc) {
		rc = read_units(file);
		if (rc)
			stint_err_set(err, rc, 0, -1,
				      rc == STINT_ERR_LIMIT ? "too many DWARF units" : "no memory for DWARF units");
	}
	if (rc)
		dwarf_file_close(file);
	else
		*ret = file;
	return rc;
}

void dwarf_file_close(struct dwarf_file *file)
{
	struct dwarf_abbrevs *abbrevs;
	size_t i;

	if (!file)
		return;
	for (i = 0; i < file->n_units; i++) {
		dwarf_funcs_free(file->units[i].funcs);
		stint_map_done(&file->units[i].names);
	}
	for (i = 0; i < file->abbrevs.n_slots; i++)
		if (file->abbrevs.slots[i].used) {
			abbrevs = (struct dwarf_abbrevs *)(uintptr_t)file->abbrevs.slots[i].value;
			if (abbrevs)
				dwarf_abbrevs_done(abbrevs);
			free(abbrevs);
		}
	for (i = 0; i < file->lines.n_slots; i++)
		if (file->lines.slots[i].used)
			dwarf_lines_free((struct dwarf_lines *)(uintptr_t)file->lines.slots[i].value);
	stint_map_done(&file->abbrevs);
	stint_map_done(&file->lines);
	stint_arena_done(&file->arena);
	free(file->scratch.ranges.at);
	free(file->scratch.funcs);
	free(file->scratch.marks);
	addr_map_scratch_done(&file->scratch.map);
	free(file->units);
	free(file);
}

struct dwarf_unit *dwarf_unit_at(struct dwarf_file *file, uint64_t off)
{
	uint32_t low = 0, high = file->n_units, mid;

	while (low < high) {
		mid = low + (high - low) / 2;
		if (file->units[mid].end <= off)
			low = mid + 1;
		else
			high = mid;
	}
	return low < file->n_units && off >= file->units[low].first_die ? &file->units[low] : NULL;
}

const struct dwarf_abbrevs *dwarf_unit_abbrevs(struct dwarf_unit *unit)
{
	struct dwarf_file *file = unit->file;
	struct dwarf_abbrevs *table;
	uint64_t *slot, key;
	bool is_new;

	if (unit->abbrevs)
		return unit->abbrevs;
	/* Sizes are part of a table as it is kept, so units that differ in them don't share it. */
	key = (uint64_t)(unit->abbrev.at - file->sections[DWARF_ABBREV].at) + unit->abbrev_off;
	key = key << 3 | (unit->sizes.address == 8) << 2 | (unit->sizes.offset == 8) << 1 | (unit->sizes.ref_addr == 8);
	slot = stint_map_put(&file->abbrevs, key, &is_new);
	if (!slot)
		return NULL;
	if (is_new) {
		table = calloc(1, sizeof(*table));
		*slot = (uint64_t)(uintptr_t)table;
		if (!table)
			return NULL;
		if (dwarf_abbrevs_read(table, unit->abbrev, unit->abbrev_off, &unit->sizes, 0) ||
		    !dwarf_spend(file, 4 * table->n_bytes))
			dwarf_abbrevs_done(table);
	}
	unit->abbrevs = (const struct dwarf_abbrevs *)(uintptr_t)*slot;
	return unit->abbrevs;
}

struct root_values {
	struct dwarf_value low, high, ranges, comp_dir, dwo_name;
};

static void take_root_value(struct dwarf_unit *unit, struct root_values *root, uint16_t at,
			    const struct dwarf_value *value)
{
	switch (at) {
	case DW_AT_LOW_PC:
		root->low = *value;
		break;
	case DW_AT_HIGH_PC:
		root->high = *value;
		break;
	case DW_AT_RANGES:
		root->ranges = *value;
		break;
	case DW_AT_COMP_DIR:
		root->comp_dir = *value;
		break;
	case DW_AT_DWO_NAME:
	case DW_AT_GNU_DWO_NAME:
		root->dwo_name = *value;
		break;
	case DW_AT_STMT_LIST:
		unit->line_off = value->num;
		unit->has_line = true;
		break;
	case DW_AT_STR_OFFSETS_BASE:
		unit->str_offsets_base = value->num;
		break;
	case DW_AT_ADDR_BASE:
	case DW_AT_GNU_ADDR_BASE:
		unit->addr_base = value->num;
		break;
	case DW_AT_RNGLISTS_BASE:
		unit->rnglists_base = value->num;
		break;
	case DW_AT_GNU_RANGES_BASE:
		unit->gnu_ranges_base = value->num;
		break;
	case DW_AT_GNU_DWO_ID:
		unit->dwo_id = value->num;
		break;
	default:
		break;
	}
}

/* Values that depend on bases that may stand behind them. */
static void finish_root(struct dwarf_unit *unit, const struct root_values *root)
{
	unit->comp_dir = dwarf_string(unit, &root->comp_dir);
	unit->dwo_name = dwarf_string(unit, &root->dwo_name);
	unit->has_low = dwarf_address(unit, &root->low, &unit->low_pc);
	if (unit->has_low && !dwarf_address(unit, &root->high, &unit->high_pc))
		unit->high_pc = unit->low_pc + root->high.num;
	unit->has_ranges = root->ranges.form != 0;
	unit->ranges = root->ranges.num;
	unit->ranges_form = root->ranges.form;
}

static bool read_root(struct dwarf_unit *unit)
{
	struct elf_bytes info = {unit->file->sections[DWARF_INFO].at, unit->end};
	struct stint_cursor cur = dwarf_cursor(info, unit->first_die);
	uint64_t code = dwarf_uleb(&cur);
	const struct dwarf_abbrev *decl = NULL;
	struct root_values root = {.low = {.form = 0}};
	struct dwarf_abbrevs table;
	struct dwarf_value value;
	uint32_t i;

	/* Only up to the root's own abbreviation, which is nearly always the first. */
	if (!code || dwarf_abbrevs_read(&table, unit->abbrev, unit->abbrev_off, &unit->sizes, code) ||
	    !dwarf_spend(unit->file, table.n_bytes + 64))
		goto out;
	decl = dwarf_abbrev_find(&table, code);
	if (!decl)
		goto out;
	if (decl->tag == DW_TAG_PARTIAL_UNIT)
		unit->type = DW_UT_PARTIAL; /* in versions before 5 the header doesn't tell */
	for (i = 0; i < decl->n_specs; i++) {
		dwarf_read_value(unit, &cur, &table.specs[decl->first_spec + i], &value);
		if (!cur.bad)
			take_root_value(unit, &root, table.specs[decl->first_spec + i].at, &value);
	}
	finish_root(unit, &root);
out:
	if (code)
		dwarf_abbrevs_done(&table);
	return decl != NULL;
}

bool dwarf_unit_root(struct dwarf_unit *unit)
{
	if (!unit->root_tried) {
		unit->root_tried = true;
		unit->root_ok = read_root(unit);
	}
	return unit->root_ok;
}
