/* SPDX-License-Identifier: MIT */
/* Values of attributes: reading, skipping, and what strings, addresses and references lead to. */
#include "analyze/dwarf_defs.h"
#include "analyze/dwarf_file.h"

/* Forms whose size is in the data. Returns false for unknown ones. */
static bool read_varying(const struct dwarf_unit *unit, struct stint_cursor *cur, struct dwarf_value *value)
{
	struct dwarf_spec spec = {.extra = DWARF_SPEC_VARIES};
	uint32_t size;

	switch (value->form) {
	case DW_FORM_STRING:
		value->text = dwarf_inline_string(cur);
		return true;
	case DW_FORM_SDATA:
		value->num = (uint64_t)dwarf_sleb(cur);
		return true;
	case DW_FORM_UDATA:
	case DW_FORM_REF_UDATA:
	case DW_FORM_STRX:
	case DW_FORM_ADDRX:
	case DW_FORM_LOCLISTX:
	case DW_FORM_RNGLISTX:
	case DW_FORM_GNU_ADDR_INDEX:
	case DW_FORM_GNU_STR_INDEX:
		value->num = dwarf_uleb(cur);
		return true;
	case DW_FORM_BLOCK1:
		dwarf_skip(cur, dwarf_uint(cur, 1));
		return true;
	case DW_FORM_BLOCK2:
		dwarf_skip(cur, dwarf_uint(cur, 2));
		return true;
	case DW_FORM_BLOCK4:
		dwarf_skip(cur, dwarf_uint(cur, 4));
		return true;
	case DW_FORM_BLOCK:
	case DW_FORM_EXPRLOC:
		dwarf_skip(cur, dwarf_uleb(cur));
		return true;
	case DW_FORM_INDIRECT:
		spec.form = (uint16_t)dwarf_uleb(cur);
		if (spec.form == DW_FORM_INDIRECT || spec.form == DW_FORM_IMPLICIT_CONST)
			return false; /* meaningless, and a way to recurse for ever */
		size = dwarf_form_size(spec.form, &unit->sizes);
		if (size != DWARF_NOT_FIXED)
			spec.extra = (int32_t)size;
		dwarf_read_value(unit, cur, &spec, value);
		return true;
	default:
		return false;
	}
}

void dwarf_read_value(const struct dwarf_unit *unit, struct stint_cursor *cur, const struct dwarf_spec *spec,
		      struct dwarf_value *value)
{
	*value = (struct dwarf_value){.form = spec->form};
	if (spec->form == DW_FORM_IMPLICIT_CONST)
		value->num = (uint64_t)(int64_t)spec->extra;
	else if (spec->extra == 0)
		value->num = 1; /* DW_FORM_FLAG_PRESENT */
	else if (spec->extra > 8)
		dwarf_skip(cur, (uint64_t)spec->extra);
	else if (spec->extra > 0)
		value->num = dwarf_uint(cur, (unsigned int)spec->extra);
	else if (!read_varying(unit, cur, value))
		cur->bad = true;
}

void dwarf_skip_value(const struct dwarf_unit *unit, struct stint_cursor *cur, const struct dwarf_spec *spec)
{
	struct dwarf_value value;

	if (spec->extra >= 0 && spec->form != DW_FORM_IMPLICIT_CONST)
		dwarf_skip(cur, (uint64_t)spec->extra);
	else
		dwarf_read_value(unit, cur, spec, &value);
}

static const char *string_at(struct elf_bytes bytes, uint64_t off)
{
	if (off >= bytes.size || !memchr(bytes.at + off, 0, bytes.size - off))
		return NULL;
	return (const char *)bytes.at + off;
}

static const char *indexed_string(const struct dwarf_unit *unit, uint64_t index)
{
	struct stint_cursor cur;
	uint64_t off;

	if (index > unit->str_offsets.size)
		return NULL;
	cur = dwarf_cursor(unit->str_offsets, unit->str_offsets_base + index * unit->sizes.offset);
	off = dwarf_uint(&cur, unit->sizes.offset);
	return cur.bad ? NULL : string_at(unit->file->sections[DWARF_STR], off);
}

const char *dwarf_string(const struct dwarf_unit *unit, const struct dwarf_value *value)
{
	const struct dwarf_file *file = unit->file;

	switch (value->form) {
	case DW_FORM_STRING:
		return value->text;
	case DW_FORM_STRP:
		return string_at(file->sections[DWARF_STR], value->num);
	case DW_FORM_LINE_STRP:
		return string_at(file->sections[DWARF_LINE_STR], value->num);
	case DW_FORM_STRP_SUP:
	case DW_FORM_GNU_STRP_ALT:
		return file->alt ? string_at(file->alt->sections[DWARF_STR], value->num) : NULL;
	case DW_FORM_STRX:
	case DW_FORM_STRX1:
	case DW_FORM_STRX2:
	case DW_FORM_STRX3:
	case DW_FORM_STRX4:
	case DW_FORM_GNU_STR_INDEX:
		return indexed_string(unit, value->num);
	default:
		return NULL;
	}
}

bool dwarf_addrx(const struct dwarf_unit *unit, uint64_t index, uint64_t *ret)
{
	const struct dwarf_unit *owner = unit->skeleton ? unit->skeleton : unit;
	struct elf_bytes addrs = owner->file->sections[DWARF_ADDR];
	struct stint_cursor cur;

	if (index > addrs.size)
		return false;
	cur = dwarf_cursor(addrs, owner->addr_base + index * unit->sizes.address);
	*ret = dwarf_uint(&cur, unit->sizes.address);
	return !cur.bad;
}

bool dwarf_address(const struct dwarf_unit *unit, const struct dwarf_value *value, uint64_t *ret)
{
	switch (value->form) {
	case DW_FORM_ADDR:
		*ret = value->num;
		return true;
	case DW_FORM_ADDRX:
	case DW_FORM_ADDRX1:
	case DW_FORM_ADDRX2:
	case DW_FORM_ADDRX3:
	case DW_FORM_ADDRX4:
	case DW_FORM_GNU_ADDR_INDEX:
		return dwarf_addrx(unit, value->num, ret);
	default:
		return false;
	}
}

struct dwarf_unit *dwarf_reference(struct dwarf_unit *unit, const struct dwarf_value *value, uint64_t *ret_off)
{
	struct dwarf_unit *target;

	switch (value->form) {
	case DW_FORM_REF1:
	case DW_FORM_REF2:
	case DW_FORM_REF4:
	case DW_FORM_REF8:
	case DW_FORM_REF_UDATA:
		*ret_off = unit->off + value->num;
		return *ret_off >= unit->first_die && *ret_off < unit->end ? unit : NULL;
	case DW_FORM_REF_ADDR:
		target = dwarf_unit_at(unit->file, value->num);
		break;
	case DW_FORM_GNU_REF_ALT:
	case DW_FORM_REF_SUP4:
	case DW_FORM_REF_SUP8:
		target = unit->file->alt ? dwarf_unit_at(unit->file->alt, value->num) : NULL;
		break;
	default:
		return NULL;
	}
	*ret_off = value->num;
	return target && dwarf_unit_root(target) ? target : NULL;
}
