/* SPDX-License-Identifier: MIT */
#include "analyze/symbolize.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analyze/demangle.h"
#include "analyze/symbolize_internal.h"

static int nomem(struct stint_err *err)
{
	return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory for symbols");
}

/* Room for one more pointer in an array that grows by doubling. */
static bool array_room(void ***array, size_t n)
{
	void **grown;

	if (n & (n - 1))
		return true; /* only full at powers of two */
	grown = realloc(*array, (n ? n * 2 : 1) * sizeof(**array));
	if (!grown)
		return false;
	*array = grown;
	return true;
}

static int copy_dirs(struct symbolizer *s, const struct symbolizer_options *options)
{
	const char **dirs = stint_arena_alloc(&s->arena, (options->n_dirs + 1) * sizeof(*dirs));
	size_t i;

	if (!dirs)
		return STINT_ERR_NOMEM;
	for (i = 0; i < options->n_dirs; i++) {
		dirs[i] = stint_arena_strndup(&s->arena, options->dirs[i], strlen(options->dirs[i]));
		if (!dirs[i])
			return STINT_ERR_NOMEM;
	}
	s->options.dirs = dirs;
	return 0;
}

int symbolizer_new(struct symbolizer **ret, const struct symbolizer_options *options, struct stint_err *err)
{
	struct symbolizer *s = calloc(1, sizeof(*s));

	*ret = NULL;
	if (!s)
		return nomem(err);
	s->options = *options;
	if (copy_dirs(s, options)) {
		symbolizer_free(s);
		return nomem(err);
	}
	*ret = s;
	return 0;
}

static void module_free(struct module *m)
{
	if (!m)
		return;
	elf_symtab_done(&m->recorded);
	stint_map_done(&m->chains[0]);
	stint_map_done(&m->chains[1]);
	stint_map_done(&m->packed_chains[0]);
	stint_map_done(&m->packed_chains[1]);
	symbolizer_code_done(m);
	free(m);
}

void symbolizer_free(struct symbolizer *s)
{
	size_t i;

	if (!s)
		return;
	for (i = 0; i < s->n_modules; i++)
		module_free(s->modules[i]);
	for (i = 0; i < s->n_programs; i++)
		program_free(s->programs[i]);
	free(s->modules);
	free(s->programs);
	stint_intern_done(&s->names);
	stint_intern_done(&s->builds);
	stint_map_done(&s->demangled);
	stint_map_done(&s->by_pointer);
	stint_map_done(&s->by_number);
	stint_arena_done(&s->arena);
	free(s);
}

struct module *symbolizer_module(const struct symbolizer *s, uint32_t number)
{
	const uint64_t *index = stint_map_get(&s->by_number, number);

	return index && *index ? s->modules[*index - 1] : NULL;
}

int symbolizer_add_module(struct symbolizer *s, uint32_t module, const struct symbol_module *info,
			  struct stint_err *err)
{
	struct module *m = calloc(1, sizeof(*m));
	uint64_t *index;

	if (!m || !array_room((void ***)&s->modules, s->n_modules))
		goto nomem;
	m->info = *info;
	m->info.path = stint_arena_strndup(&s->arena, info->path, strlen(info->path));
	m->info.build_id = (const uint8_t *)stint_arena_strndup(&s->arena, info->build_id, info->build_id_size);
	index = stint_map_put(&s->by_number, module, NULL);
	if (!m->info.path || !m->info.build_id || !index)
		goto nomem;
	s->modules[s->n_modules++] = m;
	*index = s->n_modules;
	return 0;
nomem:
	module_free(m);
	return nomem(err);
}

/* A text that lives as long as the symbolizer; NULL without memory. */
static const char *keep(struct symbolizer *s, const char *text, uint32_t *ret_id)
{
	uint32_t id;

	if (stint_intern_put(&s->names, text, strlen(text) + 1, &id, NULL))
		return NULL;
	if (ret_id)
		*ret_id = id;
	return (const char *)s->names.entries[id - 1].data;
}

int symbolizer_add_symbol(struct symbolizer *s, uint32_t module, uint64_t addr, uint64_t size_bytes, const char *name,
			  struct stint_err *err)
{
	struct module *m = symbolizer_module(s, module);
	struct elf_symbol symbol = {.addr = addr, .limit = UINT64_MAX};

	if (!m || !*name)
		return 0;
	symbol.name = keep(s, name, NULL);
	if (!symbol.name)
		return nomem(err);
	symbol.sized = size_bytes && size_bytes <= UINT64_MAX - addr;
	if (symbol.sized)
		symbol.end = addr + size_bytes;
	m->sorted = false;
	return elf_symtab_put(&m->recorded, &symbol, err);
}

int symbolizer_add_chain(struct symbolizer *s, uint32_t module, uint64_t addr, bool exact,
			 const struct symbol_chain *chain, struct stint_err *err)
{
	struct module *m = symbolizer_module(s, module);
	struct symbol_chain *kept;
	struct symbol *symbols;
	uint64_t *slot;
	uint32_t i;

	if (!m || !chain->n)
		return 0;
	kept = stint_arena_alloc(&s->arena, sizeof(*kept));
	symbols = stint_arena_alloc(&s->arena, chain->n * sizeof(*symbols));
	slot = stint_map_put(&m->packed_chains[exact], addr, NULL);
	if (!kept || !symbols || !slot)
		return nomem(err);
	m->lines_sorted = false;
	*kept = (struct symbol_chain){symbols, chain->n};
	for (i = 0; i < chain->n; i++) {
		symbols[i] = chain->symbols[i];
		if (symbols[i].linkage && !(symbols[i].linkage = keep(s, symbols[i].linkage, NULL)))
			return nomem(err);
		if (symbols[i].file && !(symbols[i].file = keep(s, symbols[i].file, NULL)))
			return nomem(err);
	}
	*slot = (uint64_t)(uintptr_t)kept;
	return 0;
}

int symbolizer_add_source(struct symbolizer *s, uint32_t module, const char *from, const char *why,
			  struct stint_err *err)
{
	struct module *m = symbolizer_module(s, module);

	(void)from; /* the files of another machine: "recording" says more */
	if (!m)
		return 0;
	m->packed = true;
	m->packed_why = NULL;
	if (why && !(m->packed_why = keep(s, why, NULL)))
		return nomem(err);
	return 0;
}

/* Modules of the same build share what was loaded, wherever their files were seen. */
static int open_program(struct symbolizer *s, struct module *m, struct stint_err *err)
{
	const struct symbol_module *info = &m->info;
	bool is_new;
	uint32_t id;
	int rc;

	if (!array_room((void ***)&s->programs, s->n_programs))
		return nomem(err);
	if (info->build_id_size)
		rc = stint_intern_put(&s->builds, info->build_id, info->build_id_size, &id, &is_new);
	else
		rc = stint_intern_put(&s->builds, info->path, strlen(info->path) + 1, &id, &is_new);
	if (rc)
		return nomem(err);
	if (!is_new) {
		m->program = s->programs[id - 1];
		return 0;
	}
	s->programs[s->n_programs++] = NULL;
	rc = program_load(&s->programs[id - 1], info, &s->options, err);
	m->program = s->programs[id - 1];
	return rc;
}

/*
 * A kernel module's file says in which order its sections are loaded, not where. Most names that the recording has must
 * be where the file has them; else the file is of no use.
 */
static bool fits_recorded(const struct module *m)
{
	const struct elf_symbol *symbol;
	size_t i, n_fit = 0;

	for (i = 0; i < m->recorded.n; i++) {
		symbol = elf_symtab_find(&m->program->symtab, m->recorded.symbols[i].addr);
		n_fit += symbol && symbol->addr == m->recorded.symbols[i].addr;
	}
	return !m->program->from || n_fit >= m->recorded.n - n_fit;
}

int symbolizer_open(struct symbolizer *s, struct module *m, struct stint_err *err)
{
	bool has_file = m->info.kind != STINT_MODULE_ANON && m->info.kind != STINT_MODULE_UNKNOWN;
	int rc = 0;

	if (!m->sorted) {
		rc = elf_symtab_build(&m->recorded, err);
		m->sorted = true;
	}
	if (!rc && !m->opened && has_file) {
		rc = open_program(s, m, err);
		m->opened = true;
		m->misfit = !rc && m->info.kind == STINT_MODULE_KMOD && !fits_recorded(m);
	}
	return rc;
}

/* The name to show for a linkage name. */
static const char *shown(struct symbolizer *s, const char *linkage, uint32_t linkage_id)
{
	uint64_t *slot;
	const char *name = linkage;
	uint32_t id = linkage_id;
	bool is_new;

	slot = stint_map_put(&s->demangled, linkage_id, &is_new);
	if (!slot)
		return NULL;
	if (!is_new)
		return (const char *)s->names.entries[*slot - 1].data;
	if (demangle(linkage, s->options.demangle, s->text))
		name = keep(s, s->text, &id);
	*slot = id;
	return name;
}

static struct symbol_names *new_names(struct symbolizer *s, const char *linkage)
{
	struct symbol_names *names = stint_arena_alloc(&s->arena, sizeof(*names));
	uint32_t id;

	if (!names)
		return NULL;
	names->linkage = keep(s, linkage, &id);
	names->shown = names->linkage ? shown(s, names->linkage, id) : NULL;
	return names->shown ? names : NULL;
}

/* linkage must stay where it is as long as the symbolizer lives, as text in files and in the arena does. */
static const struct symbol_names *names_of(struct symbolizer *s, const char *linkage)
{
	uint64_t *slot = stint_map_put(&s->by_pointer, (uint64_t)(uintptr_t)linkage, NULL);

	if (!slot)
		return NULL;
	if (!*slot)
		*slot = (uint64_t)(uintptr_t)new_names(s, linkage);
	return (const struct symbol_names *)(uintptr_t)*slot;
}

static bool put_names(struct symbol *symbol, const struct symbol_names *names)
{
	if (!names)
		return false;
	symbol->linkage = names->linkage;
	symbol->name = names->shown;
	symbol->resolved = true;
	return true;
}

static bool name_symbol(struct symbolizer *s, struct symbol *symbol, const char *linkage)
{
	return put_names(symbol, names_of(s, linkage));
}

static bool name_unresolved(struct symbolizer *s, const struct module *m, struct symbol *symbol)
{
	const char *path = m ? m->info.path : "[unknown]", *base = strrchr(path, '/');

	if (*path != '[' && base && base[1])
		path = base + 1;
	snprintf(s->text, sizeof(s->text), "%s+0x%llx", path, (unsigned long long)symbol->elf_addr);
	symbol->name = keep(s, s->text, NULL);
	return symbol->name != NULL;
}

static struct symbol_chain *chain_of(struct symbolizer *s, uint32_t n)
{
	struct symbol_chain *chain = stint_arena_alloc(&s->arena, sizeof(*chain) + n * sizeof(*chain->symbols));

	if (chain)
		*chain = (struct symbol_chain){(const struct symbol *)(chain + 1), n};
	return chain;
}

/*
 * The linkage name of a frame. Of the function that has the code, the symbol table may know more than DWARF does: which
 * clone of a function it is ("work.isra.0"), or the whole name where DWARF has only the last part ("operator()"). Where
 * it has an alias, DWARF's name is the one in the source.
 */
static const char *linkage_of(const struct dwarf_frame *frame, const struct elf_symbol *symbol)
{
	size_t len;

	if (frame->linkage || frame->inlined || !symbol)
		return frame->linkage ? frame->linkage : frame->name;
	if (!frame->name)
		return symbol->name;
	len = strlen(frame->name);
	if (symbol->sized && ((!strncmp(symbol->name, frame->name, len) && symbol->name[len] == '.') ||
			      !strncmp(symbol->name, "_Z", 2) || !strncmp(symbol->name, "_R", 2)))
		return symbol->name;
	return frame->name;
}

/* Fills in one symbol of the chain; symbol is what the symbol tables say. */
static bool fill_symbol(struct symbolizer *s, const struct module *m, struct symbol *to,
			const struct dwarf_frame *frame, const struct elf_symbol *symbol)
{
	const char *linkage = linkage_of(frame, symbol);

	to->file = frame->file;
	to->line = frame->file ? frame->line : 0;
	to->inlined = frame->inlined;
	/* Of the function that has the code: of the part of it that is here. */
	to->start = symbol && !frame->inlined ? symbol->addr : frame->start;
	if (!linkage)
		return name_unresolved(s, m, to);
	/* Most functions that are asked for were inlined in many places: their names are found without a search. */
	if (!frame->note || linkage != (frame->linkage ? frame->linkage : frame->name))
		return name_symbol(s, to, linkage);
	if (!*frame->note)
		*frame->note = names_of(s, linkage);
	return put_names(to, *frame->note);
}

/* The chain of an address of a program's file. */
static struct symbol_chain *resolve_in_program(struct symbolizer *s, const struct module *m, uint64_t elf_addr,
					       uint64_t look, const struct symbol_frames *frames)
{
	const struct elf_symbol *symbol = elf_symtab_find(&m->program->symtab, look);
	struct symbol_chain *chain;
	uint32_t i;

	chain = chain_of(s, frames->n);
	for (i = 0; chain && i < frames->n; i++) {
		struct symbol *to = (struct symbol *)&chain->symbols[i];

		to->elf_addr = elf_addr;
		if (!fill_symbol(s, m, to, &frames->at[i], symbol))
			return NULL;
	}
	return chain;
}

/* frames may be NULL. There is always one: without DWARF, or where that says nothing, one that says nothing. */
static struct symbol_frames frames_at(struct symbolizer *s, const struct module *m, uint64_t vaddr,
				      const struct symbol_frames *frames)
{
	struct symbol_frames found = {s->frames, 0};

	if (frames)
		found = *frames;
	else if (m->program->dwarf)
		found.n = dwarf_lookup(m->program->dwarf, vaddr, s->options.inlines, s->frames);
	if (found.n)
		return found;
	s->frames[0] = (struct dwarf_frame){.line = 0};
	return (struct symbol_frames){s->frames, 1};
}

/* The chain at addr, whose instruction (or the call before it) is at look. NULL without memory. */
static struct symbol_chain *resolve(struct symbolizer *s, const struct module *m, uint64_t addr, uint64_t look,
				    const struct symbol_frames *frames)
{
	const struct elf_symbol *recorded = m ? elf_symtab_find(&m->recorded, look) : NULL;
	uint64_t vaddr = look;
	bool known = m && m->program && !m->misfit && program_vaddr(m->program, m->info.kind, look, &vaddr);
	uint64_t elf_addr = vaddr + (addr - look);
	struct symbol_frames found;
	struct symbol_chain *chain;
	struct symbol *symbol;

	/* A recorded name goes first, but where this system has the file's DWARF it says the same and more. */
	if (known && (!recorded || m->program->dwarf)) {
		found = frames_at(s, m, vaddr, frames);
		chain = resolve_in_program(s, m, elf_addr, vaddr, &found);
		if (!chain || !recorded)
			return chain;
		/* Where DWARF has no function (assembly code), the two symbol tables may have chosen otherwise. */
		symbol = (struct symbol *)&chain->symbols[chain->n - 1];
		if (chain->n == 1 && !found.at->name && !found.at->linkage) {
			symbol->start = recorded->addr + (vaddr - look);
			return name_symbol(s, symbol, recorded->name) ? chain : NULL;
		}
		if (symbol->resolved)
			return chain;
	}
	chain = chain_of(s, 1);
	if (!chain)
		return NULL;
	symbol = (struct symbol *)chain->symbols;
	symbol->elf_addr = elf_addr;
	if (!recorded)
		return name_unresolved(s, m, symbol) ? chain : NULL;
	symbol->start = recorded->addr + (vaddr - look);
	return name_symbol(s, symbol, recorded->name) ? chain : NULL;
}

/* A packed chain as the options want it: outer functions only, or without lines. Of an address that is ahead of its. */
static struct symbol_chain *unpack(struct symbolizer *s, const struct module *m, const struct symbol_chain *packed,
				   uint64_t ahead)
{
	uint32_t i, first = s->options.inlines ? 0 : packed->n - 1;
	struct symbol_chain *chain = chain_of(s, packed->n - first);
	bool ok = chain != NULL;

	for (i = first; ok && i < packed->n; i++) {
		struct symbol *to = (struct symbol *)&chain->symbols[i - first];

		*to = packed->symbols[i];
		to->elf_addr += ahead;
		if (!s->options.lines) {
			to->file = NULL;
			to->line = 0;
		}
		ok = to->resolved ? name_symbol(s, to, to->linkage) : name_unresolved(s, m, to);
	}
	return ok ? chain : NULL;
}

static uint64_t look_at(uint64_t addr, bool exact)
{
	return exact || !addr ? addr : addr - 1;
}

/* What the recording itself says of an address, or (*ret_line is below it) of the line that it is in; or NULL. */
static const struct symbol_chain *packed_at(struct module *m, uint64_t addr, bool exact, uint64_t *ret_line)
{
	const uint64_t *slot = m ? stint_map_get(&m->packed_chains[exact], addr) : NULL;

	*ret_line = addr;
	if (!slot && m && exact && symbolizer_packed_line(m, addr, ret_line))
		slot = stint_map_get(&m->packed_chains[true], *ret_line);
	return slot ? (const struct symbol_chain *)(uintptr_t)*slot : NULL;
}

static bool says_enough(const struct symbol_chain *packed)
{
	return packed && packed->symbols[packed->n - 1].resolved;
}

bool symbolizer_asks_dwarf(struct symbolizer *s, struct module *m, uint64_t addr, bool exact, uint64_t *ret_vaddr)
{
	struct stint_err ignored = STINT_ERR_INIT;
	uint64_t line;

	return !says_enough(packed_at(m, addr, exact, &line)) && !symbolizer_open(s, m, &ignored) && m->program &&
	       m->program->dwarf && !m->misfit &&
	       program_vaddr(m->program, m->info.kind, look_at(addr, exact), ret_vaddr);
}

struct symbol_chain *symbolizer_resolve(struct symbolizer *s, struct module *m, uint64_t addr, bool exact,
					const struct symbol_frames *frames, struct stint_err *err)
{
	uint64_t line;
	const struct symbol_chain *packed = packed_at(m, addr, exact, &line);
	struct symbol_chain *chain;

	if (says_enough(packed))
		return unpack(s, m, packed, addr - line);
	if (m && symbolizer_open(s, m, err))
		return NULL;
	chain = resolve(s, m, addr, look_at(addr, exact), frames);
	/* Where it was packed nobody knew a name; the file's own address may still be known only there. */
	if (chain && packed && !chain->symbols[chain->n - 1].resolved)
		return unpack(s, m, packed, addr - line);
	return chain;
}

int symbolizer_lookup(struct symbolizer *s, uint32_t module, uint64_t addr, bool exact, struct symbol_chain *ret,
		      struct stint_err *err)
{
	static const struct symbol nothing = {.name = "[unknown]"};
	struct module *m = symbolizer_module(s, module);
	struct symbol_chain *chain;
	uint64_t *slot = NULL;
	bool is_new = true;

	*ret = (struct symbol_chain){&nothing, 1};
	if (m) {
		slot = stint_map_put(&m->chains[exact], addr, &is_new);
		if (!slot)
			return nomem(err);
	}
	if (is_new) {
		chain = symbolizer_resolve(s, m, addr, exact, NULL, err);
		if (!chain) {
			if (m)
				stint_map_remove(&m->chains[exact], addr);
			return nomem(err);
		}
		if (slot)
			*slot = (uint64_t)(uintptr_t)chain;
	} else {
		chain = (struct symbol_chain *)(uintptr_t)*slot;
	}
	*ret = *chain;
	return 0;
}

/* Where a program's names are from, and what is the matter with them. */
static const char *describe_program(struct symbolizer *s, const struct program *p)
{
	const char *name = NULL, *text;
	uint32_t n = p->dwarf ? dwarf_missing_splits(p->dwarf, &name) : 0;

	bool spent = p->dwarf && dwarf_spent(p->dwarf);

	if (!n && !p->why && !spent)
		return p->from;
	if (spent)
		snprintf(s->text, sizeof(s->text), "%s; its DWARF asks for too much work: some of it wasn't read",
			 p->from);
	else if (n)
		snprintf(s->text, sizeof(s->text), "%s; %u split DWARF files not found, such as %s", p->from, n, name);
	else
		snprintf(s->text, sizeof(s->text), "%s; %s", p->from, p->why);
	text = keep(s, s->text, NULL);
	return text ? text : p->from;
}

struct symbol_source symbolizer_source(struct symbolizer *s, uint32_t module)
{
	struct module *m = symbolizer_module(s, module);
	struct stint_err err = STINT_ERR_INIT;
	const char *why;

	if (!m)
		return (struct symbol_source){NULL, "not in the recording"};
	if (m->packed && !m->packed_why)
		return (struct symbol_source){"recording", NULL};
	if (symbolizer_open(s, m, &err))
		return (struct symbol_source){NULL, "no memory"};
	if (m->misfit) {
		snprintf(s->text, sizeof(s->text), "recording; its sections lie otherwise than in %s",
			 m->program->from);
		why = keep(s, s->text, NULL);
		return (struct symbol_source){why ? why : "recording", NULL};
	}
	if (m->program && m->program->from)
		return (struct symbol_source){describe_program(s, m->program), NULL};
	if (m->recorded.n)
		return (struct symbol_source){"recording", NULL};
	if (m->packed_why)
		return (struct symbol_source){NULL, m->packed_why};
	if (!m->program)
		return (struct symbol_source){NULL, "no file"};
	return (struct symbol_source){NULL, m->program->why};
}
