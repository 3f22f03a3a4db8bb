/* SPDX-License-Identifier: MIT */
/* Inside the DWARF reader: all files of one program together. */
#ifndef STINT_ANALYZE_DWARF_TOP_H
#define STINT_ANALYZE_DWARF_TOP_H

#include "analyze/dwarf_file.h"

struct dwarf {
	struct dwarf_sources sources;
	struct dwarf_file *file;
	struct dwarf_file *alt;
	struct dwarf_file *package;
	struct elf_bytes package_index; /* its .debug_cu_index */
	struct dwarf_file **splits;
	size_t n_splits;
	struct addr_map map; /* address -> unit of file, counted from the last */
	uint32_t n_missing;
	const char *missing_name;
};

#endif
