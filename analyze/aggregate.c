/* SPDX-License-Identifier: MIT */
#include "analyze/aggregate.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

const char *const group_names[] = {"symbol", "stack",	"module", "line", "thread", "process",
				   "comm",   "syscall", "state",  "cpu",  "waker",  NULL};

bool group_is_of_stacks(enum group_by group)
{
	return group <= GROUP_LINE;
}

bool group_is_of_offcpu(enum group_by group)
{
	return group == GROUP_SYSCALL || group == GROUP_STATE || group == GROUP_WAKER;
}

enum tally_key group_tally_key(enum group_by group)
{
	switch (group) {
	case GROUP_THREAD:
	case GROUP_PROCESS:
	case GROUP_COMM:
		return TALLY_THREAD;
	case GROUP_SYSCALL:
		return TALLY_SYSCALL;
	case GROUP_STATE:
		return TALLY_STATE;
	case GROUP_CPU:
		return TALLY_CPU;
	case GROUP_WAKER:
		return TALLY_WAKER;
	default:
		return TALLY_STACK;
	}
}

/* What is needed while a table is made. */
struct maker {
	struct table *t;
	const struct labels *labels;
	struct functions *functions;
	struct stint_buf key, name;
	uint32_t *last_seen; /* by row: 1 + the tally row whose total it last took, so that it takes
				it once */
	uint32_t stamp;
	uint32_t *row_of_function; /* of symbols and modules: 1 + the row, once it is known */
	size_t cap_functions;
};

static int no_memory(struct stint_err *err)
{
	return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory for the report's rows");
}

static int grow_rows(struct maker *mk, struct stint_err *err)
{
	struct table *t = mk->t;
	size_t cap = t->cap ? t->cap * 2 : 128;
	struct table_row *rows = realloc(t->rows, cap * sizeof(*rows));
	uint32_t *seen;

	if (!rows)
		return no_memory(err);
	t->rows = rows;
	t->cap = cap;
	seen = realloc(mk->last_seen, cap * sizeof(*seen));
	if (!seen)
		return no_memory(err);
	mk->last_seen = seen;
	return 0;
}

/* The row of the key in mk->key. A new one is called what stands in mk->name. */
static int find_row(struct maker *mk, const char *module, struct table_row **ret, struct stint_err *err)
{
	struct table *t = mk->t;
	struct table_row *row;
	uint32_t id;
	bool is_new;

	if (stint_buf_status(&mk->key) || stint_buf_status(&mk->name) ||
	    stint_intern_put(&t->keys, mk->key.data, mk->key.len, &id, &is_new))
		return no_memory(err);
	if (!is_new) {
		*ret = &t->rows[id - 1];
		return 0;
	}
	if (t->n == t->cap && grow_rows(mk, err))
		return STINT_ERR_NOMEM;
	row = &t->rows[t->n];
	memset(row, 0, sizeof(*row));
	mk->last_seen[t->n++] = 0;
	row->name = stint_arena_strndup(&t->arena, mk->name.data, mk->name.len);
	row->module = module;
	*ret = row;
	return row->name ? 0 : no_memory(err);
}

static void put_text(struct stint_buf *out, const char *s)
{
	stint_buf_bytes(out, s, strlen(s));
}

/* --- rows of things that every event has one of --- */

static void thread_identity(struct stint_buf *key, const struct model *m, uint32_t id)
{
	const struct stint_thread *thread = &m->threads.rows[id];

	/*
	 * One row for one name of one thread, across the images that it execs. The name goes by its
	 * text, which may be in the file more than once.
	 */
	stint_buf_u32(key, thread->tid);
	stint_buf_u64(key, thread->start_ns);
	put_text(key, model_str(m, thread->comm_str));
}

static void process_identity(struct stint_buf *key, const struct model *m, uint32_t thread)
{
	const struct stint_process *process = model_process_of(m, thread);

	stint_buf_u32(key, process->pid);
	stint_buf_u64(key, process->start_ns);
}

static void name_key(struct maker *mk, uint64_t key)
{
	const struct labels *l = mk->labels;
	uint32_t id = (uint32_t)key;

	switch (mk->t->group) {
	case GROUP_THREAD:
		thread_identity(&mk->key, l->m, id);
		label_thread(l, id, &mk->name);
		return;
	case GROUP_WAKER:
		thread_identity(&mk->key, l->m, id);
		label_waker(l, id, &mk->name);
		return;
	case GROUP_PROCESS:
		process_identity(&mk->key, l->m, id);
		label_process(l, l->m->threads.rows[id].process, &mk->name);
		return;
	case GROUP_COMM:
		label_comm(l, id, &mk->name);
		stint_buf_bytes(&mk->key, mk->name.data, mk->name.len);
		return;
	case GROUP_SYSCALL:
		label_syscall(l, id, &mk->name);
		break;
	case GROUP_STATE:
		put_text(&mk->name, task_state_name((enum task_state)id));
		break;
	default:
		label_cpu(id, &mk->name);
		break;
	}
	stint_buf_u32(&mk->key, id);
}

static int add_keyed(struct maker *mk, const struct tally_row *from, struct stint_err *err)
{
	struct table_row *row;
	int code;

	stint_buf_reset(&mk->key);
	stint_buf_reset(&mk->name);
	name_key(mk, from->key);
	code = find_row(mk, "", &row, err);
	if (code)
		return code;
	metrics_add(&row->self, &from->sums);
	metrics_add(&row->total, &from->sums);
	return 0;
}

/* --- rows of what stands in stacks --- */

static void name_line(struct maker *mk, const struct located *at, const struct function *function)
{
	const struct symbol *symbol = at->symbol;

	if (symbol && symbol->file && symbol->line) {
		stint_buf_printf(&mk->name, "%s:%u", symbol->file, symbol->line);
		stint_buf_bytes(&mk->key, mk->name.data, mk->name.len);
		stint_buf_u8(&mk->key, 0);
		put_text(&mk->key, function->module);
		return;
	}
	/* Without line information the function is the best that can be said. */
	put_text(&mk->name, function->name);
	if (at->function)
		put_text(&mk->name, " [no line]");
	stint_buf_u32(&mk->key, at->function);
}

/* Functions are met again and again; most rows are known by the function alone. */
static int grow_row_of_function(struct maker *mk, struct stint_err *err)
{
	size_t cap = mk->functions->cap;
	uint32_t *rows = realloc(mk->row_of_function, cap * sizeof(*rows));

	if (!rows)
		return no_memory(err);
	memset(rows + mk->cap_functions, 0, (cap - mk->cap_functions) * sizeof(*rows));
	mk->row_of_function = rows;
	mk->cap_functions = cap;
	return 0;
}

static int row_of_located(struct maker *mk, const struct located *at, struct table_row **ret, struct stint_err *err)
{
	const struct function *function = &mk->functions->all[at->function];
	uint32_t *known;
	int code;

	if (at->function >= mk->cap_functions && grow_row_of_function(mk, err))
		return STINT_ERR_NOMEM;
	known = &mk->row_of_function[at->function];
	if (*known) {
		*ret = &mk->t->rows[*known - 1];
		return 0;
	}
	stint_buf_reset(&mk->key);
	stint_buf_reset(&mk->name);
	switch (mk->t->group) {
	case GROUP_SYMBOL:
		put_text(&mk->name, function->name);
		stint_buf_u32(&mk->key, at->function);
		break;
	case GROUP_MODULE:
		put_text(&mk->name, !at->function	  ? "[no stack]"
				    : function->module[0] ? function->module
							  : "[unknown]");
		stint_buf_bytes(&mk->key, mk->name.data, mk->name.len);
		break;
	default:
		name_line(mk, at, function);
		break;
	}
	code = find_row(mk, function->module, ret, err);
	if (!code && mk->t->group != GROUP_LINE)
		*known = (uint32_t)(*ret - mk->t->rows) + 1;
	return code;
}

static int add_located(struct maker *mk, const struct tally_row *from, struct stint_err *err)
{
	const struct located *stack;
	uint32_t i, n;
	int code = functions_of_stack(mk->functions, (uint32_t)from->key, &stack, &n, err);

	mk->stamp++;
	for (i = 0; i < n && !code; i++) {
		struct table_row *row;
		uint32_t *seen;

		code = row_of_located(mk, &stack[i], &row, err);
		if (code)
			break;
		if (i == 0)
			metrics_add(&row->self, &from->sums);
		seen = &mk->last_seen[row - mk->t->rows];
		if (*seen != mk->stamp)
			metrics_add(&row->total, &from->sums);
		*seen = mk->stamp;
	}
	return code;
}

static int add_member(struct table *t, struct table_row *row, uint32_t stack, struct stint_err *err)
{
	if (t->n_members == t->cap_members) {
		size_t cap = t->cap_members ? t->cap_members * 2 : 128;
		struct member *members = realloc(t->members, cap * sizeof(*members));

		if (!members)
			return no_memory(err);
		t->members = members;
		t->cap_members = cap;
	}
	t->members[t->n_members++] = (struct member){.stack = stack, .next = row->first_member};
	row->first_member = (uint32_t)t->n_members;
	return 0;
}

static int add_stack(struct maker *mk, const struct tally_row *from, struct stint_err *err)
{
	const struct located *stack;
	struct table_row *row;
	uint32_t i, n;
	int code = functions_of_stack(mk->functions, (uint32_t)from->key, &stack, &n, err);

	if (code)
		return code;
	stint_buf_reset(&mk->key);
	stint_buf_reset(&mk->name);
	for (i = 0; i < n; i++) {
		const struct located *at = &stack[n - 1 - i];

		stint_buf_u32(&mk->key, at->function);
		stint_buf_u8(&mk->key, (uint8_t)(at->kernel | (at->symbol && at->symbol->inlined) << 1));
		if (i)
			put_text(&mk->name, ";");
		put_text(&mk->name, mk->functions->all[at->function].name);
	}
	code = find_row(mk, "", &row, err);
	if (code)
		return code;
	metrics_add(&row->self, &from->sums);
	metrics_add(&row->total, &from->sums);
	return add_member(mk->t, row, (uint32_t)from->key, err);
}

int table_make(struct table *ret, const struct tally *tally, enum group_by group, const struct labels *labels,
	       struct functions *functions, struct stint_err *err)
{
	struct maker mk = {.t = ret, .labels = labels, .functions = functions};
	size_t i;
	int code = 0;

	memset(ret, 0, sizeof(*ret));
	ret->group = group;
	stint_buf_init(&mk.key, INT32_MAX);
	stint_buf_init(&mk.name, INT32_MAX);
	for (i = 0; i < tally->n && !code; i++) {
		if (group == GROUP_STACK)
			code = add_stack(&mk, &tally->rows[i], err);
		else if (group_is_of_stacks(group))
			code = add_located(&mk, &tally->rows[i], err);
		else
			code = add_keyed(&mk, &tally->rows[i], err);
	}
	stint_buf_done(&mk.key);
	stint_buf_done(&mk.name);
	free(mk.last_seen);
	free(mk.row_of_function);
	if (code)
		table_done(ret);
	return code;
}

void table_done(struct table *t)
{
	if (!t)
		return;
	free(t->rows);
	free(t->members);
	stint_intern_done(&t->keys);
	stint_arena_done(&t->arena);
	memset(t, 0, sizeof(*t));
}

struct order {
	enum metric by;
	bool by_total;
};

static int compare_u64(uint64_t a, uint64_t b)
{
	return a > b ? -1 : a < b;
}

static int by_value(const void *a, const void *b, void *arg)
{
	const struct table_row *ra = a, *rb = b;
	const struct order *order = arg;
	int self = compare_u64(ra->self.v[order->by], rb->self.v[order->by]);
	int total = compare_u64(ra->total.v[order->by], rb->total.v[order->by]);
	int first = order->by_total ? total : self, second = order->by_total ? self : total;
	int name;

	if (first || second)
		return first ? first : second;
	name = strcmp(ra->name, rb->name);
	return name ? name : strcmp(ra->module, rb->module);
}

void table_sort(struct table *t, enum metric by, bool by_total)
{
	struct order order = {by, by_total};

	if (t->n)
		qsort_r(t->rows, t->n, sizeof(*t->rows), by_value, &order);
}
