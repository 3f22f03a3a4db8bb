/* SPDX-License-Identifier: MIT */
/* The functions of a unit: one pass over its entries, keeping only those that have code. */
#include <stdlib.h>

#include "analyze/dwarf_defs.h"
#include "analyze/dwarf_file.h"

struct walk {
	struct dwarf_unit *unit;
	const struct dwarf_abbrevs *abbrevs;
	struct stint_cursor cur;
	struct dwarf_ranges *ranges;
	bool only_ranges;     /* of whole functions, with range_value; no functions are kept */
	uint32_t range_value;
	uint32_t n_funcs;
	uint32_t parents[DWARF_MAX_DEPTH + 1]; /* the innermost function with code around entries at each depth */
	uint32_t depth;
	bool failed;
};

struct func_values {
	struct dwarf_value low, high, ranges;
	uint32_t call_file, call_line;
};

static void read_func_values(struct walk *w, const struct dwarf_abbrev *decl, struct func_values *values)
{
	const struct dwarf_spec *spec = &w->abbrevs->specs[decl->first_spec], *end = spec + decl->n_specs;
	struct dwarf_value value;

	memset(values, 0, sizeof(*values));
	for (; spec < end; spec++) {
		switch (spec->at) {
		case DW_AT_LOW_PC:
			dwarf_read_value(w->unit, &w->cur, spec, &values->low);
			break;
		case DW_AT_HIGH_PC:
			dwarf_read_value(w->unit, &w->cur, spec, &values->high);
			break;
		case DW_AT_RANGES:
			dwarf_read_value(w->unit, &w->cur, spec, &values->ranges);
			break;
		case DW_AT_CALL_FILE:
			dwarf_read_value(w->unit, &w->cur, spec, &value);
			values->call_file = (uint32_t)value.num;
			break;
		case DW_AT_CALL_LINE:
			dwarf_read_value(w->unit, &w->cur, spec, &value);
			values->call_line = (uint32_t)value.num;
			break;
		default:
			dwarf_skip_value(w->unit, &w->cur, spec);
			break;
		}
	}
}

/* Functions gather in the file's scratch. */
static bool put_func(struct walk *w, const struct dwarf_func *func)
{
	struct dwarf_scratch *scratch = &w->unit->file->scratch;
	struct dwarf_func *grown;
	uint32_t cap;

	if (w->n_funcs == scratch->cap_funcs) {
		cap = scratch->cap_funcs ? scratch->cap_funcs * 2 : 1024;
		if (cap < scratch->cap_funcs)
			return false;
		grown = realloc(scratch->funcs, cap * sizeof(*grown));
		if (!grown)
			return false;
		scratch->funcs = grown;
		scratch->cap_funcs = cap;
	}
	scratch->funcs[w->n_funcs++] = *func;
	return true;
}

/* Keeps a function if it has code. Its children then have it as their parent. */
static uint32_t take_func(struct walk *w, const struct dwarf_abbrev *decl, uint64_t die_off, uint32_t parent)
{
	struct func_values values;
	struct dwarf_func func = {.die_off = die_off, .parent = DWARF_NO_FUNC};
	size_t before = w->ranges->n;

	read_func_values(w, decl, &values);
	if (w->cur.bad || (!values.low.form && !values.ranges.form))
		return decl->tag == DW_TAG_SUBPROGRAM ? DWARF_NO_FUNC : parent;
	if (w->only_ranges) {
		if (decl->tag == DW_TAG_SUBPROGRAM)
			w->failed |= !dwarf_ranges_add(w->unit, w->ranges, &values.low, &values.high, &values.ranges,
						       w->range_value, 0, NULL);
		return DWARF_NO_FUNC;
	}
	w->failed |= !dwarf_ranges_add(w->unit, w->ranges, &values.low, &values.high, &values.ranges, w->n_funcs,
				       w->depth, &func.low);
	if (w->ranges->n == before)
		return parent;
	if (decl->tag == DW_TAG_INLINED_SUBROUTINE) {
		func.parent = parent;
		func.call_file = values.call_file;
		func.call_line = values.call_line;
	}
	w->failed |= !put_func(w, &func);
	return w->n_funcs - 1;
}

/* Reads the entry at the cursor. False at the unit's end, and where it is damaged. */
static bool walk_entry(struct walk *w)
{
	uint64_t off = (uint64_t)(w->cur.at - w->unit->file->sections[DWARF_INFO].at), code = dwarf_uleb(&w->cur);
	uint32_t inside = w->parents[w->depth], i;
	const struct dwarf_abbrev *decl;

	if (!code) {
		if (!w->depth)
			return false;
		w->depth--;
		return !w->cur.bad && w->depth;
	}
	decl = dwarf_abbrev_find(w->abbrevs, code);
	if (!decl)
		return false;
	if (decl->tag == DW_TAG_SUBPROGRAM || decl->tag == DW_TAG_INLINED_SUBROUTINE)
		inside = take_func(w, decl, off, inside);
	else if (decl->fixed_size != DWARF_NOT_FIXED)
		dwarf_skip(&w->cur, decl->fixed_size);
	else
		for (i = 0; i < decl->n_specs; i++)
			dwarf_skip_value(w->unit, &w->cur, &w->abbrevs->specs[decl->first_spec + i]);
	if (w->cur.bad || w->failed)
		return false;
	if (decl->children) {
		if (w->depth == DWARF_MAX_DEPTH)
			return false;
		w->parents[++w->depth] = inside;
	}
	return w->depth;
}

static bool walk_unit(struct walk *w)
{
	struct elf_bytes info = {w->unit->file->sections[DWARF_INFO].at, w->unit->end};

	w->abbrevs = dwarf_unit_abbrevs(w->unit);
	if (!w->abbrevs || !dwarf_spend(w->unit->file, w->unit->end - w->unit->off))
		return false;
	w->cur = dwarf_cursor(info, w->unit->first_die);
	w->parents[0] = DWARF_NO_FUNC;
	while (walk_entry(w))
		;
	return !w->failed;
}

static struct dwarf_funcs *keep_funcs(struct dwarf_scratch *scratch, uint32_t n)
{
	struct dwarf_funcs *funcs = calloc(1, sizeof(*funcs));

	if (!funcs)
		return NULL;
	funcs->funcs = malloc((n + 1u) * sizeof(*funcs->funcs));
	if (funcs->funcs && n)
		memcpy(funcs->funcs, scratch->funcs, n * sizeof(*funcs->funcs));
	funcs->n = n;
	if (funcs->funcs && !addr_map_build(&funcs->map, scratch->ranges.at, scratch->ranges.n, &scratch->map))
		return funcs;
	dwarf_funcs_free(funcs);
	return NULL;
}

static struct dwarf_funcs *read_funcs(struct dwarf_unit *unit)
{
	struct dwarf_scratch *scratch = &unit->file->scratch;
	struct walk *w = calloc(1, sizeof(*w));
	struct dwarf_funcs *funcs = NULL;

	if (!w)
		return NULL;
	w->unit = unit;
	w->ranges = &scratch->ranges;
	w->ranges->n = 0;
	if (walk_unit(w))
		funcs = keep_funcs(scratch, w->n_funcs);
	free(w);
	return funcs;
}

struct dwarf_funcs *dwarf_unit_funcs(struct dwarf_unit *unit)
{
	if (!unit->funcs_tried) {
		unit->funcs_tried = true;
		if (dwarf_unit_root(unit))
			unit->funcs = read_funcs(unit);
	}
	return unit->funcs;
}

void dwarf_funcs_free(struct dwarf_funcs *funcs)
{
	if (!funcs)
		return;
	free(funcs->funcs);
	addr_map_done(&funcs->map);
	free(funcs);
}

bool dwarf_funcs_ranges(struct dwarf_unit *unit, struct dwarf_ranges *ranges, uint32_t value)
{
	struct walk *w = calloc(1, sizeof(*w));
	bool ok;

	if (!w)
		return false;
	w->unit = unit;
	w->only_ranges = true;
	w->range_value = value;
	w->ranges = ranges;
	ok = walk_unit(w);
	free(w);
	return ok;
}

/* What one entry says of its name, and the entry that it refers to for more; *ret_next is NULL at the end. */
static void read_name(struct dwarf_unit *unit, uint64_t die_off, struct dwarf_name *name,
		      struct dwarf_unit **ret_next, uint64_t *ret_next_off)
{
	struct elf_bytes info = {unit->file->sections[DWARF_INFO].at, unit->end};
	struct stint_cursor cur = dwarf_cursor(info, die_off);
	const struct dwarf_abbrevs *abbrevs = dwarf_unit_abbrevs(unit);
	const struct dwarf_abbrev *decl = abbrevs ? dwarf_abbrev_find(abbrevs, dwarf_uleb(&cur)) : NULL;
	struct dwarf_value value;
	uint32_t i;

	*ret_next = NULL;
	for (i = 0; decl && i < decl->n_specs && !cur.bad; i++) {
		const struct dwarf_spec *spec = &abbrevs->specs[decl->first_spec + i];

		switch (spec->at) {
		case DW_AT_NAME:
			dwarf_read_value(unit, &cur, spec, &value);
			if (!name->name)
				name->name = dwarf_string(unit, &value);
			break;
		case DW_AT_LINKAGE_NAME:
		case DW_AT_MIPS_LINKAGE_NAME:
			dwarf_read_value(unit, &cur, spec, &value);
			if (!name->linkage)
				name->linkage = dwarf_string(unit, &value);
			break;
		case DW_AT_ABSTRACT_ORIGIN:
		case DW_AT_SPECIFICATION:
			dwarf_read_value(unit, &cur, spec, &value);
			*ret_next = dwarf_reference(unit, &value, ret_next_off);
			break;
		default:
			dwarf_skip_value(unit, &cur, spec);
			break;
		}
	}
}

static void follow_names(struct dwarf_unit *unit, uint64_t off, struct dwarf_name *name)
{
	uint32_t i;

	for (i = 0; unit && i < DWARF_MAX_ORIGINS && !(name->linkage && name->name); i++)
		read_name(unit, off, name, &unit, &off);
}

/* The names at an origin, which many functions share. NULL without memory. */
static const struct dwarf_name *origin_name(struct dwarf_unit *unit, uint64_t off)
{
	struct dwarf_name *kept;
	uint64_t *slot;
	bool is_new;

	slot = stint_map_put(&unit->file->names, off, &is_new);
	if (!slot)
		return NULL;
	if (is_new) {
		kept = stint_arena_alloc(&unit->file->arena, sizeof(*kept));
		if (kept)
			follow_names(unit, off, kept);
		*slot = (uint64_t)(uintptr_t)kept;
	}
	return (const struct dwarf_name *)(uintptr_t)*slot;
}

const struct dwarf_name *dwarf_func_name(struct dwarf_unit *unit, struct dwarf_func *func)
{
	struct dwarf_name own = {NULL, NULL}, *kept;
	const struct dwarf_name *origin = NULL;
	struct dwarf_unit *next;
	uint64_t next_off = 0;

	if (func->name)
		return func->name;
	read_name(unit, func->die_off, &own, &next, &next_off);
	if (next && !own.linkage)
		origin = origin_name(next, next_off);
	if (origin && !own.name) {
		func->name = origin; /* mostly the entry itself has nothing but its origin */
		return origin;
	}
	kept = stint_arena_alloc(&unit->file->arena, sizeof(*kept));
	if (!kept)
		return NULL;
	*kept = own;
	if (origin)
		kept->linkage = origin->linkage;
	func->name = kept;
	return kept;
}
