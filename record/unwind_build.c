/* SPDX-License-Identifier: MIT */
#include "record/unwind_build.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "record/unwind_arch.h"
#include "record/unwind_calls.h"
#include "record/unwind_cfi.h"
#include "record/unwind_crt.h"
#include "record/unwind_elf.h"
#include "record/unwind_go.h"
#include "record/unwind_order.h"

/* Trampolines are short, and a file has few. */
#define MAX_CALLING_CODE 4096u
#define MAX_CALLS	 64u

/* Between functions: looked through for code that has no call frame information and yet is known. */
#define MIN_GAP_BYTES 64u
#define MAX_GAPS      256u

/* Code that is read to see whether it is known to be the outermost frame. */
#define MAX_OUTERMOST_BYTES 32u
#define MAX_OUTERMOST_READ  4096u

/* A range whose code all has one rule, in file offsets. */
struct fixed {
	uint32_t start, end;
	enum unwind_origin origin;
	struct unwind_row row;
};

struct unwind_build {
	struct unwind_source source;
	uint64_t left_bytes; /* the source's */
	struct unwind_elf elf;
	const struct unwind_arch *arch;
	struct cfi cfi[FROM_STUBS]; /* by enum unwind_origin */
	struct fixed *fixed;
	uint32_t n_fixed, cap_fixed;
	struct unwind_order order;
	bool counted; /* the functions, since all of them have been seen once */
	struct unwind_counts counts;

	/* Of one run. */
	unwind_take_fn *take;
	void *context;
	struct stint_err *err;
	enum unwind_origin origin; /* of the functions being added */
	struct unwind_row last;	   /* valid with n_rows */
	uint32_t covered;	   /* where the last range that has rows ends */
	uint64_t shift;		   /* address - file offset in the FDE whose rows are being made */
	uint32_t from;		   /* rows below this offset belong to an earlier range */
	struct cfi_cie cie;	   /* of that FDE */
	uint8_t *program;	   /* likewise: its callees are looked at meanwhile */
	uint32_t program_bytes;
	uint32_t n_calls; /* whose callees were looked at */
	uint32_t n_gaps;
	uint32_t n_outermost_read; /* in the first run: they are remembered */
	uint32_t n_ready;
	struct unwind_row ready[UNWIND_ROWS_AT_ONCE];
};

static int add_key(struct unwind_build *b, uint32_t start, enum unwind_origin origin, uint32_t at)
{
	if (unwind_order_add(&b->order, UNWIND_KEY(start, origin, at)))
		return stint_err_set(b->err, STINT_ERR_NOMEM, 0, -1, "no memory for a file's functions");
	return 0;
}

/* Where a function's code is in the file; false where it isn't, or has none. */
static bool place(const struct unwind_build *b, const struct cfi_fde *fde, uint64_t *ret_off, uint64_t *ret_size)
{
	uint64_t left;

	if (!unwind_elf_offset(&b->elf, fde->start, ret_off, &left))
		return false;
	*ret_size = fde->size_bytes > left ? left : fde->size_bytes;
	return true;
}

static int add_fixed(struct unwind_build *b, enum unwind_origin origin, uint32_t start, uint32_t end,
		     const struct unwind_row *row)
{
	uint32_t cap = b->cap_fixed ? 2 * b->cap_fixed : 64;
	void *grown;

	if (b->n_fixed == b->cap_fixed) {
		if (cap > UNWIND_MAX_STUBS)
			return stint_err_set(b->err, STINT_ERR_LIMIT, 0, -1, "more than %u linker stubs",
					     UNWIND_MAX_STUBS);
		grown = realloc(b->fixed, cap * sizeof(*b->fixed));
		if (!grown)
			return stint_err_set(b->err, STINT_ERR_NOMEM, 0, -1, "no memory for %u linker stubs", cap);
		b->fixed = grown;
		b->cap_fixed = cap;
	}
	b->fixed[b->n_fixed++] = (struct fixed){start, end, origin, *row};
	return 0;
}

/*
 * What is never called is returned to at its first byte, and that is looked up at the byte before, which is padding:
 * where it is some function's, that one keeps it.
 */
static int add_outermost(struct unwind_build *b, uint32_t start, uint32_t size)
{
	const struct unwind_row row = {.kind = UNWIND_END};
	uint8_t code[MAX_OUTERMOST_BYTES];
	int rc;

	if (!b->arch->outermost_bytes || size != b->arch->outermost_bytes || size > sizeof(code) || !start ||
	    b->n_outermost_read >= MAX_OUTERMOST_READ)
		return 0;
	b->n_outermost_read++;
	if (unwind_source_read(&b->source, start, code, size, NULL) || !b->arch->is_outermost(code))
		return 0;
	rc = add_fixed(b, FROM_STUBS, start - 1, start, &row);
	return rc ? rc : add_fixed(b, FROM_KNOWN, start, start + size, &row);
}

static int add_fde(void *context, const struct cfi_fde *fde)
{
	struct unwind_build *b = context;
	uint64_t off, size;
	int rc = 0;

	/* Linkers leave entries of functions that they dropped, at address 0. */
	if (!fde->size_bytes || !fde->start)
		return 0;
	if (!place(b, fde, &off, &size)) {
		b->counts.n_outside += !b->counted;
		return 0;
	}
	if (off + size > UINT32_MAX)
		return stint_err_set(b->err, STINT_ERR_LIMIT, 0, -1, "code beyond 4 GiB of the file");
	if (!b->counted && b->counts.n_fdes++ == UNWIND_MAX_FDES)
		return stint_err_set(b->err, STINT_ERR_LIMIT, 0, -1, "more than %u functions", UNWIND_MAX_FDES);
	if (!b->counted)
		rc = add_outermost(b, (uint32_t)off, (uint32_t)size);
	return rc ? rc : add_key(b, (uint32_t)off, b->origin, fde->off);
}

static int add_stub(void *context, uint32_t start, uint32_t end, const struct unwind_row *row)
{
	return add_fixed(context, FROM_STUBS, start, end, row);
}

/* A section is looked at whole: its first and last instructions tell what it is. */
static int add_stubs(struct unwind_build *b, const struct unwind_section *section)
{
	struct unwind_bytes bytes;
	const uint8_t *code;
	int rc;

	if (section->file_off + section->size_bytes > UINT32_MAX)
		return 0;
	if (section->size_bytes > UNWIND_BYTES_MAX)
		return stint_err_set(b->err, STINT_ERR_LIMIT, 0, -1, "more than %u bytes of linker stubs",
				     UNWIND_BYTES_MAX);
	unwind_section_open(&bytes, &b->source, section);
	code = unwind_bytes_at(&bytes, 0, (size_t)section->size_bytes);
	rc = bytes.status;
	if (code)
		rc = b->arch->stubs(code, (uint32_t)section->file_off, (uint32_t)section->size_bytes, add_stub, b);
	else
		*b->err = bytes.err;
	unwind_bytes_done(&bytes);
	return rc;
}

/*
 * The return of a signal handler is no call: the address to return to is the function's first one, and is looked up at
 * the byte before it.
 */
static int add_go(struct unwind_build *b)
{
	struct unwind_go_function found[UNWIND_GO_MAX_FOUND];
	uint32_t n = unwind_go_find(&b->elf, &b->source, found), i;
	int rc = 0;

	for (i = 0; !rc && i < n; i++) {
		const struct unwind_row row = {.kind = found[i].kind};
		uint64_t off, left, size = found[i].size_bytes;
		uint32_t before = found[i].kind == UNWIND_SIGNAL;
		enum unwind_origin origin = found[i].if_no_frames ? FROM_STUBS : FROM_KNOWN;

		if (!unwind_elf_offset(&b->elf, found[i].vaddr, &off, &left) || size > left || off < before ||
		    off + size > UINT32_MAX)
			continue;
		rc = add_fixed(b, origin, (uint32_t)off - before, (uint32_t)(off + size), &row);
	}
	return rc;
}

/* Finds the functions, all of them or the next ones. */
static int collect(struct unwind_build *b)
{
	uint32_t i;
	int rc = 0;

	for (b->origin = FROM_EH_FRAME; !rc && b->origin < FROM_STUBS; b->origin++)
		rc = cfi_each_fde(&b->cfi[b->origin], add_fde, b, b->err);
	for (i = 0; !rc && i < b->n_fixed; i++)
		rc = add_key(b, b->fixed[i].start, b->fixed[i].origin, i);
	if (!rc && !b->counted) {
		b->counts.n_bad = (uint32_t)(b->cfi[FROM_EH_FRAME].n_bad + b->cfi[FROM_DEBUG_FRAME].n_bad);
		b->counted = true;
	}
	unwind_order_sort(&b->order);
	return rc;
}

/* The rows that are ready are somebody else's from now on. */
static int hand_on(struct unwind_build *b)
{
	uint32_t n = b->n_ready;

	int rc = unwind_source_charge(&b->source, 0, b->err);

	b->n_ready = 0;
	return rc || !n ? rc : b->take(b->context, b->ready, n);
}

static int push_row(struct unwind_build *b, const struct unwind_row *row)
{
	struct unwind_row *last = &b->last;

	if (b->counts.n_rows && last->kind == row->kind && last->cfa == row->cfa && last->fp == row->fp)
		return 0;
	if (b->counts.n_rows == UNWIND_MAX_ROWS)
		return stint_err_set(b->err, STINT_ERR_LIMIT, 0, -1, "more than %u unwind rows", UNWIND_MAX_ROWS);
	b->counts.n_rows++;
	b->counts.n_unsupported += UNWIND_ROW_KIND(row->kind) == UNWIND_UNSUPPORTED;
	b->last = *row;
	b->ready[b->n_ready++] = *row;
	return b->n_ready == UNWIND_ROWS_AT_ONCE ? hand_on(b) : 0;
}

/* Rows of [start, end), which lies at or behind everything that is covered so far. */
static int cover(struct unwind_build *b, uint32_t start, uint32_t end, struct unwind_row *row)
{
	int rc = 0;

	if (b->counts.n_rows && start - b->covered > UNWIND_MAX_GAP)
		rc = push_row(b, &(struct unwind_row){.pc = b->covered, .kind = UNWIND_NONE});
	row->pc = start;
	b->covered = end;
	return rc ? rc : push_row(b, row);
}

/* Where the function at an address keeps its caller's register: 0 where it doesn't, or isn't known. */
static uint32_t slot_of_callee(struct unwind_build *b, uint64_t vaddr, uint8_t reg)
{
	const struct unwind_order *order = &b->order;
	enum unwind_origin origin;
	struct cfi_fde fde;
	uint64_t off, left;
	uint32_t i;

	if (!unwind_elf_offset(&b->elf, vaddr, &off, &left) || off > UINT32_MAX)
		return 0;
	i = unwind_order_find(order, UNWIND_KEY(off, 0, 0));
	if (i == order->n || unwind_key_start(order->keys[i]) != off)
		return 0;
	origin = unwind_key_origin(order->keys[i]);
	if (origin == FROM_KNOWN || origin == FROM_STUBS || b->n_calls >= MAX_CALLS ||
	    cfi_fde_at(&b->cfi[origin], unwind_key_at(order->keys[i]), &fde, NULL) <= 0 ||
	    fde.code_bytes > MAX_CALLING_CODE)
		return 0;
	b->n_calls++;
	return unwind_saved_slot(&b->cfi[origin], &fde, reg);
}

/*
 * Rows of a frame whose CFA is in a register that callees keep. Such a row is of use only where the thread runs. Return
 * addresses are looked up at the last byte of their calls, and nothing runs there: the row of that byte says where the
 * callee has the register.
 */
static int cover_calls(struct unwind_build *b, uint32_t start, uint32_t end, struct unwind_row *row)
{
	uint8_t code[MAX_CALLING_CODE], reg = UNWIND_ROW_ARG(row->kind);
	struct unwind_row during = {.kind = UNWIND_ROW(UNWIND_KEPT, reg), .cfa = row->cfa};
	uint32_t base = start, size = end - start, at = 0;
	int64_t target;
	int rc = 0;

	if (size > sizeof(code) || row->fp != UNWIND_FP_SAME || unwind_source_read(&b->source, start, code, size, NULL))
		return cover(b, start, end, row);
	for (; !rc && unwind_next_call(code, size, &at, &target); at++) {
		uint32_t last = base + at + UNWIND_CALL_BYTES - 1, slot;

		slot = last < start ? 0 : slot_of_callee(b, base + b->shift + (uint64_t)target, reg);
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
	struct unwind_build *b = context;
	struct unwind_row row = {.kind = UNWIND_UNSUPPORTED};
	uint64_t from = start - b->shift, to = end - b->shift;

	if (to <= b->from)
		return 0;
	if (from < b->from)
		from = b->from;
	if (state)
		b->arch->encode(state, b->cie.signal, &row);
	if (UNWIND_ROW_KIND(row.kind) == UNWIND_REG && b->arch->kept >> UNWIND_ROW_ARG(row.kind) & 1)
		return cover_calls(b, (uint32_t)from, (uint32_t)to, &row);
	return cover(b, (uint32_t)from, (uint32_t)to, &row);
}

static int add_fixed_rows(struct unwind_build *b, const struct fixed *fixed)
{
	struct unwind_row row = fixed->row;

	b->from = fixed->start;
	if (fixed->origin == FROM_KNOWN) {
		/* Takes the range from what covers it already. */
		if (b->counts.n_rows && b->from <= b->last.pc)
			b->from = b->last.pc + 1;
		if (b->from < b->covered)
			b->covered = b->from;
	} else if (b->counts.n_rows && b->from < b->covered) {
		b->from = b->covered;
	}
	return b->from < fixed->end ? cover(b, b->from, fixed->end, &row) : 0;
}

/* Its program and its CIE, kept until another one comes. */
static int keep_fde(struct unwind_build *b, struct cfi_fde *fde)
{
	void *grown;

	if (fde->code_bytes > b->program_bytes) {
		grown = realloc(b->program, fde->code_bytes);
		if (!grown)
			return stint_err_set(b->err, STINT_ERR_NOMEM, 0, -1, "no memory for unwind information");
		b->program = grown;
		b->program_bytes = fde->code_bytes;
	}
	if (fde->code_bytes)
		memcpy(b->program, fde->code, fde->code_bytes);
	fde->bias += (uint64_t)(uintptr_t)fde->code - (uint64_t)(uintptr_t)b->program;
	fde->code = b->program;
	b->cie = *fde->cie;
	fde->cie = &b->cie;
	return 0;
}

static int add_fde_rows(struct unwind_build *b, struct cfi *cfi, uint32_t at)
{
	uint64_t off, size;
	struct cfi_fde fde;
	int rc = cfi_fde_at(cfi, at, &fde, b->err);

	if (rc <= 0)
		return rc;
	if (!place(b, &fde, &off, &size) || off + size > UINT32_MAX)
		return 0; /* not what it was */
	b->from = off > b->covered || !b->counts.n_rows ? (uint32_t)off : b->covered;
	if (off + size <= b->from)
		return 0;
	b->shift = fde.start - off;
	fde.size_bytes = size;
	rc = keep_fde(b, &fde);
	return rc ? rc : cfi_run(cfi, &fde, add_state, b);
}

static int add_gap_rows(void *context, uint32_t start, uint32_t end, const struct unwind_row *row)
{
	struct unwind_row own = *row;

	return cover(context, start, end, &own);
}

/* The code in front of a range, as far as none covers it. */
static int fill_gap(struct unwind_build *b, uint32_t end)
{
	uint8_t code[UNWIND_CRT_BYTES];
	uint32_t start = b->covered;

	if (!b->arch->gap || end <= start || end - start < MIN_GAP_BYTES || b->n_gaps >= MAX_GAPS)
		return 0;
	b->n_gaps++;
	if (end - start > sizeof(code))
		start = end - (uint32_t)sizeof(code);
	if (unwind_source_read(&b->source, start, code, end - start, NULL))
		return 0;
	return b->arch->gap(code, start, end - start, add_gap_rows, b);
}

static int add_rows(struct unwind_build *b)
{
	const struct unwind_order *order = &b->order;
	uint32_t i;
	int rc = 0;

	for (i = 0; !rc && i < order->n; i++) {
		enum unwind_origin origin = unwind_key_origin(order->keys[i]);
		uint32_t at = unwind_key_at(order->keys[i]);

		rc = fill_gap(b, unwind_key_start(order->keys[i]));
		if (rc)
			break;
		if (origin == FROM_KNOWN || origin == FROM_STUBS)
			rc = add_fixed_rows(b, &b->fixed[at]);
		else
			rc = add_fde_rows(b, &b->cfi[origin], at);
	}
	return rc;
}

int unwind_build_run(struct unwind_build *b, unwind_take_fn *take, void *context, struct unwind_counts *ret,
		     struct stint_err *err)
{
	struct stint_err ignored = STINT_ERR_INIT;
	/* All functions are held already when all of them are few. */
	bool found = b->counted && !b->order.more && !b->order.from;
	int rc = 0;

	b->take = take;
	b->context = context;
	b->err = err ? err : &ignored;
	b->counts.n_rows = b->counts.n_unsupported = 0;
	b->covered = b->n_ready = b->n_calls = b->n_gaps = 0;
	b->left_bytes = UNWIND_MAX_READ; /* the same for each run: the second one goes as far as the first one */
	if (!found)
		unwind_order_first(&b->order);
	do {
		b->cfi[FROM_EH_FRAME].n_cie_reads = b->cfi[FROM_DEBUG_FRAME].n_cie_reads = 0;
		if (b->order.more)
			unwind_order_next(&b->order);
		if (!found)
			rc = collect(b);
		if (!rc)
			rc = add_rows(b);
	} while (!rc && b->order.more);
	if (!rc && b->counts.n_rows)
		rc = push_row(b, &(struct unwind_row){.pc = b->covered, .kind = UNWIND_NONE});
	if (!rc)
		rc = hand_on(b);
	*ret = b->counts;
	return rc;
}

static int find_contents(struct unwind_build *b)
{
	uint32_t i;
	int rc = unwind_elf_read(&b->elf, &b->source, b->err);

	if (rc)
		return rc;
	b->counts.machine = b->elf.machine;
	b->arch = unwind_arch_of(b->elf.machine);
	if (!b->arch)
		return stint_err_set(b->err, STINT_ERR_UNSUPPORTED, 0, -1, "no unwinder for ELF machine %u",
				     b->elf.machine);
	cfi_init(&b->cfi[FROM_EH_FRAME], &b->source, &b->elf.eh_frame, true, b->arch);
	cfi_init(&b->cfi[FROM_DEBUG_FRAME], &b->source, &b->elf.debug_frame, false, b->arch);
	for (i = 0; !rc && b->arch->stubs && i < b->elf.n_stubs; i++)
		rc = add_stubs(b, &b->elf.stubs[i]);
	return rc ? rc : add_go(b);
}

int unwind_build_new(struct unwind_build **ret, const struct unwind_source *source, struct stint_err *err)
{
	struct stint_err ignored = STINT_ERR_INIT;
	struct unwind_build *b = malloc(sizeof(*b));
	int rc;

	*ret = NULL;
	if (!b)
		return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory for unwind tables");
	memset(b, 0, offsetof(struct unwind_build, ready)); /* the rest is large, and isn't read before it is written */
	b->source = *source;
	b->source.left_bytes = &b->left_bytes;
	b->left_bytes = UNWIND_MAX_READ;
	b->err = err ? err : &ignored;
	rc = find_contents(b);
	if (rc)
		unwind_build_free(b);
	else
		*ret = b;
	return rc;
}

uint32_t unwind_build_functions(const struct unwind_build *b)
{
	return b->counts.n_fdes;
}

void unwind_build_free(struct unwind_build *b)
{
	if (!b)
		return;
	cfi_done(&b->cfi[FROM_EH_FRAME]);
	cfi_done(&b->cfi[FROM_DEBUG_FRAME]);
	unwind_order_done(&b->order);
	unwind_elf_done(&b->elf);
	free(b->fixed);
	free(b->program);
	free(b);
}
