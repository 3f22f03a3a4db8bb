/* SPDX-License-Identifier: MIT */
/* CIEs and FDEs: .eh_frame's and .debug_frame's differ in how an FDE names its CIE and how
 * addresses are written. */
#include "record/unwind_entries.h"

#include <dwarf.h>
#include <stdlib.h>

#include "record/unwind_arch.h"

/* Encodings beyond DWARF's own that <dwarf.h> has no names for. */
#define PE_FORMAT(encoding) ((encoding)&0x0fu)
#define PE_BASE(encoding)   ((encoding)&0x70u)

/* One entry of the section, of either kind. */
struct entry {
	struct stint_cursor body; /* behind the CIE id or pointer */
	uint64_t id;		  /* as it stands */
	uint64_t id_off;	  /* where it stands in the section */
	bool is_64;
	bool is_cie;
	bool is_end; /* a terminator, or padding of zeros */
};

int64_t cfi_read_sleb(struct stint_cursor *cur)
{
	uint64_t value = 0;
	unsigned shift;

	for (shift = 0; shift < 70; shift += 7) {
		uint8_t byte = stint_cursor_u8(cur);

		value |= (uint64_t)(byte & 0x7f) << (shift < 63 ? shift : 63);
		if (!(byte & 0x80)) {
			if ((byte & 0x40) && shift + 7 < 64)
				value |= ~UINT64_C(0) << (shift + 7);
			return (int64_t)value;
		}
	}
	cur->bad = true;
	return 0;
}

static bool read_format(struct stint_cursor *cur, uint8_t encoding, uint64_t *ret)
{
	switch (PE_FORMAT(encoding)) {
	case DW_EH_PE_absptr:
	case DW_EH_PE_udata8:
	case DW_EH_PE_sdata8:
		*ret = stint_cursor_u64(cur);
		break;
	case DW_EH_PE_udata2:
		*ret = stint_cursor_u16(cur);
		break;
	case DW_EH_PE_udata4:
		*ret = stint_cursor_u32(cur);
		break;
	case DW_EH_PE_sdata2:
		*ret = (uint64_t)(int16_t)stint_cursor_u16(cur);
		break;
	case DW_EH_PE_sdata4:
		*ret = (uint64_t)(int32_t)stint_cursor_u32(cur);
		break;
	case DW_EH_PE_uleb128:
		*ret = stint_cursor_varint(cur);
		break;
	case DW_EH_PE_sleb128:
		*ret = (uint64_t)cfi_read_sleb(cur);
		break;
	default:
		return false;
	}
	return !cur->bad;
}

bool cfi_read_address(struct stint_cursor *cur, uint8_t encoding, const struct cfi_section *section, uint64_t *ret)
{
	uint64_t here = section->vaddr + (uint64_t)(cur->at - section->data);

	if (encoding == DW_EH_PE_omit || (encoding & DW_EH_PE_indirect) || !read_format(cur, encoding, ret))
		return false;
	if (PE_BASE(encoding) == DW_EH_PE_pcrel)
		*ret += here;
	else if (PE_BASE(encoding) != DW_EH_PE_absptr)
		return false;
	return true;
}

/* Reads the entry at the cursor and moves past it. False if its length is malformed: nothing behind
 * it can be found. */
static bool next_entry(const struct cfi_section *section, struct stint_cursor *cur, struct entry *ret)
{
	uint64_t length = stint_cursor_u32(cur);
	const uint8_t *start;

	*ret = (struct entry){.is_64 = length == UINT32_MAX};
	if (ret->is_64)
		length = stint_cursor_u64(cur);
	else if (length >= 0xfffffff0u)
		return false;
	if (cur->bad)
		return false;
	if (!length) {
		ret->is_end = true;
		return true;
	}
	start = cur->at;
	if (length > stint_cursor_left(cur) || !stint_cursor_bytes(cur, (size_t)length))
		return false;
	ret->body = stint_cursor_of(start, (size_t)length);
	ret->id_off = (uint64_t)(start - section->data);
	ret->id = ret->is_64 ? stint_cursor_u64(&ret->body) : stint_cursor_u32(&ret->body);
	if (section->eh)
		ret->is_cie = ret->id == 0;
	else
		ret->is_cie = ret->id == (ret->is_64 ? UINT64_MAX : UINT32_MAX);
	return true;
}

static bool skip_personality(struct stint_cursor *cur, uint8_t encoding)
{
	uint64_t ignored;

	if (encoding == DW_EH_PE_omit)
		return true;
	return PE_BASE(encoding) != DW_EH_PE_aligned && read_format(cur, encoding, &ignored);
}

/* The augmentation's letters and their data. False for letters whose meaning could matter and isn't
 * known. */
static bool read_augmentation(struct stint_cursor *cur, const char *letters, struct cfi_cie *cie)
{
	struct stint_cursor data;
	uint64_t size;

	if (!*letters)
		return true;
	if (*letters != 'z')
		return false;
	cie->has_augmentation = true;
	size = stint_cursor_varint(cur);
	if (size > stint_cursor_left(cur))
		return false;
	data = stint_cursor_of(cur->at, (size_t)size);
	for (letters++; *letters; letters++) {
		if (*letters == 'R')
			cie->encoding = stint_cursor_u8(&data);
		else if (*letters == 'S')
			cie->signal = true;
		else if (*letters == 'L')
			stint_cursor_u8(&data);
		else if (*letters == 'P' && !skip_personality(&data, stint_cursor_u8(&data)))
			return false;
		else if (*letters != 'P' && *letters != 'B' && *letters != 'G')
			return false;
	}
	return stint_cursor_bytes(cur, (size_t)size) && !data.bad;
}

static bool read_letters(struct stint_cursor *cur, char *letters, size_t size)
{
	size_t i;

	for (i = 0; i < size; i++) {
		letters[i] = (char)stint_cursor_u8(cur);
		if (!letters[i])
			return !cur->bad;
	}
	return false;
}

static bool read_cie(const struct cfi *cfi, const struct entry *entry, struct cfi_cie *cie)
{
	struct stint_cursor cur = entry->body;
	char letters[16];
	uint8_t version;

	if (!entry->is_cie || stint_cursor_left(&cur) > CFI_MAX_CIE_BYTES)
		return false;
	version = stint_cursor_u8(&cur);
	if ((version != 1 && version != 3 && version != 4) || !read_letters(&cur, letters, sizeof(letters)))
		return false;
	if (version == 4 && (stint_cursor_u8(&cur) != 8 || stint_cursor_u8(&cur) != 0))
		return false; /* addresses of 8 bytes, no segment selectors */
	cie->encoding = DW_EH_PE_absptr;
	cie->code_align = stint_cursor_varint(&cur);
	cie->data_align = cfi_read_sleb(&cur);
	cie->ra_reg = version == 1 ? stint_cursor_u8(&cur) : stint_cursor_varint(&cur);
	if (!read_augmentation(&cur, letters, cie) || cur.bad || cie->ra_reg != cfi->arch->ra)
		return false;
	return !cfi_run_initial(cfi, cie, cur);
}

/* The index of the CIE at an offset, read when it is first asked for. */
static int cie_at(struct cfi *cfi, uint64_t off, uint32_t *ret)
{
	struct stint_cursor cur;
	struct entry entry;
	uint64_t *index;
	bool fresh;

	index = stint_map_put(&cfi->cie_by_off, off, &fresh);
	if (!index)
		return STINT_ERR_NOMEM;
	*ret = (uint32_t)*index;
	if (!fresh)
		return 0;
	if (cfi->n_cies == cfi->cap_cies) {
		uint32_t cap = cfi->cap_cies ? 2 * cfi->cap_cies : 16;
		struct cfi_cie *cies;

		if (cap > CFI_MAX_CIES)
			return STINT_ERR_LIMIT;
		cies = realloc(cfi->cies, cap * sizeof(*cies));
		if (!cies)
			return STINT_ERR_NOMEM;
		cfi->cies = cies;
		cfi->cap_cies = cap;
	}
	*index = *ret = cfi->n_cies++;
	cfi->cies[*ret] = (struct cfi_cie){.bad = true};
	cur = stint_cursor_of(cfi->section.data + off, cfi->section.size_bytes - off);
	if (next_entry(&cfi->section, &cur, &entry) && !entry.is_end)
		cfi->cies[*ret].bad = !read_cie(cfi, &entry, &cfi->cies[*ret]);
	return 0;
}

/* Where in the section an FDE's CIE is; false if outside. */
static bool cie_offset(const struct cfi *cfi, const struct entry *entry, uint64_t *ret)
{
	if (!cfi->section.eh)
		*ret = entry->id;
	else if (entry->id > entry->id_off)
		return false;
	else
		*ret = entry->id_off - entry->id;
	return *ret < cfi->section.size_bytes;
}

static bool read_fde(const struct cfi *cfi, const struct cfi_cie *cie, const struct entry *entry, struct cfi_fde *ret)
{
	struct stint_cursor cur = entry->body;

	if (cie->bad || !cfi_read_address(&cur, cie->encoding, &cfi->section, &ret->start) ||
	    !read_format(&cur, cie->encoding, &ret->size_bytes))
		return false;
	if (cie->has_augmentation) {
		uint64_t size = stint_cursor_varint(&cur);

		if (size > stint_cursor_left(&cur) || !stint_cursor_bytes(&cur, (size_t)size))
			return false;
	}
	ret->code = (uint32_t)(cur.at - cfi->section.data);
	ret->code_bytes = (uint32_t)stint_cursor_left(&cur);
	return !cur.bad && ret->start + ret->size_bytes >= ret->start;
}

int cfi_each_fde(struct cfi *cfi, int (*each)(void *context, const struct cfi_fde *fde), void *context)
{
	struct stint_cursor cur = stint_cursor_of(cfi->section.data, cfi->section.size_bytes);
	struct entry entry;
	int rc = 0;

	while (!rc && cur.at < cur.end) {
		struct cfi_fde fde;
		uint64_t off;

		if (!next_entry(&cfi->section, &cur, &entry)) {
			cfi->n_bad++;
			break;
		}
		if (entry.is_end || entry.is_cie)
			continue;
		if (entry.body.bad || !cie_offset(cfi, &entry, &off)) {
			cfi->n_bad++;
			continue;
		}
		rc = cie_at(cfi, off, &fde.cie);
		if (rc)
			break;
		if (read_fde(cfi, &cfi->cies[fde.cie], &entry, &fde))
			rc = each(context, &fde);
		else
			cfi->n_bad++;
	}
	return rc;
}
