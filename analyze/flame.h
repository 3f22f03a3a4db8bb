/* SPDX-License-Identifier: MIT */
/*
 * A flame graph as a tree, and the ways to write it. A node is a function under its callers; its value is what was
 * seen in it (self) and below (total). Pure: it knows names and numbers, and nothing of recordings.
 */
#ifndef STINT_ANALYZE_FLAME_H
#define STINT_ANALYZE_FLAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"
#include "base/map.h"

#define FLAME_MAX_NODES (16u << 20)

/* What a node stands for; also how it is coloured. The numbers are those of the page (analyze/flame/tree.js). */
enum flame_kind {
	FLAME_ALL = 0,
	FLAME_THREAD = 1,
	FLAME_USER = 2,
	FLAME_INLINED = 3,
	FLAME_JIT = 4,
	FLAME_KERNEL = 5,
	FLAME_UNRESOLVED = 6,
};
#define FLAME_N_KINDS 7

/* Frames that differ in any of these are different. The strings are copied where they are handed over. */
struct flame_frame {
	const char *name;
	const char *module; /* "" for none */
	enum flame_kind kind;
	bool kernel;
	bool inlined;
};

struct flame_node {
	uint64_t self, total;
	uint64_t count; /* a second number, as of switches: the node's own, after flame_finish with all below it */
	uint32_t parent;
	uint32_t frame;
	uint32_t depth;
	uint32_t first_child, next_sibling; /* after flame_finish: by total, then by name; 0 for none */
};

struct flame {
	struct stint_intern strings; /* names and modules: the empty one has id 0 */
	struct stint_intern frames;  /* struct flame_key, private: see flame_frame_of */
	struct stint_map children;   /* private, of flame_child: parent and frame -> node */
	struct flame_node *nodes;    /* nodes[0] is the root, "all" */
	uint32_t n_nodes, cap_nodes;
	uint32_t max_depth;
};

int flame_init(struct flame *f, struct stint_err *err);
void flame_done(struct flame *f); /* NULL and zeroed are fine */

/* The id of a frame, from 1 on, for flame_child. Callers may keep it. STINT_ERR_NOMEM. */
int flame_frame(struct flame *f, const struct flame_frame *frame, uint32_t *ret_frame, struct stint_err *err);

/* The child of a node that stands for this frame, made when it is missing. STINT_ERR_NOMEM, STINT_ERR_LIMIT. */
int flame_child(struct flame *f, uint32_t parent, uint32_t frame, uint32_t *ret_node, struct stint_err *err);

/* A new child, which the caller knows to be the node's first one of this frame. Fails likewise. */
int flame_new_child(struct flame *f, uint32_t parent, uint32_t frame, uint32_t *ret_node, struct stint_err *err);

/* Adds to a node's self value and count. Sums that don't fit stay at the largest number. */
void flame_add(struct flame *f, uint32_t node, uint64_t value, uint64_t count);

/* Sums up and sorts. Once, when everything was added. */
int flame_finish(struct flame *f, struct stint_err *err);

/* A node's frame; its strings are the tree's. The root's is named "all". */
struct flame_frame flame_frame_of(const struct flame *f, uint32_t node);

/* The id of a frame's strings and of the frame itself, from 0 on and dense, for writers of tables. */
uint32_t flame_n_strings(const struct flame *f);
const char *flame_string(const struct flame *f, uint32_t id); /* 0 is "" */
uint32_t flame_n_frames(const struct flame *f);
void flame_frame_ids(const struct flame *f, uint32_t frame, uint32_t *ret_name, uint32_t *ret_module,
		     enum flame_kind *ret_kind);

/* The node behind this one when each node comes before its children, in their order; 0 at the end. */
uint32_t flame_next(const struct flame *f, uint32_t node);

/* What is said around the picture. The strings are the caller's; lists end with NULL. */
struct flame_text {
	const char *title;
	const char *const *facts; /* host, time, what is shown: one a line or in a row */
	const char *const *notes; /* what is missing or cut short */
	const char *unit;	  /* of the values: "samples", "ns", "switches" */
	bool has_count;		  /* the nodes' count says something of its own */
	uint64_t folded_unit;	  /* folded values are in this many units: 1000 gives us for ns */
};

/* A way to write it. write returns 0 or a code; errors of out itself stay in out. */
struct flame_emitter {
	const char *name;
	int (*write)(const struct flame *f, const struct flame_text *text, FILE *out, struct stint_err *err);
};

extern const struct flame_emitter flame_html, flame_svg, flame_folded;

/*
 * A name as folded lines can hold it: what would end a name or a line there (';', control characters), backslashes,
 * and bytes that are no UTF-8 are written as \xHH. An empty name is written as "[no name]".
 */
void flame_folded_name(FILE *out, const char *name);

/* A duration for people: "1.234 s", "56.7 us". */
void flame_format_ns(char *text, size_t size, uint64_t ns);

/* A value in the picture's unit for people: "1,234 samples", "1.234 s". */
void flame_format_value(char *text, size_t size, uint64_t value, const char *unit);

#endif
