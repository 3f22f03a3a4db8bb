/* SPDX-License-Identifier: MIT */
/* Many addresses at once: each unit's functions and lines are read with the addresses in hand, and not kept. */
#include <stdlib.h>

#include "analyze/dwarf_top.h"
#include "base/err.h"

#define MAX_AT_ONCE (1u << 20) /* of one unit; the unit is kept for what is more */

/* Of one address: what was found. */
struct answer {
	struct dwarf_row row;
	uint32_t func;
	bool has_row;
};

struct batch {
	struct dwarf *dw;
	bool inlines;
	dwarf_take take;
	void *context;
	uint64_t *addrs;	/* of the unit at hand */
	struct answer *answers; /* likewise */
	struct dwarf_row *rows; /* likewise, and as many again for dwarf_lines_hit */
	struct addr_hits hits;
	struct stint_arena arena;
	struct dwarf_frame frames[DWARF_MAX_CHAIN];
};

/* A unit that was read for another batch before is kept now: whoever asks twice may ask often. */
static struct dwarf_funcs *ask_kept(struct batch *b, struct dwarf_unit *full, struct dwarf_lines *lines, uint32_t n)
{
	struct dwarf_funcs *funcs = dwarf_unit_funcs(full);
	uint32_t i;

	for (i = 0; i < n; i++) {
		b->answers[i].has_row = lines && dwarf_lines_find(lines, b->addrs[i], &b->answers[i].row);
		b->answers[i].func = funcs ? addr_map_find(&funcs->map, b->addrs[i]) : DWARF_NO_FUNC;
	}
	return funcs;
}

/* What reading a unit once may have used up. */
struct budgets {
	struct dwarf_file *files[2];
	uint64_t budget[2];
	bool spent[2];
};

static struct budgets keep_budgets(struct dwarf_unit *unit, struct dwarf_unit *full)
{
	return (struct budgets){
		{unit->file, full->file},
		{unit->file->budget, full->file->budget},
		{unit->file->spent, full->file->spent},
	};
}

static void restore_budgets(const struct budgets *kept)
{
	size_t i;

	for (i = 0; i < 2; i++) {
		kept->files[i]->budget = kept->budget[i];
		kept->files[i]->spent = kept->spent[i];
	}
}

/* NULL where there are no functions, also without memory or budget; the caller frees them. */
static struct dwarf_funcs *read_once(struct batch *b, struct dwarf_unit *full, struct dwarf_lines *lines, uint32_t n)
{
	struct dwarf_funcs *funcs;
	uint32_t i;

	if (lines)
		dwarf_lines_hit(lines, &b->hits, b->rows);
	for (i = 0; i < n; i++) {
		b->answers[i].has_row = b->hits.best[i].end != 0;
		if (b->answers[i].has_row)
			b->answers[i].row = b->rows[i];
	}
	addr_hits_again(&b->hits);
	funcs = dwarf_funcs_hit(full, &b->hits, &b->arena);
	for (i = 0; i < n; i++)
		b->answers[i].func = funcs && b->hits.best[i].end ? b->hits.best[i].value : DWARF_NO_FUNC;
	return funcs;
}

static int give(struct batch *b, const struct addr_range *places, struct dwarf_unit *full, struct dwarf_funcs *funcs,
		struct dwarf_lines *lines, uint32_t n)
{
	const struct answer *answer;
	uint32_t i, n_frames;

	for (i = 0; i < n; i++) {
		answer = &b->answers[i];
		n_frames = dwarf_chain(full, funcs, answer->func, b->inlines, lines,
				       answer->has_row ? &answer->row : NULL, b->frames);
		if (!b->take(b->context, places[i].value, b->frames, n_frames))
			return STINT_ERR_NOMEM;
	}
	return 0;
}

static bool ran_out(const struct batch *b, const struct budgets *before)
{
	size_t i;

	for (i = 0; i < 2; i++)
		if (before->files[i]->spent && !before->spent[i])
			return true;
	return b->hits.spent;
}

static int ask_unit(struct batch *b, const struct addr_range *places, uint32_t n)
{
	struct dwarf_unit *unit = dwarf_unit_of(b->dw, (uint32_t)places->start), *full = dwarf_unit_full(b->dw, unit);
	struct dwarf_lines *lines = dwarf_unit_lines(unit);
	bool once = !unit->batched && !full->funcs_tried && !b->dw->no_batches;
	struct budgets budgets = keep_budgets(unit, full);
	struct dwarf_funcs *funcs = NULL;
	uint32_t i;
	int rc;

	for (i = 0; i < n; i++)
		b->addrs[i] = places[i].end;
	if (addr_hits_start(&b->hits, b->addrs, n))
		return STINT_ERR_NOMEM;
	unit->batched = true;
	if (once)
		funcs = read_once(b, full, lines, n);
	if (once && ran_out(b, &budgets)) {
		/* What single lookups would say, with what was left for them; and this happens just once. */
		restore_budgets(&budgets);
		dwarf_funcs_free(funcs);
		b->dw->no_batches = true;
		once = false;
	}
	if (!once)
		funcs = ask_kept(b, full, lines, n);
	rc = give(b, places, full, funcs, lines, n);
	if (once) {
		dwarf_funcs_free(funcs);
		stint_arena_done(&b->arena);
		stint_map_done(&full->names);
	}
	return rc;
}

static int give_nothing(struct batch *b, const struct addr_range *places, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (!b->take(b->context, places[i].value, NULL, 0))
			return STINT_ERR_NOMEM;
	return 0;
}

/* start of a place is what the map of units says, end the address. By unit, and within one by address. */
static int ask_units(struct batch *b, const struct addr_range *places, size_t n)
{
	size_t i, end;
	int rc = 0;

	for (i = 0; i < n && !rc; i = end) {
		for (end = i + 1; end < n && end - i < MAX_AT_ONCE && places[end].start == places[i].start; end++)
			;
		if (places[i].start == ADDR_MAP_NONE)
			rc = give_nothing(b, &places[i], end - i);
		else
			rc = ask_unit(b, &places[i], (uint32_t)(end - i));
	}
	return rc;
}

int dwarf_lookup_all(struct dwarf *dw, struct addr_range *wanted, struct addr_range *spare, size_t n, bool inlines,
		     dwarf_take take, void *context)
{
	struct batch *b = calloc(1, sizeof(*b));
	size_t n_once = n < MAX_AT_ONCE ? n : MAX_AT_ONCE, i;
	int rc = STINT_ERR_NOMEM;

	if (!b)
		return rc;
	b->dw = dw;
	b->inlines = inlines;
	b->take = take;
	b->context = context;
	b->hits.budget = dw->batch_budget;
	b->addrs = malloc((n_once + 1) * sizeof(*b->addrs));
	b->answers = malloc((n_once + 1) * sizeof(*b->answers));
	b->rows = malloc((n_once + 1) * 2 * sizeof(*b->rows));
	if (!b->addrs || !b->answers || !b->rows)
		goto out;
	addr_ranges_sort(wanted, spare, n);
	for (i = 0; i < n; i++) {
		wanted[i].end = wanted[i].start;
		wanted[i].start = addr_map_find(&dw->map, wanted[i].end);
	}
	addr_ranges_sort(wanted, spare, n);
	rc = ask_units(b, wanted, n);
out:
	dw->batch_budget = b->hits.budget;
	addr_hits_done(&b->hits);
	free(b->rows);
	free(b->answers);
	free(b->addrs);
	free(b);
	return rc;
}
