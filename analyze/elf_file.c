/* SPDX-License-Identifier: MIT */
#include "analyze/elf_file.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "analyze/elf_unpack.h"

/* size bytes at off, or an empty run when they aren't all in the file. */
static struct elf_bytes image_part(const struct elf_file *ef, uint64_t off, uint64_t size)
{
	if (off > ef->image.size || size > ef->image.size - off)
		return (struct elf_bytes){NULL, 0};
	return (struct elf_bytes){ef->image.at + off, size};
}

/* A NUL-terminated string at off in bytes, or "". */
static const char *string_at(struct elf_bytes bytes, uint64_t off)
{
	if (off >= bytes.size || !memchr(bytes.at + off, 0, bytes.size - off))
		return "";
	return (const char *)bytes.at + off;
}

struct table_place {
	uint64_t off;
	uint64_t n;
	size_t entry_size;
};

/* Where the headers of sections and segments stand. e_shnum and e_phnum have an overflow place in section 0. */
static void find_tables(const struct elf_file *ef, struct table_place *sections, struct table_place *segments,
			uint32_t *ret_names)
{
	const uint8_t *at = ef->image.at;
	struct elf_bytes first;

	if (ef->is_64) {
		*segments = (struct table_place){elf_u64(at + 32), elf_u16(at + 56), sizeof(Elf64_Phdr)};
		*sections = (struct table_place){elf_u64(at + 40), elf_u16(at + 60), sizeof(Elf64_Shdr)};
		*ret_names = elf_u16(at + 62);
	} else {
		*segments = (struct table_place){elf_u32(at + 28), elf_u16(at + 44), sizeof(Elf32_Phdr)};
		*sections = (struct table_place){elf_u32(at + 32), elf_u16(at + 48), sizeof(Elf32_Shdr)};
		*ret_names = elf_u16(at + 50);
	}
	first = image_part(ef, sections->off, sections->entry_size);
	if (!sections->off || !first.size) {
		sections->n = 0;
		return;
	}
	if (!sections->n)
		sections->n = ef->is_64 ? elf_u64(first.at + 32) : elf_u32(first.at + 20);
	if (segments->n == PN_XNUM)
		segments->n = elf_u32(first.at + (ef->is_64 ? 44 : 28));
	if (*ret_names == SHN_XINDEX)
		*ret_names = elf_u32(first.at + (ef->is_64 ? 40 : 24));
}

static struct elf_section section_header(const struct elf_file *ef, const uint8_t *at)
{
	if (ef->is_64)
		return (struct elf_section){.type = elf_u32(at + 4),
					    .flags = elf_u64(at + 8),
					    .addr = elf_u64(at + 16),
					    .file_off = elf_u64(at + 24),
					    .size = elf_u64(at + 32),
					    .link = elf_u32(at + 40),
					    .info = elf_u32(at + 44),
					    .align = elf_u64(at + 48),
					    .entry_size = elf_u64(at + 56)};
	return (struct elf_section){.type = elf_u32(at + 4),
				    .flags = elf_u32(at + 8),
				    .addr = elf_u32(at + 12),
				    .file_off = elf_u32(at + 16),
				    .size = elf_u32(at + 20),
				    .link = elf_u32(at + 24),
				    .info = elf_u32(at + 28),
				    .align = elf_u32(at + 32),
				    .entry_size = elf_u32(at + 36)};
}

static int read_sections(struct elf_file *ef, struct table_place place, uint32_t names_index, struct stint_err *err)
{
	struct elf_bytes table, names = {NULL, 0};
	struct elf_section *section;
	size_t i;

	if (place.n > ELF_MAX_SECTIONS)
		return stint_err_set(err, STINT_ERR_LIMIT, 0, -1, "it claims %llu sections",
				     (unsigned long long)place.n);
	table = image_part(ef, place.off, place.n * place.entry_size);
	if (!table.size)
		return 0; /* no section headers, or cut off before them: the segments may still do */
	ef->sections = calloc(place.n, sizeof(*ef->sections));
	if (!ef->sections)
		return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory for its section headers");
	ef->n_sections = place.n;
	for (i = 0; i < place.n; i++) {
		section = &ef->sections[i];
		*section = section_header(ef, table.at + i * place.entry_size);
		if (section->type != SHT_NOBITS && !image_part(ef, section->file_off, section->size).size)
			section->type = SHT_NULL;
		if (section->type == SHT_NOBITS && section->flags & SHF_EXECINSTR)
			ef->debug_only = true;
	}
	if (names_index < ef->n_sections)
		names = elf_section_raw(ef, &ef->sections[names_index]);
	for (i = 0; i < place.n; i++)
		ef->sections[i].name = string_at(names, elf_u32(table.at + i * place.entry_size));
	return 0;
}

static void add_segment(struct elf_file *ef, const uint8_t *at)
{
	struct elf_segment *seg = &ef->segments[ef->n_segments];

	if (elf_u32(at) != PT_LOAD)
		return;
	if (ef->is_64)
		*seg = (struct elf_segment){.flags = elf_u32(at + 4),
					    .file_off = elf_u64(at + 8),
					    .vaddr = elf_u64(at + 16),
					    .file_size = elf_u64(at + 32),
					    .mem_size = elf_u64(at + 40)};
	else
		*seg = (struct elf_segment){.flags = elf_u32(at + 24),
					    .file_off = elf_u32(at + 4),
					    .vaddr = elf_u32(at + 8),
					    .file_size = elf_u32(at + 16),
					    .mem_size = elf_u32(at + 20)};
	ef->n_segments++;
}

/*
 * objcopy --only-keep-debug rewrites file offsets and sizes, but mappings are recorded by the original's. Linkers lay
 * segments out one behind the other, each at the first offset that equals its address modulo the page size.
 */
static void restore_offsets(struct elf_file *ef)
{
	uint64_t end = 0, page = ef->machine == EM_X86_64 || ef->machine == EM_386 ? 0x1000 : 0x10000;
	struct elf_segment *seg;
	size_t i;

	for (i = 0; i < ef->n_segments; i++) {
		seg = &ef->segments[i];
		if (i || seg->vaddr % page)
			seg->file_off = end + (seg->vaddr - end) % page;
		else
			seg->file_off = 0;
		seg->file_size = seg->mem_size;
		end = seg->file_off + seg->file_size;
	}
}

static int read_segments(struct elf_file *ef, struct table_place place, struct stint_err *err)
{
	struct elf_bytes table;
	size_t i;

	if (place.n > ELF_MAX_SEGMENTS)
		return stint_err_set(err, STINT_ERR_LIMIT, 0, -1, "it claims %llu segments",
				     (unsigned long long)place.n);
	table = image_part(ef, place.off, place.n * place.entry_size);
	if (!table.size)
		return 0;
	ef->segments = calloc(place.n, sizeof(*ef->segments));
	if (!ef->segments)
		return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory for its program headers");
	for (i = 0; i < place.n; i++)
		add_segment(ef, table.at + i * place.entry_size);
	if (ef->debug_only)
		restore_offsets(ef);
	return 0;
}

static bool build_id_in_notes(struct elf_file *ef, struct elf_bytes notes)
{
	size_t at = 0, name_size, desc_size, desc;

	while (notes.size - at >= 12) {
		name_size = elf_u32(notes.at + at);
		desc_size = elf_u32(notes.at + at + 4);
		desc = at + 12 + ((name_size + 3) & ~(size_t)3);
		if (desc > notes.size || desc_size > notes.size - desc)
			return false;
		if (elf_u32(notes.at + at + 8) == NT_GNU_BUILD_ID && name_size == 4 &&
		    !memcmp(notes.at + at + 12, "GNU", 4) && desc_size && desc_size <= ELF_MAX_BUILD_ID_BYTES) {
			memcpy(ef->build_id, notes.at + desc, desc_size);
			ef->build_id_size = desc_size;
			return true;
		}
		at = desc + ((desc_size + 3) & ~(size_t)3);
		if (at > notes.size)
			return false;
	}
	return false;
}

static void find_build_id(struct elf_file *ef, struct table_place place)
{
	struct elf_bytes table = image_part(ef, place.off, place.n * place.entry_size);
	const uint8_t *at;
	size_t i;

	for (i = 0; i < ef->n_sections; i++)
		if (ef->sections[i].type == SHT_NOTE && build_id_in_notes(ef, elf_section_raw(ef, &ef->sections[i])))
			return;
	for (i = 0; i < table.size / place.entry_size; i++) {
		at = table.at + i * place.entry_size;
		if (elf_u32(at) != PT_NOTE || ef->debug_only)
			continue;
		if (build_id_in_notes(ef, ef->is_64 ? image_part(ef, elf_u64(at + 8), elf_u64(at + 32))
						    : image_part(ef, elf_u32(at + 4), elf_u32(at + 16))))
			return;
	}
}

static int parse(struct elf_file *ef, struct stint_err *err)
{
	struct table_place sections, segments;
	const uint8_t *at = ef->image.at;
	uint32_t names_index;
	int rc;

	if (ef->image.size < sizeof(Elf32_Ehdr) || memcmp(at, ELFMAG, SELFMAG))
		return stint_err_set(err, STINT_ERR_FORMAT, 0, -1, "not an ELF file");
	if (at[EI_DATA] != ELFDATA2LSB)
		return stint_err_set(err, STINT_ERR_UNSUPPORTED, 0, -1, "a big-endian ELF file");
	ef->is_64 = at[EI_CLASS] == ELFCLASS64;
	if (ef->is_64 && ef->image.size < sizeof(Elf64_Ehdr))
		return stint_err_set(err, STINT_ERR_FORMAT, 0, -1, "cut off in the ELF header");
	ef->type = elf_u16(at + 16);
	ef->machine = elf_u16(at + 18);
	find_tables(ef, &sections, &segments, &names_index);
	rc = read_sections(ef, sections, names_index, err);
	if (!rc)
		rc = read_segments(ef, segments, err);
	if (!rc)
		find_build_id(ef, segments);
	return rc;
}

static int map_file(struct elf_file *ef, struct stint_err *err)
{
	struct stat st;
	void *image;
	int fd, rc = 0;

	fd = open(ef->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return stint_err_set(err, errno == ENOENT || errno == ENOTDIR ? STINT_ERR_NOTFOUND : STINT_ERR_IO,
				     errno, -1, "cannot open it");
	if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
		rc = stint_err_set(err, STINT_ERR_FORMAT, 0, -1, "not a regular file");
		goto out;
	}
	if (st.st_size < (off_t)sizeof(Elf32_Ehdr)) {
		rc = stint_err_set(err, STINT_ERR_FORMAT, 0, -1, "too short for an ELF file");
		goto out;
	}
	image = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (image == MAP_FAILED) {
		rc = stint_err_set(err, STINT_ERR_IO, errno, -1, "cannot map it");
		goto out;
	}
	ef->image = (struct elf_bytes){image, (size_t)st.st_size};
	ef->mapped = true;
out:
	close(fd);
	return rc;
}

static int open_image(struct elf_file **ret, const char *path, void *data, size_t size, struct stint_err *err)
{
	struct elf_file *ef = calloc(1, sizeof(*ef));
	int rc;

	*ret = NULL;
	if (!ef || !(ef->path = strdup(path))) {
		free(ef);
		free(data);
		return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory to open %s", path);
	}
	ef->image = (struct elf_bytes){data, size};
	rc = data ? 0 : map_file(ef, err);
	if (!rc)
		rc = parse(ef, err);
	if (rc)
		elf_file_close(ef);
	else
		*ret = ef;
	return rc;
}

int elf_file_open(struct elf_file **ret, const char *path, struct stint_err *err)
{
	return open_image(ret, path, NULL, 0, err);
}

int elf_file_open_memory(struct elf_file **ret, const char *name, void *data, size_t size, struct stint_err *err)
{
	return open_image(ret, name, data, size, err);
}

void elf_file_close(struct elf_file *ef)
{
	size_t i;

	if (!ef)
		return;
	for (i = 0; i < ef->n_sections; i++)
		elf_unpack_free(&ef->sections[i].unpacked);
	if (ef->mapped)
		munmap((void *)(uintptr_t)ef->image.at, ef->image.size);
	else
		free((void *)(uintptr_t)ef->image.at);
	free(ef->sections);
	free(ef->segments);
	free(ef->path);
	free(ef);
}

struct elf_section *elf_file_section(const struct elf_file *ef, const char *name)
{
	size_t i;

	for (i = 0; i < ef->n_sections; i++)
		if (ef->sections[i].type != SHT_NULL && ef->sections[i].type != SHT_NOBITS &&
		    !strcmp(ef->sections[i].name, name))
			return &ef->sections[i];
	return NULL;
}

struct elf_bytes elf_section_raw(const struct elf_file *ef, const struct elf_section *section)
{
	if (section->type == SHT_NOBITS || section->type == SHT_NULL)
		return (struct elf_bytes){NULL, 0};
	return image_part(ef, section->file_off, section->size);
}

int elf_file_contents(struct elf_file *ef, const char *name, struct elf_bytes *ret, struct stint_err *err)
{
	struct elf_section *section = elf_file_section(ef, name);
	char old_name[64] = ".z";
	bool old = false;
	int rc = 0;

	*ret = (struct elf_bytes){NULL, 0};
	if (!section && strlen(name) < sizeof(old_name) - 1) {
		memcpy(old_name + 2, name + 1, strlen(name)); /* ".debug_x" -> ".zdebug_x" */
		section = elf_file_section(ef, old_name);
		old = section != NULL;
	}
	if (!section)
		return 0;
	if (!old && !(section->flags & SHF_COMPRESSED) && !section->unpacked.at) {
		*ret = elf_section_raw(ef, section);
		return 0;
	}
	if (!section->unpacked.at)
		rc = elf_unpack(elf_section_raw(ef, section),
				old	    ? ELF_PACKED_OLD
				: ef->is_64 ? ELF_PACKED_64
					    : ELF_PACKED_32,
				&section->unpacked, err);
	*ret = section->unpacked;
	return rc ? stint_err_prefix(err, "section %s", name) : 0;
}

bool elf_file_vaddr(const struct elf_file *ef, uint64_t file_off, uint64_t *ret_vaddr)
{
	const struct elf_segment *seg;
	size_t i, pass;

	/* Executable segments first: two segments may share a page of the file, never a byte of code. */
	for (pass = 0; pass < 2; pass++)
		for (i = 0; i < ef->n_segments; i++) {
			seg = &ef->segments[i];
			if (!pass && !(seg->flags & PF_X))
				continue;
			if (file_off >= seg->file_off && file_off - seg->file_off < seg->file_size) {
				*ret_vaddr = seg->vaddr + (file_off - seg->file_off);
				return true;
			}
		}
	return false;
}

struct elf_bytes elf_file_at_vaddr(const struct elf_file *ef, uint64_t vaddr)
{
	const struct elf_segment *seg;
	uint64_t off, left;
	size_t i;

	for (i = 0; i < ef->n_segments && !ef->debug_only; i++) {
		seg = &ef->segments[i];
		if (vaddr < seg->vaddr || vaddr - seg->vaddr >= seg->file_size)
			continue;
		off = seg->file_off + (vaddr - seg->vaddr);
		left = off < ef->image.size ? ef->image.size - off : 0;
		if (left > seg->file_size - (vaddr - seg->vaddr))
			left = seg->file_size - (vaddr - seg->vaddr);
		return image_part(ef, off, left);
	}
	return (struct elf_bytes){NULL, 0};
}
