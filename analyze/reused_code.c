/* SPDX-License-Identifier: MIT */
#include "analyze/reused_code.h"

#include <stdlib.h>
#include <string.h>

#include "analyze/model.h"
#include "base/map.h"

/* How far back the search for functions that reach over an address goes: more nest only to hurt. */
#define MAX_WALK 4096u

/* A function of code compiled at run time, by module and address. */
struct piece {
	uint64_t start, end;
	uint64_t max_end; /* of this and all before it in the module */
	uint32_t module;
	uint32_t row; /* of the model's symbols */
};

/* What a frame is from a time on. The first version of each frame is the frame itself. */
struct version {
	uint64_t from_ns;
	uint32_t frame;
	uint32_t name_str;
};

/* The same of a stack. */
struct period {
	uint64_t from_ns;
	uint32_t stack;
};

struct run {
	uint32_t first, n;
};

struct reused_code {
	struct piece *pieces;
	size_t n_pieces;
	struct version *versions;
	uint32_t n_versions, cap_versions;
	struct period *periods;
	uint32_t n_periods, cap_periods;
	uint32_t cap_modules, cap_frames, cap_nodes, cap_stacks; /* of the model's */
	struct stint_map frames;				 /* frame: its run of versions */
	struct stint_map stacks;				 /* stack: its run of periods */
	struct stint_map modules; /* module and number of the version: the module that its frames are in */
	struct stint_map nodes;	  /* parent and frame: the node of a twin */
	uint64_t n_looks;	  /* of REUSED_CODE_MAX_LOOKS */
	uint64_t n_work;	  /* of REUSED_CODE_MAX_WORK */
	uint64_t left_out;
};

static int no_memory(struct stint_err *err)
{
	return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory for the names of compiled code");
}

static uint64_t pair(uint32_t high, uint32_t low)
{
	return (uint64_t)high << 32 | low;
}

static bool put_run(struct stint_map *map, uint32_t id, uint32_t first, uint32_t n)
{
	uint64_t *slot = stint_map_put(map, id, NULL);

	if (slot)
		*slot = pair(first, n);
	return slot;
}

static struct run get_run(const struct stint_map *map, uint32_t id)
{
	const uint64_t *slot = stint_map_get(map, id);

	return slot ? (struct run){(uint32_t)(*slot >> 32), (uint32_t)*slot} : (struct run){0, 0};
}

/* Room for row n of an array that has room for cap of them. */
static bool array_room(void **rows, uint32_t *cap, uint32_t n, size_t row_size)
{
	uint32_t more = *cap ? *cap * 2 : 64;
	void *grown;

	if (n < *cap)
		return true;
	grown = more > *cap ? realloc(*rows, more * row_size) : NULL;
	if (!grown)
		return false;
	*rows = grown;
	*cap = more;
	return true;
}

/* Adds a row to a dictionary of the model; *cap is how many it has room for, 0 until it has grown. */
static bool append(void **rows, uint32_t *n, uint32_t *cap, size_t row_size, const void *row)
{
	if (*n >= STINT_MAX_DICTIONARY_ROWS)
		return false;
	if (!*cap)
		*cap = *n;
	if (!array_room(rows, cap, *n, row_size))
		return false;
	memcpy((uint8_t *)*rows + *n * row_size, row, row_size);
	++*n;
	return true;
}

#define APPEND(rc, m, dict, row)                                                                                       \
	append((void **)&(m)->dict.rows, &(m)->dict.n, &(rc)->cap_##dict, sizeof(*(m)->dict.rows), row)

static int by_place(const void *a_void, const void *b_void)
{
	const struct piece *a = a_void, *b = b_void;

	if (a->module != b->module)
		return a->module < b->module ? -1 : 1;
	if (a->start != b->start)
		return a->start < b->start ? -1 : 1;
	return a->row < b->row ? -1 : a->row > b->row;
}

/* Whether the recording tells of times at all: most don't. */
static bool any_times(const struct model *m)
{
	uint32_t i;

	for (i = 0; i < m->symbols.n; i++)
		if (m->symbols.rows[i].from_ns)
			return true;
	return false;
}

static int collect_pieces(struct reused_code *rc, const struct model *m, struct stint_err *err)
{
	uint64_t max_end = 0;
	uint32_t i;

	rc->pieces = calloc((size_t)m->symbols.n + 1, sizeof(*rc->pieces));
	if (!rc->pieces)
		return no_memory(err);
	for (i = 0; i < m->symbols.n; i++) {
		const struct stint_symbol *row = &m->symbols.rows[i];

		if (m->modules.rows[row->module].kind == STINT_MODULE_ANON && row->size_bytes &&
		    row->size_bytes <= UINT64_MAX - row->addr)
			rc->pieces[rc->n_pieces++] = (struct piece){.start = row->addr,
								    .end = row->addr + row->size_bytes,
								    .module = row->module,
								    .row = i};
	}
	qsort(rc->pieces, rc->n_pieces, sizeof(*rc->pieces), by_place);
	for (i = 0; i < rc->n_pieces; i++) {
		if (!i || rc->pieces[i].module != rc->pieces[i - 1].module)
			max_end = 0;
		if (rc->pieces[i].end > max_end)
			max_end = rc->pieces[i].end;
		rc->pieces[i].max_end = max_end;
	}
	return 0;
}

/* How many pieces are of earlier modules, or begin in this one at or before addr. */
static size_t pieces_up_to(const struct reused_code *rc, uint32_t module, uint64_t addr)
{
	size_t low = 0, high = rc->n_pieces;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		const struct piece *piece = &rc->pieces[mid];

		if (piece->module < module || (piece->module == module && piece->start <= addr))
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* The rows that are later in the file know better, of the same time. */
static int by_time(const void *a_void, const void *b_void)
{
	const struct version *a = a_void, *b = b_void;

	if (a->from_ns != b->from_ns)
		return a->from_ns < b->from_ns ? -1 : 1;
	return a->frame < b->frame ? -1 : a->frame > b->frame;
}

/*
 * What stood at an address, in order of time; each name once in a row. Returns how many (to: room for all). Where a
 * limit ends the search, those that begin nearest to the address, and of these the latest in the file, are found.
 */
static uint32_t versions_at(struct reused_code *rc, const struct model *m, uint32_t module, uint64_t addr,
			    struct version *to)
{
	size_t i = pieces_up_to(rc, module, addr);
	uint32_t n = 0, kept = 0, k, walked;

	for (walked = 0; i > 0 && walked < MAX_WALK && n < REUSED_CODE_MAX_VERSIONS; i--, walked++) {
		const struct piece *piece = &rc->pieces[i - 1];
		const struct stint_symbol *row = &m->symbols.rows[piece->row];

		if (piece->module != module || piece->max_end <= addr)
			break;
		if (addr < piece->end) /* in place of a frame, for now, its place in the file */
			to[n++] = (struct version){row->from_ns, piece->row, row->name_str};
	}
	if (i > 0 && (walked == MAX_WALK || n == REUSED_CODE_MAX_VERSIONS) && rc->pieces[i - 1].module == module &&
	    rc->pieces[i - 1].max_end > addr)
		rc->left_out++;
	rc->n_looks += walked;
	qsort(to, n, sizeof(*to), by_time);
	for (k = 0; k < n; k++) {
		if (kept && to[kept - 1].from_ns == to[k].from_ns)
			kept--;
		if (!kept || to[kept - 1].name_str != to[k].name_str)
			to[kept++] = to[k];
	}
	return kept;
}

/* The twin of a module for its frames' version of that number. */
static int twin_module(struct reused_code *rc, struct model *m, uint32_t module, uint32_t number, uint32_t *ret,
		       struct stint_err *err)
{
	const struct stint_module row = m->modules.rows[module];
	bool is_new;
	uint64_t *slot = stint_map_put(&rc->modules, pair(module, number), &is_new);

	if (!slot)
		return no_memory(err);
	if (is_new) {
		*slot = m->modules.n;
		if (!APPEND(rc, m, modules, &row)) {
			stint_map_remove(&rc->modules, pair(module, number));
			return no_memory(err);
		}
	}
	*ret = (uint32_t)*slot;
	return 0;
}

static int add_versions(struct reused_code *rc, struct model *m, uint32_t frame, struct version *found, uint32_t n,
			struct stint_err *err)
{
	uint32_t i;
	int code = 0;

	if (!put_run(&rc->frames, frame, rc->n_versions, n))
		return no_memory(err);
	for (i = 0; i < n && !code; i++) {
		struct stint_frame row = m->frames.rows[frame];

		found[i].frame = frame;
		if (i) {
			found[i].frame = m->frames.n;
			code = twin_module(rc, m, row.module, i, &row.module, err);
			if (!code && !APPEND(rc, m, frames, &row))
				code = no_memory(err);
		}
		if (!code &&
		    !array_room((void **)&rc->versions, &rc->cap_versions, rc->n_versions, sizeof(*rc->versions)))
			code = no_memory(err);
		if (!code)
			rc->versions[rc->n_versions++] = found[i];
	}
	return code;
}

static int find_frames(struct reused_code *rc, struct model *m, struct stint_err *err)
{
	struct version found[REUSED_CODE_MAX_VERSIONS];
	uint32_t i, n;
	int code = 0;

	for (i = 1; i < m->n_plain_frames && !code; i++) {
		const struct stint_frame *row = &m->frames.rows[i];
		bool exact = row->flags & STINT_FRAME_EXACT || !row->addr;

		if (m->modules.rows[row->module].kind != STINT_MODULE_ANON)
			continue;
		if (rc->n_looks >= REUSED_CODE_MAX_LOOKS) {
			rc->left_out++;
			continue;
		}
		n = versions_at(rc, m, row->module, exact ? row->addr : row->addr - 1, found);
		if (n > 1 && n > REUSED_CODE_MAX_FRAMES - rc->n_versions)
			rc->left_out++;
		else if (n > 1)
			code = add_versions(rc, m, i, found, n, err);
	}
	return code;
}

/* Which frame stands for this one at that time. */
static uint32_t frame_at(const struct reused_code *rc, uint32_t frame, uint64_t time_ns)
{
	struct run run = get_run(&rc->frames, frame);
	uint32_t i;

	for (i = run.n; i > 1; i--)
		if (rc->versions[run.first + i - 1].from_ns <= time_ns)
			return rc->versions[run.first + i - 1].frame;
	return frame;
}

/* The same stack with its frames as they are at that time: its leaf. */
static int twin_leaf(struct reused_code *rc, struct model *m, const uint32_t *frames, uint32_t n, uint64_t time_ns,
		     uint32_t *ret, struct stint_err *err)
{
	struct stint_node node = {0};
	bool is_new;

	*ret = 0;
	while (n-- > 0) {
		uint64_t *slot;

		node = (struct stint_node){.parent = *ret, .frame = frame_at(rc, frames[n], time_ns)};
		slot = stint_map_put(&rc->nodes, pair(node.parent, node.frame), &is_new);
		if (!slot)
			return no_memory(err);
		if (is_new) {
			*slot = m->nodes.n;
			if (!APPEND(rc, m, nodes, &node))
				return no_memory(err);
		}
		*ret = (uint32_t)*slot;
	}
	return 0;
}

static int by_ns(const void *a_void, const void *b_void)
{
	const struct version *a = a_void, *b = b_void;

	return a->from_ns < b->from_ns ? -1 : a->from_ns > b->from_ns;
}

/* How many versions a stack's frames have together. */
static uint32_t n_versions_of(const struct reused_code *rc, const uint32_t *frames, uint32_t n)
{
	uint32_t i, n_all = 0;

	for (i = 0; i < n; i++)
		n_all += get_run(&rc->frames, frames[i]).n;
	return n_all;
}

/* When a stack's frames change, in order and each time once; malloced, with room for n_all. NULL without memory. */
static struct version *stack_changes(const struct reused_code *rc, const uint32_t *frames, uint32_t n, uint32_t n_all,
				     uint32_t *ret_n)
{
	struct version *changes = malloc(n_all * sizeof(*changes));
	uint32_t i, k, kept = 0;

	if (!changes)
		return NULL;
	for (i = 0, n_all = 0; i < n; i++) {
		struct run run = get_run(&rc->frames, frames[i]);

		for (k = 1; k < run.n; k++)
			changes[n_all++] = rc->versions[run.first + k];
	}
	qsort(changes, n_all, sizeof(*changes), by_ns);
	for (i = 0; i < n_all; i++)
		if (!kept || changes[kept - 1].from_ns != changes[i].from_ns)
			changes[kept++] = changes[i];
	*ret_n = kept;
	return changes;
}

/* False when that much work is too much. */
static bool spend(struct reused_code *rc, uint64_t work)
{
	if (work > REUSED_CODE_MAX_WORK - rc->n_work)
		return false;
	rc->n_work += work;
	return true;
}

static int add_periods(struct reused_code *rc, struct model *m, uint32_t stack, const uint32_t *frames, uint32_t n,
		       struct stint_err *err)
{
	uint32_t n_changes, n_all = n_versions_of(rc, frames, n), i;
	struct version *changes;
	int code = 0;

	if (!n_all)
		return 0;
	if (!spend(rc, n_all)) {
		rc->left_out++;
		return 0;
	}
	changes = stack_changes(rc, frames, n, n_all, &n_changes);
	if (!changes)
		return no_memory(err);
	if (n_changes > REUSED_CODE_MAX_STACKS - rc->n_periods || !spend(rc, (uint64_t)n_changes * n)) {
		rc->left_out++;
		n_changes = 0;
	}
	if (n_changes && !put_run(&rc->stacks, stack, rc->n_periods, n_changes))
		code = no_memory(err);
	for (i = 0; i < n_changes && !code; i++) {
		struct stint_stack row = m->stacks.rows[stack];

		code = twin_leaf(rc, m, frames, n, changes[i].from_ns, &row.leaf, err);
		if (!code &&
		    (!array_room((void **)&rc->periods, &rc->cap_periods, rc->n_periods, sizeof(*rc->periods)) ||
		     !APPEND(rc, m, stacks, &row)))
			code = no_memory(err);
		if (!code)
			rc->periods[rc->n_periods++] = (struct period){changes[i].from_ns, m->stacks.n - 1};
	}
	free(changes);
	return code;
}

static int find_stacks(struct reused_code *rc, struct model *m, struct stint_err *err)
{
	uint32_t frames[STINT_MAX_STACK_DEPTH];
	uint32_t i, n;
	int code = 0;

	for (i = 1; i < m->n_plain_stacks && !code; i++) {
		n = model_stack_frames(m, i, frames);
		code = add_periods(rc, m, i, frames, n, err);
	}
	return code;
}

int reused_code_find(struct reused_code **ret, struct model *m, struct stint_err *err)
{
	struct reused_code *rc;
	int code;

	*ret = NULL;
	if (!any_times(m))
		return 0;
	rc = calloc(1, sizeof(*rc));
	if (!rc)
		return no_memory(err);
	code = collect_pieces(rc, m, err);
	if (!code)
		code = find_frames(rc, m, err);
	if (!code && rc->n_versions)
		code = find_stacks(rc, m, err);
	free(rc->pieces);
	rc->pieces = NULL;
	stint_map_done(&rc->nodes);
	stint_map_done(&rc->modules);
	if (code || (!rc->n_versions && !rc->left_out))
		reused_code_free(rc);
	else
		*ret = rc;
	return code;
}

void reused_code_free(struct reused_code *rc)
{
	if (!rc)
		return;
	free(rc->pieces);
	free(rc->versions);
	free(rc->periods);
	stint_map_done(&rc->frames);
	stint_map_done(&rc->stacks);
	stint_map_done(&rc->modules);
	stint_map_done(&rc->nodes);
	free(rc);
}

uint32_t reused_code_stack(const struct reused_code *rc, uint32_t stack, uint64_t time_ns)
{
	struct run run = get_run(&rc->stacks, stack);
	uint32_t low = 0, high = run.n;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if (rc->periods[run.first + mid].from_ns <= time_ns)
			low = mid + 1;
		else
			high = mid;
	}
	return low ? rc->periods[run.first + low - 1].stack : stack;
}

int reused_code_names(const struct reused_code *rc, const struct model *m, struct symbolizer *s, struct stint_err *err)
{
	uint32_t i;
	int code = 0;

	for (i = 0; rc && i < rc->n_versions && !code; i++) {
		const struct stint_frame *frame = &m->frames.rows[rc->versions[i].frame];
		struct symbol symbol = {
			.linkage = model_str(m, rc->versions[i].name_str), .elf_addr = frame->addr, .resolved = true};

		code = symbolizer_add_chain(s, frame->module, frame->addr, frame->flags & STINT_FRAME_EXACT,
					    &(struct symbol_chain){&symbol, 1}, err);
	}
	return code;
}

uint64_t reused_code_left_out(const struct reused_code *rc)
{
	return rc ? rc->left_out : 0;
}
