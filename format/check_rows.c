/* SPDX-License-Identifier: MIT */
#include "format/check_rows.h"

#include <stdlib.h>
#include <string.h>

#include "format/schema.h"

void stint_row_checks_done(struct stint_row_checks *checks)
{
	size_t i, r;

	for (i = 0; i < STINT_FIRST_EVENT_TABLE; i++) {
		for (r = 0; r < checks->dictionaries[i].n_ranges; r++)
			free(checks->dictionaries[i].ranges[r].depth);
		free(checks->dictionaries[i].ranges);
	}
	memset(checks, 0, sizeof(*checks));
}

/* The range that an id is in, NULL where nothing defines it. */
static struct stint_id_range *range_of(const struct stint_row_checks *checks, uint32_t table, uint32_t id)
{
	struct stint_id_range *ranges = checks->dictionaries[table].ranges;
	size_t lo = 0, hi = checks->dictionaries[table].n_ranges;

	/* Behind the last range that doesn't begin behind id. */
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (ranges[mid].first <= id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo && id - ranges[lo - 1].first < ranges[lo - 1].n ? &ranges[lo - 1] : NULL;
}

static int no_memory(struct stint_err *err)
{
	return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory to check references");
}

/* Adds the block's ids to the last range, or a range for them. */
static int define(struct stint_row_checks *checks, const struct stint_rows *rows, struct stint_err *err)
{
	struct stint_id_range *ranges = checks->dictionaries[rows->table].ranges, *last;
	size_t n = checks->dictionaries[rows->table].n_ranges;
	uint32_t next = n ? ranges[n - 1].first + ranges[n - 1].n : 0;
	uint16_t *depth;

	if (rows->first_id < next)
		return stint_err_set(err, STINT_ERR_FORMAT, 0, -1,
				     "rows define ids from %u on, but %u is defined already", rows->first_id, next - 1);
	if (!n || rows->first_id > next) {
		ranges = reallocarray(ranges, n + 1, sizeof(*ranges));
		if (!ranges)
			return no_memory(err);
		ranges[n++] = (struct stint_id_range){.first = rows->first_id};
		checks->dictionaries[rows->table].ranges = ranges;
		checks->dictionaries[rows->table].n_ranges = n;
	}
	last = &ranges[n - 1];
	if (rows->table == STINT_NODE) {
		depth = reallocarray(last->depth, last->n + rows->n_rows, sizeof(*depth));
		if (!depth)
			return no_memory(err);
		memset(depth + last->n, 0, rows->n_rows * sizeof(*depth));
		last->depth = depth;
	}
	last->n += (uint32_t)rows->n_rows;
	return 0;
}

/* Counts the rows that refer to an id that no block in front of them (or theirs) defines. */
static uint64_t count_bad_references(const struct stint_row_checks *checks, const struct stint_rows *rows)
{
	const struct stint_schema *schema = stint_schema_of(rows->table);
	const uint8_t *row = rows->rows;
	uint64_t n_bad = 0;
	size_t i, c;

	for (i = 0; i < rows->n_rows; i++, row += schema->row_bytes) {
		for (c = 0; c < schema->n_columns; c++) {
			const struct stint_column *column = &schema->columns[c];
			uint32_t id;

			if (!column->table)
				continue;
			memcpy(&id, row + column->offset, sizeof(id));
			if (id && !range_of(checks, column->table, id))
				break;
		}
		n_bad += c < schema->n_columns;
	}
	return n_bad;
}

/* How many frames a node's stack has; 0 where it isn't known. */
static uint32_t depth_of(const struct stint_row_checks *checks, uint32_t node)
{
	const struct stint_id_range *range = range_of(checks, STINT_NODE, node);

	return range ? range->depth[node - range->first] : 0;
}

/* Learns how deep the block's nodes are. Returns how many have a parent that isn't an earlier one.
 */
static uint64_t check_nodes(struct stint_row_checks *checks, const struct stint_rows *rows)
{
	const struct stint_node *nodes = rows->rows;
	struct stint_id_range *range = range_of(checks, STINT_NODE, rows->first_id);
	uint64_t n_bad = 0;
	uint32_t i;

	for (i = 0; i < rows->n_rows; i++) {
		uint32_t id = rows->first_id + i;
		uint32_t above = nodes[i].parent < id ? depth_of(checks, nodes[i].parent) : 0;

		n_bad += nodes[i].parent >= id;
		range->depth[id - range->first] = (uint16_t)(above < UINT16_MAX ? above + 1 : above);
	}
	return n_bad;
}

static uint64_t count_bad_stacks(const struct stint_row_checks *checks, const struct stint_rows *rows)
{
	const struct stint_stack *stacks = rows->rows;
	uint64_t n_bad = 0;
	size_t i;

	for (i = 0; i < rows->n_rows; i++) {
		uint32_t depth = depth_of(checks, stacks[i].leaf);

		/* Where the leaf is lost, the reference is reported and the depth is unknown. */
		n_bad += depth > STINT_MAX_STACK_DEPTH || (stacks[i].leaf && depth && stacks[i].n_kernel > depth) ||
			 (!stacks[i].leaf && stacks[i].n_kernel);
	}
	return n_bad;
}

static uint64_t count_bad_times(const struct stint_rows *rows)
{
	const struct stint_offcpu *offcpu = rows->rows;
	const struct stint_loss *loss = rows->rows;
	uint64_t n_bad = 0;
	size_t i;

	for (i = 0; rows->table == STINT_OFFCPU && i < rows->n_rows; i++)
		n_bad += offcpu[i].start_ns > offcpu[i].end_ns ||
			 (offcpu[i].flags & STINT_OFFCPU_WOKEN &&
			  (offcpu[i].wake_ns < offcpu[i].start_ns || offcpu[i].wake_ns > offcpu[i].end_ns));
	for (i = 0; rows->table == STINT_LOSS && i < rows->n_rows; i++)
		n_bad += loss[i].from_ns > loss[i].to_ns;
	return n_bad;
}

int stint_row_checks_block(struct stint_row_checks *checks, const struct stint_rows *rows,
			   struct stint_row_faults *ret_faults, struct stint_err *err)
{
	int code = 0;

	*ret_faults = (struct stint_row_faults){0};
	if (!rows->n_rows)
		return 0;
	if (stint_is_dictionary(rows->table))
		code = define(checks, rows, err);
	if (code)
		return code;
	if (rows->table == STINT_NODE)
		ret_faults->n_tree = check_nodes(checks, rows);
	if (rows->table == STINT_STACK)
		ret_faults->n_tree = count_bad_stacks(checks, rows);
	ret_faults->n_references = count_bad_references(checks, rows);
	ret_faults->n_order = count_bad_times(rows);
	return 0;
}
