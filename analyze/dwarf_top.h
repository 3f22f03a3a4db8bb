/* SPDX-License-Identifier: MIT */
/* Inside the DWARF reader: all files of one program together. */
#ifndef STINT_ANALYZE_DWARF_TOP_H
#define STINT_ANALYZE_DWARF_TOP_H

#include "analyze/dwarf_file.h"

struct dwarf {
	struct dwarf_sources sources;
	struct dwarf_file *file;
	struct dwarf_file *alt;
	struct dwarf_file *package;
	struct elf_bytes package_index; /* its .debug_cu_index */
	struct dwarf_file **splits;
	size_t n_splits;
	struct addr_map map;   /* address -> unit of file, counted from the last */
	uint64_t batch_budget; /* for offering ranges to addresses: what single lookups don't do */
	bool no_batches;       /* a unit asked for more than that */
	uint32_t n_missing;
	const char *missing_name;
};

/* The unit that the map gives as i, which isn't ADDR_MAP_NONE. */
static inline struct dwarf_unit *dwarf_unit_of(const struct dwarf *dw, uint32_t i)
{
	return &dw->file->units[dw->file->n_units - 1 - i];
}

/* The unit that has the functions: a split one where it is found. A skeleton may have the outlines of its own. */
static inline struct dwarf_unit *dwarf_unit_full(struct dwarf *dw, struct dwarf_unit *unit)
{
	struct dwarf_unit *full = unit->dwo_name ? dwarf_unit_split(dw, unit) : NULL;

	return full ? full : unit;
}

/*
 * The functions at an address, from func, which may be DWARF_NO_FUNC, outwards: each one's line is where the one inside
 * it is called, the innermost one's is row (NULL where there is none). As dwarf_lookup gives them.
 */
uint32_t dwarf_chain(struct dwarf_unit *unit, struct dwarf_funcs *funcs, uint32_t func, bool inlines,
		     struct dwarf_lines *lines, const struct dwarf_row *row, struct dwarf_frame *frames);

#endif
