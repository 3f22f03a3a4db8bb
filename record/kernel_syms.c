/* SPDX-License-Identifier: MIT */
#include "record/kernel_syms.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/map.h"
#include "record/elf_notes.h"
#include "record/kallsyms.h"
#include "record/procfs.h"

#define NOTES_BYTES	 (64 * 1024)
#define MAX_MODULES	 4096
#define MAX_FRAMES	 16384 /* in the cache, which is then emptied */
#define RESCAN_S	 10
/* Without _text, what addresses are relative to: nothing can be looked up then; the random base stays untold. */
#define HIDDEN_BASE_MASK UINT64_C(0x3fffffff)

struct module {
	char name[64];
	uint64_t base, end;
	uint32_t row; /* STINT_MODULE; 0 until seen */
};

struct kernel_syms {
	struct stint_writer *writer;
	struct kallsyms syms;
	struct module *modules; /* by base */
	size_t n_modules;
	struct stint_map frames;  /* address * 2 + exact: id */
	struct stint_map written; /* addresses of symbols that are in the file */
	int kallsyms_fd;	  /* kept: opened again without privileges, they would hide the addresses */
	FILE *modules_file;	  /* NULL on a kernel without modules */
	uint32_t kernel_row;
	bool embed;
	time_t scanned_at; /* CLOCK_MONOTONIC seconds */
	char warning[160];
};

static time_t now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
	return ts.tv_sec;
}

static bool notes_build_id(const char *path, struct build_id *ret)
{
	char *notes = malloc(NOTES_BYTES);
	ssize_t size = notes ? procfs_read(path, notes, NOTES_BYTES) : -1;

	ret->size = 0;
	if (size > 0)
		elf_notes_find(notes, (size_t)size, 4, ret);
	free(notes);
	return ret->size > 0;
}

static int by_base(const void *a_void, const void *b_void)
{
	const struct module *a = a_void, *b = b_void;

	return a->base < b->base ? -1 : a->base > b->base;
}

static uint32_t row_of_module(const struct module *modules, size_t n, const struct module *like)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (modules[i].base == like->base && !strcmp(modules[i].name, like->name))
			return modules[i].row;
	return 0;
}

/* "name size refs deps state 0xbase": a kernel without modules has no such file. */
static void read_modules(struct kernel_syms *ks)
{
	FILE *file = ks->modules_file;
	struct module *modules = NULL;
	struct module module;
	char line[1024];
	uint64_t size;
	size_t n = 0, cap = 0;
	void *bigger;

	if (file)
		rewind(file);
	while (file && n < MAX_MODULES && fgets(line, sizeof(line), file)) {
		memset(&module, 0, sizeof(module));
		if (sscanf(line, "%63s %" SCNu64 " %*s %*s %*s %" SCNx64, module.name, &size, &module.base) != 3 ||
		    !module.base)
			continue;
		module.end = module.base + size;
		module.row = row_of_module(ks->modules, ks->n_modules, &module);
		if (n == cap) {
			cap = cap ? cap * 2 : 64;
			bigger = realloc(modules, cap * sizeof(*modules));
			if (!bigger)
				break;
			modules = bigger;
		}
		modules[n++] = module;
	}
	if (n)
		qsort(modules, n, sizeof(*modules), by_base);
	free(ks->modules);
	ks->modules = modules;
	ks->n_modules = n;
}

static int scan(struct kernel_syms *ks, struct stint_err *err)
{
	int ret = kallsyms_read(&ks->syms, ks->kallsyms_fd);

	ks->scanned_at = now_s();
	ks->warning[0] = 0;
	if (ret == STINT_ERR_NOMEM)
		return stint_err_set(err, ret, 0, -1, "no memory for the kernel's symbols");
	if (ret)
		snprintf(ks->warning, sizeof(ks->warning),
			 "kernel functions will have no names: cannot read /proc/kallsyms");
	else if (ks->syms.hidden || !ks->syms.text)
		snprintf(ks->warning, sizeof(ks->warning),
			 "kernel functions will have no names: their addresses are hidden (set sysctl "
			 "kernel.kptr_restrict=1 and run as root or with CAP_SYSLOG)");
	read_modules(ks);
	return 0;
}

static int intern_module(struct kernel_syms *ks, enum stint_module_kind kind, const char *name,
			 const struct build_id *build_id, uint32_t *ret, struct stint_err *err)
{
	struct stint_module row = {.kind = kind};
	int code = stint_writer_string(ks->writer, name, strlen(name), &row.path_str, err);

	if (!code)
		code = stint_writer_string(ks->writer, build_id->bytes, build_id->size, &row.build_id_str, err);
	if (!code)
		code = stint_writer_intern(ks->writer, STINT_MODULE, &row, ret, err);
	return code;
}

/* Without _text a symbolizer has nothing to go by: no build ID then, lest it look up nonsense. */
static int intern_kernel(struct kernel_syms *ks, struct stint_err *err)
{
	struct build_id build_id = {0};

	if (ks->syms.text)
		notes_build_id("/sys/kernel/notes", &build_id);
	return intern_module(ks, STINT_MODULE_KERNEL, "[kernel]", &build_id, &ks->kernel_row, err);
}

int kernel_syms_new(struct kernel_syms **ret, struct stint_writer *writer, bool embed, struct stint_err *err)
{
	struct kernel_syms *ks = calloc(1, sizeof(*ks));
	int code;

	*ret = NULL;
	if (!ks)
		return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory for the kernel's symbols");
	ks->writer = writer;
	ks->embed = embed;
	ks->kallsyms_fd = open("/proc/kallsyms", O_RDONLY | O_CLOEXEC);
	ks->modules_file = fopen("/proc/modules", "re");
	code = scan(ks, err);
	if (!code)
		code = intern_kernel(ks, err);
	if (code) {
		kernel_syms_free(ks);
		return code;
	}
	*ret = ks;
	return 0;
}

void kernel_syms_free(struct kernel_syms *ks)
{
	if (!ks)
		return;
	if (ks->kallsyms_fd >= 0)
		close(ks->kallsyms_fd);
	if (ks->modules_file)
		fclose(ks->modules_file);
	kallsyms_done(&ks->syms);
	stint_map_done(&ks->frames);
	stint_map_done(&ks->written);
	free(ks->modules);
	free(ks);
}

const char *kernel_syms_warning(const struct kernel_syms *ks)
{
	return ks->warning[0] ? ks->warning : NULL;
}

static struct module *find_module(struct kernel_syms *ks, uint64_t addr)
{
	size_t low = 0;
	size_t high = ks->n_modules;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (ks->modules[mid].base <= addr)
			low = mid + 1;
		else
			high = mid;
	}
	return low && addr < ks->modules[low - 1].end ? &ks->modules[low - 1] : NULL;
}

static bool in_kernel_image(const struct kernel_syms *ks, uint64_t addr)
{
	return addr >= ks->syms.text && addr < ks->syms.text_end;
}

/*
 * The function that has addr, -1 when unknown. Outside of the kernel's image symbols are far apart: one counts only
 * within the module, or (BPF programs, trampolines) within the page run that it can plausibly fill.
 */
static ssize_t find_symbol(struct kernel_syms *ks, uint64_t addr)
{
	const uint64_t far_bytes = 64 * 1024;
	ssize_t i = kallsyms_find(&ks->syms, addr);
	struct module *module;
	uint64_t start;

	if (i < 0)
		return -1;
	start = kallsyms_addr(&ks->syms, (size_t)i);
	if (in_kernel_image(ks, addr))
		return start >= ks->syms.text ? i : -1;
	module = find_module(ks, addr);
	if (module)
		return start >= module->base ? i : -1;
	return start >= ks->syms.text_end && addr - start < far_bytes ? i : -1;
}

static void build_id_of_module(const char *name, struct build_id *ret)
{
	char path[160];

	snprintf(path, sizeof(path), "/sys/module/%s/notes/.note.gnu.build-id", name);
	notes_build_id(path, ret);
}

/* Module row and base of an address: what a frame and a symbol are relative to. */
static int locate(struct kernel_syms *ks, uint64_t addr, uint32_t *ret_row, uint64_t *ret_base, struct stint_err *err)
{
	struct module *module = find_module(ks, addr);
	struct build_id build_id;

	*ret_row = ks->kernel_row;
	*ret_base = ks->syms.text ? ks->syms.text : addr & ~HIDDEN_BASE_MASK;
	if (!module)
		return 0;
	*ret_base = module->base;
	if (!module->row) {
		int ret;

		build_id_of_module(module->name, &build_id);
		ret = intern_module(ks, STINT_MODULE_KMOD, module->name, &build_id, &module->row, err);
		if (ret)
			return ret;
	}
	*ret_row = module->row;
	return 0;
}

/* Up to the next symbol of the same module; 0 where that isn't known. */
static uint64_t symbol_size(const struct kernel_syms *ks, size_t i)
{
	if (i + 1 >= ks->syms.n_symbols || strcmp(kallsyms_module(&ks->syms, i), kallsyms_module(&ks->syms, i + 1)))
		return 0;
	return kallsyms_addr(&ks->syms, i + 1) - kallsyms_addr(&ks->syms, i);
}

static int write_symbol(struct kernel_syms *ks, size_t i, struct stint_err *err)
{
	uint64_t start = kallsyms_addr(&ks->syms, i);
	const char *name = kallsyms_name(&ks->syms, i);
	struct stint_symbol row = {.size_bytes = symbol_size(ks, i)};
	uint64_t base;
	bool is_new;
	int ret;

	if (!stint_map_put(&ks->written, start, &is_new))
		return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory for the kernel's symbols");
	if (!is_new)
		return 0;
	ret = locate(ks, start, &row.module, &base, err);
	row.addr = start - base;
	if (!ret)
		ret = stint_writer_string(ks->writer, name, strlen(name), &row.name_str, err);
	if (!ret)
		ret = stint_writer_add(ks->writer, STINT_SYMBOL, &row, err);
	return ret;
}

int kernel_syms_frame(struct kernel_syms *ks, uint64_t addr, uint32_t frame_flags, uint32_t *ret_frame,
		      struct stint_err *err)
{
	const bool exact = frame_flags & STINT_FRAME_EXACT;
	const uint64_t key = addr << 1 | exact; /* the top bit of kernel addresses is always set */
	struct stint_frame row = {.flags = frame_flags};
	uint64_t *id = stint_map_get(&ks->frames, key);
	uint64_t base;
	ssize_t symbol;
	int ret;

	if (id) {
		*ret_frame = (uint32_t)*id;
		return 0;
	}
	symbol = find_symbol(ks, exact ? addr : addr - 1);
	if (symbol < 0 && ks->syms.text && now_s() - ks->scanned_at >= RESCAN_S) {
		ret = scan(ks, err);
		if (ret)
			return ret;
		symbol = find_symbol(ks, exact ? addr : addr - 1);
	}
	ret = locate(ks, exact ? addr : addr - 1, &row.module, &base, err);
	if (ret)
		return ret;
	row.addr = addr - base;
	ret = stint_writer_intern(ks->writer, STINT_FRAME, &row, ret_frame, err);
	if (!ret && symbol >= 0 && ks->embed)
		ret = write_symbol(ks, (size_t)symbol, err);
	if (ret)
		return ret;
	if (ks->frames.n_used >= MAX_FRAMES)
		stint_map_done(&ks->frames);
	id = stint_map_put(&ks->frames, key, NULL);
	if (id)
		*id = *ret_frame;
	return 0;
}

const char *kernel_syms_name(const struct kernel_syms *ks, uint64_t addr)
{
	ssize_t i = find_symbol((struct kernel_syms *)ks, addr);

	return i < 0 ? NULL : kallsyms_name(&ks->syms, (size_t)i);
}

size_t kernel_syms_memory_bytes(const struct kernel_syms *ks)
{
	return sizeof(*ks) + ks->syms.cap_symbols * sizeof(*ks->syms.symbols) + ks->syms.names.cap +
	       ks->n_modules * sizeof(*ks->modules) +
	       (ks->frames.n_slots + ks->written.n_slots) * sizeof(struct stint_map_slot);
}
