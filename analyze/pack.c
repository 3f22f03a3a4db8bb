/* SPDX-License-Identifier: MIT */
#include "analyze/pack_internal.h"

#include <stdlib.h>
#include <string.h>

#include "analyze/unwind.h"

/* What is known of a frame before anything is added. */
enum frame_state {
	FRAME_UNKNOWN = 0,
	FRAME_PACKED,	/* with a name */
	FRAME_NAMELESS, /* looked up before, in vain */
};

struct packing {
	struct model *m;
	const struct pack_options *options;
	struct stint_writer *w;
	struct symbolizer *here; /* all sources; nothing packed */
	struct symbolizer *own;	 /* only the names that the recorder wrote */
	uint8_t *states;	 /* by frame id, enum frame_state */
	/* By frame id: what all sources say of those that were asked for at once; else NULL. */
	const struct symbol_chain **found;
	uint64_t *nameless; /* by module id: frames without a name */
	bool *asked;	    /* by module id: frames were looked up in it */
	struct pack_frame_ids ids;
	bool *in_stacks; /* by frame id; code that is packed has frames that no stack needs */
	struct pack_result *result;
};

static int no_memory(struct stint_err *err)
{
	return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory to pack symbols");
}

static void read_states(struct packing *p)
{
	const struct model *m = p->m;
	uint32_t i;

	for (i = 1; i < m->nodes.n; i++)
		p->in_stacks[m->nodes.rows[i].frame] = true;
	for (i = 1; i < m->n_plain_frames; i++)
		p->result->n_frames += p->in_stacks[i];
	for (i = 0; i < m->chains.n; i++)
		p->states[m->chains.rows[i].frame] =
			m->chains.rows[i].flags & STINT_CHAIN_UNRESOLVED ? FRAME_NAMELESS : FRAME_PACKED;
	p->states[0] = FRAME_PACKED; /* no frame at all */
}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

/* True when the recorder's own names say all that was found out: a name, and nothing about lines. */
static bool adds_nothing(const struct symbol_chain *found, const struct symbol_chain *own)
{
	return own->symbols[0].resolved && found->n == 1 && !found->symbols[0].file &&
	       same_text(found->symbols[0].linkage, own->symbols[0].linkage);
}

/* How far the address is in the function that has its code, plus 1; 0 where that isn't known. */
static uint32_t function_offset(const struct symbol *symbol)
{
	uint64_t offset = symbol->elf_addr - symbol->start;

	return symbol->start && symbol->start <= symbol->elf_addr && offset < UINT32_MAX ? (uint32_t)offset + 1 : 0;
}

static int write_symbol(struct stint_writer *w, uint32_t frame, uint64_t addr, uint32_t level,
			const struct symbol *symbol, struct stint_err *err)
{
	struct stint_chain row = {.frame = frame,
				  .level = level,
				  .line = symbol->line,
				  .elf_bias = symbol->elf_addr - addr,
				  .flags = (symbol->inlined ? STINT_CHAIN_INLINED : 0) |
					   (symbol->resolved ? 0 : STINT_CHAIN_UNRESOLVED),
				  .func_off = symbol->inlined ? 0 : function_offset(symbol)};
	int code = 0;

	if (symbol->resolved)
		code = stint_writer_string(w, symbol->linkage, strlen(symbol->linkage), &row.name_str, err);
	if (!code && symbol->file)
		code = stint_writer_string(w, symbol->file, strlen(symbol->file), &row.file_str, err);
	return code ? code : stint_writer_add(w, STINT_CHAIN, &row, err);
}

int pack_write_chain(struct stint_writer *w, uint32_t frame, uint64_t addr, const struct symbol_chain *chain,
		     struct stint_err *err)
{
	uint32_t i;
	int code = 0;

	for (i = 0; i < chain->n && !code; i++)
		code = write_symbol(w, frame, addr, i, &chain->symbols[i], err);
	return code;
}

/* No file can have names for what was in no file. */
static bool has_file(const struct packing *p, uint32_t module)
{
	uint32_t kind = p->m->modules.rows[module].kind;

	return kind != STINT_MODULE_ANON && kind != STINT_MODULE_UNKNOWN;
}

static int pack_frame(struct packing *p, uint32_t frame, struct stint_err *err)
{
	const struct stint_frame *row = &p->m->frames.rows[frame];
	bool exact = row->flags & STINT_FRAME_EXACT, resolved;
	struct symbol_chain found, own;
	int code = 0;

	if (p->states[frame] == FRAME_PACKED)
		return 0;
	code = symbolizer_lookup(p->own, row->module, row->addr, exact, &own, err);
	if (code || (p->options->only_missing && own.symbols[0].resolved))
		return code;
	p->asked[row->module] = has_file(p, row->module);
	if (p->found[frame])
		found = *p->found[frame];
	else
		code = symbolizer_lookup(p->here, row->module, row->addr, exact, &found, err);
	if (code)
		return code;
	resolved = found.symbols[found.n - 1].resolved;
	if (!resolved) {
		p->result->n_unresolved++;
		p->nameless[row->module]++;
		if (p->states[frame] == FRAME_NAMELESS || !has_file(p, row->module))
			return 0;
	}
	if (adds_nothing(&found, &own))
		return 0;
	p->result->n_packed++;
	return pack_write_chain(p->w, pack_frame_id(&p->ids, frame), row->addr, &found, err);
}

/* The last row that the recording has about a module's source; NULL when there is none. */
static const struct stint_symbol_source *known_source(const struct model *m, uint32_t module)
{
	uint32_t i;

	for (i = m->symbol_sources.n; i > 0; i--)
		if (m->symbol_sources.rows[i - 1].module == module)
			return &m->symbol_sources.rows[i - 1];
	return NULL;
}

/* Where the module's names came from, unless the recording says so already. */
static int pack_source(struct packing *p, uint32_t module, struct stint_err *err)
{
	const struct stint_symbol_source *known = known_source(p->m, module);
	struct symbol_source source = symbolizer_source(p->here, module);
	struct stint_symbol_source row = {.module = module};
	int code = 0;

	if (known && (!known->why_str || same_text(model_str(p->m, known->why_str), source.why)))
		return 0;
	if (source.from)
		code = stint_writer_string(p->w, source.from, strlen(source.from), &row.from_str, err);
	else if (source.why)
		code = stint_writer_string(p->w, source.why, strlen(source.why), &row.why_str, err);
	return code ? code : stint_writer_add(p->w, STINT_SYMBOL_SOURCE, &row, err);
}

static int by_frames(const void *a, const void *b)
{
	const struct pack_missing *ma = a, *mb = b;

	if (ma->n_frames != mb->n_frames)
		return ma->n_frames > mb->n_frames ? -1 : 1;
	return ma->module < mb->module ? -1 : ma->module > mb->module;
}

static int list_missing(struct packing *p, struct stint_err *err)
{
	struct pack_result *result = p->result;
	struct symbol_source source;
	uint32_t i;

	result->missing = calloc((size_t)p->m->modules.n + 1, sizeof(*result->missing));
	if (!result->missing)
		return no_memory(err);
	for (i = 1; i < p->m->modules.n; i++) {
		if (!p->nameless[i] || !has_file(p, i))
			continue;
		source = symbolizer_source(p->here, i);
		result->missing[result->n_missing++] =
			(struct pack_missing){.module = i,
					      .n_frames = p->nameless[i],
					      .why = source.why ? source.why : "no symbol at some addresses"};
	}
	qsort(result->missing, result->n_missing, sizeof(*result->missing), by_frames);
	return 0;
}

static bool ask_at_once(const struct packing *p, uint32_t frame)
{
	return p->in_stacks[frame] && p->states[frame] != FRAME_PACKED && !p->options->only_missing;
}

/* Asks for all frames that aren't packed yet at once, which is quicker than one by one. */
static int prepare(struct packing *p, struct stint_err *err)
{
	struct symbol_request *requests = calloc(p->m->n_plain_frames + (size_t)1, sizeof(*requests));
	const struct stint_frame *row;
	size_t n = 0;
	uint32_t i;
	int code;

	if (!requests)
		return no_memory(err);
	for (i = 1; i < p->m->n_plain_frames; i++) {
		row = &p->m->frames.rows[i];
		if (ask_at_once(p, i))
			requests[n++] = (struct symbol_request){
				.addr = row->addr, .module = row->module, .exact = row->flags & STINT_FRAME_EXACT};
	}
	code = symbolizer_lookup_all(p->here, requests, n, err);
	for (i = 1, n = 0; i < p->m->n_plain_frames && !code; i++)
		if (ask_at_once(p, i))
			p->found[i] = requests[n++].chain;
	free(requests);
	return code;
}

static int pack_all(struct packing *p, struct stint_err *err)
{
	uint32_t i;
	int code = 0;

	read_states(p);
	code = pack_unwound(p->m, p->w, &p->ids, err);
	if (!code)
		code = prepare(p, err);
	for (i = 1; i < p->m->n_plain_frames && !code; i++)
		if (p->in_stacks[i] && pack_frame_id(&p->ids, i))
			code = pack_frame(p, i, err);
	for (i = 1; i < p->m->modules.n && !code; i++)
		if (p->asked[i])
			code = pack_source(p, i, err);
	if (!code)
		code = list_missing(p, err);
	if (!code && p->options->code)
		code = pack_code(p->m, p->in_stacks, p->w, p->here, p->result, err);
	return code ? code : stint_writer_finish(p->w, err);
}

static int open_symbolizers(struct packing *p, struct stint_err *err)
{
	struct symbolizer_options all = p->options->symbols, own = {.demangle = DEMANGLE_NONE};
	int code;

	all.lines = true;
	all.inlines = true;
	all.demangle = DEMANGLE_NONE;
	code = model_symbolizer_afresh(p->m, &all, &p->here, err);
	return code ? code : model_symbolizer_afresh(p->m, &own, &p->own, err);
}

int pack(struct model *m, const struct pack_options *options, struct stint_sink sink, struct pack_result *ret_result,
	 struct stint_err *err)
{
	static const struct stint_writer_options writer_options;
	struct packing p = {.m = m, .options = options, .result = ret_result};
	int code = unwind_windows(m, &options->symbols, err);

	*ret_result = (struct pack_result){.n_frames = 0};
	if (code)
		return code;
	p.states = calloc((size_t)m->frames.n + 1, 1);
	p.found = calloc((size_t)m->frames.n + 1, sizeof(*p.found));
	p.in_stacks = calloc((size_t)m->frames.n + 1, sizeof(*p.in_stacks));
	p.nameless = calloc((size_t)m->modules.n + 1, sizeof(*p.nameless));
	p.asked = calloc((size_t)m->modules.n + 1, sizeof(*p.asked));
	if (!p.states || !p.found || !p.nameless || !p.asked || !p.in_stacks)
		code = no_memory(err);
	else
		code = open_symbolizers(&p, err);
	if (!code)
		code = stint_writer_new_copy(&p.w, m->reader, &writer_options, sink, err);
	if (!code)
		code = pack_all(&p, err);
	stint_writer_free(p.w);
	symbolizer_free(p.own);
	free(p.states);
	free(p.found);
	free(p.nameless);
	free(p.asked);
	free(p.in_stacks);
	free(p.ids.added);
	ret_result->symbolizer = p.here;
	return code;
}

void pack_result_done(struct pack_result *result)
{
	free(result->missing);
	symbolizer_free(result->symbolizer);
	memset(result, 0, sizeof(*result));
}
