/* SPDX-License-Identifier: MIT */
#include "analyze/dwarf_abbrev.h"

#include <stdlib.h>
#include <string.h>

#include "analyze/dwarf_cursor.h"
#include "analyze/dwarf_defs.h"

#define MAX_DECLS (1u << 20) /* in one table */
#define MAX_SPECS (8u << 20)

uint32_t dwarf_form_size(uint32_t form, const struct dwarf_sizes *sizes)
{
	switch (form) {
	case DW_FORM_FLAG_PRESENT:
	case DW_FORM_IMPLICIT_CONST:
		return 0;
	case DW_FORM_DATA1:
	case DW_FORM_REF1:
	case DW_FORM_FLAG:
	case DW_FORM_STRX1:
	case DW_FORM_ADDRX1:
		return 1;
	case DW_FORM_DATA2:
	case DW_FORM_REF2:
	case DW_FORM_STRX2:
	case DW_FORM_ADDRX2:
		return 2;
	case DW_FORM_STRX3:
	case DW_FORM_ADDRX3:
		return 3;
	case DW_FORM_DATA4:
	case DW_FORM_REF4:
	case DW_FORM_STRX4:
	case DW_FORM_ADDRX4:
	case DW_FORM_REF_SUP4:
		return 4;
	case DW_FORM_DATA8:
	case DW_FORM_REF8:
	case DW_FORM_REF_SIG8:
	case DW_FORM_REF_SUP8:
		return 8;
	case DW_FORM_DATA16:
		return 16;
	case DW_FORM_ADDR:
		return sizes->address;
	case DW_FORM_REF_ADDR:
		return sizes->ref_addr;
	case DW_FORM_STRP:
	case DW_FORM_LINE_STRP:
	case DW_FORM_SEC_OFFSET:
	case DW_FORM_STRP_SUP:
	case DW_FORM_GNU_REF_ALT:
	case DW_FORM_GNU_STRP_ALT:
		return sizes->offset;
	default:
		return DWARF_NOT_FIXED;
	}
}

static bool room(void **array, uint32_t n, uint32_t *cap, size_t size)
{
	uint32_t more = *cap ? *cap * 2 : 32;
	void *grown;

	if (n < *cap)
		return true;
	grown = realloc(*array, more * size);
	if (!grown)
		return false;
	*array = grown;
	*cap = more;
	return true;
}

/* From the last attribute back to the first. */
static void find_runs(struct dwarf_spec *specs, uint32_t n)
{
	uint32_t run = 0, size = 0, here;

	while (n--) {
		here = specs[n].form == DW_FORM_IMPLICIT_CONST ? 0 : (uint32_t)specs[n].extra;
		if (specs[n].extra == DWARF_SPEC_VARIES && specs[n].form != DW_FORM_IMPLICIT_CONST) {
			run = size = 0;
			continue;
		}
		specs[n].run = ++run;
		specs[n].run_size = size += here; /* at most 16 for each of MAX_SPECS */
	}
}

static int read_specs(struct dwarf_abbrevs *table, struct dwarf_abbrev *decl, struct stint_cursor *cur,
		      const struct dwarf_sizes *sizes, uint32_t *cap)
{
	uint64_t at, form;
	int64_t implicit;
	uint32_t size;

	for (;;) {
		at = dwarf_uleb(cur);
		form = dwarf_uleb(cur);
		implicit = form == DW_FORM_IMPLICIT_CONST ? dwarf_sleb(cur) : 0;
		if (cur->bad || (!at && !form))
			return 0;
		if (table->n_specs == MAX_SPECS)
			return STINT_ERR_LIMIT;
		if (!room((void **)&table->specs, table->n_specs, cap, sizeof(*table->specs)))
			return STINT_ERR_NOMEM;
		size = form > UINT16_MAX ? DWARF_NOT_FIXED : dwarf_form_size((uint32_t)form, sizes);
		if (form != DW_FORM_IMPLICIT_CONST)
			implicit = size == DWARF_NOT_FIXED ? DWARF_SPEC_VARIES : (int32_t)size;
		table->specs[table->n_specs++] = (struct dwarf_spec){.at = at > UINT16_MAX ? 0 : (uint16_t)at,
								     .form = form > UINT16_MAX ? 0 : (uint16_t)form,
								     .extra = (int32_t)implicit};
		decl->n_specs++;
		decl->has_code |= at == DW_AT_LOW_PC || at == DW_AT_RANGES;
		if (decl->fixed_size != DWARF_NOT_FIXED)
			decl->fixed_size = size == DWARF_NOT_FIXED || decl->fixed_size > 1u << 20
						   ? DWARF_NOT_FIXED
						   : decl->fixed_size + size;
	}
}

static int by_code(const void *a, const void *b)
{
	const struct dwarf_abbrev *da = a, *db = b;

	return (da->code > db->code) - (da->code < db->code);
}

int dwarf_abbrevs_read(struct dwarf_abbrevs *table, struct elf_bytes section, uint64_t off,
		       const struct dwarf_sizes *sizes, uint64_t upto)
{
	struct stint_cursor cur = dwarf_cursor(section, off);
	const uint8_t *start = cur.at;
	uint32_t cap_decls = 0, cap_specs = 0;
	bool sorted = true;
	uint64_t code;
	int rc = 0;

	memset(table, 0, sizeof(*table));
	/* Also where no declaration has an attribute: what points there must not be NULL. */
	if (!room((void **)&table->specs, 0, &cap_specs, sizeof(*table->specs)))
		return STINT_ERR_NOMEM;
	while (!rc && (code = dwarf_uleb(&cur)) && code <= UINT32_MAX) {
		struct dwarf_abbrev decl = {.code = (uint32_t)code, .first_spec = table->n_specs};

		if (table->n_decls == MAX_DECLS)
			return STINT_ERR_LIMIT;
		if (!room((void **)&table->decls, table->n_decls, &cap_decls, sizeof(*table->decls)))
			return STINT_ERR_NOMEM;
		decl.tag = (uint16_t)dwarf_uleb(&cur);
		decl.children = dwarf_uint(&cur, 1);
		rc = read_specs(table, &decl, &cur, sizes, &cap_specs);
		if (cur.bad)
			break;
		find_runs(&table->specs[decl.first_spec], decl.n_specs);
		sorted &= !table->n_decls || table->decls[table->n_decls - 1].code < decl.code;
		table->decls[table->n_decls++] = decl;
		if (code == upto)
			break;
	}
	table->n_bytes = cur.at - start;
	if (!sorted)
		qsort(table->decls, table->n_decls, sizeof(*table->decls), by_code);
	return rc;
}

void dwarf_abbrevs_done(struct dwarf_abbrevs *table)
{
	free(table->decls);
	free(table->specs);
	memset(table, 0, sizeof(*table));
}
