/* SPDX-License-Identifier: MIT */
#include "analyze/unwind.h"

#include <stdlib.h>
#include <string.h>

#include "analyze/address_space.h"
#include "analyze/frame_code.h"
#include "analyze/frame_step.h"
#include "analyze/model_add.h"

struct unwinding {
	struct model *m;
	const struct symbolizer_options *options;
	struct debuginfod *servers;
	struct model_add *add;
	struct address_spaces *spaces;
	struct frame_code **codes; /* by module id; NULL until it is needed */
};

/* One stack on its way from its leaf to its outermost frame. */
struct walk {
	struct unwinding *un;
	const struct stint_window *window;
	struct frame_regs regs;
	bool guessed;    /* the instruction pointer comes of a frame pointer */
	bool ran_out;    /* something behind the window's end was asked for */
	uint32_t frames[UNWIND_MAX_STEPS]; /* ids, the leaf first */
	uint32_t n_frames;
	enum stint_user_end end;
	uint32_t stack_frames; /* that the recorder put there: the leaf, or none */
};

static int no_memory(struct stint_err *err)
{
	return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory to unwind stacks");
}

/* The recorded bytes of the stack; as in the kernel's walker, only where they are aligned. */
static bool read_window(void *context, uint64_t addr, uint64_t *ret)
{
	struct walk *walk = context;
	const struct stint_window *window = walk->window;
	uint64_t off = addr - window->regs[STINT_WINDOW_SP];

	if (addr & 7 || addr < window->regs[STINT_WINDOW_SP])
		return false;
	if (window->bytes.size < 8 || off > window->bytes.size - 8) {
		walk->ran_out = true;
		return false;
	}
	memcpy(ret, window->bytes.data + off, sizeof(*ret));
	return true;
}

static bool end_walk(struct walk *walk, enum stint_user_end why)
{
	walk->end = why;
	return false;
}

/* ---- the files ---- */

static int code_of(struct unwinding *un, uint32_t module, struct frame_code **ret,
		   struct stint_err *err)
{
	const struct stint_module *row = &un->m->modules.rows[module];
	const struct stint_string *build_id = &un->m->strings.rows[row->build_id_str];
	struct symbol_module info = {.kind = row->kind,
				     .path = model_str(un->m, row->path_str),
				     .build_id = build_id->data,
				     .build_id_size = build_id->size};
	int code = 0;

	if (!un->codes[module])
		code = frame_code_new(&un->codes[module], &info, un->options, un->servers, err);
	*ret = un->codes[module];
	return code;
}

static bool has_file(const struct model *m, uint32_t module)
{
	return m->modules.rows[module].kind == STINT_MODULE_FILE ||
	       m->modules.rows[module].kind == STINT_MODULE_VDSO;
}

/* ---- steps ---- */

/* The frame in hand, as the recorder would have written it. */
static int push(struct walk *walk, const struct mapped *map, struct stint_err *err)
{
	struct stint_frame row = {.addr = walk->regs.r[FRAME_IP],
				  .flags = walk->regs.exact ? STINT_FRAME_EXACT : 0};

	/* The leaf is there already. */
	if (walk->n_frames < walk->stack_frames) {
		walk->n_frames++;
		return 0;
	}
	if (!map)
		return 0;
	row.module = map->module;
	if (has_file(walk->un->m, map->module))
		row.addr += map->file_off - map->start;
	return model_add_frame(walk->un->add, &row, &walk->frames[walk->n_frames++], err);
}

/* Words of a stack as the kernel made it that are looked at to recognize it. */
#define MAX_ARGS 4096u

/*
 * Whether the stack is as the kernel made it for a new program: argc, then as many pointers to what
 * is above, then NULL.
 */
static bool is_initial_stack(struct walk *walk)
{
	uint64_t sp = walk->regs.r[FRAME_SP], argc, arg, i;

	if (!(walk->regs.known >> FRAME_SP & 1) || sp & 15 || !read_window(walk, sp, &argc) ||
	    argc < 1 || argc > MAX_ARGS)
		return false;
	for (i = 1; i <= argc; i++)
		if (!read_window(walk, sp + 8 * i, &arg) || arg <= sp || arg > FRAME_ADDR_MAX)
			return false;
	return read_window(walk, sp + 8 * i, &arg) && arg == 0;
}

/*
 * Code without rules is where a program starts when its stack is as the kernel made it (the start of
 * ld.so), or when a caller's frame pointer is 0: the ABI's mark of the outermost frame.
 */
static bool is_outermost(struct walk *walk)
{
	const struct frame_regs *regs = &walk->regs;

	if (regs->known >> FRAME_FP & 1 && !regs->r[FRAME_FP] && !regs->exact)
		return true;
	return is_initial_stack(walk);
}

static bool step_fp(struct walk *walk, enum stint_user_end otherwise)
{
	enum stint_user_end end = frame_step_fp(&walk->regs, read_window, walk, otherwise);

	if (end)
		return end_walk(walk, end);
	walk->guessed = true;
	return true;
}

static bool step_rules(struct walk *walk, const struct frame_rules *rules)
{
	enum stint_user_end end;

	walk->ran_out = false;
	end = frame_step(rules, &walk->regs, read_window, walk);
	/* The memory may have been there: it is the copy that ended. */
	if (end == STINT_USER_UNREADABLE && walk->ran_out)
		end = STINT_USER_DEPTH;
	walk->guessed = false;
	return end ? end_walk(walk, end) : true;
}

/* Leaves a frame that is in the file of its mapping. */
static bool step_file(struct walk *walk, const struct mapped *map, uint64_t at, int *ret_code,
		      struct stint_err *err)
{
	const struct frame_rules *rules;
	struct frame_code *code;

	*ret_code = code_of(walk->un, map->module, &code, err);
	if (*ret_code)
		return false;
	if (frame_code_why(code))
		return end_walk(walk, STINT_USER_WINDOW);
	switch (frame_code_find(code, at - map->start + map->file_off, &rules)) {
	case 0:
		return step_rules(walk, rules);
	case STINT_ERR_UNSUPPORTED:
		return end_walk(walk, STINT_USER_UNSUPPORTED);
	case STINT_ERR_NOMEM:
		*ret_code = no_memory(err);
		return false;
	default:
		if (is_outermost(walk))
			return end_walk(walk, STINT_USER_COMPLETE);
		return step_fp(walk, STINT_USER_NO_ROWS);
	}
}

/* Takes down the frame in hand and goes on to its caller. False when the walk has ended, or failed. */
static bool step(struct walk *walk, int *ret_code, struct stint_err *err)
{
	uint64_t ip = walk->regs.r[FRAME_IP], at = walk->regs.exact ? ip : ip - 1;
	const struct mapped *map;

	*ret_code = 0;
	if (!ip)
		return end_walk(walk, STINT_USER_COMPLETE);
	if (walk->n_frames >= UNWIND_MAX_STEPS)
		return end_walk(walk, STINT_USER_DEPTH);
	*ret_code = address_spaces_find(walk->un->spaces, walk->window->process,
					walk->window->time_ns, at, &map, err);
	if (*ret_code)
		return false;
	if (!map && walk->guessed)
		return end_walk(walk, STINT_USER_NO_ROWS); /* that was no frame pointer */
	if (!map && (walk->n_frames || !walk->stack_frames))
		return end_walk(walk, STINT_USER_NO_MAPPING);
	*ret_code = push(walk, map, err);
	if (*ret_code)
		return false;
	if (map && has_file(walk->un->m, map->module))
		return step_file(walk, map, at, ret_code, err);
	if (map && is_outermost(walk))
		return end_walk(walk, STINT_USER_COMPLETE);
	return step_fp(walk, map ? STINT_USER_NO_ROWS : STINT_USER_NO_MAPPING);
}

/* ---- stacks ---- */

/* The stack that the walk found, with the kernel's frames of the recorded one. */
static int add_stack(struct walk *walk, const uint32_t *kernel_frames, const struct stint_stack *recorded,
		     uint32_t *ret_stack, struct stint_err *err)
{
	struct stint_stack row = *recorded;
	struct stint_node node = {0};
	uint32_t i;
	int code = 0;

	for (i = walk->n_frames; i > 0 && !code; i--) {
		node.frame = walk->frames[i - 1];
		code = model_add_node(walk->un->add, &node, &node.parent, err);
	}
	for (i = recorded->n_kernel; i > 0 && !code; i--) {
		node.frame = kernel_frames[i - 1];
		code = model_add_node(walk->un->add, &node, &node.parent, err);
	}
	row.leaf = node.parent;
	row.user_end = walk->end;
	return code ? code : model_add_stack(walk->un->add, &row, ret_stack, err);
}

static uint32_t n_user_frames(const struct model *m, uint32_t stack)
{
	uint32_t ids[STINT_MAX_STACK_DEPTH], n = model_stack_frames(m, stack, ids);
	uint32_t n_kernel = m->stacks.rows[stack].n_kernel;

	return n > n_kernel ? n - n_kernel : 0;
}

static int unwind(struct unwinding *un, const struct stint_window *window, struct stint_err *err)
{
	struct stint_stack recorded = un->m->stacks.rows[window->stack];
	struct walk walk = {.un = un, .window = window, .regs.exact = true};
	uint32_t ids[STINT_MAX_STACK_DEPTH], n = model_stack_frames(un->m, window->stack, ids);
	uint32_t *as_stack = &un->m->as_stack[window->stack];
	uint32_t n_before = n_user_frames(un->m, *as_stack);
	int code;

	if (recorded.n_kernel > n)
		return 0; /* 'stint verify' says so */
	memcpy(walk.regs.r, window->regs, sizeof(window->regs));
	walk.regs.r[FRAME_IP] = window->ip;
	walk.regs.known = (1u << FRAME_N_REGS) - 1;
	if (n > recorded.n_kernel) {
		walk.frames[0] = ids[recorded.n_kernel];
		walk.stack_frames = 1;
	}
	while (step(&walk, &code, err))
		;
	/* Files that aren't here may have been where it was packed. */
	if (!code && walk.n_frames && (walk.end != STINT_USER_WINDOW || walk.n_frames > n_before))
		code = add_stack(&walk, ids, &recorded, as_stack, err);
	return code;
}

/* Whether it is still to be unwound, as far as the recording says. */
static bool is_wanted(const struct model *m, const struct stint_window *window)
{
	uint32_t stack = window->stack;

	if (m->stacks.rows[stack].user_end != STINT_USER_WINDOW)
		return false;
	return !m->as_stack[stack] ||
	       m->stacks.rows[m->as_stack[stack]].user_end == STINT_USER_WINDOW;
}

static int unwind_block(void *context, const struct stint_rows *rows, struct stint_err *err)
{
	const struct stint_window *windows = rows->rows;
	struct unwinding *un = context;
	size_t i;
	int code = 0;

	for (i = 0; i < rows->n_rows && !code; i++)
		if (windows[i].stack && is_wanted(un->m, &windows[i]))
			code = unwind(un, &windows[i], err);
	return code;
}

static int start(struct unwinding *un, struct stint_err *err)
{
	struct model *m = un->m;
	int code;

	if (!m->as_stack)
		m->as_stack = calloc(m->n_file_stacks, sizeof(*m->as_stack));
	m->unwind_whys = calloc(m->modules.n, sizeof(*m->unwind_whys));
	un->codes = calloc(m->modules.n, sizeof(struct frame_code *));
	if (!m->as_stack || !m->unwind_whys || !un->codes)
		return no_memory(err);
	un->servers = debuginfod_new(un->options->debuginfod_urls);
	code = address_spaces_new(&un->spaces, m, err);
	return code ? code : model_add_new(&un->add, m, err);
}

/* What there is to say of the files that weren't found outlives them. */
static int keep_whys(const struct unwinding *un, struct stint_err *err)
{
	struct model *m = un->m;
	uint32_t i;

	for (i = 0; i < m->modules.n; i++) {
		const char *why = un->codes[i] ? frame_code_why(un->codes[i]) : NULL;

		if (!why)
			continue;
		m->unwind_whys[i] = stint_arena_strndup(&m->arena, why, strlen(why));
		if (!m->unwind_whys[i])
			return no_memory(err);
	}
	return 0;
}

int unwind_windows(struct model *m, const struct symbolizer_options *options, struct stint_err *err)
{
	struct unwinding un = {.m = m, .options = options};
	uint32_t i;
	int code;

	if (!model_wants_unwinding(m))
		return 0;
	code = start(&un, err);
	if (!code)
		code = model_each_block(m, STINT_WINDOW, unwind_block, &un, err);
	if (!code)
		code = keep_whys(&un, err);
	for (i = 0; un.codes && i < m->modules.n; i++)
		frame_code_free(un.codes[i]);
	free(un.codes);
	model_add_free(un.add);
	address_spaces_free(un.spaces);
	debuginfod_free(un.servers);
	m->n_plain_frames = m->frames.n;
	m->n_plain_nodes = m->nodes.n;
	m->n_plain_stacks = m->stacks.n;
	return code ? code : reused_code_find(&m->reused_code, m, err);
}
