/* SPDX-License-Identifier: MIT */
#include "analyze/flame.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* What stands in the table of frames. Without padding, as its bytes are compared. */
struct flame_key {
	uint32_t name, module;
	uint32_t kind;
	uint32_t flags;
};

#define FLAME_KEY_KERNEL  1u
#define FLAME_KEY_INLINED 2u

static uint64_t add_saturating(uint64_t a, uint64_t b)
{
	return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static int no_memory(struct stint_err *err)
{
	return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory for the flame graph");
}

static int intern_string(struct flame *f, const char *text, uint32_t *ret_id, struct stint_err *err)
{
	int code;

	*ret_id = 0;
	if (!*text)
		return 0;
	/* With its terminator, so that it can be handed out as a string again. */
	code = stint_intern_put(&f->strings, text, strlen(text) + 1, ret_id, NULL);
	return code ? no_memory(err) : 0;
}

int flame_frame(struct flame *f, const struct flame_frame *frame, uint32_t *ret_frame, struct stint_err *err)
{
	struct flame_key key = {
		.kind = frame->kind,
		.flags = (frame->kernel ? FLAME_KEY_KERNEL : 0) | (frame->inlined ? FLAME_KEY_INLINED : 0),
	};
	int code = intern_string(f, frame->name, &key.name, err);

	if (!code)
		code = intern_string(f, frame->module, &key.module, err);
	if (code)
		return code;
	code = stint_intern_put(&f->frames, &key, sizeof(key), ret_frame, NULL);
	return code ? no_memory(err) : 0;
}

static struct flame_key key_of(const struct flame *f, uint32_t frame)
{
	struct flame_key key;

	memcpy(&key, f->frames.entries[frame - 1].data, sizeof(key));
	return key;
}

int flame_new_child(struct flame *f, uint32_t parent, uint32_t frame, uint32_t *ret_node, struct stint_err *err)
{
	struct flame_node *node;

	if (f->n_nodes == FLAME_MAX_NODES)
		return stint_err_set(err, STINT_ERR_LIMIT, 0, -1, "the flame graph has more than %u nodes; select less",
				     FLAME_MAX_NODES);
	if (f->n_nodes == f->cap_nodes) {
		uint32_t cap = f->cap_nodes ? f->cap_nodes * 2 : 1024;
		struct flame_node *grown = realloc(f->nodes, cap * sizeof(*grown));

		if (!grown)
			return no_memory(err);
		f->nodes = grown;
		f->cap_nodes = cap;
	}
	node = &f->nodes[f->n_nodes];
	*node = (struct flame_node){.parent = parent, .frame = frame};
	if (f->n_nodes)
		node->depth = f->nodes[parent].depth + 1;
	if (node->depth > f->max_depth)
		f->max_depth = node->depth;
	*ret_node = f->n_nodes++;
	return 0;
}

int flame_init(struct flame *f, struct stint_err *err)
{
	const struct flame_frame root = {.name = "all", .module = "", .kind = FLAME_ALL};
	uint32_t frame, node;
	int code;

	memset(f, 0, sizeof(*f));
	code = flame_frame(f, &root, &frame, err);
	return code ? code : flame_new_child(f, 0, frame, &node, err);
}

void flame_done(struct flame *f)
{
	if (!f)
		return;
	stint_intern_done(&f->strings);
	stint_intern_done(&f->frames);
	stint_map_done(&f->children);
	free(f->nodes);
	memset(f, 0, sizeof(*f));
}

int flame_child(struct flame *f, uint32_t parent, uint32_t frame, uint32_t *ret_node, struct stint_err *err)
{
	bool is_new;
	uint64_t *slot = stint_map_put(&f->children, (uint64_t)parent << 32 | frame, &is_new);

	if (!slot)
		return no_memory(err);
	if (is_new) {
		uint32_t node;
		int code = flame_new_child(f, parent, frame, &node, err);

		if (code)
			return code;
		*slot = node;
	}
	*ret_node = (uint32_t)*slot;
	return 0;
}

void flame_add(struct flame *f, uint32_t node, uint64_t value, uint64_t count)
{
	f->nodes[node].self = add_saturating(f->nodes[node].self, value);
	f->nodes[node].count = add_saturating(f->nodes[node].count, count);
}

static int compare_siblings(const void *a, const void *b, void *context)
{
	const struct flame *f = context;
	uint32_t id_a = *(const uint32_t *)a, id_b = *(const uint32_t *)b;
	const struct flame_node *na = &f->nodes[id_a], *nb = &f->nodes[id_b];
	struct flame_frame fa, fb;
	int order;

	if (na->parent != nb->parent)
		return na->parent < nb->parent ? -1 : 1;
	if (na->total != nb->total)
		return na->total > nb->total ? -1 : 1;
	fa = flame_frame_of(f, id_a);
	fb = flame_frame_of(f, id_b);
	order = strcmp(fa.name, fb.name);
	if (!order)
		order = strcmp(fa.module, fb.module);
	if (!order)
		order = (int)fa.kind - (int)fb.kind;
	return order ? order : (int)fa.kernel - (int)fb.kernel;
}

int flame_finish(struct flame *f, struct stint_err *err)
{
	uint32_t *order = malloc(f->n_nodes * sizeof(*order));
	uint32_t i;

	if (!order)
		return no_memory(err);
	/* A node is younger than its parent, so that going down the numbers sums up everything below. */
	for (i = 0; i < f->n_nodes; i++) {
		f->nodes[i].total = add_saturating(f->nodes[i].total, f->nodes[i].self);
		order[i] = i;
	}
	for (i = f->n_nodes - 1; i > 0; i--) {
		struct flame_node *parent = &f->nodes[f->nodes[i].parent];

		parent->total = add_saturating(parent->total, f->nodes[i].total);
		parent->count = add_saturating(parent->count, f->nodes[i].count);
	}
	qsort_r(order + 1, f->n_nodes - 1, sizeof(*order), compare_siblings, f);
	for (i = f->n_nodes - 1; i > 0; i--) {
		struct flame_node *parent = &f->nodes[f->nodes[order[i]].parent];

		f->nodes[order[i]].next_sibling = parent->first_child;
		parent->first_child = order[i];
	}
	free(order);
	return 0;
}

uint32_t flame_n_strings(const struct flame *f)
{
	return f->strings.n_entries + 1;
}

const char *flame_string(const struct flame *f, uint32_t id)
{
	return id ? (const char *)f->strings.entries[id - 1].data : "";
}

uint32_t flame_n_frames(const struct flame *f)
{
	return f->frames.n_entries;
}

void flame_frame_ids(const struct flame *f, uint32_t frame, uint32_t *ret_name, uint32_t *ret_module,
		     enum flame_kind *ret_kind)
{
	struct flame_key key = key_of(f, frame + 1);

	*ret_name = key.name;
	*ret_module = key.module;
	*ret_kind = (enum flame_kind)key.kind;
}

struct flame_frame flame_frame_of(const struct flame *f, uint32_t node)
{
	struct flame_key key = key_of(f, f->nodes[node].frame);

	return (struct flame_frame){
		.name = flame_string(f, key.name),
		.module = flame_string(f, key.module),
		.kind = (enum flame_kind)key.kind,
		.kernel = key.flags & FLAME_KEY_KERNEL,
		.inlined = key.flags & FLAME_KEY_INLINED,
	};
}

uint32_t flame_next(const struct flame *f, uint32_t node)
{
	if (f->nodes[node].first_child)
		return f->nodes[node].first_child;
	while (node && !f->nodes[node].next_sibling)
		node = f->nodes[node].parent;
	return f->nodes[node].next_sibling;
}

void flame_format_ns(char *text, size_t size, uint64_t ns)
{
	if (ns >= 1000000000)
		snprintf(text, size, "%.3f s", (double)ns / 1e9);
	else if (ns >= 1000000)
		snprintf(text, size, "%.3f ms", (double)ns / 1e6);
	else if (ns >= 1000)
		snprintf(text, size, "%.3f us", (double)ns / 1e3);
	else
		snprintf(text, size, "%" PRIu64 " ns", ns);
}

void flame_format_value(char *text, size_t size, uint64_t value, const char *unit)
{
	char digits[24], grouped[32];
	int n, i, k = 0;

	if (!strcmp(unit, "ns")) {
		flame_format_ns(text, size, value);
		return;
	}
	n = snprintf(digits, sizeof(digits), "%" PRIu64, value);
	for (i = 0; i < n; i++) {
		if (i && (n - i) % 3 == 0)
			grouped[k++] = ',';
		grouped[k++] = digits[i];
	}
	snprintf(text, size, "%.*s %s", k, grouped, unit);
}
