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

/* One entry of the section, of either kind, without its body. */
struct entry {
	uint64_t off;
	uint64_t body_off; /* what stands behind the CIE id or pointer */
	uint64_t body_bytes;
	uint64_t end;	 /* of the entry */
	uint64_t id;	 /* as it stands */
	uint64_t id_off; /* where it stands in the section */
	bool is_cie;
	bool is_end; /* a terminator, or padding of zeros */
	bool is_bad;
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

bool cfi_read_address(struct stint_cursor *cur, uint8_t encoding, uint64_t bias, uint64_t *ret)
{
	uint64_t here = (uint64_t)(uintptr_t)cur->at + bias;

	if (encoding == DW_EH_PE_omit || (encoding & DW_EH_PE_indirect) || !read_format(cur, encoding, ret))
		return false;
	if (PE_BASE(encoding) == DW_EH_PE_pcrel)
		*ret += here;
	else if (PE_BASE(encoding) != DW_EH_PE_absptr)
		return false;
	return true;
}

/* Reads how an entry begins. False if its length is malformed or can't be read: nothing behind it can be found. */
static bool read_entry(struct cfi_section *section, uint64_t off, struct entry *ret)
{
	uint64_t left = section->bytes.size_bytes - off, length;
	size_t n = left < 20 ? (size_t)left : 20; /* as long as it can be */
	const uint8_t *at = unwind_bytes_at(&section->bytes, off, n);
	struct stint_cursor cur = stint_cursor_of(at, at ? n : 0);
	uint32_t first = stint_cursor_u32(&cur), length_bytes = 4, id_bytes = 4;

	*ret = (struct entry){.off = off, .is_end = first == 0, .end = off + 4};
	length = first;
	if (first == UINT32_MAX) {
		length = stint_cursor_u64(&cur);
		length_bytes = 12;
		id_bytes = 8;
	}
	if (cur.bad || !at || (first >= 0xfffffff0u && first != UINT32_MAX))
		return false;
	if (ret->is_end)
		return true;
	if (length > left - length_bytes)
		return false;
	ret->id_off = off + length_bytes;
	ret->end = ret->id_off + length;
	ret->is_bad = length < id_bytes;
	if (ret->is_bad)
		return true;
	ret->id = id_bytes == 8 ? stint_cursor_u64(&cur) : stint_cursor_u32(&cur);
	ret->body_off = ret->id_off + id_bytes;
	ret->body_bytes = length - id_bytes;
	if (section->eh)
		ret->is_cie = ret->id == 0;
	else
		ret->is_cie = ret->id == (id_bytes == 8 ? UINT64_MAX : UINT32_MAX);
	return true;
}

/* False if the entry is too long or can't be read. bias as in struct cfi_fde. */
static bool read_body(struct cfi_section *section, const struct entry *entry, struct stint_cursor *ret,
		      uint64_t *ret_bias)
{
	const uint8_t *at = NULL;

	if (entry->body_bytes <= CFI_MAX_ENTRY_BYTES)
		at = unwind_bytes_at(&section->bytes, entry->body_off, (size_t)entry->body_bytes);
	*ret = stint_cursor_of(at, at ? (size_t)entry->body_bytes : 0);
	*ret_bias = section->vaddr + entry->body_off - (uint64_t)(uintptr_t)at;
	return at != NULL;
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

static bool read_cie(struct cfi *cfi, uint64_t off, struct cfi_cie *cie)
{
	struct stint_cursor cur;
	struct entry entry;
	char letters[16];
	uint8_t version;
	uint64_t bias;

	if (!read_entry(&cfi->section, off, &entry) || !entry.is_cie || entry.body_bytes > CFI_MAX_CIE_BYTES ||
	    !read_body(&cfi->section, &entry, &cur, &bias))
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

/* The CIE at an offset, read when it isn't held. */
static int cie_at(struct cfi *cfi, uint64_t off, const struct cfi_cie **ret, struct stint_err *err)
{
	struct cfi_cie *cie;
	uint32_t i;
	int rc;

	if (!cfi->cies) {
		cfi->cies = malloc(CFI_CIES * sizeof(*cfi->cies));
		if (!cfi->cies)
			return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory for unwind information");
		for (i = 0; i < CFI_CIES; i++)
			cfi->cies[i].off = UINT64_MAX;
	}
	cie = &cfi->cies[(off * 0x9e3779b97f4a7c15u >> 32) % CFI_CIES];
	*ret = cie;
	if (cie->off == off)
		return 0;
	if (cfi->n_cie_reads++ == CFI_MAX_CIE_READS)
		return stint_err_set(err, STINT_ERR_LIMIT, 0, -1, "more than %u CIEs", CFI_MAX_CIE_READS);
	/* Its program runs each time, though its bytes may be held. */
	rc = unwind_source_charge(&cfi->section.bytes.source, CFI_MAX_CIE_BYTES, err);
	if (rc)
		return rc;
	*cie = (struct cfi_cie){.off = off};
	cie->bad = !read_cie(cfi, off, cie);
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
	return *ret < cfi->section.bytes.size_bytes;
}

/* The FDE that an entry is. Returns 1, 0 for a bad one, or an error. */
static int read_fde(struct cfi *cfi, const struct entry *entry, struct cfi_fde *ret, struct stint_err *err)
{
	const struct cfi_cie *cie = NULL;
	struct stint_cursor cur;
	uint64_t off;
	int rc;

	if (entry->is_bad || !cie_offset(cfi, entry, &off))
		return 0;
	rc = cie_at(cfi, off, &cie, err);
	if (rc)
		return rc;
	if (cie->bad || !read_body(&cfi->section, entry, &cur, &ret->bias) ||
	    !cfi_read_address(&cur, cie->encoding, ret->bias, &ret->start) ||
	    !read_format(&cur, cie->encoding, &ret->size_bytes))
		return 0;
	if (cie->has_augmentation) {
		uint64_t size = stint_cursor_varint(&cur);

		if (size > stint_cursor_left(&cur) || !stint_cursor_bytes(&cur, (size_t)size))
			return 0;
	}
	ret->off = (uint32_t)entry->off;
	ret->cie = cie;
	ret->code = cur.at;
	ret->code_bytes = (uint32_t)stint_cursor_left(&cur);
	return !cur.bad && ret->start + ret->size_bytes >= ret->start;
}

static int failure(const struct cfi *cfi, struct stint_err *err)
{
	const struct unwind_bytes *bytes = &cfi->section.bytes;

	if (bytes->status && err)
		*err = bytes->err;
	return bytes->status;
}

int cfi_each_fde(struct cfi *cfi, int (*each)(void *context, const struct cfi_fde *fde), void *context,
		 struct stint_err *err)
{
	struct entry entry = {0};
	int rc = 0;

	while (!rc && entry.end < cfi->section.bytes.size_bytes) {
		struct cfi_fde fde;

		if (!read_entry(&cfi->section, entry.end, &entry)) {
			cfi->n_bad++;
			break;
		}
		if (entry.is_end || entry.is_cie)
			continue;
		rc = read_fde(cfi, &entry, &fde, err);
		if (rc == 0)
			cfi->n_bad++;
		else if (rc > 0)
			rc = each(context, &fde);
	}
	return rc ? rc : failure(cfi, err);
}

int cfi_fde_at(struct cfi *cfi, uint32_t off, struct cfi_fde *ret, struct stint_err *err)
{
	struct entry entry;
	int rc = 0;

	if (off < cfi->section.bytes.size_bytes && read_entry(&cfi->section, off, &entry) && !entry.is_end &&
	    !entry.is_cie)
		rc = read_fde(cfi, &entry, ret, err);
	return rc ? rc : failure(cfi, err);
}
