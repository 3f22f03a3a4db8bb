/* SPDX-License-Identifier: MIT */
/* Which functions are meant, and the events in them by address. */
#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "analyze/annotate.h"
#include "analyze/demangle.h"

const char *const annotate_order_names[] = {"address", "hottest", NULL};
const char *const annotate_group_names[] = {"instruction", "line", NULL};

/* How well a name fits; the functions that fit best are meant. */
enum match { MATCH_UNKNOWN, MATCH_NONE, MATCH_PATTERN, MATCH_EXACT };

struct finder {
	struct annotations *a;
	regex_t pattern;
	bool has_pattern;
	enum match best;
	size_t stack; /* 1 + index in the tally */
};

static int no_memory(struct stint_err *err)
{
	return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory to annotate");
}

static bool is_exactly(const char *asked, const char *name, const char *linkage)
{
	char text[DEMANGLE_MAX_BYTES];

	if (!strcmp(name, asked) || (linkage && !strcmp(linkage, asked)))
		return true;
	return linkage && demangle(linkage, DEMANGLE_FULL, text) && !strcmp(text, asked);
}

/* Names that differ only in what isn't shown are told apart by what the symbol table calls them. */
static int match(struct finder *f, const struct symbol *symbol, enum match *ret, struct stint_err *err)
{
	const char *key = symbol->linkage ? symbol->linkage : symbol->name;
	uint64_t *slot = stint_map_put(&f->a->matches, (uint64_t)(uintptr_t)key, NULL);

	if (!slot)
		return no_memory(err);
	if (*slot == MATCH_UNKNOWN) {
		if (is_exactly(f->a->symbol, symbol->name, symbol->linkage))
			*slot = MATCH_EXACT;
		else if (f->has_pattern && !regexec(&f->pattern, symbol->name, 0, NULL, 0))
			*slot = MATCH_PATTERN;
		else
			*slot = MATCH_NONE;
	}
	*ret = (enum match) * slot;
	return 0;
}

static int find_best(struct finder *f, struct stint_err *err)
{
	const struct tally *tally = &f->a->tally;
	const struct located *stack;
	enum match found;
	uint32_t k, n;
	size_t i;
	int code = 0;

	f->best = MATCH_NONE;
	for (i = 0; i < tally->n && !code; i++) {
		code = functions_of_stack(f->a->functions, (uint32_t)tally->rows[i].key, &stack, &n, err);
		for (k = 0; k < n && !code; k++) {
			if (!stack[k].symbol)
				continue;
			code = match(f, stack[k].symbol, &found, err);
			if (!code && found > f->best)
				f->best = found;
		}
	}
	return code;
}

/* --- the functions --- */

/* Files of one build are one place, wherever they were seen. */
static int place_of(struct annotations *a, uint32_t module, uint32_t *ret, struct stint_err *err)
{
	const struct stint_string *id = &a->m->strings.rows[a->m->modules.rows[module].build_id_str];
	int code = id->size ? stint_intern_put(&a->places, id->data, (size_t)id->size, ret, NULL)
			    : stint_intern_put(&a->places, &module, sizeof(module), ret, NULL);

	return code ? no_memory(err) : 0;
}

/* The annotation for a function, inlined into host (NULL: it has code of its own); NULL in *ret beyond the limit. */
static int annotation_of(struct annotations *a, const struct located *at, const char *host, struct annotation **ret,
			 struct stint_err *err)
{
	const char *name = a->functions->all[at->function].name;
	struct stint_buf key;
	uint32_t place, id;
	bool is_new;
	int code = place_of(a, at->module, &place, err);

	*ret = NULL;
	if (code)
		return code;
	stint_buf_init(&key, INT32_MAX);
	stint_buf_u32(&key, place);
	stint_buf_bytes(&key, name, strlen(name) + 1);
	if (host)
		stint_buf_bytes(&key, host, strlen(host) + 1);
	code = stint_buf_status(&key);
	if (!code)
		code = stint_intern_put(&a->keys, key.data, key.len, &id, &is_new);
	stint_buf_done(&key);
	if (code)
		return no_memory(err);
	if (id > ANNOTATE_MAX_FUNCTIONS) {
		a->n_left_out += is_new;
		return 0;
	}
	if (is_new) {
		struct hits *hits = calloc(1, sizeof(*hits));

		if (!hits)
			return no_memory(err);
		a->all[a->n++] = (struct annotation){.name = name,
						     .linkage = at->symbol->linkage,
						     .host = host,
						     .module = at->module,
						     .kernel = at->kernel,
						     .hits = hits};
	}
	*ret = &a->all[id - 1];
	return 0;
}

static int hit_of(struct hits *hits, uint32_t module, const struct stint_frame *frame, bool entered_kernel,
		  struct hit **ret, struct stint_err *err)
{
	bool exact = frame->flags & STINT_FRAME_EXACT, is_new;
	uint64_t *slot = stint_map_put(&hits->index[exact + 2 * entered_kernel], frame->addr, &is_new);

	if (!slot)
		return no_memory(err);
	if (is_new) {
		if (hits->n == hits->cap) {
			size_t cap = hits->cap ? hits->cap * 2 : 16;
			struct hit *grown = realloc(hits->at, cap * sizeof(*grown));

			if (!grown)
				return no_memory(err);
			hits->at = grown;
			hits->cap = cap;
		}
		*slot = hits->n;
		hits->at[hits->n++] = (struct hit){
			.addr = frame->addr, .module = module, .exact = exact, .entered_kernel = entered_kernel};
	}
	*ret = &hits->at[*slot];
	return 0;
}

static int count(struct finder *f, struct annotation *to, uint32_t frame_id, bool entered_kernel, bool is_leaf,
		 struct stint_err *err)
{
	const struct metrics *sums = &f->a->tally.rows[f->stack - 1].sums;
	const struct stint_frame *frame = &f->a->m->frames.rows[frame_id];
	struct hit *hit = NULL;
	int code;

	if (to->hits->last_stack == f->stack)
		return 0;
	to->hits->last_stack = f->stack;
	code = hit_of(to->hits, frame->module, frame, entered_kernel, &hit, err);
	if (code)
		return code;
	metrics_add(&hit->total, sums);
	metrics_add(&to->total, sums);
	if (is_leaf) {
		metrics_add(&hit->self, sums);
		metrics_add(&to->self, sums);
	}
	return 0;
}

/*
 * Counts the stack in the function that is meant and that this frame stands for. Of several that are inlined into each
 * other it is the outermost: its code is theirs too.
 */
static int count_frame(struct finder *f, uint32_t frame_id, bool kernel, bool entered_kernel, bool is_leaf,
		       struct stint_err *err)
{
	struct annotation *to = NULL;
	const struct located *at;
	enum match found = MATCH_NONE;
	uint32_t k, n;
	int code = functions_of_frame(f->a->functions, frame_id, kernel, &at, &n, err);

	for (k = n; k > 0 && !code && found != f->best; k--)
		code = at[k - 1].symbol ? match(f, at[k - 1].symbol, &found, err) : 0;
	if (code || found != f->best)
		return code;
	code = annotation_of(f->a, &at[k], k + 1 < n ? at[n - 1].symbol->name : NULL, &to, err);
	return code || !to ? code : count(f, to, frame_id, entered_kernel, is_leaf, err);
}

static int count_stack(struct finder *f, struct stint_err *err)
{
	const struct model *m = f->a->m;
	uint32_t stack = (uint32_t)f->a->tally.rows[f->stack - 1].key;
	uint32_t ids[STINT_MAX_STACK_DEPTH], i, n = model_stack_frames(m, stack, ids);
	uint32_t n_kernel = stack < m->stacks.n ? m->stacks.rows[stack].n_kernel : 0;
	int code = 0;

	for (i = 0; i < n && !code; i++) {
		/* A thread that is off the CPU is in the kernel, also where the kernel's stack wasn't taken. */
		bool entered = (n_kernel || f->a->view == VIEW_OFF_CPU) && i == n_kernel &&
			       m->frames.rows[ids[i]].flags & STINT_FRAME_EXACT;

		code = count_frame(f, ids[i], i < n_kernel, entered, i == 0, err);
	}
	return code;
}

static int by_where_they_look(const void *a, const void *b)
{
	const struct hit *ha = a, *hb = b;
	uint64_t la = hit_look(ha), lb = hit_look(hb);

	if (la != lb)
		return la < lb ? -1 : 1;
	return (ha->exact + 2 * ha->entered_kernel) - (hb->exact + 2 * hb->entered_kernel);
}

static int by_value(const void *a, const void *b, void *arg)
{
	const struct annotation *aa = a, *ab = b;
	enum metric by = *(const enum metric *)arg;
	int order;

	if (aa->total.v[by] != ab->total.v[by])
		return aa->total.v[by] > ab->total.v[by] ? -1 : 1;
	if (aa->self.v[by] != ab->self.v[by])
		return aa->self.v[by] > ab->self.v[by] ? -1 : 1;
	order = strcmp(aa->name, ab->name);
	if (!order && aa->host && ab->host)
		order = strcmp(aa->host, ab->host);
	return order ? order : (aa->module > ab->module) - (aa->module < ab->module);
}

static int not_found(struct finder *f, struct stint_err *err)
{
	struct stint_buf near;
	int code;

	stint_buf_init(&near, INT32_MAX);
	code = annotate_near_names(f->a, &near, err);
	if (!code) {
		stint_buf_u8(&near, 0);
		code = stint_buf_status(&near)
			       ? no_memory(err)
			       : stint_err_set(err, STINT_ERR_NOTFOUND, 0, -1,
					       "no selected stack has a function '%s'%s%s%s", f->a->symbol,
					       f->has_pattern ? "" : ", which is no regular expression either",
					       near.len > 1 ? "; there is " : "", (const char *)near.data);
	}
	stint_buf_done(&near);
	return code;
}

static int find_all(struct finder *f, struct stint_err *err)
{
	struct annotations *a = f->a;
	size_t i;
	int code = find_best(f, err);

	if (code)
		return code;
	if (f->best == MATCH_NONE)
		return not_found(f, err);
	a->all = calloc(ANNOTATE_MAX_FUNCTIONS, sizeof(*a->all));
	if (!a->all)
		return no_memory(err);
	for (i = 0; i < a->tally.n && !code; i++) {
		f->stack = i + 1;
		code = count_stack(f, err);
	}
	for (i = 0; i < a->n; i++)
		if (a->all[i].hits->n)
			qsort(a->all[i].hits->at, a->all[i].hits->n, sizeof(struct hit), by_where_they_look);
	qsort_r(a->all, a->n, sizeof(*a->all), by_value, &a->by);
	return code;
}

int annotations_find(struct annotations *a, struct stint_err *err)
{
	struct finder f = {.a = a};
	int code;

	f.has_pattern = *a->symbol && !regcomp(&f.pattern, a->symbol, REG_EXTENDED | REG_NOSUB);
	code = find_all(&f, err);
	if (f.has_pattern)
		regfree(&f.pattern);
	return code;
}

static void hits_free(struct hits *hits)
{
	size_t i;

	if (!hits)
		return;
	for (i = 0; i < sizeof(hits->index) / sizeof(hits->index[0]); i++)
		stint_map_done(&hits->index[i]);
	free(hits->at);
	free(hits);
}

void annotations_done(struct annotations *a)
{
	size_t i;

	for (i = 0; i < a->n; i++) {
		annotation_close(&a->all[i]);
		hits_free(a->all[i].hits);
	}
	free(a->all);
	a->all = NULL;
	a->n = 0;
	notes_done(&a->notes);
	tally_done(&a->tally);
	stint_intern_done(&a->keys);
	stint_intern_done(&a->places);
	stint_map_done(&a->matches);
	disassembler_free(a->disassembler);
}
