/* SPDX-License-Identifier: MIT */
/* What code an entry has: one range from its attributes, or a list from .debug_ranges or .debug_rnglists. */
#include <stdlib.h>

#include "analyze/dwarf_defs.h"
#include "analyze/dwarf_file.h"

/* A list being read: where its ranges go. */
struct list {
	struct dwarf_unit *unit;
	struct dwarf_ranges *to;
	uint64_t base;
	uint32_t value, priority;
	bool failed; /* no memory or budget */
};

bool dwarf_ranges_put(struct dwarf_file *file, struct dwarf_ranges *ranges, uint64_t start, uint64_t end,
		      uint32_t value, uint32_t priority)
{
	struct addr_range *grown;
	size_t cap;

	if (end <= start)
		return true;
	if (!dwarf_spend(file, DWARF_ROW_COST))
		return false;
	if (ranges->n == ranges->cap) {
		cap = ranges->cap ? ranges->cap * 2 : 64;
		grown = realloc(ranges->at, cap * sizeof(*grown));
		if (!grown)
			return false;
		ranges->at = grown;
		ranges->cap = cap;
	}
	ranges->at[ranges->n++] = (struct addr_range){start, end, value, priority};
	return true;
}

static void put(struct list *list, uint64_t start, uint64_t end)
{
	/* Linkers mark code that they dropped with addresses at the very end. */
	if (start >= (list->unit->sizes.address == 4 ? UINT32_MAX - 1 : UINT64_MAX - 1))
		return;
	if (!dwarf_ranges_put(list->unit->file, list->to, start, end, list->value, list->priority))
		list->failed = true;
}

/* Versions up to 4: pairs of addresses relative to a base. */
static void read_pairs(struct list *list, struct elf_bytes section, uint64_t off)
{
	struct stint_cursor cur = dwarf_cursor(section, off);
	unsigned int size = list->unit->sizes.address;
	uint64_t start, end, select_base = size == 4 ? UINT32_MAX : UINT64_MAX;

	while (!list->failed) {
		start = dwarf_uint(&cur, size);
		end = dwarf_uint(&cur, size);
		if (cur.bad || (!start && !end))
			return;
		if (!dwarf_spend(list->unit->file, 1))
			list->failed = true;
		else if (start == select_base)
			list->base = end;
		else
			put(list, list->base + start, list->base + end);
	}
}

/* Reads one entry of a version 5 list. False at its end. */
static bool read_entry(struct list *list, struct stint_cursor *cur)
{
	const struct dwarf_unit *unit = list->unit;
	unsigned int size = unit->sizes.address;
	uint64_t start = 0, end = 0;
	bool ok = true;

	switch (dwarf_uint(cur, 1)) {
	case DW_RLE_BASE_ADDRESSX:
		ok = dwarf_addrx(unit, dwarf_uleb(cur), &list->base);
		break;
	case DW_RLE_BASE_ADDRESS:
		list->base = dwarf_uint(cur, size);
		break;
	case DW_RLE_STARTX_ENDX:
		ok = dwarf_addrx(unit, dwarf_uleb(cur), &start);
		ok = dwarf_addrx(unit, dwarf_uleb(cur), &end) && ok;
		break;
	case DW_RLE_STARTX_LENGTH:
		ok = dwarf_addrx(unit, dwarf_uleb(cur), &start);
		end = start + dwarf_uleb(cur);
		break;
	case DW_RLE_OFFSET_PAIR:
		start = list->base + dwarf_uleb(cur);
		end = list->base + dwarf_uleb(cur);
		if (list->base >= (size == 4 ? UINT32_MAX - 1 : UINT64_MAX - 1))
			ok = false; /* dropped code */
		break;
	case DW_RLE_START_END:
		start = dwarf_uint(cur, size);
		end = dwarf_uint(cur, size);
		break;
	case DW_RLE_START_LENGTH:
		start = dwarf_uint(cur, size);
		end = start + dwarf_uleb(cur);
		break;
	default: /* DW_RLE_END_OF_LIST, or unknown */
		return false;
	}
	if (cur->bad)
		return false;
	if (ok)
		put(list, start, end);
	return true;
}

static void read_rnglist(struct list *list, const struct dwarf_value *at)
{
	const struct dwarf_unit *unit = list->unit;
	struct stint_cursor cur;
	uint64_t off = at->num;

	if (at->form == DW_FORM_RNGLISTX) {
		if (off > unit->rnglists.size)
			return;
		cur = dwarf_cursor(unit->rnglists, unit->rnglists_base + off * unit->sizes.offset);
		off = unit->rnglists_base + dwarf_uint(&cur, unit->sizes.offset);
		if (cur.bad)
			return;
	}
	cur = dwarf_cursor(unit->rnglists, off);
	while (!list->failed && read_entry(list, &cur))
		if (!dwarf_spend(unit->file, 1))
			list->failed = true;
}

static void read_list(struct list *list, const struct dwarf_value *at)
{
	const struct dwarf_unit *unit = list->unit, *owner = unit->skeleton ? unit->skeleton : unit;

	list->base = owner->has_low ? owner->low_pc : 0;
	if (unit->version >= 5)
		read_rnglist(list, at);
	else
		read_pairs(list, owner->file->sections[DWARF_RANGES],
			   unit->skeleton ? at->num + owner->gnu_ranges_base : at->num);
}

bool dwarf_ranges_add(struct dwarf_unit *unit, struct dwarf_ranges *ranges, const struct dwarf_value *low,
		      const struct dwarf_value *high, const struct dwarf_value *at, uint32_t value, uint32_t priority,
		      uint64_t *ret_low)
{
	struct list list = {.unit = unit, .to = ranges, .value = value, .priority = priority};
	size_t before = ranges->n;
	uint64_t start = 0, end;
	bool has_low = dwarf_address(unit, low, &start);

	if (at->form) {
		read_list(&list, at);
	} else if (has_low && high->form) {
		if (!dwarf_address(unit, high, &end))
			end = start + high->num;
		put(&list, start, end);
	}
	if (ret_low)
		*ret_low = ranges->n > before ? ranges->at[before].start : start;
	return !list.failed;
}
