/* SPDX-License-Identifier: MIT */
#include "record/unwind_elf.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "record/unwind_inflate.h"

#ifndef SHT_X86_64_UNWIND
#define SHT_X86_64_UNWIND 0x70000001
#endif

/* While the file is read. */
struct load {
	const struct unwind_source *source;
	struct unwind_elf *elf;
	struct stint_err *err;
	Elf64_Ehdr ehdr;
	Elf64_Phdr *phdrs;
	Elf64_Shdr *shdrs;
	uint32_t n_phdrs, n_shdrs;
	char *names; /* NUL-terminated beyond their size */
	size_t names_bytes;
};

static int read_at(const struct load *load, uint64_t off, void *to, size_t size)
{
	return unwind_source_read(load->source, off, to, size, load->err);
}

/* Reads into fresh memory. The size is checked against the source first, so that it bounds what is
 * allocated. */
static int read_new(const struct load *load, uint64_t off, uint64_t size, void **ret)
{
	int rc;

	*ret = NULL;
	if (off > load->source->size_bytes || size > load->source->size_bytes - off)
		return stint_err_set(load->err, STINT_ERR_FORMAT, 0, (int64_t)off, "the ELF file ends too early");
	*ret = malloc(size + 1);
	if (!*ret)
		return stint_err_set(load->err, STINT_ERR_NOMEM, 0, -1, "no memory for %llu bytes of an ELF file",
				     (unsigned long long)size);
	rc = read_at(load, off, *ret, size);
	if (rc) {
		free(*ret);
		*ret = NULL;
	}
	return rc;
}

static int read_header(struct load *load)
{
	Elf64_Ehdr *ehdr = &load->ehdr;
	int rc = read_at(load, 0, ehdr, sizeof(*ehdr));

	if (rc)
		return rc;
	if (memcmp(ehdr->e_ident, ELFMAG, SELFMAG) != 0)
		return stint_err_set(load->err, STINT_ERR_FORMAT, 0, -1, "not an ELF file");
	if (ehdr->e_ident[EI_CLASS] != ELFCLASS64 || ehdr->e_ident[EI_DATA] != ELFDATA2LSB)
		return stint_err_set(load->err, STINT_ERR_UNSUPPORTED, 0, -1,
				     "only 64-bit little-endian ELF files are unwound");
	if (ehdr->e_phnum && ehdr->e_phentsize != sizeof(Elf64_Phdr))
		return stint_err_set(load->err, STINT_ERR_FORMAT, 0, -1, "program headers of %u bytes",
				     ehdr->e_phentsize);
	if (ehdr->e_phnum > UNWIND_ELF_MAX_SEGMENTS)
		return stint_err_set(load->err, STINT_ERR_LIMIT, 0, -1, "more than %u program headers",
				     UNWIND_ELF_MAX_SEGMENTS);
	load->elf->machine = ehdr->e_machine;
	return 0;
}

static int read_segments(struct load *load)
{
	struct unwind_elf *elf = load->elf;
	void *phdrs;
	uint32_t i;
	int rc;

	rc = read_new(load, load->ehdr.e_phoff, (uint64_t)load->ehdr.e_phnum * sizeof(Elf64_Phdr), &phdrs);
	if (rc)
		return rc;
	load->phdrs = phdrs;
	load->n_phdrs = load->ehdr.e_phnum;
	elf->segments = calloc(load->n_phdrs + 1u, sizeof(*elf->segments));
	if (!elf->segments)
		return stint_err_set(load->err, STINT_ERR_NOMEM, 0, -1, "no memory for program headers");
	for (i = 0; i < load->n_phdrs; i++) {
		const Elf64_Phdr *ph = &load->phdrs[i];

		if (ph->p_type != PT_LOAD || !(ph->p_flags & PF_X) || !ph->p_filesz)
			continue;
		if (ph->p_vaddr + ph->p_filesz < ph->p_vaddr || ph->p_offset + ph->p_filesz < ph->p_offset)
			return stint_err_set(load->err, STINT_ERR_FORMAT, 0, -1, "a segment wraps around");
		elf->segments[elf->n_segments++] = (struct unwind_segment){
			.vaddr = ph->p_vaddr, .file_off = ph->p_offset, .size_bytes = ph->p_filesz};
	}
	return 0;
}

/*
 * Section headers are a convenience: a file without them (or whose headers lie outside, as after a
 * cut) is unwound by its program headers, as the C++ runtime does.
 */
static int read_sections(struct load *load)
{
	const Elf64_Ehdr *ehdr = &load->ehdr;
	const Elf64_Shdr *names;
	uint64_t n = ehdr->e_shnum;
	uint32_t names_index = ehdr->e_shstrndx;
	void *data;
	int rc;

	if (!ehdr->e_shoff || ehdr->e_shentsize != sizeof(Elf64_Shdr) || !n || n > UNWIND_ELF_MAX_SECTIONS ||
	    ehdr->e_shoff > load->source->size_bytes ||
	    n * sizeof(Elf64_Shdr) > load->source->size_bytes - ehdr->e_shoff || names_index >= n)
		return 0;
	rc = read_new(load, ehdr->e_shoff, n * sizeof(Elf64_Shdr), &data);
	if (rc)
		return rc;
	load->shdrs = data;
	names = &load->shdrs[names_index];
	if (names->sh_size > UNWIND_ELF_MAX_NAMES)
		return stint_err_set(load->err, STINT_ERR_LIMIT, 0, -1, "more than %u bytes of section names",
				     UNWIND_ELF_MAX_NAMES);
	rc = read_new(load, names->sh_offset, names->sh_size, &data);
	if (rc)
		return rc;
	load->names = data;
	load->names[names->sh_size] = '\0';
	load->names_bytes = names->sh_size;
	load->n_shdrs = (uint32_t)n;
	return 0;
}

static const char *section_name(const struct load *load, const Elf64_Shdr *sh)
{
	return sh->sh_name < load->names_bytes ? load->names + sh->sh_name : "";
}

/* A compressed section can't be read piece by piece. */
static int inflate_section(const struct load *load, struct unwind_section *section)
{
	struct stint_cursor cur;
	uint32_t type;
	uint64_t size;
	void *data;
	int rc;

	if (section->size_bytes > UNWIND_ELF_MAX_PLAIN)
		return stint_err_set(load->err, STINT_ERR_LIMIT, 0, -1, "a compressed section of more than %u bytes",
				     UNWIND_ELF_MAX_PLAIN);
	rc = read_new(load, section->file_off, section->size_bytes, &data);
	if (rc)
		return rc;
	cur = stint_cursor_of(data, section->size_bytes);
	type = stint_cursor_u32(&cur);
	stint_cursor_u32(&cur); /* reserved */
	size = stint_cursor_u64(&cur);
	stint_cursor_u64(&cur); /* alignment */
	if (cur.bad)
		rc = stint_err_set(load->err, STINT_ERR_FORMAT, 0, -1, "a compressed section has no header");
	else if (type != ELFCOMPRESS_ZLIB)
		rc = stint_err_set(load->err, STINT_ERR_UNSUPPORTED, 0, -1,
				   "the unwind section's compression (%u) isn't zlib", type);
	else if (size > UNWIND_ELF_MAX_PLAIN)
		rc = stint_err_set(load->err, STINT_ERR_LIMIT, 0, -1, "a compressed section of more than %u bytes",
				   UNWIND_ELF_MAX_PLAIN);
	else
		rc = unwind_inflate(cur.at, stint_cursor_left(&cur), &section->plain, size, load->err);
	free(data);
	section->size_bytes = rc ? 0 : size;
	return rc;
}

static int find_part(const struct load *load, const Elf64_Shdr *sh, struct unwind_section *ret)
{
	uint64_t file_bytes = load->source->size_bytes;

	*ret = (struct unwind_section){0};
	if (sh->sh_size > UNWIND_ELF_MAX_SECTION)
		return stint_err_set(load->err, STINT_ERR_LIMIT, 0, -1, "an unwind section of more than %u bytes",
				     UNWIND_ELF_MAX_SECTION);
	if (sh->sh_offset > file_bytes || sh->sh_size > file_bytes - sh->sh_offset)
		return stint_err_set(load->err, STINT_ERR_FORMAT, 0, (int64_t)sh->sh_offset,
				     "the ELF file ends too early");
	*ret = (struct unwind_section){.file_off = sh->sh_offset, .size_bytes = sh->sh_size, .vaddr = sh->sh_addr};
	return sh->sh_flags & SHF_COMPRESSED ? inflate_section(load, ret) : 0;
}

/* The section of that name that has contents; the first one counts. */
static const Elf64_Shdr *find_section(const struct load *load, const char *name)
{
	uint32_t i;

	for (i = 0; i < load->n_shdrs; i++) {
		const Elf64_Shdr *sh = &load->shdrs[i];

		if (sh->sh_size && (sh->sh_type == SHT_PROGBITS || sh->sh_type == SHT_X86_64_UNWIND) &&
		    !strcmp(section_name(load, sh), name))
			return sh;
	}
	return NULL;
}

static int find_stubs(struct load *load)
{
	static const char *const names[] = {".plt", ".plt.sec", ".plt.got", ".iplt", ".init", ".fini"};
	struct unwind_elf *elf = load->elf;
	size_t i;

	elf->stubs = calloc(sizeof(names) / sizeof(names[0]), sizeof(*elf->stubs));
	if (!elf->stubs)
		return stint_err_set(load->err, STINT_ERR_NOMEM, 0, -1, "no memory for sections");
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const Elf64_Shdr *sh = find_section(load, names[i]);

		if (sh && (sh->sh_flags & SHF_EXECINSTR)) {
			int rc = find_part(load, sh, &elf->stubs[elf->n_stubs]);

			if (rc)
				return rc;
			elf->n_stubs++;
		}
	}
	return 0;
}

/* Go's runtime has functions that switch stacks, which only their names tell. */
static int find_go_functions(struct load *load)
{
	const Elf64_Shdr *pclntab = find_section(load, ".gopclntab"), *text = find_section(load, ".text");

	if (!pclntab)
		pclntab = find_section(load, ".data.rel.ro.gopclntab");
	if (!pclntab || !text)
		return 0;
	load->elf->go_text_vaddr = text->sh_addr;
	return find_part(load, pclntab, &load->elf->go_pclntab);
}

/* The bytes of a loaded address up to the end of its segment in the file. */
static bool loaded_at(const struct load *load, uint64_t vaddr, Elf64_Shdr *ret)
{
	uint32_t i;

	for (i = 0; i < load->n_phdrs; i++) {
		const Elf64_Phdr *ph = &load->phdrs[i];

		if (ph->p_type == PT_LOAD && vaddr >= ph->p_vaddr && vaddr - ph->p_vaddr < ph->p_filesz) {
			*ret = (Elf64_Shdr){.sh_addr = vaddr,
					    .sh_offset = ph->p_offset + (vaddr - ph->p_vaddr),
					    .sh_size = ph->p_filesz - (vaddr - ph->p_vaddr)};
			return true;
		}
	}
	return false;
}

/*
 * .eh_frame by way of PT_GNU_EH_FRAME. Only its pointer is used, not its table. The section's end
 * isn't known: it is taken to reach to the end of the segment, and the parser stops at the zero
 * that ends it or at nonsense.
 */
static int find_eh_frame_by_segment(struct load *load)
{
	uint32_t i;

	for (i = 0; i < load->n_phdrs; i++) {
		const Elf64_Phdr *ph = &load->phdrs[i];
		Elf64_Shdr found;
		uint8_t header[8];
		int32_t to;
		int rc;

		if (ph->p_type != PT_GNU_EH_FRAME)
			continue;
		rc = read_at(load, ph->p_offset, header, sizeof(header));
		if (rc)
			return rc;
		if (header[0] != 1 || header[1] != 0x1b) /* version; eh_frame_ptr is pc-relative, sdata4 */
			return stint_err_set(load->err, STINT_ERR_UNSUPPORTED, 0, (int64_t)ph->p_offset,
					     ".eh_frame_hdr of a kind that linkers don't make");
		memcpy(&to, header + 4, sizeof(to));
		if (!loaded_at(load, ph->p_vaddr + 4 + (uint64_t)(int64_t)to, &found))
			return stint_err_set(load->err, STINT_ERR_FORMAT, 0, (int64_t)ph->p_offset,
					     ".eh_frame_hdr points outside the file");
		return find_part(load, &found, &load->elf->eh_frame);
	}
	return 0;
}

static int read_contents(struct load *load)
{
	const Elf64_Shdr *eh_frame, *debug_frame;
	int rc;

	rc = read_header(load);
	if (!rc)
		rc = read_segments(load);
	if (!rc)
		rc = read_sections(load);
	if (rc)
		return rc;
	eh_frame = find_section(load, ".eh_frame");
	debug_frame = find_section(load, ".debug_frame");
	if (eh_frame)
		rc = find_part(load, eh_frame, &load->elf->eh_frame);
	else
		rc = find_eh_frame_by_segment(load);
	if (!rc && debug_frame)
		rc = find_part(load, debug_frame, &load->elf->debug_frame);
	/* Few programs have both, and those have their frames in the other one, nearly all. */
	if ((rc == STINT_ERR_LIMIT || rc == STINT_ERR_UNSUPPORTED) && debug_frame && eh_frame)
		rc = 0;
	if (!rc)
		rc = find_stubs(load);
	return rc ? rc : find_go_functions(load);
}

int unwind_elf_read(struct unwind_elf *ret, const struct unwind_source *source, struct stint_err *err)
{
	struct load load = {.source = source, .elf = ret, .err = err};
	int rc;

	*ret = (struct unwind_elf){0};
	rc = read_contents(&load);
	free(load.phdrs);
	free(load.shdrs);
	free(load.names);
	if (rc)
		unwind_elf_done(ret);
	return rc;
}

void unwind_elf_done(struct unwind_elf *elf)
{
	uint32_t i;

	if (!elf)
		return;
	for (i = 0; i < elf->n_stubs; i++)
		free(elf->stubs[i].plain);
	free(elf->stubs);
	free(elf->segments);
	free(elf->eh_frame.plain);
	free(elf->debug_frame.plain);
	free(elf->go_pclntab.plain);
	*elf = (struct unwind_elf){0};
}

void unwind_section_open(struct unwind_bytes *ret, const struct unwind_source *source,
			 const struct unwind_section *section)
{
	const struct unwind_source plain = {.fd = -1,
					    .data = section->plain,
					    .size_bytes = section->size_bytes,
					    .stop = source->stop,
					    .left_bytes = source->left_bytes};

	if (section->plain)
		unwind_bytes_init(ret, &plain, 0, section->size_bytes);
	else
		unwind_bytes_init(ret, source, section->file_off, section->size_bytes);
}

bool unwind_elf_offset(const struct unwind_elf *elf, uint64_t vaddr, uint64_t *ret_off, uint64_t *ret_left)
{
	uint32_t i;

	for (i = 0; i < elf->n_segments; i++) {
		const struct unwind_segment *seg = &elf->segments[i];

		if (vaddr >= seg->vaddr && vaddr - seg->vaddr < seg->size_bytes) {
			*ret_off = seg->file_off + (vaddr - seg->vaddr);
			*ret_left = seg->size_bytes - (vaddr - seg->vaddr);
			return true;
		}
	}
	return false;
}
