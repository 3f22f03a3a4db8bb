/* SPDX-License-Identifier: MIT */
/*
 * Function names of stripped Go programs, from the table that Go's own runtime needs for its stack traces. Layouts as
 * in the Go sources, src/debug/gosym/pclntab.go: of Go 1.2, 1.16, 1.18 and 1.20.
 */
#include <elf.h>
#include <string.h>

#include "analyze/dwarf_cursor.h"
#include "analyze/elf_symtab.h"

#define GO_MAX_FUNCTIONS (4u << 20)

enum go_magic {
	GO_1_2 = 0xfffffffb,
	GO_1_16 = 0xfffffffa,
	GO_1_18 = 0xfffffff0,
	GO_1_20 = 0xfffffff1,
};

struct go_table {
	struct elf_bytes bytes;
	uint64_t n_functions;
	uint64_t text;	    /* that the entries of newer tables are relative to */
	uint64_t names;	    /* offset of the names */
	uint64_t functions; /* offset of the list of functions, and what offsets in it are relative to */
	uint64_t entries;   /* offset of the list's first entry */
	unsigned int pointer;
	unsigned int entry; /* size of an address in the list */
};

static uint64_t field(const struct go_table *table, unsigned int index)
{
	struct stint_cursor cur = dwarf_cursor(table->bytes, 8 + (uint64_t)index * table->pointer);

	return dwarf_uint(&cur, table->pointer);
}

/* Position-independent programs have a zero where the loader writes the address. */
static uint64_t text_start(const struct elf_file *ef, uint64_t told)
{
	const struct elf_section *text = told ? NULL : elf_file_section(ef, ".text");

	return text ? text->addr : told;
}

static bool read_table(const struct elf_file *ef, struct elf_bytes bytes, struct go_table *table)
{
	*table = (struct go_table){.bytes = bytes};
	if (bytes.size < 8 + 8 * sizeof(uint64_t))
		return false;
	table->pointer = bytes.at[7];
	if (table->pointer != 4 && table->pointer != 8)
		return false;
	table->entry = table->pointer;
	table->n_functions = field(table, 0);
	switch (elf_u32(bytes.at)) {
	case GO_1_18:
	case GO_1_20:
		table->entry = 4;
		table->text = text_start(ef, field(table, 2));
		table->names = field(table, 3);
		table->functions = field(table, 7);
		table->entries = table->functions;
		break;
	case GO_1_16:
		table->names = field(table, 2);
		table->functions = field(table, 6);
		table->entries = table->functions;
		break;
	case GO_1_2:
		table->entries = 8 + table->pointer;
		break;
	default:
		return false;
	}
	return table->n_functions <= GO_MAX_FUNCTIONS;
}

static const char *name_at(const struct go_table *table, uint64_t function)
{
	/* A function's record begins with its entry; the name's offset comes next. */
	struct stint_cursor cur = dwarf_cursor(table->bytes, table->functions + function + table->entry);
	uint64_t off = table->names + dwarf_uint(&cur, 4);
	const char *name = (const char *)table->bytes.at + off;

	if (cur.bad || off >= table->bytes.size || !memchr(name, 0, table->bytes.size - off))
		return NULL;
	return name;
}

int elf_symtab_add_go(struct elf_symtab *st, const struct elf_file *ef, struct stint_err *err)
{
	const struct elf_section *section = elf_file_section(ef, ".gopclntab");
	struct elf_symbol symbol = {.limit = UINT64_MAX, .sized = true};
	struct go_table table;
	struct stint_cursor cur;
	uint64_t i, next, function;
	int rc = 0;

	if (!section)
		section = elf_file_section(ef, ".data.rel.ro.gopclntab");
	if (!section || !read_table(ef, elf_section_raw(ef, section), &table))
		return 0;
	cur = dwarf_cursor(table.bytes, table.entries);
	next = table.text + dwarf_uint(&cur, table.entry);
	for (i = 0; i < table.n_functions && !rc; i++) {
		function = dwarf_uint(&cur, table.entry);
		symbol.addr = next;
		next = table.text + dwarf_uint(&cur, table.entry); /* behind the last one stands the end */
		if (cur.bad)
			break;
		symbol.end = next;
		symbol.name = name_at(&table, function);
		if (symbol.name && *symbol.name && symbol.end > symbol.addr)
			rc = elf_symtab_put(st, &symbol, err);
	}
	return rc;
}
