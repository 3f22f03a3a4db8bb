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
	struct addr_hits *hits; /* where not NULL, ranges are for just these and aren't kept */
	bool only_ranges;	/* of whole functions, with range_value; no functions are kept */
	uint32_t range_value;
	uint32_t n_funcs;
	uint32_t parents[DWARF_MAX_DEPTH + 1]; /* the innermost function with code around entries at each depth */
	uint32_t depth;
	bool failed;
};

struct code_values {
	struct dwarf_value low, high, ranges;
};

static void read_code_values(struct walk *w, const struct dwarf_abbrev *decl, struct code_values *values)
{
	const struct dwarf_spec *spec = &w->abbrevs->specs[decl->first_spec], *end = spec + decl->n_specs;

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

/* Offers the ranges from before on to the addresses that are asked for. */
static void hit(struct walk *w, size_t before)
{
	size_t i;

	for (i = before; i < w->ranges->n && !w->failed; i++)
		w->failed |= !addr_hits_offer(w->hits, &w->ranges->at[i]);
	w->ranges->n = before;
}

/* Keeps a function whose entry has code, if it does. Its children then have it as their parent. */
static uint32_t take_func(struct walk *w, const struct dwarf_abbrev *decl, uint64_t die_off, uint32_t parent)
{
	bool inlined = decl->tag == DW_TAG_INLINED_SUBROUTINE;
	struct dwarf_func func = {(uint32_t)(die_off - w->unit->off), inlined ? parent : DWARF_NO_FUNC};
	struct code_values values;
	size_t before = w->ranges->n;

	read_code_values(w, decl, &values);
	if (w->cur.bad || (w->only_ranges && inlined))
		return parent;
	w->failed |=
		!dwarf_ranges_add(w->unit, w->ranges, &values.low, &values.high, &values.ranges,
				  w->only_ranges ? w->range_value : w->n_funcs, w->only_ranges ? 0 : w->depth, NULL);
	if (w->only_ranges || w->ranges->n == before)
		return parent;
	if (w->hits)
		hit(w, before);
	w->failed |= !put_func(w, &func);
	return w->n_funcs - 1;
}

static void skip_values(struct walk *w, const struct dwarf_abbrev *decl, struct stint_cursor *cur)
{
	const struct dwarf_spec *spec = &w->abbrevs->specs[decl->first_spec], *end = spec + decl->n_specs;

	while (spec < end) {
		if (spec->run) {
			dwarf_skip(cur, spec->run_size);
			spec += spec->run;
			continue;
		}
		if (spec->form == DW_FORM_EXPRLOC)
			dwarf_skip(cur, dwarf_uleb(cur));
		else
			dwarf_skip_value(w->unit, cur, spec);
		spec++;
	}
}

/*
 * Reads the entries of a unit up to its end, or to where it is damaged. Most of the time of a first lookup is spent
 * here, so the cursor and the depth are kept where the compiler sees that nobody else changes them.
 */
static void walk_entries(struct walk *w, struct elf_bytes info)
{
	struct stint_cursor cur = dwarf_cursor(info, w->unit->first_die);
	const struct dwarf_abbrev *decl;
	uint32_t depth = 0, inside;
	uint64_t off, code;

	w->parents[0] = DWARF_NO_FUNC;
	do {
		off = (uint64_t)(cur.at - info.at);
		code = dwarf_uleb(&cur);
		if (!code) {
			depth -= depth > 0;
			continue;
		}
		decl = dwarf_abbrev_find(w->abbrevs, code);
		if (!decl)
			return;
		inside = w->parents[depth];
		if (decl->fixed_size != DWARF_NOT_FIXED && !decl->has_code) {
			dwarf_skip(&cur, decl->fixed_size);
		} else if (decl->has_code &&
			   (decl->tag == DW_TAG_SUBPROGRAM || decl->tag == DW_TAG_INLINED_SUBROUTINE)) {
			w->cur = cur;
			w->depth = depth;
			inside = take_func(w, decl, off, inside);
			cur = w->cur;
		} else {
			skip_values(w, decl, &cur);
		}
		if (!decl->children)
			continue;
		if (depth == DWARF_MAX_DEPTH)
			return;
		if (decl->tag == DW_TAG_SUBPROGRAM && !decl->has_code)
			inside = DWARF_NO_FUNC;
		w->parents[++depth] = inside;
	} while (depth && !cur.bad && !w->failed);
}

static bool walk_unit(struct walk *w)
{
	struct elf_bytes info = {w->unit->file->sections[DWARF_INFO].at, w->unit->end};

	if (w->unit->end - w->unit->off > DWARF_MAX_UNIT_BYTES)
		return false;
	w->abbrevs = dwarf_unit_abbrevs(w->unit);
	if (!w->abbrevs || !dwarf_spend(w->unit->file, w->unit->end - w->unit->off))
		return false;
	walk_entries(w, info);
	return !w->failed;
}

/* With the ranges in the scratch as their map. */
static struct dwarf_funcs *keep_funcs(struct dwarf_scratch *scratch, uint32_t n)
{
	struct dwarf_funcs *funcs = calloc(1, sizeof(*funcs));

	if (!funcs)
		return NULL;
	funcs->funcs = malloc((n + (size_t)1) * sizeof(*funcs->funcs));
	funcs->facts = calloc(n + (size_t)1, sizeof(*funcs->facts));
	if (funcs->funcs && n)
		memcpy(funcs->funcs, scratch->funcs, n * sizeof(*funcs->funcs));
	funcs->n = n;
	if (funcs->funcs && funcs->facts &&
	    !addr_map_build(&funcs->map, scratch->ranges.at, scratch->ranges.n, &scratch->map))
		return funcs;
	dwarf_funcs_free(funcs);
	return NULL;
}

static struct dwarf_funcs *read_funcs(struct dwarf_unit *unit, struct addr_hits *hits)
{
	struct dwarf_scratch *scratch = &unit->file->scratch;
	struct walk *w = calloc(1, sizeof(*w));
	struct dwarf_funcs *funcs = NULL;

	if (!w)
		return NULL;
	w->unit = unit;
	w->hits = hits;
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
			unit->funcs = read_funcs(unit, NULL);
		if (unit->funcs)
			unit->funcs->arena = &unit->file->arena;
	}
	return unit->funcs;
}

struct dwarf_funcs *dwarf_funcs_hit(struct dwarf_unit *unit, struct addr_hits *hits, struct stint_arena *arena)
{
	struct dwarf_funcs *funcs = dwarf_unit_root(unit) ? read_funcs(unit, hits) : NULL;

	if (funcs)
		funcs->arena = arena;
	return funcs;
}

void dwarf_funcs_free(struct dwarf_funcs *funcs)
{
	if (!funcs)
		return;
	free(funcs->funcs);
	free(funcs->facts);
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
