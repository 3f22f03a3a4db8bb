/* SPDX-License-Identifier: MIT */
/* What is to be known of single functions: their names, mostly an origin's, and where inlined ones are called. */
#include "analyze/dwarf_defs.h"
#include "analyze/dwarf_file.h"

/* What one entry says, and the entry that it refers to for more: next is NULL where there is none. */
struct entry {
	struct dwarf_name name;
	struct dwarf_value low, high, ranges;
	uint32_t call_file, call_line;
	struct dwarf_unit *next;
	uint64_t next_off;
};

static void take_value(struct dwarf_unit *unit, struct entry *entry, uint16_t at, const struct dwarf_value *value)
{
	switch (at) {
	case DW_AT_NAME:
		entry->name.name = dwarf_string(unit, value);
		break;
	case DW_AT_LINKAGE_NAME:
	case DW_AT_MIPS_LINKAGE_NAME:
		entry->name.linkage = dwarf_string(unit, value);
		break;
	case DW_AT_ABSTRACT_ORIGIN:
	case DW_AT_SPECIFICATION:
		entry->next = dwarf_reference(unit, value, &entry->next_off);
		break;
	case DW_AT_LOW_PC:
		entry->low = *value;
		break;
	case DW_AT_HIGH_PC:
		entry->high = *value;
		break;
	case DW_AT_RANGES:
		entry->ranges = *value;
		break;
	case DW_AT_CALL_FILE:
		entry->call_file = (uint32_t)value->num;
		break;
	case DW_AT_CALL_LINE:
		entry->call_line = (uint32_t)value->num;
		break;
	default:
		break;
	}
}

static void read_entry(struct dwarf_unit *unit, uint64_t off, struct entry *entry)
{
	struct elf_bytes info = {unit->file->sections[DWARF_INFO].at, unit->end};
	struct stint_cursor cur = dwarf_cursor(info, off);
	const struct dwarf_abbrevs *abbrevs = dwarf_unit_abbrevs(unit);
	const struct dwarf_abbrev *decl = abbrevs ? dwarf_abbrev_find(abbrevs, dwarf_uleb(&cur)) : NULL;
	struct dwarf_value value;
	uint32_t i;

	memset(entry, 0, sizeof(*entry));
	for (i = 0; decl && i < decl->n_specs; i++) {
		const struct dwarf_spec *spec = &abbrevs->specs[decl->first_spec + i];

		dwarf_read_value(unit, &cur, spec, &value);
		if (cur.bad)
			return;
		take_value(unit, entry, spec->at, &value);
	}
}

static void follow_names(struct dwarf_unit *unit, uint64_t off, struct dwarf_name *name)
{
	struct entry entry;
	uint32_t i;

	for (i = 0; unit && i < DWARF_MAX_ORIGINS && !(name->linkage && name->name); i++) {
		read_entry(unit, off, &entry);
		if (!name->name)
			name->name = entry.name.name;
		if (!name->linkage)
			name->linkage = entry.name.linkage;
		unit = entry.next;
		off = entry.next_off;
	}
}

/* The names at an origin, which many functions share. NULL without memory. */
static struct dwarf_name *origin_name(struct dwarf_unit *unit, uint64_t off)
{
	struct dwarf_name *kept;
	uint64_t *slot;
	bool is_new;

	slot = stint_map_put(&unit->names, off, &is_new);
	if (!slot)
		return NULL;
	if (is_new) {
		kept = stint_arena_alloc(&unit->file->arena, sizeof(*kept));
		if (kept)
			follow_names(unit, off, kept);
		*slot = (uint64_t)(uintptr_t)kept;
	}
	return (struct dwarf_name *)(uintptr_t)*slot;
}

/* The first byte of a function. */
static uint64_t low_of(struct dwarf_unit *unit, const struct entry *entry)
{
	struct dwarf_ranges *ranges = &unit->file->scratch.ranges;
	uint64_t low = 0;

	ranges->n = 0;
	dwarf_ranges_add(unit, ranges, &entry->low, &entry->high, &entry->ranges, 0, 0, &low);
	return low;
}

static struct dwarf_name *name_of(struct dwarf_unit *unit, const struct entry *entry)
{
	struct dwarf_name *origin = NULL, *own;

	if (entry->next && !entry->name.linkage)
		origin = origin_name(entry->next, entry->next_off);
	if (origin && !entry->name.name)
		return origin; /* mostly the entry itself has nothing but its origin */
	own = stint_arena_alloc(&unit->file->arena, sizeof(*own));
	if (own)
		*own = entry->name;
	if (own && origin)
		own->linkage = origin->linkage;
	return own;
}

const struct dwarf_facts *dwarf_func_facts(struct dwarf_unit *unit, struct dwarf_funcs *funcs, uint32_t func)
{
	const struct dwarf_facts **kept = &funcs->facts[func];
	struct dwarf_facts *facts;
	struct entry entry;

	if (*kept)
		return *kept;
	facts = stint_arena_alloc(funcs->arena, sizeof(*facts));
	if (!facts)
		return NULL;
	read_entry(unit, unit->off + funcs->funcs[func].die, &entry);
	*facts = (struct dwarf_facts){name_of(unit, &entry), low_of(unit, &entry), entry.call_file, entry.call_line};
	if (!facts->name)
		return NULL;
	*kept = facts;
	return facts;
}
