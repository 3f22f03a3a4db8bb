/* SPDX-License-Identifier: MIT */
#include "record/unwind_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "record/unwind_arch.h"
#include "record/unwind_calls.h"
#include "record/unwind_cfi.h"
#include "record/unwind_crt.h"
#include "record/unwind_elf.h"
#include "record/unwind_go.h"

/* Trampolines are short, and a file has few. */
#define MAX_CALLING_CODE 4096u
#define MAX_CALLS	 64u

/* Between functions: looked through for code that has no call frame information and yet is known. */
#define MIN_GAP_BYTES 64u
#define MAX_GAPS      256u

/* Code that is read to see whether it is known to be the outermost frame. */
#define MAX_OUTERMOST_BYTES 32u
#define MAX_OUTERMOST_READ  4096u

/* Where a range of code has its rule from; where ranges overlap, the lower number was there first.
 */
enum origin {
	FROM_KNOWN = 0, /* functions known by name or code; also where an earlier range has covered them */
	FROM_EH_FRAME = 1,
	FROM_DEBUG_FRAME = 2,
	FROM_STUBS = 3,
};

/* A range of code, in file offsets. */
struct range {
	uint32_t start, end;
	uint32_t code, code_bytes; /* the FDE's program; for stubs and known ones: the row's index */
	uint32_t cie;
	uint32_t origin; /* enum origin */
	uint64_t vaddr;	 /* of start, as linked */
};

struct build {
	struct unwind_table *table;
	const struct unwind_source *source;
	struct unwind_elf elf;
	const struct unwind_arch *arch;
	struct cfi cfi[FROM_STUBS]; /* by enum origin */
	struct range *ranges;
	uint32_t n_ranges, cap_ranges;
	bool sorted;	    /* as they came */
	enum origin origin; /* of the ranges being added */
	struct unwind_row *stub_rows;
	uint32_t n_stub_rows, cap_stub_rows;

	uint32_t cap_rows;
	uint32_t covered; /* where the last range that has rows ends */
	uint64_t shift;	  /* address - file offset in the FDE whose rows are being made */
	uint32_t from;	  /* rows below this offset belong to an earlier range */
	bool signal;
	uint32_t n_calls; /* whose callees were looked at */
	uint32_t n_gaps;
	uint32_t n_outermost_read;
	struct stint_err *err;
};

/* Room for one more element; both arrays double up to a maximum. */
static int grow(struct build *b, void **array, uint32_t n, uint32_t *cap, size_t size, uint32_t max, const char *what)
{
	uint32_t new_cap = *cap ? 2 * *cap : 1024;
	void *fresh;

	if (n < *cap)
		return 0;
	if (new_cap > max)
		return stint_err_set(b->err, STINT_ERR_LIMIT, 0, -1, "more than %u %s", max, what);
	fresh = realloc(*array, new_cap * size);
	if (!fresh)
		return stint_err_set(b->err, STINT_ERR_NOMEM, 0, -1, "no memory for %u %s", new_cap, what);
	*array = fresh;
	*cap = new_cap;
	return 0;
}

static int add_range(struct build *b, const struct range *range)
{
	void *ranges = b->ranges;
	int rc = grow(b, &ranges, b->n_ranges, &b->cap_ranges, sizeof(*range), UNWIND_MAX_FDES, "functions");

	if (rc)
		return rc;
	b->ranges = ranges;
	if (b->n_ranges && b->ranges[b->n_ranges - 1].start > range->start)
		b->sorted = false;
	b->ranges[b->n_ranges++] = *range;
	return 0;
}

/* A range whose code all has one rule. */
static int add_fixed(struct build *b, enum origin origin, uint32_t start, uint32_t end, const struct unwind_row *row)
{
	void *rows = b->stub_rows;
	int rc = grow(b, &rows, b->n_stub_rows, &b->cap_stub_rows, sizeof(*row), UNWIND_MAX_FDES, "linker stubs");

	if (rc)
		return rc;
	b->stub_rows = rows;
	b->stub_rows[b->n_stub_rows] = *row;
	return add_range(b, &(struct range){.start = start, .end = end, .code = b->n_stub_rows++, .origin = origin});
}

/*
 * What is never called is returned to at its first byte, and that is looked up at the byte before, which is padding:
 * where it is some function's, that one keeps it.
 */
static int add_outermost(struct build *b, uint32_t start, uint32_t size)
{
	const struct unwind_row row = {.kind = UNWIND_END};
	uint8_t code[MAX_OUTERMOST_BYTES];
	int rc;

	if (!b->arch->outermost_bytes || size != b->arch->outermost_bytes || size > sizeof(code) || !start ||
	    b->n_outermost_read >= MAX_OUTERMOST_READ)
		return 0;
	b->n_outermost_read++;
	if (unwind_source_read(b->source, start, code, size, NULL) || !b->arch->is_outermost(code))
		return 0;
	rc = add_fixed(b, FROM_STUBS, start - 1, start, &row);
	return rc ? rc : add_fixed(b, FROM_KNOWN, start, start + size, &row);
}

static int add_fde(void *context, const struct cfi_fde *fde)
{
	struct build *b = context;
	uint64_t off, left, size = fde->size_bytes;
	int rc;

	/* Linkers leave entries of functions that they dropped, at address 0. */
	if (!size || !fde->start)
		return 0;
	if (!unwind_elf_offset(&b->elf, fde->start, &off, &left)) {
		b->table->n_outside++;
		return 0;
	}
	if (size > left)
		size = left;
	if (off + size > UINT32_MAX)
		return stint_err_set(b->err, STINT_ERR_LIMIT, 0, -1, "code beyond 4 GiB of the file");
	b->table->n_fdes++;
	rc = add_outermost(b, (uint32_t)off, (uint32_t)size);
	return rc ? rc
		  : add_range(b, &(struct range){.start = (uint32_t)off,
						 .end = (uint32_t)(off + size),
						 .code = fde->code,
						 .code_bytes = fde->code_bytes,
						 .cie = fde->cie,
						 .origin = b->origin,
						 .vaddr = fde->start});
}

static int add_stub(void *context, uint32_t start, uint32_t end, const struct unwind_row *row)
{
	return add_fixed(context, FROM_STUBS, start, end, row);
}

/*
 * The return of a signal handler is no call: the address to return to is the function's first one, and is looked up at
 * the byte before it.
 */
static int add_go(struct build *b)
{
	struct unwind_go_function found[UNWIND_GO_MAX_FOUND];
	uint32_t n = unwind_go_find(&b->elf, found), i;
	int rc = 0;

	for (i = 0; !rc && i < n; i++) {
		const struct unwind_row row = {.kind = found[i].kind};
		uint64_t off, left, size = found[i].size_bytes;
		uint32_t before = found[i].kind == UNWIND_SIGNAL;
		enum origin origin = found[i].if_no_frames ? FROM_STUBS : FROM_KNOWN;

		if (!unwind_elf_offset(&b->elf, found[i].vaddr, &off, &left) || size > left || off < before ||
		    off + size > UINT32_MAX)
			continue;
		rc = add_fixed(b, origin, (uint32_t)off - before, (uint32_t)(off + size), &row);
	}
	return rc;
}

static int collect_section(struct build *b, const struct unwind_section *section, enum origin origin)
{
	int rc;

	b->origin = origin;
	cfi_init(&b->cfi[origin],
		 &(struct cfi_section){.data = section->data,
				       .size_bytes = section->size_bytes,
				       .vaddr = section->vaddr,
				       .eh = origin == FROM_EH_FRAME},
		 b->arch);
	if (!section->data)
		return 0;
	rc = cfi_each_fde(&b->cfi[origin], add_fde, b);
	if (rc == STINT_ERR_NOMEM && b->err && !b->err->code)
		return stint_err_set(b->err, rc, 0, -1, "no memory for unwind information");
	if (rc == STINT_ERR_LIMIT && b->err && !b->err->code)
		return stint_err_set(b->err, rc, 0, -1, "more than %u CIEs", CFI_MAX_CIES);
	b->table->n_bad += (uint32_t)b->cfi[origin].n_bad;
	return rc;
}

static int collect(struct build *b)
{
	uint32_t i;
	int rc;

	rc = collect_section(b, &b->elf.eh_frame, FROM_EH_FRAME);
	if (!rc)
		rc = collect_section(b, &b->elf.debug_frame, FROM_DEBUG_FRAME);
	for (i = 0; !rc && b->arch->stubs && i < b->elf.n_stubs; i++) {
		const struct unwind_section *stubs = &b->elf.stubs[i];

		if (stubs->file_off + stubs->size_bytes <= UINT32_MAX)
			rc = b->arch->stubs(stubs->data, (uint32_t)stubs->file_off, (uint32_t)stubs->size_bytes,
					    add_stub, b);
	}
	return rc ? rc : add_go(b);
}

static int compare_ranges(const void *a, const void *b)
{
	const struct range *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	if (x->origin != y->origin)
		return x->origin < y->origin ? -1 : 1;
	return 0;
}

static int push_row(struct build *b, const struct unwind_row *row)
{
	struct unwind_table *t = b->table;
	struct unwind_row *last = t->n_rows ? &t->rows[t->n_rows - 1] : NULL;
	void *rows = t->rows;
	int rc;

	if (last && last->kind == row->kind && last->cfa == row->cfa && last->fp == row->fp)
		return 0;
	rc = grow(b, &rows, t->n_rows, &b->cap_rows, sizeof(*row), UNWIND_MAX_ROWS, "unwind rows");
	if (rc)
		return rc;
	t->rows = rows;
	t->rows[t->n_rows++] = *row;
	if (UNWIND_ROW_KIND(row->kind) == UNWIND_UNSUPPORTED)
		t->n_unsupported++;
	return 0;
}

/* Rows of [start, end), which lies at or behind everything that is covered so far. */
static int cover(struct build *b, uint32_t start, uint32_t end, struct unwind_row *row)
{
	int rc = 0;

	if (b->table->n_rows && start - b->covered > UNWIND_MAX_GAP)
		rc = push_row(b, &(struct unwind_row){.pc = b->covered, .kind = UNWIND_NONE});
	row->pc = start;
	b->covered = end;
	return rc ? rc : push_row(b, row);
}

static struct cfi_fde fde_of(const struct range *range)
{
	return (struct cfi_fde){.start = range->vaddr,
				.size_bytes = range->end - range->start,
				.code = range->code,
				.code_bytes = range->code_bytes,
				.cie = range->cie};
}

/* The function that starts at an address; NULL where none does that has call frame information. */
static const struct range *range_at(const struct build *b, uint64_t vaddr)
{
	uint32_t low = 0, high = b->n_ranges;
	uint64_t off, left;

	if (!unwind_elf_offset(&b->elf, vaddr, &off, &left))
		return NULL;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (b->ranges[middle].start < off)
			low = middle + 1;
		else
			high = middle;
	}
	return low < b->n_ranges && b->ranges[low].start == off && b->ranges[low].origin != FROM_KNOWN &&
			       b->ranges[low].origin != FROM_STUBS
		       ? &b->ranges[low]
		       : NULL;
}

/*
 * Rows of a frame whose CFA is in a register that callees keep. Such a row is of use only where the thread runs. Return
 * addresses are looked up at the last byte of their calls, and nothing runs there: the row of that byte says where the
 * callee has the register.
 */
static int cover_calls(struct build *b, uint32_t start, uint32_t end, struct unwind_row *row)
{
	uint8_t code[MAX_CALLING_CODE], reg = UNWIND_ROW_ARG(row->kind);
	struct unwind_row during = {.kind = UNWIND_ROW(UNWIND_KEPT, reg), .cfa = row->cfa};
	uint32_t base = start, size = end - start, at = 0;
	int64_t target;
	int rc = 0;

	if (size > sizeof(code) || row->fp != UNWIND_FP_SAME || unwind_source_read(b->source, start, code, size, NULL))
		return cover(b, start, end, row);
	for (; !rc && unwind_next_call(code, size, &at, &target); at++) {
		const struct range *callee = range_at(b, base + b->shift + (uint64_t)target);
		uint32_t last = base + at + UNWIND_CALL_BYTES - 1, slot;
		struct cfi_fde fde;

		if (!callee || b->n_calls >= MAX_CALLS || last < start || callee->code_bytes > MAX_CALLING_CODE)
			continue;
		b->n_calls++;
		fde = fde_of(callee);
		slot = unwind_saved_slot(&b->cfi[callee->origin], &fde, reg);
		if (!slot)
			continue;
		during.fp = (uint8_t)slot;
		rc = cover(b, start, last, row);
		if (!rc)
			rc = cover(b, last, last + 1, &during);
		start = last + 1;
	}
	return rc || start == end ? rc : cover(b, start, end, row);
}

static int add_state(void *context, uint64_t start, uint64_t end, const struct cfi_state *state)
{
	struct build *b = context;
	struct unwind_row row = {.kind = UNWIND_UNSUPPORTED};
	uint64_t from = start - b->shift, to = end - b->shift;

	if (to <= b->from)
		return 0;
	if (from < b->from)
		from = b->from;
	if (state)
		b->arch->encode(state, b->signal, &row);
	if (UNWIND_ROW_KIND(row.kind) == UNWIND_REG && b->arch->kept >> UNWIND_ROW_ARG(row.kind) & 1)
		return cover_calls(b, (uint32_t)from, (uint32_t)to, &row);
	return cover(b, (uint32_t)from, (uint32_t)to, &row);
}

/* Takes the range from what covers it already. */
static int add_known_rows(struct build *b, const struct range *range)
{
	const struct unwind_table *t = b->table;

	b->from = range->start;
	if (t->n_rows && b->from <= t->rows[t->n_rows - 1].pc)
		b->from = t->rows[t->n_rows - 1].pc + 1;
	if (b->from < b->covered)
		b->covered = b->from;
	return b->from < range->end ? cover(b, b->from, range->end, &b->stub_rows[range->code]) : 0;
}

static int add_rows(struct build *b, const struct range *range)
{
	struct cfi_fde fde;

	if (range->origin == FROM_KNOWN)
		return add_known_rows(b, range);
	b->from = range->start > b->covered || !b->table->n_rows ? range->start : b->covered;
	if (range->end <= b->from)
		return 0;
	if (range->origin == FROM_STUBS)
		return cover(b, b->from, range->end, &b->stub_rows[range->code]);
	fde = fde_of(range);
	b->shift = range->vaddr - range->start;
	b->signal = b->cfi[range->origin].cies[range->cie].signal;
	return cfi_run(&b->cfi[range->origin], &fde, add_state, b);
}

static int add_gap_rows(void *context, uint32_t start, uint32_t end, const struct unwind_row *row)
{
	struct unwind_row own = *row;

	return cover(context, start, end, &own);
}

/* The code in front of a range, as far as none covers it. */
static int fill_gap(struct build *b, uint32_t end)
{
	uint8_t code[UNWIND_CRT_BYTES];
	uint32_t start = b->covered;

	if (!b->arch->gap || end <= start || end - start < MIN_GAP_BYTES || b->n_gaps >= MAX_GAPS)
		return 0;
	b->n_gaps++;
	if (end - start > sizeof(code))
		start = end - (uint32_t)sizeof(code);
	if (unwind_source_read(b->source, start, code, end - start, NULL))
		return 0;
	return b->arch->gap(code, start, end - start, add_gap_rows, b);
}

static int make_rows(struct build *b)
{
	struct unwind_table *t = b->table;
	uint32_t i;
	void *rows;
	int rc = 0;

	if (!b->sorted)
		qsort(b->ranges, b->n_ranges, sizeof(*b->ranges), compare_ranges);
	for (i = 0; !rc && i < b->n_ranges; i++) {
		rc = fill_gap(b, b->ranges[i].start);
		if (!rc)
			rc = add_rows(b, &b->ranges[i]);
	}
	if (!rc && t->n_rows)
		rc = push_row(b, &(struct unwind_row){.pc = b->covered, .kind = UNWIND_NONE});
	if (rc || !t->n_rows)
		return rc;
	rows = realloc(t->rows, t->n_rows * sizeof(*t->rows));
	if (rows)
		t->rows = rows;
	return 0;
}

static int build(struct unwind_table *ret, const struct unwind_source *source, struct stint_err *err)
{
	struct stint_err ignored = STINT_ERR_INIT;
	struct build b = {.table = ret, .source = source, .sorted = true, .err = err ? err : &ignored};
	int rc;

	*ret = (struct unwind_table){0};
	rc = unwind_elf_read(&b.elf, source, b.err);
	if (rc)
		return rc;
	ret->machine = b.elf.machine;
	b.arch = unwind_arch_of(b.elf.machine);
	if (!b.arch)
		rc = stint_err_set(err, STINT_ERR_UNSUPPORTED, 0, -1, "no unwinder for ELF machine %u", b.elf.machine);
	if (!rc)
		rc = collect(&b);
	if (!rc)
		rc = make_rows(&b);
	free(b.ranges);
	free(b.stub_rows);
	cfi_done(&b.cfi[FROM_EH_FRAME]);
	cfi_done(&b.cfi[FROM_DEBUG_FRAME]);
	unwind_elf_done(&b.elf);
	if (rc)
		unwind_table_done(ret);
	return rc;
}

int unwind_table_read(struct unwind_table *ret, int fd, struct stint_err *err)
{
	struct stat st;

	*ret = (struct unwind_table){0};
	if (fstat(fd, &st))
		return stint_err_set(err, STINT_ERR_IO, errno, -1, "examining the ELF file");
	if (!S_ISREG(st.st_mode))
		return stint_err_set(err, STINT_ERR_FORMAT, 0, -1, "not a regular file");
	return build(ret, &(struct unwind_source){.fd = fd, .size_bytes = (uint64_t)st.st_size}, err);
}

int unwind_table_read_memory(struct unwind_table *ret, const void *data, size_t size_bytes, struct stint_err *err)
{
	return build(ret, &(struct unwind_source){.fd = -1, .data = data, .size_bytes = size_bytes}, err);
}

void unwind_table_done(struct unwind_table *table)
{
	if (!table)
		return;
	free(table->rows);
	*table = (struct unwind_table){0};
}

const struct unwind_row *unwind_table_find(const struct unwind_table *table, uint64_t file_off)
{
	uint32_t low = 0, high = table->n_rows;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (table->rows[middle].pc <= file_off)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low || UNWIND_ROW_KIND(table->rows[low - 1].kind) == UNWIND_NONE)
		return NULL;
	return &table->rows[low - 1];
}
