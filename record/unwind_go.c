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
	struct unwind_bytes *bytes;
	uint64_t n_functions;
	uint64_t text;	    /* what entries are relative to */
	uint64_t names;	    /* offset of the names */
	uint64_t functions; /* offset of the list of functions, and what offsets in it are relative to */
	bool wide;	    /* its entries are of 8 bytes, else of 4 */
};

/* Some bytes of the table. A bad cursor where it has none there. */
static struct stint_cursor cursor_at(struct unwind_bytes *bytes, uint64_t off, size_t size)
{
	const uint8_t *at = unwind_bytes_at(bytes, off, size);
	struct stint_cursor cur = stint_cursor_of(at, at ? size : 0);

	cur.bad = !at;
	return cur;
}

static bool read_table(struct unwind_bytes *bytes, uint64_t text_vaddr, struct go_table *table)
{
	struct stint_cursor cur = cursor_at(bytes, 0, 8 + 8 * sizeof(uint64_t));
	uint32_t magic = stint_cursor_u32(&cur), sizes = stint_cursor_u32(&cur), i;
	uint64_t fields[8];

	for (i = 0; i < 8; i++)
		fields[i] = stint_cursor_u64(&cur);
	if (cur.bad || sizes >> 24 != 8) /* bytes of a pointer */
		return false;
	*table = (struct go_table){.bytes = bytes, .n_functions = fields[0]};
	if (magic == GO_1_18 || magic == GO_1_20) {
		/* Position-independent programs have a zero where the loader writes the address. */
		table->text = fields[2] ? fields[2] : text_vaddr;
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

/* Of the list of functions: where one begins, and where its record is. Behind the last one stands the end alone. */
static bool read_function(const struct go_table *table, uint64_t i, uint64_t *ret_start, uint64_t *ret_record)
{
	bool last = i == table->n_functions;
	size_t width = table->wide ? 8 : 4;
	struct stint_cursor cur = cursor_at(table->bytes, table->functions + i * 2 * width, last ? width : 2 * width);

	*ret_start = table->text + (table->wide ? stint_cursor_u64(&cur) : stint_cursor_u32(&cur));
	*ret_record = last ? 0 : table->wide ? stint_cursor_u64(&cur) : stint_cursor_u32(&cur);
	return !cur.bad;
}

/* The name in the record of a function; NULL where it is longer than MAX_NAME or has no end. */
static const char *name_of(const struct go_table *table, uint64_t record)
{
	/* The record begins with the function's entry; the name's offset comes next. */
	struct stint_cursor cur = cursor_at(table->bytes, table->functions + record + (table->wide ? 8 : 4), 4);
	uint64_t off = table->names + stint_cursor_u32(&cur), left = table->bytes->size_bytes - off;
	size_t size = left < MAX_NAME ? (size_t)left : MAX_NAME;
	const char *name;

	if (cur.bad || off >= table->bytes->size_bytes)
		return NULL;
	name = (const char *)unwind_bytes_at(table->bytes, off, size);
	return name && memchr(name, '\0', size) ? name : NULL;
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

static uint32_t find(const struct go_table *table, struct unwind_go_function *ret)
{
	uint64_t i, start, next, record, next_record;
	uint32_t n_found = 0;

	if (!read_function(table, 0, &start, &record))
		return 0;
	for (i = 0; i < table->n_functions && n_found < UNWIND_GO_MAX_FOUND; i++) {
		const char *name;

		if (!read_function(table, i + 1, &next, &next_record))
			break;
		name = name_of(table, record);
		ret[n_found].vaddr = start;
		ret[n_found].size_bytes = next - start;
		if (name && next > start && is_known(name, &ret[n_found]))
			n_found++;
		start = next;
		record = next_record;
	}
	return n_found;
}

uint32_t unwind_go_find(const struct unwind_elf *elf, const struct unwind_source *source,
			struct unwind_go_function *ret)
{
	const struct unwind_section *section = &elf->go_pclntab;
	struct unwind_bytes bytes;
	struct go_table table;
	uint32_t n_found = 0;

	if (!section->size_bytes)
		return 0;
	unwind_section_open(&bytes, source, section);
	if (read_table(&bytes, elf->go_text_vaddr, &table))
		n_found = find(&table, ret);
	unwind_bytes_done(&bytes);
	return n_found;
}
