/* SPDX-License-Identifier: MIT */
/*
 * Inside the DWARF reader (dwarf.h is its outside): the debug sections of one file, and its units. Everything is read
 * on demand and once. Work is counted against a budget in proportion to the file's size, so that a file made to be
 * read over and over ends in STINT_ERR_LIMIT instead of in hours.
 */
#ifndef STINT_ANALYZE_DWARF_FILE_H
#define STINT_ANALYZE_DWARF_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "analyze/addr_hits.h"
#include "analyze/addr_map.h"
#include "analyze/dwarf.h"
#include "analyze/dwarf_abbrev.h"
#include "analyze/dwarf_cursor.h"
#include "base/arena.h"
#include "base/map.h"

#define DWARF_MAX_UNITS		   (2u << 20)
#define DWARF_MAX_DEPTH		   4096u      /* of entries within entries */
#define DWARF_MAX_ORIGINS	   16u	      /* from an inlined function to its name */
#define DWARF_MAX_UNIT_BYTES	   UINT32_MAX /* of a unit whose functions are read */
/* Honest files need up to 9 for a byte of a line table (a row), and 3 for one of any other section. */
#define DWARF_BUDGET_BASE	   ((uint64_t)32 << 20)
#define DWARF_BUDGET_PER_BYTE	   6u
#define DWARF_BUDGET_PER_LINE_BYTE 12u
#define DWARF_ROW_COST		   8u /* of each thing that is kept */

enum dwarf_section {
	DWARF_INFO,
	DWARF_ABBREV,
	DWARF_STR,
	DWARF_LINE,
	DWARF_LINE_STR,
	DWARF_STR_OFFSETS,
	DWARF_ADDR,
	DWARF_RANGES,
	DWARF_RNGLISTS,
	DWARF_N_SECTIONS,
};

struct dwarf_unit {
	struct dwarf_file *file;
	uint64_t off; /* of its header in DWARF_INFO */
	uint64_t first_die;
	uint64_t end;
	uint64_t abbrev_off;
	uint64_t dwo_id;
	struct dwarf_sizes sizes;
	uint8_t version;
	uint8_t type; /* enum dwarf_unit_type */
	bool has_low, has_line, has_ranges;
	bool root_tried, root_ok;
	bool funcs_tried, lines_tried, split_tried;
	bool batched; /* it was read for dwarf_lookup_all */

	/* From its root entry. */
	uint64_t low_pc, high_pc;
	uint64_t line_off;
	uint64_t ranges; /* a section offset, or an index with ranges_form DW_FORM_RNGLISTX */
	uint16_t ranges_form;
	uint64_t addr_base, str_offsets_base, rnglists_base, gnu_ranges_base;
	const char *comp_dir, *dwo_name;

	/* In a package (.dwp) a unit sees only its own part of some sections. */
	struct elf_bytes abbrev, str_offsets, rnglists;

	const struct dwarf_abbrevs *abbrevs; /* owned by the file */
	struct dwarf_funcs *funcs;	     /* owned */
	struct stint_map names;		     /* offset of an origin in it -> struct dwarf_name *, in the arena */
	struct dwarf_lines *lines;	     /* owned by the file */
	struct dwarf_unit *split;	     /* the unit that a skeleton stands for */
	struct dwarf_unit *skeleton;	     /* and back */
};

struct dwarf_ranges {
	struct addr_range *at;
	size_t n, cap;
};

/* A place in the source. */
struct dwarf_row {
	uint32_t file; /* its number */
	uint32_t line;
};

/* Memory for reading one unit, kept for the next one: what is found is copied from it in the size it has. */
struct dwarf_scratch {
	struct dwarf_ranges ranges;
	struct addr_map_scratch map;
	struct dwarf_func *funcs;
	uint32_t cap_funcs;
	void *marks; /* of a line table */
	uint32_t cap_marks;
};

struct dwarf_file {
	struct elf_bytes sections[DWARF_N_SECTIONS];
	struct dwarf_unit *units; /* by off */
	uint32_t n_units;
	struct dwarf_file *alt;	  /* dwz's shared file; borrowed */
	struct stint_map abbrevs; /* offset and sizes -> struct dwarf_abbrevs * */
	struct stint_map lines;	  /* offset -> struct dwarf_lines * */
	struct stint_arena arena;
	struct dwarf_scratch scratch;
	uint64_t budget; /* what is left */
	bool spent;	 /* it wasn't enough: there is more than was read */
	bool split;	 /* its sections are the .dwo ones */
};

/* Takes work off the budget. False: there is none left, stop. */
static inline bool dwarf_spend(struct dwarf_file *file, uint64_t work)
{
	if (work > file->budget) {
		file->budget = 0;
		file->spent = true;
		return false;
	}
	file->budget -= work;
	return true;
}

/* dwarf_unit.c */

/* Takes the sections of ef (with split the ".dwo" ones) and reads its units' headers. Damage ends the list early. */
int dwarf_file_open(struct dwarf_file **ret, struct elf_file *ef, bool split, struct stint_err *err);
void dwarf_file_close(struct dwarf_file *file); /* NULL is fine */

/* Reads what the unit's root entry says, once. False when it can't be read. */
bool dwarf_unit_root(struct dwarf_unit *unit);

/* The unit that has an offset in DWARF_INFO; NULL when none has. */
struct dwarf_unit *dwarf_unit_at(struct dwarf_file *file, uint64_t off);

/* The unit's abbreviations; NULL without memory, budget or table. */
const struct dwarf_abbrevs *dwarf_unit_abbrevs(struct dwarf_unit *unit);

/* dwarf_form.c */

/* An attribute's value as it stands there. */
struct dwarf_value {
	uint64_t num;
	const char *text; /* DW_FORM_STRING only */
	uint16_t form;	  /* 0: the attribute is absent */
};

void dwarf_read_value(const struct dwarf_unit *unit, struct stint_cursor *cur, const struct dwarf_spec *spec,
		      struct dwarf_value *value);
void dwarf_skip_value(const struct dwarf_unit *unit, struct stint_cursor *cur, const struct dwarf_spec *spec);
const char *dwarf_string(const struct dwarf_unit *unit, const struct dwarf_value *value); /* NULL: none */
bool dwarf_address(const struct dwarf_unit *unit, const struct dwarf_value *value, uint64_t *ret);
bool dwarf_addrx(const struct dwarf_unit *unit, uint64_t index, uint64_t *ret); /* entry of .debug_addr */

/* Where a reference leads; NULL when nowhere. */
struct dwarf_unit *dwarf_reference(struct dwarf_unit *unit, const struct dwarf_value *value, uint64_t *ret_off);

/* dwarf_ranges.c */

/* Adds a range. False without memory or budget. */
bool dwarf_ranges_put(struct dwarf_file *file, struct dwarf_ranges *ranges, uint64_t start, uint64_t end,
		      uint32_t value, uint32_t priority);

/*
 * Adds the code of an entry, by its DW_AT_low_pc, DW_AT_high_pc and DW_AT_ranges. ret_low, which may be NULL, is its
 * entry. False without memory or budget.
 */
bool dwarf_ranges_add(struct dwarf_unit *unit, struct dwarf_ranges *ranges, const struct dwarf_value *low,
		      const struct dwarf_value *high, const struct dwarf_value *list, uint32_t value, uint32_t priority,
		      uint64_t *ret_low);

/* dwarf_func.c */

/* A function, inlined or not, with code. What else there is to know of it is read once an address asks for it. */
struct dwarf_func {
	uint32_t die;	 /* its entry, from its unit's header on */
	uint32_t parent; /* the function that it is inlined into; DWARF_NO_FUNC for one that isn't */
};
#define DWARF_NO_FUNC UINT32_MAX

struct dwarf_funcs {
	struct dwarf_func *funcs;
	const struct dwarf_facts **facts; /* of those that were asked for */
	uint32_t n;
	struct addr_map map;
	struct stint_arena *arena; /* has the facts */
};

/* The functions of a unit that has code, with those inlined into them; NULL when they can't be had. */
struct dwarf_funcs *dwarf_unit_funcs(struct dwarf_unit *unit);
void dwarf_funcs_free(struct dwarf_funcs *funcs); /* NULL is fine */

/*
 * The same without a map, for the caller to free: the numbers of the innermost functions at the addresses in hits
 * become the values of their best ranges. arena gets the facts.
 */
struct dwarf_funcs *dwarf_funcs_hit(struct dwarf_unit *unit, struct addr_hits *hits, struct stint_arena *arena);

/* Adds the code of all functions that aren't inlined: for units whose root doesn't tell what code they have. */
bool dwarf_funcs_ranges(struct dwarf_unit *unit, struct dwarf_ranges *ranges, uint32_t value);

/* dwarf_facts.c */

struct dwarf_name {
	const char *linkage, *name; /* either may be NULL */
	const void *note;	    /* the caller's */
};

struct dwarf_facts {
	struct dwarf_name *name;       /* its own, or its origin's, which many share */
	uint64_t low;		       /* its first byte; of the first range where that isn't told */
	uint32_t call_file, call_line; /* of an inlined one */
};

/* What the entry of one of the unit's functions and its origins say; kept in funcs. NULL without memory. */
const struct dwarf_facts *dwarf_func_facts(struct dwarf_unit *unit, struct dwarf_funcs *funcs, uint32_t func);

/* dwarf_line.c */

/* The line table that the unit names; NULL when it has none that can be read. */
struct dwarf_lines *dwarf_unit_lines(struct dwarf_unit *unit);
void dwarf_lines_free(struct dwarf_lines *lines); /* NULL is fine */

/* The row that has addr. False when there is none. */
bool dwarf_lines_find(struct dwarf_lines *lines, uint64_t addr, struct dwarf_row *ret);

/*
 * The rows that have the addresses in hits, into rows, which has room for twice as many: of those addresses that then
 * have a best range. Runs the program for just them and keeps nothing.
 */
void dwarf_lines_hit(struct dwarf_lines *lines, struct addr_hits *hits, struct dwarf_row *rows);

/* The full path of a file number; NULL when there is none. Lives as long as the dwarf_file. */
const char *dwarf_lines_path(struct dwarf_lines *lines, uint32_t file);

/* dwarf_split.c */

/* The split unit that a skeleton stands for, read from a .dwo file or a .dwp package; NULL when it isn't found. */
struct dwarf_unit *dwarf_unit_split(struct dwarf *dw, struct dwarf_unit *skeleton);

#endif
