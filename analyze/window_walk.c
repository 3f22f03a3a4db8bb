/* SPDX-License-Identifier: MIT */
#include "analyze/window_walk.h"

#include <stdlib.h>
#include <string.h>

#include "analyze/address_space.h"
#include "analyze/frame_code.h"
#include "analyze/frame_step.h"

struct window_walker {
	const struct model *m;
	const struct symbolizer_options *options;
	struct model_add *add;
	struct address_spaces *spaces;
	struct frame_code **codes; /* by module id; NULL until it is needed */
};

/* One stack on its way from its leaf to its outermost frame. */
struct walk {
	struct window_walker *walker;
	const struct stint_window *window;
	struct frame_regs regs;
	bool guessed; /* the instruction pointer comes of a frame pointer */
	bool ran_out; /* something behind the window's end was asked for */
	struct window_frames *to;
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
	walk->to->end = why;
	return false;
}

/* ---- the files ---- */

static int code_of(struct window_walker *walker, uint32_t module, struct frame_code **ret, struct stint_err *err)
{
	const struct stint_module *row = &walker->m->modules.rows[module];
	const struct stint_string *build_id = &walker->m->strings.rows[row->build_id_str];
	struct symbol_module info = {.kind = row->kind,
				     .path = model_str(walker->m, row->path_str),
				     .build_id = build_id->data,
				     .build_id_size = build_id->size};
	int code = 0;

	if (!walker->codes[module])
		code = frame_code_new(&walker->codes[module], &info, walker->options, err);
	*ret = walker->codes[module];
	return code;
}

static bool has_file(const struct model *m, uint32_t module)
{
	return m->modules.rows[module].kind == STINT_MODULE_FILE || m->modules.rows[module].kind == STINT_MODULE_VDSO;
}

/* ---- steps ---- */

/* The frame in hand, as the recorder would have written it. */
static int push(struct walk *walk, const struct mapped *map, struct stint_err *err)
{
	struct stint_frame row = {.addr = walk->regs.r[FRAME_IP], .flags = walk->regs.exact ? STINT_FRAME_EXACT : 0};

	/* The recorder has written the leaf. */
	if (!walk->to->n) {
		walk->to->n = 1;
		return 0;
	}
	row.module = map->module;
	if (has_file(walk->walker->m, map->module))
		row.addr += map->file_off - map->start;
	return model_add_frame(walk->walker->add, &row, &walk->to->ids[walk->to->n++], err);
}

/* Words of a stack as the kernel made it that are looked at to recognize it. */
#define MAX_ARGS 4096u

/*
 * Whether the stack is as the kernel made it for a new program, as far as it was copied: argc, then
 * pointers to as many strings, which lie above in that order, then NULL.
 */
static bool is_initial_stack(struct walk *walk)
{
	uint64_t sp = walk->regs.r[FRAME_SP], argc, arg, last = sp, i;

	if (!(walk->regs.known >> FRAME_SP & 1) || sp & 15 || !read_window(walk, sp, &argc) || argc < 1 ||
	    argc > MAX_ARGS)
		return false;
	for (i = 1; i <= argc && read_window(walk, sp + 8 * i, &arg); i++) {
		if (arg <= last || arg > FRAME_ADDR_MAX)
			return false;
		last = arg;
	}
	/* Pages of the stack that nobody has touched yet can't be copied. */
	return i > 1 && (i <= argc || !read_window(walk, sp + 8 * i, &arg) || arg == 0);
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
static bool step_file(struct walk *walk, const struct mapped *map, uint64_t at, int *ret_code, struct stint_err *err)
{
	const struct frame_rules *rules;
	struct frame_code *code;

	*ret_code = code_of(walk->walker, map->module, &code, err);
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
	if (walk->to->n >= WINDOW_MAX_FRAMES)
		return end_walk(walk, STINT_USER_DEPTH);
	*ret_code =
		address_spaces_find(walk->walker->spaces, walk->window->process, walk->window->time_ns, at, &map, err);
	if (*ret_code)
		return false;
	if (!map && walk->guessed)
		return end_walk(walk, STINT_USER_NO_ROWS); /* that was no frame pointer */
	if (!map && walk->to->n)
		return end_walk(walk, STINT_USER_NO_MAPPING);
	*ret_code = push(walk, map, err);
	if (*ret_code)
		return false;
	if (map && has_file(walk->walker->m, map->module))
		return step_file(walk, map, at, ret_code, err);
	if (map && is_outermost(walk))
		return end_walk(walk, STINT_USER_COMPLETE);
	return step_fp(walk, map ? STINT_USER_NO_ROWS : STINT_USER_NO_MAPPING);
}

int window_walk(struct window_walker *walker, const struct stint_window *window, uint32_t leaf,
		struct window_frames *ret, struct stint_err *err)
{
	struct walk walk = {.walker = walker, .window = window, .to = ret, .regs.exact = true};
	int code;

	memcpy(walk.regs.r, window->regs, sizeof(window->regs));
	walk.regs.r[FRAME_IP] = window->ip;
	walk.regs.known = (1u << FRAME_N_REGS) - 1;
	ret->n = 0;
	ret->ids[0] = leaf;
	while (step(&walk, &code, err))
		;
	return code;
}

int window_walker_new(struct window_walker **ret, const struct model *m, struct model_add *add,
		      const struct symbolizer_options *options, struct stint_err *err)
{
	struct window_walker *walker = calloc(1, sizeof(*walker));
	int code;

	*ret = NULL;
	if (!walker)
		return no_memory(err);
	walker->m = m;
	walker->options = options;
	walker->add = add;
	walker->codes = calloc(m->modules.n, sizeof(struct frame_code *));
	code = walker->codes ? address_spaces_new(&walker->spaces, m, err) : no_memory(err);
	if (code)
		window_walker_free(walker);
	else
		*ret = walker;
	return code;
}

void window_walker_free(struct window_walker *walker)
{
	uint32_t i;

	if (!walker)
		return;
	for (i = 0; walker->codes && i < walker->m->modules.n; i++)
		frame_code_free(walker->codes[i]);
	free(walker->codes);
	address_spaces_free(walker->spaces);
	free(walker);
}

const char *window_walker_why(const struct window_walker *walker, uint32_t module)
{
	return walker->codes[module] ? frame_code_why(walker->codes[module]) : NULL;
}
