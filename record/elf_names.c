/* SPDX-License-Identifier: MIT */
#include "record/elf_names.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "record/elf_names_internal.h"
#include "record/unxz.h"

#define CHUNK_SYMBOLS 2048u
#define MAX_TABLES    8u
#define MAX_DEBUGDATA (16u << 20) /* bytes of .gnu_debugdata, packed */
#define NAME_STEPS    4u	  /* that reading a name counts for, and one more for each so many bytes: */
#define STEP_BYTES    64u
#define LABEL_BYTES   3u /* of a name, that is_label looks at */

struct table {
	const struct elf_image *image;
	const Elf64_Shdr *section, *strings;
};

/* An address that is looked for. */
struct query {
	uint64_t vaddr;
	uint64_t start; /* of the function that has it */
	uint64_t near;	/* of the last symbol before it and behind the query before */
	size_t index;	/* of its elf_name */
	bool covered;	/* by a symbol with a size */
};

/* The symbols at one start, which some query chose. */
struct choice {
	uint64_t start, end; /* end: by the largest size; 0 when none has one */
	uint64_t limit;	     /* of its section: how far one without a size may reach */
	char *name;	     /* the best so far */
	uint32_t rank;
	bool sized;
};

struct finding {
	struct query *queries; /* by vaddr */
	size_t n;
	struct choice *choices; /* by start */
	size_t n_choices;
	struct table tables[MAX_TABLES];
	unsigned n_tables;
	uint64_t steps;
	bool nomem;
};

char *elf_names_text(const struct elf_image *image, uint64_t off, uint64_t limit)
{
	uint64_t size = 256;
	char *text = NULL, *grown;

	if (limit > image->size_bytes)
		limit = image->size_bytes;
	for (; off < limit; size *= 8) {
		bool last = size >= ELF_NAMES_MAX_NAME || size >= limit - off;

		if (size > ELF_NAMES_MAX_NAME)
			size = ELF_NAMES_MAX_NAME;
		if (size > limit - off)
			size = limit - off;
		grown = realloc(text, size + 1);
		if (!grown || !elf_image_read(image, off, grown, size)) {
			free(grown ? grown : text);
			return NULL;
		}
		text = grown;
		text[size] = 0;
		if (last || memchr(text, 0, size))
			break;
	}
	return text;
}

/* The name, or its first bytes; NULL where there is none, or it would take too long. */
static char *symbol_name(struct finding *f, const struct table *table, const Elf64_Sym *symbol, uint64_t max_bytes)
{
	const Elf64_Shdr *strings = table->strings;
	uint64_t off = strings->sh_offset + symbol->st_name, left;
	char *name;

	if (symbol->st_name >= strings->sh_size || strings->sh_type == SHT_NOBITS || f->steps >= ELF_NAMES_MAX_STEPS)
		return NULL;
	left = strings->sh_size - symbol->st_name;
	name = elf_names_text(table->image, off, off + (left < max_bytes ? left : max_bytes));
	f->steps += NAME_STEPS + (name ? strlen(name) / STEP_BYTES : 0);
	return name;
}

/* See analyze/elf_symtab.c: the lower, the better a name among several for the same code. */
static uint32_t rank_of(const Elf64_Sym *symbol, const char *name)
{
	size_t underscores = strspn(name, "_");
	uint32_t rank = ELF64_ST_BIND(symbol->st_info) == STB_LOCAL ? 1u << 16 : 0;

	if (!strncmp(name, "_Z", 2) || !strncmp(name, "_R", 2) || !strncmp(name, "_D", 2))
		underscores = 0; /* mangled, not private */
	if (ELF64_ST_TYPE(symbol->st_info) == STT_NOTYPE)
		rank |= 1u << 17;
	rank |= (uint32_t)(underscores > 255 ? 255 : underscores) << 4;
	return rank | (ELF64_ST_BIND(symbol->st_info) == STB_WEAK);
}

static const Elf64_Shdr *section_of(const struct table *table, const Elf64_Sym *symbol)
{
	return symbol->st_shndx < table->image->n_sections ? &table->image->sections[symbol->st_shndx] : NULL;
}

/* Could it be code? Labels of assembly code have no type: their names decide (is_label). */
static bool may_be_code(const struct table *table, const Elf64_Sym *symbol)
{
	unsigned type = ELF64_ST_TYPE(symbol->st_info);
	const Elf64_Shdr *section = section_of(table, symbol);

	if (symbol->st_shndx == SHN_UNDEF || !symbol->st_name)
		return false;
	return type == STT_FUNC || type == STT_GNU_IFUNC ||
	       (type == STT_NOTYPE && section && section->sh_flags & SHF_EXECINSTR);
}

/* "$x" marks code on ARM, ".L" labels are the compiler's own. */
static bool is_label(const char *name)
{
	return *name && *name != '$' && strncmp(name, ".L", 2);
}

/* The first query at or behind an address. */
static size_t first_from(const struct finding *f, uint64_t vaddr)
{
	size_t low = 0, high = f->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (f->queries[mid].vaddr < vaddr)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* First pass: which symbol's start each address belongs to. The one that starts last has it. */
static void offer_start(struct finding *f, const struct table *table, const Elf64_Sym *symbol)
{
	uint64_t start = symbol->st_value;
	uint64_t end = symbol->st_size <= UINT64_MAX - start ? start + symbol->st_size : start;
	size_t i = first_from(f, start), k;
	char *name;

	if (i == f->n)
		return;
	if (ELF64_ST_TYPE(symbol->st_info) == STT_NOTYPE) {
		if (f->queries[i].near >= start && !symbol->st_size)
			return;
		name = symbol_name(f, table, symbol, LABEL_BYTES);
		k = name && is_label(name);
		free(name);
		if (!k)
			return;
	}
	if (start > f->queries[i].near)
		f->queries[i].near = start;
	for (k = i; k < f->n && f->queries[k].vaddr < end && f->steps < ELF_NAMES_MAX_STEPS; k++, f->steps++) {
		struct query *query = &f->queries[k];

		if (!query->covered || start > query->start)
			query->start = start;
		query->covered = true;
	}
}

static int by_start(const void *a_void, const void *b_void)
{
	const struct choice *a = a_void, *b = b_void;

	return a->start < b->start ? -1 : a->start > b->start;
}

static struct choice *find_choice(const struct finding *f, uint64_t start)
{
	const struct choice key = {.start = start};

	return f->n_choices ? bsearch(&key, f->choices, f->n_choices, sizeof(key), by_start) : NULL;
}

/* Symbols without a size reach to the next one, whichever query that one was noted at. */
static void choose(struct finding *f)
{
	uint64_t before = 0;
	size_t i, n = 0;

	for (i = 0; i < f->n; i++) {
		struct query *query = &f->queries[i];

		if (query->near > before)
			before = query->near;
		if (!query->covered)
			query->start = before;
		f->choices[i] = (struct choice){.start = query->start};
	}
	qsort(f->choices, f->n, sizeof(*f->choices), by_start);
	for (i = 0; i < f->n; i++)
		if (f->choices[i].start && (!n || f->choices[i].start != f->choices[n - 1].start))
			f->choices[n++] = f->choices[i];
	f->n_choices = n;
}

static bool is_better(const struct choice *choice, bool sized, uint32_t rank, const char *name)
{
	size_t a = strlen(name), b;

	if (!choice->name || choice->sized != sized)
		return !choice->name || sized;
	if (rank != choice->rank)
		return rank < choice->rank;
	b = strlen(choice->name);
	return a != b ? a < b : strcmp(name, choice->name) < 0;
}

/* Second pass: the best name at each start. */
static void offer_name(struct finding *f, const struct table *table, const Elf64_Sym *symbol)
{
	struct choice *choice = find_choice(f, symbol->st_value);
	const Elf64_Shdr *section = section_of(table, symbol);
	bool sized = symbol->st_size && symbol->st_size <= UINT64_MAX - symbol->st_value;
	uint32_t rank;
	char *name;

	if (!choice)
		return;
	name = symbol_name(f, table, symbol, ELF_NAMES_MAX_NAME);
	if (!name || !*name || (ELF64_ST_TYPE(symbol->st_info) == STT_NOTYPE && !is_label(name))) {
		free(name);
		return;
	}
	if (sized && symbol->st_value + symbol->st_size > choice->end)
		choice->end = symbol->st_value + symbol->st_size;
	rank = rank_of(symbol, name);
	if (!is_better(choice, sized, rank, name)) {
		free(name);
		return;
	}
	free(choice->name);
	choice->name = name;
	choice->rank = rank;
	choice->sized = sized;
	choice->limit = section ? section->sh_addr + section->sh_size : UINT64_MAX;
}

static void each_symbol(struct finding *f,
			void (*offer)(struct finding *f, const struct table *table, const Elf64_Sym *symbol))
{
	Elf64_Sym *chunk = malloc(CHUNK_SYMBOLS * sizeof(*chunk));
	unsigned t;

	f->nomem |= !chunk;
	for (t = 0; chunk && t < f->n_tables; t++) {
		const struct table *table = &f->tables[t];
		uint64_t i, n = table->section->sh_size / sizeof(*chunk);

		for (i = 0; i < n; i += CHUNK_SYMBOLS) {
			size_t k, many = n - i < CHUNK_SYMBOLS ? (size_t)(n - i) : CHUNK_SYMBOLS;

			if (!elf_image_read(table->image, table->section->sh_offset + i * sizeof(*chunk), chunk,
					    many * sizeof(*chunk)))
				break;
			for (k = 0; k < many; k++)
				if (may_be_code(table, &chunk[k]))
					offer(f, table, &chunk[k]);
		}
	}
	free(chunk);
}

static bool add_tables(struct finding *f, const struct elf_image *image, uint32_t type)
{
	bool any = false;
	uint32_t i;

	for (i = 0; i < image->n_sections && f->n_tables < MAX_TABLES; i++) {
		const Elf64_Shdr *section = &image->sections[i];

		if (section->sh_type != type || section->sh_link >= image->n_sections ||
		    section->sh_size > ELF_NAMES_MAX_TABLE)
			continue;
		f->tables[f->n_tables++] = (struct table){image, section, &image->sections[section->sh_link]};
		any = true;
	}
	return any;
}

/* The ELF file in .gnu_debugdata, malloced; NULL when there is none. */
static uint8_t *mini_debug(const struct elf_image *image, size_t *ret_size)
{
	const Elf64_Shdr *section = elf_image_section(image, ".gnu_debugdata");
	struct stint_err err = STINT_ERR_INIT;
	uint8_t *packed, *plain = NULL;

	if (!section || section->sh_size > MAX_DEBUGDATA)
		return NULL;
	packed = malloc(section->sh_size + 1);
	if (!packed || !elf_image_read(image, section->sh_offset, packed, section->sh_size) ||
	    unxz(packed, section->sh_size, &plain, ret_size, &err))
		plain = NULL;
	free(packed);
	return plain;
}

static void take_choice(const struct finding *f, const struct elf_image *image, const struct query *query,
			struct elf_name *to)
{
	const struct choice *choice = query->start ? find_choice(f, query->start) : NULL;
	uint64_t end;

	if (!choice || !choice->name)
		return;
	/* One without a size, and no other before the address: told as far as that. */
	end = choice->sized ? choice->end : query->vaddr + 1;
	if (choice->sized ? !query->covered : query->vaddr >= choice->limit)
		return;
	if (!elf_image_offset(image, choice->start, &to->start_off))
		return;
	to->size_bytes = end - choice->start;
	to->name = strdup(choice->name);
}

static void take_go(const struct elf_image *image, uint64_t vaddr, struct elf_name *to)
{
	uint64_t start, end;

	if (!elf_names_go(image, vaddr, &start, &end, &to->name) || !elf_image_offset(image, start, &to->start_off)) {
		free(to->name);
		to->name = NULL;
		return;
	}
	to->size_bytes = end - start;
}

static void find_in(struct finding *f, const struct elf_image *image, struct elf_name *names)
{
	struct elf_image mini = {0};
	bool any = add_tables(f, image, SHT_SYMTAB);
	uint8_t *unpacked = NULL;
	size_t i, size;

	add_tables(f, image, SHT_DYNSYM);
	if (!any)
		unpacked = mini_debug(image, &size);
	if (unpacked && elf_image_open(&mini, -1, unpacked, size))
		add_tables(f, &mini, SHT_SYMTAB);
	each_symbol(f, offer_start);
	choose(f);
	each_symbol(f, offer_name);
	for (i = 0; i < f->n; i++) {
		struct elf_name *to = &names[f->queries[i].index];

		take_choice(f, image, &f->queries[i], to);
		if (!to->name && !any)
			take_go(image, f->queries[i].vaddr, to);
	}
	elf_image_done(&mini);
	free(unpacked);
}

static int by_vaddr(const void *a_void, const void *b_void)
{
	const struct query *a = a_void, *b = b_void;

	return a->vaddr < b->vaddr ? -1 : a->vaddr > b->vaddr;
}

int elf_names_find(int fd, struct elf_name *names, size_t n, struct stint_err *err)
{
	struct finding f = {0};
	struct elf_image image;
	struct stat st;
	size_t i;

	for (i = 0; i < n; i++)
		names[i] = (struct elf_name){.file_off = names[i].file_off};
	if (!n || fstat(fd, &st) || !elf_image_open(&image, fd, NULL, (uint64_t)st.st_size))
		return 0;
	f.queries = calloc(n, sizeof(*f.queries));
	f.choices = calloc(n, sizeof(*f.choices));
	f.nomem = !f.queries || !f.choices;
	for (i = 0; i < n && !f.nomem; i++)
		if (elf_image_vaddr(&image, names[i].file_off, &f.queries[f.n].vaddr))
			f.queries[f.n++].index = i;
	if (!f.nomem) {
		qsort(f.queries, f.n, sizeof(*f.queries), by_vaddr);
		find_in(&f, &image, names);
	}
	for (i = 0; i < f.n_choices; i++)
		free(f.choices[i].name);
	free(f.choices);
	free(f.queries);
	elf_image_done(&image);
	return f.nomem ? stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory for the names of functions") : 0;
}

void elf_names_done(struct elf_name *names, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		free(names[i].name);
		names[i].name = NULL;
	}
}
