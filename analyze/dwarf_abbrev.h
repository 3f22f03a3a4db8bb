/* SPDX-License-Identifier: MIT */
/* Abbreviation tables: what attributes, in which forms, a debugging information entry of some code has. */
#ifndef STINT_ANALYZE_DWARF_ABBREV_H
#define STINT_ANALYZE_DWARF_ABBREV_H

#include <stdbool.h>
#include <stdint.h>

#include "analyze/elf_file.h"

struct dwarf_spec {
	uint16_t at;	   /* enum dwarf_at */
	uint16_t form;	   /* enum dwarf_form */
	int32_t extra;	   /* for DW_FORM_IMPLICIT_CONST the value, else the size; DWARF_SPEC_VARIES when it depends */
	uint32_t run;	   /* attributes from this one on whose sizes don't depend on the data, */
	uint32_t run_size; /* and what they take together */
};

/* How large things are that differ between units. */
struct dwarf_sizes {
	uint8_t address;
	uint8_t offset;	  /* 4 or 8 */
	uint8_t ref_addr; /* of DW_FORM_REF_ADDR */
};

#define DWARF_NOT_FIXED	  UINT32_MAX
#define DWARF_SPEC_VARIES (-1)

struct dwarf_abbrev {
	uint32_t code;
	uint32_t first_spec;
	uint32_t n_specs;
	uint32_t fixed_size; /* of all its attributes together; DWARF_NOT_FIXED when it depends */
	uint16_t tag;
	bool children;
	bool has_code; /* has DW_AT_low_pc or DW_AT_ranges */
};

struct dwarf_abbrevs {
	struct dwarf_abbrev *decls; /* by code */
	uint32_t n_decls;
	struct dwarf_spec *specs;
	uint32_t n_specs;
	uint64_t n_bytes; /* that were read */
};

/*
 * Reads the table at off, up to and including the code upto (0: all of it). Damage ends it early. Returns 0,
 * STINT_ERR_NOMEM or STINT_ERR_LIMIT.
 */
int dwarf_abbrevs_read(struct dwarf_abbrevs *table, struct elf_bytes section, uint64_t off,
		       const struct dwarf_sizes *sizes, uint64_t upto);
void dwarf_abbrevs_done(struct dwarf_abbrevs *table);

/* The declaration of a code; NULL when there is none. */
static inline const struct dwarf_abbrev *dwarf_abbrev_find(const struct dwarf_abbrevs *table, uint64_t code)
{
	uint32_t low = 0, high = table->n_decls, mid;

	if (code - 1 < table->n_decls && table->decls[code - 1].code == code)
		return &table->decls[code - 1]; /* compilers number them from 1 on */
	while (low < high) {
		mid = low + (high - low) / 2;
		if (table->decls[mid].code == code)
			return &table->decls[mid];
		if (table->decls[mid].code < code)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

/* The size of a form, DWARF_NOT_FIXED where it depends on the data. */
uint32_t dwarf_form_size(uint32_t form, const struct dwarf_sizes *sizes);

#endif
