/* SPDX-License-Identifier: MIT */
#include "analyze/program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analyze/elf_relocate.h"
#include "analyze/elf_unpack.h"

#define MAX_LINK_NAME 4096u

struct loading {
	struct program *p;
	const struct symbol_module *module;
	struct debuginfod *servers;
	enum debug_want want;
	const uint8_t *build_id; /* that a file must have */
	size_t build_id_size;
	bool check_crc; /* there is no build ID to go by: the debug link's checksum decides */
	uint32_t crc;
	const char *servers_failed; /* why they couldn't be asked; NULL otherwise */
	bool nomem;
};

/* Keeps the first reason why a file wasn't used. */
__attribute__((format(printf, 2, 3))) static void note(struct loading *load, const char *fmt, ...)
{
	va_list ap;

	if (load->p->why)
		return;
	va_start(ap, fmt);
	if (vasprintf(&load->p->why, fmt, ap) < 0) {
		load->p->why = NULL;
		load->nomem = true;
	}
	va_end(ap);
}

static bool id_is(const struct elf_file *ef, const uint8_t *id, size_t size)
{
	return ef->build_id_size == size && !memcmp(ef->build_id, id, size);
}

/* May this file speak for the recorded one? */
static bool acceptable(struct loading *load, const struct elf_file *ef)
{
	if (load->check_crc) {
		if (elf_crc32(ef->image) == load->crc)
			return true;
		note(load, "checksum of the debug link differs: %s", ef->path);
		return false;
	}
	if (load->build_id_size ? id_is(ef, load->build_id, load->build_id_size) : !ef->build_id_size)
		return true;
	if (load->build_id_size)
		note(load, "build ID differs: %s", ef->path);
	else
		note(load, "the recording has no build ID to check by: %s", ef->path);
	return false;
}

static bool try_file(void *context, const char *path)
{
	struct loading *load = context;
	struct stint_err err = STINT_ERR_INIT;
	struct elf_file *ef;
	int rc;

	rc = elf_file_open(&ef, path, &err);
	if (rc) {
		load->nomem |= rc == STINT_ERR_NOMEM;
		if (rc != STINT_ERR_NOTFOUND)
			note(load, "damaged: %s: %s", path, err.msg);
		return false;
	}
	if (!acceptable(load, ef)) {
		elf_file_close(ef);
		return false;
	}
	/* A debug file may stand where code was looked for, and a whole program where a debug file was. */
	if (load->want == DEBUG_WANT_CODE && !ef->debug_only && !load->p->code) {
		load->p->code = ef;
		return true;
	}
	if (load->p->debug) {
		elf_file_close(ef);
		return false;
	}
	load->p->debug = ef;
	return load->want == DEBUG_WANT_DEBUG;
}

static bool has_section(const struct elf_file *ef, const char *name, const char *old_name)
{
	return ef && (elf_file_section(ef, name) || elf_file_section(ef, old_name));
}

static bool has_dwarf(const struct elf_file *ef)
{
	return has_section(ef, ".debug_info", ".zdebug_info");
}

/* Asks servers for what is not here. */
static bool ask_servers(struct loading *load)
{
	const char *why = NULL;
	char *path = debuginfod_find(load->servers, load->want, load->build_id, load->build_id_size, &why);
	bool ok = path && try_file(load, path);

	free(path);
	if (why)
		load->servers_failed = why;
	return ok;
}

/*
 * The kernel and its modules have no path: their files go by build ID, wherever they are. Compressed modules and
 * bootable images are of no use; the files of debug packages are whole.
 */
static void find_kernel_file(struct loading *load)
{
	const struct debug_places *places = &load->p->places;
	bool found = load->build_id_size &&
		     debug_find_by_id(places, DEBUG_WANT_DEBUG, load->build_id, load->build_id_size, try_file, load);

	if (!found && load->module->kind == STINT_MODULE_KERNEL)
		debug_find_kernel(places, try_file, load);
	else if (!found)
		debug_find_kernel_module(places, load->module->path, try_file, load);
}

static bool is_kernel(const struct symbol_module *module)
{
	return module->kind == STINT_MODULE_KERNEL || module->kind == STINT_MODULE_KMOD;
}

static void find_code(struct loading *load)
{
	const struct debug_places *places = &load->p->places;

	load->want = DEBUG_WANT_CODE;
	load->build_id = load->module->build_id;
	load->build_id_size = load->module->build_id_size;
	if (is_kernel(load->module))
		find_kernel_file(load);
	else if (!debug_find_by_path(places, load->want, load->module->path, try_file, load))
		debug_find_by_id(places, load->want, load->build_id, load->build_id_size, try_file, load);
}

/* By the name and checksum in the code's .gnu_debuglink. */
static void find_by_link(struct loading *load)
{
	struct elf_bytes link = {NULL, 0};
	struct stint_err err = STINT_ERR_INIT;
	size_t len, crc_at;

	if (elf_file_contents(load->p->code, ".gnu_debuglink", &link, &err) || !link.size)
		return;
	len = strnlen((const char *)link.at, link.size);
	crc_at = (len + 4) & ~(size_t)3;
	if (len > MAX_LINK_NAME || crc_at + 4 > link.size)
		return;
	load->check_crc = !load->build_id_size;
	load->crc = elf_u32(link.at + crc_at);
	debug_find_by_link(&load->p->places, load->p->code->path, load->module->path, (const char *)link.at, try_file,
			   load);
	load->check_crc = false;
}

static void find_debug(struct loading *load)
{
	const struct debug_places *places = &load->p->places;

	if (load->p->debug || has_dwarf(load->p->code))
		return;
	load->want = DEBUG_WANT_DEBUG;
	if (load->p->code) {
		load->build_id = load->p->code->build_id;
		load->build_id_size = load->p->code->build_id_size;
	}
	if (load->build_id_size &&
	    (debug_find_by_id(places, load->want, load->build_id, load->build_id_size, try_file, load) ||
	     debug_find_by_path(places, load->want, load->module->path, try_file, load)))
		return;
	if (load->p->code)
		find_by_link(load);
	if (!load->p->debug)
		ask_servers(load);
	if (load->p->code || load->p->debug)
		return;
	/* Without a debug file, the program itself has at least the names that it exports. */
	load->want = DEBUG_WANT_CODE;
	ask_servers(load);
}

/* MiniDebugInfo: an ELF file, packed with xz, whose .symtab has the functions that .dynsym lacks. */
static void load_mini(struct loading *load)
{
	struct elf_bytes packed = {NULL, 0};
	struct stint_err err = STINT_ERR_INIT;
	void *data;
	size_t size;

	if (!load->p->code || elf_file_contents(load->p->code, ".gnu_debugdata", &packed, &err) || !packed.size)
		return;
	if (elf_unpack_xz(packed, &data, &size, &err) ||
	    elf_file_open_memory(&load->p->mini, load->p->code->path, data, size, &err))
		note(load, "damaged: .gnu_debugdata of %s: %s", load->p->code->path, err.msg);
}

static int load_symbols(struct program *p, bool kernel, struct stint_err *err)
{
	const struct elf_file *files[] = {p->code, p->debug, p->mini};
	size_t i;
	int rc = 0;

	for (i = 0; !rc && i < sizeof(files) / sizeof(*files); i++)
		if (files[i])
			rc = elf_symtab_add(&p->symtab, files[i], err);
	if (!rc && p->code)
		rc = elf_symtab_add_plt(&p->symtab, p->code, err);
	if (!rc && p->code && !has_section(p->code, ".symtab", ".symtab"))
		rc = elf_symtab_add_go(&p->symtab, p->code, err);
	for (i = 0; i < sizeof(files) / sizeof(*files) && kernel && !p->has_kernel_text; i++)
		if (files[i])
			p->has_kernel_text = elf_symbol_value(files[i], "_text", &p->kernel_text);
	return rc ? rc : elf_symtab_build(&p->symtab, err);
}

static void say_source(struct loading *load)
{
	struct program *p = load->p;
	const struct elf_file *ef = p->debug ? p->debug : p->code;

	if (!p->code && !p->debug) {
		note(load, "%s", load->servers_failed ? load->servers_failed : "not found");
		return;
	}
	if (!p->symtab.n && !has_dwarf(ef)) {
		note(load, "no symbols in %s", ef->path);
		return;
	}
	/* Why other files weren't used matters where they may have had more. */
	if (has_dwarf(ef)) {
		free(p->why);
		p->why = NULL;
	}
	if (load->servers_failed && !has_dwarf(ef))
		note(load, "%s", load->servers_failed);
	if (asprintf(&p->from, "%s: %s%s", p->debug ? "debug" : "elf", ef->path,
		     load->module->build_id_size ? "" : "; no build ID to check it by") < 0) {
		p->from = NULL;
		load->nomem = true;
	}
}

/* Broken DWARF costs lines and inlined functions; the symbol tables still have names. */
static void load_dwarf(struct loading *load)
{
	struct stint_err err = STINT_ERR_INIT;
	int rc = program_open_dwarf(load->p, &err);

	load->nomem |= rc == STINT_ERR_NOMEM;
	if (rc && rc != STINT_ERR_NOTFOUND)
		note(load, "damaged: %s: %s", load->p->debug ? load->p->debug->path : load->p->code->path, err.msg);
}

/* Kernel modules are files that were never linked. */
static void relocate(struct loading *load)
{
	struct elf_file *files[] = {load->p->code, load->p->debug};
	struct stint_err err = STINT_ERR_INIT;
	size_t i;
	int rc;

	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		if (!files[i])
			continue;
		elf_relocate_layout(files[i]);
		rc = elf_relocate_debug(files[i], &err);
		load->nomem |= rc == STINT_ERR_NOMEM;
		if (rc)
			note(load, "damaged: %s: %s", files[i]->path, err.msg);
	}
}

int program_load(struct program **ret, const struct symbol_module *module, const struct symbolizer_options *options,
		 struct stint_err *err)
{
	struct loading load = {.module = module, .servers = options->servers};
	struct stint_err why = STINT_ERR_INIT;
	int rc;

	*ret = NULL;
	load.p = calloc(1, sizeof(*load.p));
	if (!load.p)
		return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory for symbols");
	load.p->places = (struct debug_places){options->dirs, options->n_dirs, options->local};
	find_code(&load);
	find_debug(&load);
	if (module->kind == STINT_MODULE_KMOD)
		relocate(&load);
	load_mini(&load);
	rc = load_symbols(load.p, module->kind == STINT_MODULE_KERNEL, &why);
	if (rc == STINT_ERR_LIMIT) { /* a table made to hurt: without its names, then */
		elf_symtab_done(&load.p->symtab);
		note(&load, "damaged: %s", why.msg);
	}
	say_source(&load);
	if (options->lines && rc != STINT_ERR_NOMEM)
		load_dwarf(&load);
	if (rc == STINT_ERR_NOMEM || load.nomem) {
		program_free(load.p);
		return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory for the symbols of %s", module->path);
	}
	*ret = load.p;
	return 0;
}

int program_find_code(struct elf_file **ret, char **ret_why, const struct symbol_module *module,
		      const struct symbolizer_options *options, struct stint_err *err)
{
	struct program p = {.places = {options->dirs, options->n_dirs, options->local}};
	struct loading load = {.p = &p, .module = module, .servers = options->servers};

	find_code(&load);
	if (!p.code && load.build_id_size)
		ask_servers(&load);
	if (!p.code && load.servers_failed)
		note(&load, "%s", load.servers_failed);
	/* What was found on the way, and has no code. */
	elf_file_close(p.debug);
	*ret = p.code;
	*ret_why = p.code ? NULL : p.why;
	if (p.code)
		free(p.why);
	if (!load.nomem)
		return 0;
	elf_file_close(*ret);
	free(*ret_why);
	*ret = NULL;
	*ret_why = NULL;
	return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory for the code of %s", module->path);
}

void program_free(struct program *p)
{
	size_t i;

	if (!p)
		return;
	dwarf_close(p->dwarf);
	for (i = 0; i < p->n_splits; i++)
		elf_file_close(p->splits[i]);
	free(p->splits);
	elf_file_close(p->alt);
	elf_symtab_done(&p->symtab);
	elf_file_close(p->mini);
	elf_file_close(p->debug);
	elf_file_close(p->code);
	free(p->from);
	free(p->why);
	free(p);
}

bool program_vaddr(const struct program *p, uint32_t module_kind, uint64_t addr, uint64_t *ret_vaddr)
{
	const struct elf_file *ef = p->code ? p->code : p->debug;

	if (!ef)
		return false;
	if (module_kind == STINT_MODULE_KERNEL) { /* relative to _text */
		*ret_vaddr = p->kernel_text + addr;
		return p->has_kernel_text;
	}
	if (module_kind == STINT_MODULE_KMOD) { /* relative to its first section, which is laid out at 0 */
		*ret_vaddr = addr;
		return elf_is_relocatable(ef);
	}
	return elf_file_vaddr(ef, addr, ret_vaddr);
}
