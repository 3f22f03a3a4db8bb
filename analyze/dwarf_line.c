/* SPDX-License-Identifier: MIT */
/*
 * Line tables. A unit's program is run once, and of its rows only every MARK_EVERYth is kept, with the place in the
 * program behind it: a lookup runs on from there. Keeping all rows took longer than making them. Where all addresses
 * are known before, none is kept.
 */
#include <stdlib.h>

#include "analyze/dwarf_line.h"

#define MARK_EVERY	  16u
#define FREE_LOOKUP_BYTES 4096u /* of a program that a lookup runs over: far more than MARK_EVERY rows take */

/* A program as it runs for marks. */
struct marking {
	struct dwarf_lines *lines;
	struct dwarf_scratch *scratch; /* has the marks and the ranges of the sequences */
	uint32_t first_mark;	       /* of this sequence */
	uint32_t unmarked;	       /* rows since the last mark */
	bool failed;
};

static void put_mark(struct marking *mk, const struct line_state *row, const uint8_t *next)
{
	struct dwarf_lines *lines = mk->lines;
	struct line_mark *marks;

	if (!dwarf_spend(lines->file, DWARF_ROW_COST) ||
	    !line_room(&mk->scratch->marks, lines->n_marks, &mk->scratch->cap_marks, sizeof(*marks))) {
		mk->failed = true;
		return;
	}
	marks = mk->scratch->marks;
	marks[lines->n_marks++] = (struct line_mark){*row, next};
	mk->unmarked = 0;
}

static void end_sequence(struct marking *mk, const struct line_state *st)
{
	struct dwarf_lines *lines = mk->lines;
	struct line_sequence sequence = {mk->first_mark, lines->n_marks - mk->first_mark};
	const struct line_mark *marks = mk->scratch->marks;

	if (!sequence.n_marks)
		return;
	if (!line_room((void **)&lines->sequences, lines->n_sequences, &lines->cap_sequences, sizeof(sequence)) ||
	    !dwarf_ranges_put(lines->file, &mk->scratch->ranges, marks[mk->first_mark].row.addr, st->addr,
			      lines->n_sequences, 0))
		mk->failed = true;
	else
		lines->sequences[lines->n_sequences++] = sequence;
	mk->first_mark = lines->n_marks;
}

static bool define_file(struct dwarf_lines *lines, struct stint_cursor *operands)
{
	const char *name = dwarf_inline_string(operands);
	uint64_t dir = dwarf_uleb(operands);

	return operands->bad || dwarf_lines_put_file(lines, name, dir);
}

/* The program is run from its beginning: the files that it adds aren't there yet. It adds the same each time. */
static void forget_files(struct dwarf_lines *lines)
{
	lines->n_files = lines->n_listed;
}

static void run_program(struct marking *mk)
{
	const struct line_program *program = &mk->lines->program;
	struct line_state st = LINE_START;
	struct stint_cursor cur = {.at = program->start, .end = program->end}, extended;
	uint64_t last_addr;

	forget_files(mk->lines);
	while (cur.at < cur.end && !mk->failed) {
		last_addr = st.addr;
		switch (line_step(program, &cur, &st, &extended)) {
		case LINE_ROW:
			if (mk->lines->n_marks == mk->first_mark || ++mk->unmarked >= MARK_EVERY)
				put_mark(mk, &st, cur.at);
			break;
		case LINE_END:
			end_sequence(mk, &st);
			st = LINE_START;
			break;
		case LINE_FILE:
			mk->failed |= !define_file(mk->lines, &extended);
			break;
		case LINE_NOTHING:
			break;
		}
		/* Addresses only grow within a sequence; where they don't, what follows can't be searched with it. */
		if (st.addr < last_addr)
			mk->lines->n_marks = mk->first_mark;
	}
}

static bool keep_marks(struct dwarf_lines *lines, struct dwarf_scratch *scratch)
{
	lines->marks = malloc((lines->n_marks + (size_t)1) * sizeof(*lines->marks));
	if (!lines->marks)
		return false;
	if (lines->n_marks)
		memcpy(lines->marks, scratch->marks, lines->n_marks * sizeof(*lines->marks));
	return !addr_map_build(&lines->map, scratch->ranges.at, scratch->ranges.n, &scratch->map);
}

/* Once, for the first address that is asked for alone. */
static void mark(struct dwarf_lines *lines)
{
	struct marking mk = {.lines = lines, .scratch = &lines->file->scratch};

	if (lines->marked)
		return;
	lines->marked = true;
	mk.scratch->ranges.n = 0;
	if (!dwarf_spend(lines->file, (uint64_t)(lines->program.end - lines->program.start)))
		return;
	run_program(&mk);
	if (!keep_marks(lines, mk.scratch))
		addr_map_done(&lines->map);
}

/* The last mark of a sequence at or before addr; the first is one. */
static const struct line_mark *find_mark(const struct dwarf_lines *lines, const struct line_sequence *sequence,
					 uint64_t addr)
{
	uint32_t low = sequence->first_mark, high = low + sequence->n_marks, mid;

	while (high - low > 1) {
		mid = low + (high - low) / 2;
		if (lines->marks[mid].row.addr <= addr)
			low = mid;
		else
			high = mid;
	}
	return &lines->marks[low];
}

bool dwarf_lines_find(struct dwarf_lines *lines, uint64_t addr, struct dwarf_row *ret)
{
	const struct line_mark *from;
	uint32_t i;
	struct stint_cursor cur, extended;
	struct line_state st, row;
	enum line_event event;
	uint64_t work;

	mark(lines);
	i = addr_map_find(&lines->map, addr);
	if (i == ADDR_MAP_NONE)
		return false;
	from = find_mark(lines, &lines->sequences[i], addr);
	cur = (struct stint_cursor){.at = from->next, .end = lines->program.end};
	st = row = from->row;
	while (cur.at < cur.end) {
		event = line_step(&lines->program, &cur, &st, &extended);
		if (event == LINE_END || st.addr > addr)
			break;
		if (event == LINE_ROW)
			row = st;
		work = (uint64_t)(cur.at - from->next);
		if (work > FREE_LOOKUP_BYTES && !dwarf_spend(lines->file, 1))
			break;
	}
	*ret = (struct dwarf_row){row.file, row.line};
	return true;
}

/* A program as it runs for the addresses of a batch. */
struct merging {
	struct dwarf_lines *lines;
	struct addr_hits *hits;
	struct dwarf_row *rows;	 /* of the sequences that ended */
	struct dwarf_row *found; /* of this one */
	struct line_state row;	 /* the last one of this sequence */
	uint64_t start;		 /* the first one's address */
	uint32_t first, at;	 /* the addresses that were found in it: up to but not at */
	uint64_t next;		 /* the address at at; UINT64_MAX where there is none, or no row yet */
	uint32_t n_sequences;
	bool begun; /* it has a row */
};

static void next_wanted(struct merging *mg)
{
	mg->next = mg->begun && mg->at < mg->hits->n ? mg->hits->addrs[mg->at] : UINT64_MAX;
}

static void take_row(struct merging *mg, const struct line_state *st)
{
	mg->row = *st;
	if (mg->begun)
		return;
	mg->begun = true;
	mg->start = st->addr;
	mg->first = mg->at = addr_hits_from(mg->hits, st->addr);
	next_wanted(mg);
}

/* The last row holds up to addr. */
static void row_ends(struct merging *mg, uint64_t addr)
{
	for (; mg->at < mg->hits->n && mg->hits->addrs[mg->at] < addr; mg->at++)
		mg->found[mg->at] = (struct dwarf_row){mg->row.file, mg->row.line};
	next_wanted(mg);
}

/* False without budget. */
static bool sequence_ends(struct merging *mg, uint64_t end)
{
	struct addr_range range = {mg->start, end, mg->n_sequences, 0};
	uint32_t i;

	if (!mg->begun)
		return true;
	mg->n_sequences++;
	for (i = mg->first; i < mg->at; i++) {
		if (mg->hits->best[i].end && !addr_range_wins(&range, &mg->hits->best[i]))
			continue;
		mg->hits->best[i] = range;
		mg->rows[i] = mg->found[i];
	}
	return dwarf_spend(mg->lines->file, DWARF_ROW_COST);
}

static void run_for_hits(struct merging *mg)
{
	const struct line_program *program = &mg->lines->program;
	struct stint_cursor cur = {.at = program->start, .end = program->end}, extended;
	struct line_state st = LINE_START;
	uint64_t last_addr;
	bool ok = true;

	while (cur.at < cur.end && ok) {
		enum line_event event;

		last_addr = st.addr;
		event = line_step(program, &cur, &st, &extended);
		if (st.addr > mg->next)
			row_ends(mg, st.addr);
		if (event == LINE_ROW) {
			take_row(mg, &st);
		} else if (event == LINE_END) {
			ok = sequence_ends(mg, st.addr);
			st = LINE_START;
		} else if (event == LINE_FILE) {
			ok = define_file(mg->lines, &extended);
		}
		if (mg->begun && (event == LINE_END || st.addr < last_addr)) { /* as in run_program */
			ok = ok && addr_hits_spend(mg->hits, mg->at - mg->first);
			mg->begun = false;
			next_wanted(mg);
		}
	}
}

void dwarf_lines_hit(struct dwarf_lines *lines, struct addr_hits *hits, struct dwarf_row *rows)
{
	struct merging mg = {.lines = lines, .hits = hits, .rows = rows, .found = rows + hits->n, .next = UINT64_MAX};

	if (!dwarf_spend(lines->file, (uint64_t)(lines->program.end - lines->program.start)))
		return;
	forget_files(lines);
	run_for_hits(&mg);
}
