/* SPDX-License-Identifier: MIT */
#include "record/unwind_go.h"

#include <string.h>

#include "base/cursor.h"
#include "bpf/unwind_row.h"

#define MAX_FUNCTIONS (4u << 20)
#define MAX_NAME      40u /* longer names aren't those looked for */

/* The layouts, as in the Go sources, src/debug/gosym/pclntab.go. */
enum go_magic {
	GO_1_16 = 0xfffffffa,
	GO_1_18 = 0xfffffff0,
	GO_1_20 = 0xfffffff1,
};

struct go_table {
	const struct unwind_section *bytes;
	uint64_t n_functions;
	uint64_t text;	    /* what entries are relative to */
	uint64_t names;	    /* offset of the names */
	uint64_t functions; /* offset of the list of functions, and what offsets in it are relative to */
	bool wide;	    /* its entries are of 8 bytes, else of 4 */
};

static struct stint_cursor cursor_at(const struct unwind_section *bytes, uint64_t off)
{
	struct stint_cursor cur = stint_cursor_of(bytes->data, bytes->size_bytes);

	if (off > bytes->size_bytes)
		cur.bad = true;
	else
		cur.at += off;
	return cur;
}

static uint64_t entry(const struct go_table *table, struct stint_cursor *cur)
{
	return table->wide ? stint_cursor_u64(cur) : stint_cursor_u32(cur);
}

static bool read_table(const struct unwind_elf *elf, struct go_table *table)
{
	struct stint_cursor cur = cursor_at(&elf->go_pclntab, 0);
	uint32_t magic = stint_cursor_u32(&cur), sizes = stint_cursor_u32(&cur), i;
	uint64_t fields[8];

	for (i = 0; i < 8; i++)
		fields[i] = stint_cursor_u64(&cur);
	if (cur.bad || sizes >> 24 != 8) /* bytes of a pointer */
		return false;
	*table = (struct go_table){.bytes = &elf->go_pclntab, .n_functions = fields[0]};
	if (magic == GO_1_18 || magic == GO_1_20) {
		/* Position-independent programs have a zero where the loader writes the address. */
		table->text = fields[2] ? fields[2] : elf->go_text_vaddr;
		table->names = fields[3];
		table->functions = fields[7];
	} else if (magic == GO_1_16) {
		table->names = fields[2];
		table->functions = fields[6];
		table->wide = true;
	} else {
		return false;
	}
	return table->n_functions <= MAX_FUNCTIONS;
}

/* The name in the record of a function; NULL where it is longer than MAX_NAME or has no end. */
static const char *name_of(const struct go_table *table, uint64_t function)
{
	/* The record begins with the function's entry; the name's offset comes next. */
	struct stint_cursor cur = cursor_at(table->bytes, table->functions + function + (table->wide ? 8 : 4));
	struct stint_cursor name = cursor_at(table->bytes, table->names + stint_cursor_u32(&cur));
	size_t left = stint_cursor_left(&name);

	if (cur.bad || name.bad || !left || !memchr(name.at, '\0', left < MAX_NAME ? left : MAX_NAME))
		return NULL;
	return (const char *)name.at;
}

/* What is special about the function of that name; false for all but a few. */
static bool is_known(const char *name, struct unwind_go_function *ret)
{
	static const char package[] = "runtime.";
	static const struct {
		const char *name;
		uint8_t kind;
		bool if_no_frames;
	} known[] = {
		{"mcall", UNWIND_END, false},
		{"systemstack", UNWIND_END, false},
		{"morestack", UNWIND_END, false},
		{"rt0_go", UNWIND_END, false},
		{"mstart", UNWIND_END, true},
		{"sigreturn", UNWIND_SIGNAL, false},
		{"sigreturn__sigaction", UNWIND_SIGNAL, false},
	};
	size_t i, n = sizeof(package) - 1;

	if (strncmp(name, package, n) != 0)
		return false;
	name += n;
	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		n = strlen(known[i].name);
		/* Assembly may have its calling convention behind its name. */
		if (strncmp(name, known[i].name, n) != 0 || (name[n] && strcmp(name + n, ".abi0") != 0))
			continue;
		ret->kind = known[i].kind;
		ret->if_no_frames = known[i].if_no_frames;
		return true;
	}
	return false;
}

uint32_t unwind_go_find(const struct unwind_elf *elf, struct unwind_go_function *ret)
{
	uint32_t n_found = 0;
	struct go_table table;
	struct stint_cursor cur;
	uint64_t i, next;

	if (!elf->go_pclntab.data || !read_table(elf, &table))
		return 0;
	cur = cursor_at(table.bytes, table.functions);
	next = table.text + entry(&table, &cur);
	for (i = 0; i < table.n_functions && n_found < UNWIND_GO_MAX_FOUND; i++) {
		const char *name = name_of(&table, entry(&table, &cur));

		ret[n_found].vaddr = next;
		next = table.text + entry(&table, &cur); /* behind the last one stands the end */
		if (cur.bad)
			break;
		ret[n_found].size_bytes = next - ret[n_found].vaddr;
		if (name && next > ret[n_found].vaddr && is_known(name, &ret[n_found]))
			n_found++;
	}
	return n_found;
}
