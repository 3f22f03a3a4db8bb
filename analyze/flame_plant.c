/* SPDX-License-Identifier: MIT */
/*
 * The recording's stacks are a tree of addresses. It is turned into a tree of functions once, whoever's
 * the stacks are; what each of its nodes became is remembered, so that a stack begins where another one
 * has been before. Under each name the flame graph then has a part of the tree of functions.
 */
#include "analyze/flame_plant.h"

#include <stdlib.h>
#include <string.h>

#include "analyze/labels.h"
#include "base/map.h"

/* A node of the tree of functions, and which node of the flame graph it is under the name where it was last needed. */
struct joint {
	uint32_t parent;
	uint32_t frame; /* the flame graph's */
	uint32_t name_node, node;
};

struct planter {
	struct flame *flame;
	struct functions *functions;
	uint32_t *frames; /* the flame graph's frame by function, in its four variants; 0: not made yet */
	size_t n_frames;
	struct joint *joints; /* joints[0] is in front of every outermost function */
	uint32_t n_joints, cap_joints;
	struct stint_map children; /* parent joint << 32 | frame -> joint */
	uint64_t *remembered;	   /* by node of the recording: see remember() */
	uint32_t *way;		   /* of graft() */
	uint32_t cap_way;
	enum metric by;
};

static int no_memory(struct stint_err *err)
{
	return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory for the flame graph");
}

static enum flame_kind kind_of(const struct model *m, const struct located *at, bool resolved)
{
	if (!at->symbol || !resolved)
		return FLAME_UNRESOLVED;
	if (at->kernel)
		return FLAME_KERNEL;
	if (at->symbol->inlined)
		return FLAME_INLINED;
	return m->modules.rows[at->module].kind == STINT_MODULE_ANON ? FLAME_JIT : FLAME_USER;
}

/* Functions are numbered as they are met, so the table grows with them. */
static int frame_slot(struct planter *p, uint32_t function, bool kernel, bool inlined, uint32_t **ret,
		      struct stint_err *err)
{
	size_t index = (size_t)function * 4 + (kernel ? 2 : 0) + (inlined ? 1 : 0);

	if (index >= p->n_frames) {
		size_t n = (size_t)p->functions->cap * 4;
		uint32_t *frames = realloc(p->frames, n * sizeof(*frames));

		if (!frames)
			return no_memory(err);
		memset(frames + p->n_frames, 0, (n - p->n_frames) * sizeof(*frames));
		p->frames = frames;
		p->n_frames = n;
	}
	*ret = &p->frames[index];
	return 0;
}

static int frame_of(struct planter *p, const struct located *at, uint32_t *ret, struct stint_err *err)
{
	const struct function *function = &p->functions->all[at->function];
	bool inlined = at->symbol && at->symbol->inlined;
	uint32_t *frame = NULL;
	int code = frame_slot(p, at->function, at->kernel, inlined, &frame, err);

	if (!code && !*frame) {
		const struct flame_frame made = {
			.name = function->name,
			.module = function->module,
			.kind = kind_of(p->functions->m, at, function->resolved),
			.kernel = at->kernel,
			.inlined = inlined,
		};

		code = flame_frame(p->flame, &made, frame, err);
	}
	if (!code)
		*ret = *frame;
	return code;
}

/* ---- the tree of functions ---- */

/* There are hardly more than nodes of the flame graph, which are limited. */
static int new_joint(struct planter *p, uint32_t parent, uint32_t frame, struct stint_err *err)
{
	if (p->n_joints == p->cap_joints) {
		uint32_t cap = p->cap_joints ? p->cap_joints * 2 : 1024;
		struct joint *joints = realloc(p->joints, cap * sizeof(*joints));

		if (!joints)
			return no_memory(err);
		p->joints = joints;
		p->cap_joints = cap;
	}
	p->joints[p->n_joints++] = (struct joint){.parent = parent, .frame = frame};
	return 0;
}

static int add_function(struct planter *p, const struct located *at, uint32_t *joint, struct stint_err *err)
{
	uint32_t frame = 0;
	uint64_t *known;
	bool is_new;
	int code = frame_of(p, at, &frame, err);

	if (code)
		return code;
	known = stint_map_put(&p->children, (uint64_t)*joint << 32 | frame, &is_new);
	if (!known)
		return no_memory(err);
	if (is_new) {
		*known = p->n_joints;
		code = new_joint(p, *joint, frame, err);
	}
	*joint = (uint32_t)*known;
	return code;
}

static int add_frame(struct planter *p, uint32_t frame, bool kernel, uint32_t *joint, struct stint_err *err)
{
	const struct located *functions;
	uint32_t n;
	int code = functions_of_frame(p->functions, frame, kernel, &functions, &n, err);

	while (!code && n > 0)
		code = add_function(p, &functions[--n], joint, err);
	return code;
}

/* A stack's nodes in the recording, the leaf first. */
struct path {
	uint32_t nodes[STINT_MAX_STACK_DEPTH];
	uint32_t n, n_kernel;
};

static void walk(const struct model *m, uint32_t stack, struct path *ret)
{
	const struct stint_stack *row = &m->stacks.rows[stack];
	uint32_t node;

	ret->n_kernel = row->n_kernel;
	ret->n = 0;
	for (node = row->leaf; node && ret->n < STINT_MAX_STACK_DEPTH; node = m->nodes.rows[node].parent)
		ret->nodes[ret->n++] = node;
}

/*
 * What is remembered of the i-th node of a path: its joint, how many frames lead to it, and how many of
 * those are the kernel's. Only in odd recordings do stacks differ in the latter two for one node; then it
 * is added again. Never 0, as a frame leads to itself.
 */
static uint64_t remember(const struct path *path, uint32_t i, uint32_t joint)
{
	uint64_t n_kernel = path->n_kernel > i ? path->n_kernel - i : 0;
	uint64_t depth = path->n - i;

	_Static_assert(STINT_MAX_STACK_DEPTH < 1 << 16, "the depth has 16 bits");
	return (n_kernel < depth ? n_kernel : depth) << 48 | depth << 32 | joint;
}

static int add_path(struct planter *p, const struct path *path, uint32_t *ret_joint, struct stint_err *err)
{
	uint32_t joint = 0, i;
	int code = 0;

	for (i = 0; i < path->n; i++) {
		uint64_t known = p->remembered[path->nodes[i]];

		if (known == remember(path, i, (uint32_t)known)) {
			joint = (uint32_t)known;
			break;
		}
	}
	while (i-- > 0 && !code) {
		uint32_t node = path->nodes[i];

		code = add_frame(p, p->functions->m->nodes.rows[node].frame, i < path->n_kernel, &joint, err);
		p->remembered[node] = code ? 0 : remember(path, i, joint);
	}
	*ret_joint = joint;
	return code;
}

/* ---- the flame graph ---- */

static int reserve_way(struct planter *p, uint32_t n, struct stint_err *err)
{
	uint32_t cap = p->cap_way ? p->cap_way * 2 : 256;
	uint32_t *way;

	if (n < p->cap_way)
		return 0;
	way = realloc(p->way, cap * sizeof(*way));
	if (!way)
		return no_memory(err);
	p->way = way;
	p->cap_way = cap;
	return 0;
}

/* The joint's node under a name, made with all above it that are missing there. */
static int graft(struct planter *p, uint32_t name_node, uint32_t joint, uint32_t *ret_node, struct stint_err *err)
{
	uint32_t node, n = 0;
	int code = 0;

	for (; joint && p->joints[joint].name_node != name_node; joint = p->joints[joint].parent) {
		code = reserve_way(p, n, err);
		if (code)
			return code;
		p->way[n++] = joint;
	}
	node = joint ? p->joints[joint].node : name_node;
	while (n > 0 && !code) {
		struct joint *next = &p->joints[p->way[--n]];

		code = flame_new_child(p->flame, node, next->frame, &node, err);
		next->node = node;
		next->name_node = code ? 0 : name_node;
	}
	*ret_node = node;
	return code;
}

static int plant_stack(struct planter *p, uint32_t name_node, const struct tally_row *row, struct stint_err *err)
{
	static const struct located no_stack;
	struct path path;
	uint32_t joint = 0, node = 0;
	int code;

	walk(p->functions->m, (uint32_t)row->key, &path);
	code = path.n ? add_path(p, &path, &joint, err) : add_function(p, &no_stack, &joint, err);
	if (!code)
		code = graft(p, name_node, joint, &node, err);
	if (!code)
		flame_add(p->flame, node, row->sums.v[p->by], row->sums.v[METRIC_COUNT]);
	return code;
}

static int plant_name(struct planter *p, uint32_t thread, uint32_t *ret_node, struct stint_err *err)
{
	const struct flame_frame frame = {
		.name = comm_label(p->functions->m, thread), .module = "", .kind = FLAME_THREAD};
	uint32_t id;
	int code = flame_frame(p->flame, &frame, &id, err);

	return code ? code : flame_child(p->flame, 0, id, ret_node, err);
}

static int planter_init(struct planter *p, struct flame *flame, struct functions *functions, enum metric by,
			struct stint_err *err)
{
	*p = (struct planter){.flame = flame, .functions = functions, .by = by};
	p->remembered = calloc((size_t)functions->m->nodes.n + 1, sizeof(*p->remembered));
	return p->remembered ? new_joint(p, 0, 0, err) : no_memory(err);
}

static void planter_done(struct planter *p)
{
	free(p->frames);
	free(p->joints);
	stint_map_done(&p->children);
	free(p->remembered);
	free(p->way);
}

int flame_plant(struct flame *ret, const struct tally *tally, struct functions *functions, enum metric by,
		struct stint_err *err)
{
	struct planter p;
	uint32_t thread = UINT32_MAX, name_node = 0;
	size_t i;
	int code = planter_init(&p, ret, functions, by, err);

	memset(ret, 0, sizeof(*ret));
	if (!code)
		code = flame_init(ret, err);
	/* Rows are in the order of their keys, so those of a name stand together. */
	for (i = 0; i < tally->n && !code; i++) {
		const struct tally_row *row = &tally->rows[i];

		if (!row->sums.v[by])
			continue;
		if (row->key >> 32 != thread) {
			thread = (uint32_t)(row->key >> 32);
			code = plant_name(&p, thread, &name_node, err);
		}
		if (!code)
			code = plant_stack(&p, name_node, row, err);
	}
	planter_done(&p);
	return code ? code : flame_finish(ret, err);
}
