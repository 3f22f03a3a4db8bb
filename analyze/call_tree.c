/* SPDX-License-Identifier: MIT */
#include "analyze/call_tree.h"

#include <stdlib.h>
#include <string.h>

#include "base/map.h"

struct builder {
	struct functions *functions;
	struct call_node *nodes;
	size_t n, cap;
	struct stint_map children; /* (parent << 32 | function) to index */
};

static int no_memory(struct stint_err *err)
{
	return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory for the tree of calls");
}

static int add_node(struct builder *b, uint32_t parent, uint32_t depth, uint32_t function, struct stint_err *err)
{
	if (b->n == b->cap) {
		size_t cap = b->cap ? b->cap * 2 : 128;
		struct call_node *nodes = realloc(b->nodes, cap * sizeof(*nodes));

		if (!nodes)
			return no_memory(err);
		b->nodes = nodes;
		b->cap = cap;
	}
	b->nodes[b->n++] = (struct call_node){
		.name = b->functions->all[function].name,
		.module = b->functions->all[function].module,
		.depth = depth,
		.parent = parent,
	};
	return 0;
}

static int child(struct builder *b, uint32_t parent, uint32_t function, uint32_t *ret, struct stint_err *err)
{
	bool is_new;
	uint64_t *at = stint_map_put(&b->children, (uint64_t)parent << 32 | function, &is_new);

	if (!at || b->n == UINT32_MAX)
		return no_memory(err);
	if (is_new) {
		*at = b->n;
		if (add_node(b, parent, b->nodes[parent].depth + 1, function, err))
			return STINT_ERR_NOMEM;
	}
	*ret = (uint32_t)*at;
	return 0;
}

static bool is_named(const struct builder *b, const struct located *at, const char *name)
{
	if (!strcmp(b->functions->all[at->function].name, name))
		return true;
	return at->symbol && at->symbol->linkage && !strcmp(at->symbol->linkage, name);
}

/* Where in the stack the walk begins: the innermost call for callers, the outermost for callees; n
 * when there is none. */
static uint32_t find_start(const struct builder *b, const struct located *stack, uint32_t n, const char *name,
			   bool callers)
{
	uint32_t i, k;

	for (k = 0; k < n; k++) {
		i = callers ? k : n - 1 - k;
		if (is_named(b, &stack[i], name))
			return i;
	}
	return n;
}

static int add_stack(struct builder *b, const struct tally_row *from, const char *name, bool callers,
		     struct stint_err *err)
{
	const struct located *stack;
	uint32_t i, n, at = 0;
	int code = functions_of_stack(b->functions, (uint32_t)from->key, &stack, &n, err);

	if (code)
		return code;
	i = find_start(b, stack, n, name, callers);
	if (i == n)
		return 0;
	if (!b->n && add_node(b, 0, 0, stack[i].function, err))
		return STINT_ERR_NOMEM;
	metrics_add(&b->nodes[0].total, &from->sums);
	while (callers ? ++i < n : i-- > 0) {
		code = child(b, at, stack[i].function, &at, err);
		if (code)
			return code;
		metrics_add(&b->nodes[at].total, &from->sums);
	}
	metrics_add(&b->nodes[at].self, &from->sums);
	return 0;
}

/* --- the order in which it is shown: depth first, the heaviest child first --- */

struct sorter {
	const struct call_node *nodes;
	enum metric by;
};

static int by_parent_and_value(const void *a, const void *b, void *arg)
{
	const struct sorter *s = arg;
	const struct call_node *na = &s->nodes[*(const uint32_t *)a], *nb = &s->nodes[*(const uint32_t *)b];
	uint64_t va = na->total.v[s->by], vb = nb->total.v[s->by];
	int name;

	if (na->parent != nb->parent)
		return na->parent < nb->parent ? -1 : 1;
	if (va != vb)
		return va > vb ? -1 : 1;
	name = strcmp(na->name, nb->name);
	return name ? name : strcmp(na->module, nb->module);
}

/*
 * Lays the nodes out depth first. order has the indexes of all nodes but the root's, siblings
 * together; first[i] is where in order the children of i begin.
 */
static void lay_out(const struct builder *b, const uint32_t *order, const uint32_t *first, uint32_t *pending,
		    uint32_t *moved, struct call_node *to)
{
	size_t n_pending = 1, n = 0;

	pending[0] = 0;
	while (n_pending) {
		uint32_t i = pending[--n_pending], k, last = first[i];

		to[n] = b->nodes[i];
		to[n].parent = n ? moved[b->nodes[i].parent] : 0;
		moved[i] = (uint32_t)n++;
		while (last < b->n - 1 && b->nodes[order[last]].parent == i)
			last++;
		for (k = last; k > first[i]; k--)
			pending[n_pending++] = order[k - 1];
	}
}

static int sort_nodes(struct builder *b, enum metric by, struct call_node **ret, struct stint_err *err)
{
	struct sorter sorter = {b->nodes, by};
	uint32_t *order = calloc(b->n * 4, sizeof(*order));
	uint32_t *first, *pending, *moved;
	struct call_node *to = calloc(b->n, sizeof(*to));
	uint32_t i;

	if (!order || !to) {
		free(order);
		free(to);
		return no_memory(err);
	}
	first = order + b->n;
	pending = first + b->n;
	moved = pending + b->n;
	for (i = 1; i < b->n; i++)
		order[i - 1] = i;
	qsort_r(order, b->n - 1, sizeof(*order), by_parent_and_value, &sorter);
	for (i = 0; i < b->n; i++)
		first[i] = (uint32_t)b->n - 1;
	for (i = (uint32_t)b->n - 1; i > 0; i--)
		first[b->nodes[order[i - 1]].parent] = i - 1;
	lay_out(b, order, first, pending, moved, to);
	free(order);
	*ret = to;
	return 0;
}

int call_tree_make(struct call_tree *ret, const struct tally *tally, struct functions *functions, const char *name,
		   bool callers, enum metric by, struct stint_err *err)
{
	struct builder b = {.functions = functions};
	size_t i;
	int code = 0;

	memset(ret, 0, sizeof(*ret));
	for (i = 0; i < tally->n && !code; i++)
		code = add_stack(&b, &tally->rows[i], name, callers, err);
	if (!code && !b.n)
		code = stint_err_set(err, STINT_ERR_NOTFOUND, 0, -1, "no selected stack has a function '%s'", name);
	if (!code)
		code = sort_nodes(&b, by, &ret->nodes, err);
	if (!code)
		ret->n = b.n;
	free(b.nodes);
	stint_map_done(&b.children);
	return code;
}

void call_tree_done(struct call_tree *t)
{
	if (!t)
		return;
	free(t->nodes);
	memset(t, 0, sizeof(*t));
}
