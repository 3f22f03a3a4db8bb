/* SPDX-License-Identifier: MIT */
#include "format/verify.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "format/check_rows.h"
#include "format/reader_internal.h"
#include "format/schema.h"

struct verify {
	const struct stint_reader *reader;
	void (*each)(void *context, const struct stint_problem *problem);
	void *context;
	struct stint_verify_result *result;
	struct stint_row_checks checks;
	struct stint_rows rows;
	/* For the check of sums, by table. */
	uint64_t in_file[STINT_N_TABLES];
	uint64_t in_ledger[STINT_N_TABLES];
	uint64_t repaired[STINT_N_TABLES];
	uint64_t seen[STINT_N_TABLES];
	bool has_total[STINT_N_TABLES];
	bool has_damage;
};

static void report(struct verify *v, enum stint_problem_kind kind, uint64_t file_off, uint64_t count, const char *fmt,
		   ...) __attribute__((format(printf, 5, 6)));

static void report(struct verify *v, enum stint_problem_kind kind, uint64_t file_off, uint64_t count, const char *fmt,
		   ...)
{
	struct stint_problem problem = {.kind = kind, .file_off = file_off, .count = count};
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(problem.what, sizeof(problem.what), fmt, ap);
	va_end(ap);
	v->result->n_problems++;
	if (kind == STINT_PROBLEM_DAMAGE || kind == STINT_PROBLEM_MISSING)
		v->has_damage = true;
	if (v->each)
		v->each(v->context, &problem);
}

bool stint_loss_was_seen(uint32_t cause)
{
	return cause == STINT_LOSS_RING_FULL || cause == STINT_LOSS_NO_STORAGE || cause == STINT_LOSS_BELOW_MIN ||
	       cause == STINT_LOSS_SIZE_LIMIT || cause == STINT_LOSS_OUTPUT;
}

/* Adds a block's rows to the sums (FORMAT.md, "Totals"). */
static void add_up(struct verify *v)
{
	const struct stint_sample *samples = v->rows.rows;
	const struct stint_offcpu *offcpu = v->rows.rows;
	const struct stint_loss *losses = v->rows.rows;
	const struct stint_total *totals = v->rows.rows;
	size_t i;

	for (i = 0; i < v->rows.n_rows; i++) {
		switch (v->rows.table) {
		case STINT_SAMPLE:
			v->in_file[STINT_SAMPLE] += samples[i].weight;
			break;
		case STINT_OFFCPU:
			v->in_file[STINT_OFFCPU] += !(offcpu[i].flags & STINT_OFFCPU_OPEN_END);
			break;
		case STINT_LOSS:
			if (losses[i].table >= STINT_N_TABLES)
				break;
			if (losses[i].cause == STINT_LOSS_REPAIRED)
				v->repaired[losses[i].table] += losses[i].count;
			else if (stint_loss_was_seen(losses[i].cause))
				v->in_ledger[losses[i].table] += losses[i].count;
			break;
		case STINT_TOTAL:
			if (totals[i].table >= STINT_N_TABLES || !totals[i].final)
				break;
			v->seen[totals[i].table] = totals[i].seen;
			v->has_total[totals[i].table] = true;
			break;
		}
	}
}

static void check_sum(struct verify *v, uint32_t table)
{
	uint64_t counted = v->in_file[table] + v->in_ledger[table];
	/* How many events a lost block stood for isn't known, so only too many is wrong then. */
	bool partial = v->has_damage || v->repaired[table] || v->repaired[0];

	if (!v->has_total[table] || (partial ? counted <= v->seen[table] : counted == v->seen[table]))
		return;
	report(v, STINT_PROBLEM_SUM, 0, counted,
	       "%s: %" PRIu64 " events seen, but %" PRIu64 " in the file and %" PRIu64 " in the loss ledger",
	       stint_table_name(table), v->seen[table], v->in_file[table], v->in_ledger[table]);
}

/* Whether a block's header speaks the truth about its rows' times. */
static bool times_are_within(const struct stint_block_info *block, const struct stint_rows *rows)
{
	const struct stint_schema *schema = stint_schema_of(rows->table);
	const uint8_t *row = rows->rows;
	uint64_t from, to;
	size_t i;

	if (schema->time_from < 0)
		return true;
	for (i = 0; i < rows->n_rows; i++, row += schema->row_bytes) {
		memcpy(&from, row + schema->time_from, sizeof(from));
		memcpy(&to, row + schema->time_to, sizeof(to));
		if (from < block->t_min_ns || to > block->t_max_ns)
			return false;
	}
	return true;
}

/* Reports what is wrong with the rows of the block that was just decoded. */
static int verify_rows(struct verify *v, const struct stint_block_info *block, struct stint_err *err)
{
	const char *name = stint_table_name(block->table);
	struct stint_row_faults faults;
	struct stint_err why = STINT_ERR_INIT;
	int code = stint_row_checks_block(&v->checks, &v->rows, &faults, &why);

	if (code == STINT_ERR_FORMAT) {
		report(v, STINT_PROBLEM_REFERENCE, block->file_off, block->n_rows, "%s %s", name, why.msg);
		return 0;
	}
	if (code)
		return stint_err_set(err, code, 0, -1, "%s", why.msg);
	if (faults.n_references)
		report(v, STINT_PROBLEM_REFERENCE, block->file_off, faults.n_references,
		       "%" PRIu64 " of %u %s rows refer to ids that no block before them defines", faults.n_references,
		       block->n_rows, name);
	if (faults.n_tree)
		report(v, STINT_PROBLEM_TREE, block->file_off, faults.n_tree,
		       block->table == STINT_NODE ? "%" PRIu64 " of %u %s rows have a parent that isn't an earlier node"
						  : "%" PRIu64 " of %u %s rows are deeper than STINT_MAX_STACK_DEPTH "
						    "or have more kernel frames than frames",
		       faults.n_tree, block->n_rows, name);
	if (faults.n_order)
		report(v, STINT_PROBLEM_ORDER, block->file_off, faults.n_order,
		       "%" PRIu64 " of %u %s rows end before they begin, or were woken outside of that", faults.n_order,
		       block->n_rows, name);
	if (!times_are_within(block, &v->rows))
		report(v, STINT_PROBLEM_ORDER, block->file_off, block->n_rows,
		       "%s rows are outside of the time range that their block's header states", name);
	return 0;
}

/* A block whose rows can't be looked into: checksums only. */
static int verify_unknown(struct verify *v, size_t i, struct stint_err *err)
{
	const uint8_t *data;
	size_t size;

	return stint_reader_raw(v->reader, i, &v->rows, &data, &size, err);
}

static int verify_block(struct verify *v, size_t i, struct stint_err *err)
{
	const struct stint_block_info *block = stint_reader_block(v->reader, i);
	uint64_t problems = v->result->n_problems;
	struct stint_err why = STINT_ERR_INIT;
	int code = stint_reader_decode(v->reader, i, &v->rows, &why);

	if (code == STINT_ERR_NOTFOUND)
		code = verify_unknown(v, i, &why);
	if (code == STINT_ERR_FORMAT || code == STINT_ERR_LIMIT) {
		report(v, STINT_PROBLEM_DAMAGE, block->file_off,
		       STINT_BLOCK_HEADER_BYTES + (uint64_t)block->stored_bytes, "%s", why.msg);
		return 0;
	}
	if (code) {
		if (err)
			*err = why;
		return code;
	}
	if (v->rows.rows) {
		add_up(v);
		code = verify_rows(v, block, err);
	}
	if (v->result->n_problems == problems) {
		v->result->n_whole++;
		v->result->n_rows += block->n_rows;
	}
	return code;
}

static int compare_offset(const void *a, const void *b)
{
	const struct stint_block_info *x = a, *y = b;

	return x->file_off < y->file_off ? -1 : x->file_off > y->file_off;
}

/* Numbers of blocks run from 0 without a gap, index blocks included. */
static int verify_numbers(struct verify *v, struct stint_err *err)
{
	const struct stint_reader *r = v->reader;
	size_t n = r->info.n_blocks + r->n_indexes, i;
	struct stint_block_info *all = calloc(n + 1, sizeof(*all));
	uint32_t expected = 0;

	if (!all)
		return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory to check the blocks' numbers");
	for (i = 0; i < n; i++)
		all[i] = i < r->info.n_blocks ? r->blocks[i] : r->indexes[i - r->info.n_blocks];
	qsort(all, n, sizeof(*all), compare_offset);
	for (i = 0; i < n; i++) {
		if (all[i].seq > expected)
			report(v, STINT_PROBLEM_MISSING, all[i].file_off, all[i].seq - expected,
			       "%u blocks are missing in front of block number %u", all[i].seq - expected, all[i].seq);
		else if (all[i].seq < expected)
			report(v, STINT_PROBLEM_MISSING, all[i].file_off, 1, "block number %u comes behind number %u",
			       all[i].seq, expected - 1);
		expected = all[i].seq + 1;
	}
	free(all);
	return 0;
}

static bool is_known_damage(const struct stint_reader *r, uint64_t file_off)
{
	size_t i;

	for (i = 0; i < r->info.n_damage; i++)
		if (r->damage[i].file_off == file_off)
			return true;
	return false;
}

/* Index blocks that were not needed for opening may be damaged too. */
static int verify_indexes(struct verify *v, struct stint_err *err)
{
	const struct stint_reader *r = v->reader;
	struct stint_err why = STINT_ERR_INIT;
	size_t i;
	int code;

	for (i = 0; i < r->n_indexes; i++) {
		const struct stint_block_info *block = &r->indexes[i];

		code = stint_reader_check_index(r, block->file_off, &why);
		if (code && code != STINT_ERR_FORMAT)
			return stint_err_set(err, code, why.sys_errno, -1, "%s", why.msg);
		if (code && !is_known_damage(r, block->file_off))
			report(v, STINT_PROBLEM_DAMAGE, block->file_off,
			       STINT_BLOCK_HEADER_BYTES + (uint64_t)block->stored_bytes, "%s", why.msg);
	}
	return 0;
}

int stint_verify(const struct stint_reader *reader, void (*each)(void *context, const struct stint_problem *problem),
		 void *context, struct stint_verify_result *ret_result, struct stint_err *err)
{
	struct verify *v = calloc(1, sizeof(*v));
	size_t i;
	int code;

	*ret_result =
		(struct stint_verify_result){.n_blocks = reader->info.n_blocks, .complete = reader->info.complete};
	if (!v)
		return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory to verify");
	v->reader = reader;
	v->each = each;
	v->context = context;
	v->result = ret_result;
	for (i = 0; i < reader->info.n_damage; i++)
		report(v, STINT_PROBLEM_DAMAGE, reader->damage[i].file_off, reader->damage[i].size_bytes, "%s",
		       reader->damage[i].why);
	code = verify_indexes(v, err);
	if (!code)
		code = verify_numbers(v, err);
	for (i = 0; i < reader->info.n_blocks && !code; i++)
		code = verify_block(v, i, err);
	if (!code) {
		check_sum(v, STINT_SAMPLE);
		check_sum(v, STINT_OFFCPU);
	}
	stint_row_checks_done(&v->checks);
	stint_rows_done(&v->rows);
	free(v);
	return code;
}
