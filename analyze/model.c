/* SPDX-License-Identifier: MIT */
#include "analyze/model.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Packed chains have no more functions than the symbolizer finds. */
#define MODEL_MAX_CHAIN 512u

/* Where the rows of a table go. Dictionaries have a place for id 0; the others don't. */
struct dict_view {
	void **rows;
	uint32_t *n;
	size_t row_size;
};

#define DICT_VIEW(m, name) ((struct dict_view){(void **)&(m)->name.rows, &(m)->name.n, sizeof(*(m)->name.rows)})

static struct dict_view dict_view(struct model *m, uint32_t table)
{
	switch (table) {
	case STINT_STRING:
		return DICT_VIEW(m, strings);
	case STINT_MODULE:
		return DICT_VIEW(m, modules);
	case STINT_PROCESS:
		return DICT_VIEW(m, processes);
	case STINT_THREAD:
		return DICT_VIEW(m, threads);
	case STINT_MAPPING:
		return DICT_VIEW(m, mappings);
	case STINT_FRAME:
		return DICT_VIEW(m, frames);
	case STINT_NODE:
		return DICT_VIEW(m, nodes);
	case STINT_STACK:
		return DICT_VIEW(m, stacks);
	case STINT_SOURCE:
		return DICT_VIEW(m, sources);
	case STINT_LOSS:
		return DICT_VIEW(m, losses);
	case STINT_CLOCK:
		return DICT_VIEW(m, clocks);
	case STINT_TOTAL:
		return DICT_VIEW(m, totals);
	case STINT_META:
		return DICT_VIEW(m, metas);
	case STINT_SYMBOL:
		return DICT_VIEW(m, symbols);
	case STINT_CHAIN:
		return DICT_VIEW(m, chains);
	case STINT_SYMBOL_SOURCE:
		return DICT_VIEW(m, symbol_sources);
	case STINT_UNWOUND:
		return DICT_VIEW(m, unwounds);
	default:
		return (struct dict_view){0};
	}
}

static bool is_dictionary(uint32_t table)
{
	return table < MODEL_N_DICTS;
}

/* From the block headers: how many rows each table has, so that each array is allocated once. */
static int reserve(struct model *m, const uint64_t *n_rows, struct stint_err *err)
{
	uint32_t table;

	for (table = 0; table < STINT_N_TABLES; table++) {
		struct dict_view dict = dict_view(m, table);
		uint64_t n = n_rows[table];

		if (!dict.rows)
			continue;
		if (n > STINT_MAX_DICTIONARY_ROWS)
			return stint_err_set(err, STINT_ERR_LIMIT, 0, -1,
					     "%llu rows of table %s, more than the limit of %u", (unsigned long long)n,
					     stint_table_name(table), STINT_MAX_DICTIONARY_ROWS);
		*dict.rows = calloc(n + 1, dict.row_size);
		if (!*dict.rows)
			return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory for %llu rows of table %s",
					     (unsigned long long)n, stint_table_name(table));
		*dict.n = is_dictionary(table) ? (uint32_t)n + 1 : 0;
	}
	return 0;
}

/* Counts what the headers announce; the rows of a dictionary reach up to its highest id. */
static void count_rows(struct model *m, uint64_t *n_rows)
{
	size_t i, n = stint_reader_info(m->reader)->n_blocks;

	for (i = 0; i < n; i++) {
		const struct stint_block_info *block = stint_reader_block(m->reader, i);
		uint64_t last = (uint64_t)block->first_id + block->n_rows;

		if (block->table >= STINT_N_TABLES || !block->n_rows)
			continue;
		if (!is_dictionary(block->table))
			n_rows[block->table] += block->n_rows;
		else if (last - 1 > n_rows[block->table])
			n_rows[block->table] = last - 1;
	}
	m->n_samples = n_rows[STINT_SAMPLE];
	m->n_offcpu = n_rows[STINT_OFFCPU];
	m->n_tasks = n_rows[STINT_TASK];
	m->n_windows = n_rows[STINT_WINDOW];
}

/* The strings of a block live in its rows' memory, which goes; copy them. */
static int load_strings(struct model *m, const struct stint_rows *rows, struct stint_err *err)
{
	const struct stint_string *from = rows->rows;
	size_t i;

	for (i = 0; i < rows->n_rows; i++) {
		struct stint_string *to = &m->strings.rows[rows->first_id + i];

		to->data = (uint8_t *)stint_arena_strndup(&m->arena, from[i].data, from[i].size);
		to->size = from[i].size;
		if (!to->data)
			return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory for the recording's strings");
	}
	if (m->arena.total_bytes > MODEL_MAX_STRING_BYTES)
		return stint_err_set(err, STINT_ERR_LIMIT, 0, -1, "over %zu bytes of strings", MODEL_MAX_STRING_BYTES);
	return 0;
}

static void mark_defined(uint64_t *defined, uint32_t first_id, size_t n)
{
	size_t id;

	for (id = first_id; id < first_id + n; id++)
		defined[id / 64] |= (uint64_t)1 << (id % 64);
}

static int load_rows(struct model *m, const struct stint_rows *rows, struct stint_err *err)
{
	struct dict_view dict = dict_view(m, rows->table);
	size_t at;

	if (is_dictionary(rows->table)) {
		/* The headers were counted, but it is the decoded block that gets written to
		 * memory. */
		if (rows->first_id == 0 || rows->first_id + rows->n_rows > *dict.n) {
			m->n_damaged_blocks++;
			return 0;
		}
		mark_defined(m->defined[rows->table], rows->first_id, rows->n_rows);
		if (rows->table == STINT_STRING)
			return load_strings(m, rows, err);
		at = rows->first_id;
	} else {
		at = *dict.n;
		*dict.n += (uint32_t)rows->n_rows;
	}
	if (rows->n_rows)
		memcpy((uint8_t *)*dict.rows + at * dict.row_size, rows->rows, rows->n_rows * dict.row_size);
	return 0;
}

static int load_blocks(struct model *m, struct stint_err *err)
{
	size_t i, n = stint_reader_info(m->reader)->n_blocks;
	struct stint_rows rows = {0};
	int code = 0;

	for (i = 0; i < n && !code; i++) {
		const struct stint_block_info *block = stint_reader_block(m->reader, i);
		struct stint_err block_err = STINT_ERR_INIT;

		if (!dict_view(m, block->table).rows)
			continue;
		code = stint_reader_decode(m->reader, i, &rows, &block_err);
		if (!code) {
			/* A block can't have more rows than its header said: the room was made for
			 * those. */
			if (rows.n_rows <= block->n_rows)
				code = load_rows(m, &rows, err);
		} else if (code == STINT_ERR_FORMAT || code == STINT_ERR_LIMIT) {
			m->block_seen[i] = MODEL_BLOCK_DAMAGED;
			m->n_damaged_blocks++;
			code = 0;
		} else if (code == STINT_ERR_NOTFOUND) {
			code = 0;
		} else if (err) {
			*err = block_err;
		}
	}
	stint_rows_done(&rows);
	return code;
}

/* Remembers for each dictionary which of its ids there are; that is kept only where some are
 * missing. */
static int watch_gaps(struct model *m, struct stint_err *err)
{
	uint32_t table;

	for (table = 1; table < MODEL_N_DICTS; table++) {
		m->defined[table] = calloc((size_t)*dict_view(m, table).n / 64 + 1, sizeof(uint64_t));
		if (!m->defined[table])
			return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory for a table of ids");
		m->defined[table][0] = 1;
	}
	return 0;
}

static void forget_whole(struct model *m)
{
	uint32_t table;

	for (table = 1; table < MODEL_N_DICTS; table++) {
		uint32_t i, n = *dict_view(m, table).n, n_defined = 0;

		for (i = 0; i <= n / 64; i++)
			n_defined += (uint32_t)__builtin_popcountll(m->defined[table][i]);
		if (n_defined < n)
			continue;
		free(m->defined[table]);
		m->defined[table] = NULL;
	}
}

#define CHECK_ID(m, table, dict, id, lost) (*(id) = model_id(m, table, (m)->dict.n, *(id), lost))

static void check_names(struct model *m)
{
	uint64_t *lost = &m->lost_ids;
	uint32_t i;

	for (i = 1; i < m->modules.n; i++) {
		CHECK_ID(m, STINT_STRING, strings, &m->modules.rows[i].path_str, lost);
		CHECK_ID(m, STINT_STRING, strings, &m->modules.rows[i].build_id_str, lost);
		CHECK_ID(m, STINT_PROCESS, processes, &m->modules.rows[i].process, lost);
	}
	for (i = 1; i < m->processes.n; i++) {
		CHECK_ID(m, STINT_STRING, strings, &m->processes.rows[i].exe_str, lost);
		CHECK_ID(m, STINT_STRING, strings, &m->processes.rows[i].cmdline_str, lost);
		CHECK_ID(m, STINT_STRING, strings, &m->processes.rows[i].cgroup_str, lost);
	}
	for (i = 1; i < m->threads.n; i++) {
		CHECK_ID(m, STINT_PROCESS, processes, &m->threads.rows[i].process, lost);
		CHECK_ID(m, STINT_STRING, strings, &m->threads.rows[i].comm_str, lost);
	}
	for (i = 1; i < m->sources.n; i++) {
		CHECK_ID(m, STINT_STRING, strings, &m->sources.rows[i].name_str, lost);
		CHECK_ID(m, STINT_STRING, strings, &m->sources.rows[i].unit_str, lost);
	}
	for (i = 0; i < m->metas.n; i++) {
		CHECK_ID(m, STINT_STRING, strings, &m->metas.rows[i].key_str, lost);
		CHECK_ID(m, STINT_STRING, strings, &m->metas.rows[i].value_str, lost);
	}
	for (i = 0; i < m->symbols.n; i++) {
		CHECK_ID(m, STINT_MODULE, modules, &m->symbols.rows[i].module, lost);
		CHECK_ID(m, STINT_STRING, strings, &m->symbols.rows[i].name_str, lost);
	}
}

static void check_packed(struct model *m)
{
	uint64_t *lost = &m->lost_ids;
	uint32_t i;

	for (i = 0; i < m->chains.n; i++) {
		CHECK_ID(m, STINT_FRAME, frames, &m->chains.rows[i].frame, lost);
		CHECK_ID(m, STINT_STRING, strings, &m->chains.rows[i].name_str, lost);
		CHECK_ID(m, STINT_STRING, strings, &m->chains.rows[i].file_str, lost);
	}
	for (i = 0; i < m->symbol_sources.n; i++) {
		CHECK_ID(m, STINT_MODULE, modules, &m->symbol_sources.rows[i].module, lost);
		CHECK_ID(m, STINT_STRING, strings, &m->symbol_sources.rows[i].from_str, lost);
		CHECK_ID(m, STINT_STRING, strings, &m->symbol_sources.rows[i].why_str, lost);
	}
}

static void check_stacks(struct model *m)
{
	uint64_t *lost = &m->lost_ids;
	uint32_t i;

	for (i = 1; i < m->mappings.n; i++) {
		CHECK_ID(m, STINT_PROCESS, processes, &m->mappings.rows[i].process, lost);
		CHECK_ID(m, STINT_MODULE, modules, &m->mappings.rows[i].module, lost);
	}
	for (i = 1; i < m->frames.n; i++)
		CHECK_ID(m, STINT_MODULE, modules, &m->frames.rows[i].module, lost);
	for (i = 1; i < m->nodes.n; i++) {
		struct stint_node *node = &m->nodes.rows[i];

		CHECK_ID(m, STINT_FRAME, frames, &node->frame, lost);
		CHECK_ID(m, STINT_NODE, nodes, &node->parent, lost);
		/* Callers come before their callees: this is what makes a cycle impossible. */
		if (node->parent >= i) {
			node->parent = 0;
			++*lost;
		}
	}
	for (i = 1; i < m->stacks.n; i++)
		CHECK_ID(m, STINT_NODE, nodes, &m->stacks.rows[i].leaf, lost);
}

bool model_has_copied_stacks(const struct model *m)
{
	uint32_t i;

	for (i = 1; i < m->n_file_stacks; i++)
		if (m->stacks.rows[i].user_end == STINT_USER_WINDOW)
			return true;
	return false;
}

static void sum_losses(struct model *m)
{
	uint32_t i;

	for (i = 0; i < m->losses.n; i++) {
		const struct stint_loss *loss = &m->losses.rows[i];
		uint64_t *sum = &m->loss[loss->cause < STINT_N_LOSS_CAUSES ? loss->cause : 0];

		*sum = loss->count > UINT64_MAX - *sum ? UINT64_MAX : *sum + loss->count;
	}
}

static bool meta_u64(const struct model *m, const char *key, uint64_t *ret)
{
	const char *text = model_meta(m, key);
	char *end;

	if (!text || text[0] < '0' || text[0] > '9')
		return false;
	errno = 0;
	*ret = strtoull(text, &end, 10);
	return !errno && !*end;
}

/* The recording's time is from its metadata; a file that was cut off lacks the end, which is then
 * its last event. */
static void find_times(struct model *m)
{
	size_t i, n = stint_reader_info(m->reader)->n_blocks;
	uint64_t first = UINT64_MAX, last = 0;

	for (i = 0; i < n; i++) {
		const struct stint_block_info *block = stint_reader_block(m->reader, i);

		if (block->table != STINT_SAMPLE && block->table != STINT_OFFCPU && block->table != STINT_TASK)
			continue;
		if (block->t_min_ns < first)
			first = block->t_min_ns;
		if (block->t_max_ns > last)
			last = block->t_max_ns;
	}
	if (!meta_u64(m, "start_ns", &m->start_ns))
		m->start_ns = first == UINT64_MAX ? 0 : first;
	if (!meta_u64(m, "end_ns", &m->end_ns))
		m->end_ns = last;
	if (m->end_ns < m->start_ns)
		m->end_ns = m->start_ns;
}

static int load(struct model *m, struct stint_err *err)
{
	uint64_t n_rows[STINT_N_TABLES] = {0};
	int code;

	count_rows(m, n_rows);
	code = reserve(m, n_rows, err);
	if (!code)
		code = watch_gaps(m, err);
	if (!code)
		code = load_blocks(m, err);
	if (code)
		return code;
	forget_whole(m);
	check_names(m);
	check_stacks(m);
	check_packed(m);
	sum_losses(m);
	find_times(m);
	m->n_file_modules = m->modules.n;
	m->n_file_nodes = m->nodes.n;
	m->n_file_frames = m->n_plain_frames = m->frames.n;
	m->n_file_stacks = m->n_plain_stacks = m->stacks.n;
	/* What stacks are is to be known first: see unwind.h. */
	return model_has_copied_stacks(m) ? 0 : reused_code_find(&m->reused_code, m, err);
}

static int open_with(struct model **ret, struct stint_reader *reader, struct stint_err *err)
{
	struct model *m = calloc(1, sizeof(*m));
	int code;

	if (!m) {
		stint_reader_free(reader);
		return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory");
	}
	m->reader = reader;
	m->block_seen = calloc(stint_reader_info(reader)->n_blocks + 1, 1);
	code = m->block_seen ? load(m, err) : stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory");
	if (code)
		model_free(m);
	else
		*ret = m;
	return code;
}

static void put_file_name(struct stint_err *err, const char *path)
{
	stint_err_prefix(err, "%s", strcmp(path, "-") ? path : "standard input");
}

int model_open(struct model **ret, const char *path, struct stint_err *err)
{
	struct stint_reader *reader;
	int code = stint_reader_open(&reader, path, err);

	if (!code)
		code = open_with(ret, reader, err);
	if (code)
		put_file_name(err, path);
	else
		(*ret)->file = path;
	return code;
}

int model_failed(const struct model *m, int code, struct stint_err *err)
{
	if (m->file && code && code != STINT_ERR_USAGE && code != STINT_ERR_NOTFOUND && code != STINT_ERR_SYSTEM)
		put_file_name(err, m->file);
	return code;
}

int model_open_memory(struct model **ret, const void *data, size_t size, struct stint_err *err)
{
	struct stint_reader *reader;
	int code = stint_reader_open_memory(&reader, data, size, err);

	return code ? code : open_with(ret, reader, err);
}

void model_free(struct model *m)
{
	uint32_t table;

	if (!m)
		return;
	for (table = 0; table < STINT_N_TABLES; table++) {
		struct dict_view dict = dict_view(m, table);

		if (dict.rows)
			free(*dict.rows);
		if (is_dictionary(table))
			free(m->defined[table]);
	}
	free(m->as_stack);
	free(m->unwind_whys);
	free(m->unwound);
	free(m->block_seen);
	reused_code_free(m->reused_code);
	stint_arena_done(&m->arena);
	stint_reader_free(m->reader);
	free(m);
}

const char *model_str(const struct model *m, uint32_t str)
{
	const uint8_t *data = str < m->strings.n ? m->strings.rows[str].data : NULL;

	return data ? (const char *)data : "";
}

const char *model_meta(const struct model *m, const char *key)
{
	uint32_t i;

	for (i = m->metas.n; i > 0; i--)
		if (!strcmp(model_str(m, m->metas.rows[i - 1].key_str), key))
			return model_str(m, m->metas.rows[i - 1].value_str);
	return NULL;
}

const struct stint_process *model_process_of(const struct model *m, uint32_t thread)
{
	uint32_t process = thread < m->threads.n ? m->threads.rows[thread].process : 0;

	return &m->processes.rows[process];
}

/* Passes one frame's rows on, from i up to end. */
static int add_chain(const struct model *m, struct symbolizer *s, uint32_t i, uint32_t end, struct stint_err *err)
{
	const struct stint_frame *frame = &m->frames.rows[m->chains.rows[i].frame];
	struct symbol symbols[MODEL_MAX_CHAIN];
	uint32_t n;

	for (n = 0; n < end - i; n++) {
		const struct stint_chain *row = &m->chains.rows[i + n];

		symbols[n] = (struct symbol){
			.linkage = row->name_str ? model_str(m, row->name_str) : NULL,
			.file = row->file_str ? model_str(m, row->file_str) : NULL,
			.line = row->line,
			.inlined = row->flags & STINT_CHAIN_INLINED,
			.resolved = row->name_str && !(row->flags & STINT_CHAIN_UNRESOLVED),
			.elf_addr = frame->addr + row->elf_bias,
			.start = row->func_off ? frame->addr + row->elf_bias - (row->func_off - 1) : 0,
		};
	}
	return symbolizer_add_chain(s, frame->module, frame->addr, frame->flags & STINT_FRAME_EXACT,
				    &(struct symbol_chain){symbols, n}, err);
}

static int add_packed(const struct model *m, struct symbolizer *s, struct stint_err *err)
{
	uint32_t i, end;
	int code = 0;

	for (i = 0; i < m->chains.n && !code; i = end) {
		end = i + 1;
		while (end < m->chains.n && end - i < MODEL_MAX_CHAIN && m->chains.rows[end].level &&
		       m->chains.rows[end].frame == m->chains.rows[i].frame)
			end++;
		if (m->chains.rows[i].frame)
			code = add_chain(m, s, i, end, err);
	}
	for (i = 0; i < m->symbol_sources.n && !code; i++) {
		const struct stint_symbol_source *row = &m->symbol_sources.rows[i];

		code = symbolizer_add_source(s, row->module, model_str(m, row->from_str),
					     row->why_str ? model_str(m, row->why_str) : NULL, err);
	}
	return code;
}

int model_symbolizer_afresh(const struct model *m, const struct symbolizer_options *options, struct symbolizer **ret,
			    struct stint_err *err)
{
	struct symbolizer *s;
	int code = symbolizer_new(&s, options, err);
	uint32_t i;

	if (code)
		return code;
	for (i = 1; i < m->modules.n && !code; i++) {
		const struct stint_module *row = &m->modules.rows[i];
		const struct stint_string *build_id = &m->strings.rows[row->build_id_str];
		struct symbol_module info = {
			.kind = row->kind,
			.path = model_str(m, row->path_str),
			.build_id = build_id->data,
			.build_id_size = build_id->size,
		};

		code = symbolizer_add_module(s, i, &info, err);
	}
	for (i = 0; i < m->symbols.n && !code; i++) {
		const struct stint_symbol *row = &m->symbols.rows[i];

		code = symbolizer_add_symbol(s, row->module, row->addr, row->size_bytes, model_str(m, row->name_str),
					     err);
	}
	if (!code)
		code = reused_code_names(m->reused_code, m, s, err);
	if (code)
		symbolizer_free(s);
	else
		*ret = s;
	return code;
}

int model_symbolizer(const struct model *m, const struct symbolizer_options *options, struct symbolizer **ret,
		     struct stint_err *err)
{
	struct symbolizer *s;
	int code = model_symbolizer_afresh(m, options, &s, err);

	if (code)
		return code;
	code = add_packed(m, s, err);
	if (code)
		symbolizer_free(s);
	else
		*ret = s;
	return code;
}

uint32_t model_stack_frames(const struct model *m, uint32_t stack, uint32_t *ids)
{
	uint32_t node, n = 0;

	node = stack < m->stacks.n ? m->stacks.rows[stack].leaf : 0;
	for (; node && n < STINT_MAX_STACK_DEPTH; node = m->nodes.rows[node].parent)
		ids[n++] = m->nodes.rows[node].frame;
	return n;
}
