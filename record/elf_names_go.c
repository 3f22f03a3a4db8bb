/* SPDX-License-Identifier: MIT */
/*
 * Function names of Go programs by the table that their own runtime has, which stripping leaves in place. Layouts as
 * in the Go sources, src/debug/gosym/pclntab.go: of Go 1.2, 1.16, 1.18 and 1.20.
 */
#include "base/cursor.h"
#include "record/elf_names_internal.h"

#define GO_MAX_FUNCTIONS (4u << 20)
#define GO_HEADER_WORDS	 8

enum go_magic {
	GO_1_2 = 0xfffffffb,
	GO_1_16 = 0xfffffffa,
	GO_1_18 = 0xfffffff0,
	GO_1_20 = 0xfffffff1,
};

struct go_table {
	const struct elf_image *image;
	uint64_t off, size; /* in the file */
	uint64_t n_functions;
	uint64_t text;	    /* that the entries of newer tables are relative to */
	uint64_t names;	    /* offset in the table; likewise below */
	uint64_t functions; /* what offsets in the list of functions are relative to */
	uint64_t entries;   /* of the list itself */
	unsigned entry;	    /* size of an address in the list */
};

/* A little-endian number of the table, 0 outside of it. */
static uint64_t number(const struct go_table *table, uint64_t at, unsigned size)
{
	uint8_t bytes[8];
	struct stint_cursor cur = stint_cursor_of(bytes, size);

	if (at > table->size || size > table->size - at || !elf_image_read(table->image, table->off + at, bytes, size))
		return 0;
	return size == 4 ? stint_cursor_u32(&cur) : stint_cursor_u64(&cur);
}

static bool open_table(const struct elf_image *image, struct go_table *table)
{
	const Elf64_Shdr *section = elf_image_section(image, ".gopclntab"), *text;
	uint64_t words[GO_HEADER_WORDS];
	unsigned i, pointer;

	if (!section)
		section = elf_image_section(image, ".data.rel.ro.gopclntab");
	if (!section)
		return false;
	*table = (struct go_table){.image = image, .off = section->sh_offset, .size = section->sh_size};
	pointer = (unsigned)(number(table, 4, 4) >> 24);
	if (pointer != 4 && pointer != 8)
		return false;
	for (i = 0; i < GO_HEADER_WORDS; i++)
		words[i] = number(table, 8 + (uint64_t)i * pointer, pointer);
	table->n_functions = words[0];
	table->entry = pointer;
	switch (number(table, 0, 4)) {
	case GO_1_18:
	case GO_1_20:
		table->entry = 4;
		table->text = words[2];
		/* Position-independent programs have a zero where the loader writes the address. */
		text = table->text ? NULL : elf_image_section(image, ".text");
		if (text)
			table->text = text->sh_addr;
		table->names = words[3];
		table->functions = table->entries = words[7];
		break;
	case GO_1_16:
		table->names = words[2];
		table->functions = table->entries = words[6];
		break;
	case GO_1_2:
		table->entries = 8 + pointer;
		break;
	default:
		return false;
	}
	return table->n_functions && table->n_functions <= GO_MAX_FUNCTIONS;
}

/* Where function i begins; the end of the last one is that of function n. */
static uint64_t start_of(const struct go_table *table, uint64_t i)
{
	return table->text + number(table, table->entries + 2 * i * table->entry, table->entry);
}

bool elf_names_go(const struct elf_image *image, uint64_t vaddr, uint64_t *ret_start, uint64_t *ret_end,
		  char **ret_name)
{
	struct go_table table;
	uint64_t low = 0, high, function, name;

	if (!open_table(image, &table))
		return false;
	high = table.n_functions;
	while (low < high) {
		uint64_t mid = low + (high - low) / 2;

		if (start_of(&table, mid) <= vaddr)
			low = mid + 1;
		else
			high = mid;
	}
	if (!low || vaddr >= start_of(&table, low))
		return false;
	*ret_start = start_of(&table, low - 1);
	*ret_end = start_of(&table, low);
	/* A function's record begins with its entry; the name's offset comes next. */
	function = number(&table, table.entries + (2 * low - 1) * table.entry, table.entry);
	name = table.names + number(&table, table.functions + function + table.entry, 4);
	*ret_name = name < table.size ? elf_names_text(image, table.off + name, table.off + table.size) : NULL;
	return *ret_name && **ret_name;
}
