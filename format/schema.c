/* SPDX-License-Identifier: MIT */
#include "format/schema.h"

#include <string.h>

#include "format/reader.h"
#include "format/rows.h"

#define COLUMN(row, id, field, transform, table)                                                                       \
	{                                                                                                              \
		id, transform, sizeof(((struct row *)0)->field), table, offsetof(struct row, field), #field, 0, NULL   \
	}
/* A column that isn't called as the field is: "table" is what the rows themselves are of. */
#define RENAMED(row, id, field, transform, name)                                                                       \
	{                                                                                                              \
		id, transform, sizeof(((struct row *)0)->field), 0, offsetof(struct row, field), name, 0, NULL         \
	}
/* A column whose value isn't the field's own (see offcpu.h). */
#define HIDDEN(row, id, field, transform)                                                                              \
	{                                                                                                              \
		id, transform, sizeof(((struct row *)0)->field), 0, offsetof(struct row, field), NULL, 0, NULL         \
	}
/* A column of bytes: behind all others of its table. */
#define BYTES(row, id, field, limit)                                                                                   \
	{                                                                                                              \
		id, STINT_PLAIN, 0, 0, offsetof(struct row, field), #field, limit, #limit                              \
	}
#define REG(id, i)                                                                                                     \
	{                                                                                                              \
		id, STINT_DELTA, 8, 0, offsetof(struct stint_window, regs) + 8 * (i), "reg" #i, 0, NULL                \
	}

static const struct stint_column string_columns[] = {
	{1, STINT_PLAIN, 0, 0, 0, "", STINT_MAX_STRING_BYTES, "STINT_MAX_STRING_BYTES"},
};

static const struct stint_column module_columns[] = {
	COLUMN(stint_module, 1, kind, STINT_PLAIN, 0),
	COLUMN(stint_module, 2, path_str, STINT_DELTA, STINT_STRING),
	COLUMN(stint_module, 3, build_id_str, STINT_DELTA, STINT_STRING),
	COLUMN(stint_module, 4, process, STINT_PLAIN, STINT_PROCESS),
};

static const struct stint_column process_columns[] = {
	COLUMN(stint_process, 1, start_ns, STINT_DELTA, 0),
	COLUMN(stint_process, 2, image_ns, STINT_DELTA, 0),
	COLUMN(stint_process, 3, pid, STINT_DELTA, 0),
	COLUMN(stint_process, 4, ppid, STINT_PLAIN, 0),
	COLUMN(stint_process, 5, image, STINT_PLAIN, 0),
	COLUMN(stint_process, 6, exe_str, STINT_PLAIN, STINT_STRING),
	COLUMN(stint_process, 7, cmdline_str, STINT_DELTA, STINT_STRING),
	COLUMN(stint_process, 8, cgroup_str, STINT_PLAIN, STINT_STRING),
};

static const struct stint_column thread_columns[] = {
	COLUMN(stint_thread, 1, start_ns, STINT_DELTA, 0),
	COLUMN(stint_thread, 2, name_ns, STINT_DELTA, 0),
	COLUMN(stint_thread, 3, process, STINT_DELTA, STINT_PROCESS),
	COLUMN(stint_thread, 4, tid, STINT_DELTA, 0),
	COLUMN(stint_thread, 5, comm_str, STINT_PLAIN, STINT_STRING),
};

static const struct stint_column mapping_columns[] = {
	COLUMN(stint_mapping, 1, from_ns, STINT_DELTA, 0),
	COLUMN(stint_mapping, 2, start, STINT_DELTA, 0),
	COLUMN(stint_mapping, 3, size_bytes, STINT_PLAIN, 0),
	COLUMN(stint_mapping, 4, file_off, STINT_PLAIN, 0),
	COLUMN(stint_mapping, 5, process, STINT_DELTA, STINT_PROCESS),
	COLUMN(stint_mapping, 6, module, STINT_PLAIN, STINT_MODULE),
};

static const struct stint_column frame_columns[] = {
	COLUMN(stint_frame, 1, addr, STINT_PLAIN, 0),
	COLUMN(stint_frame, 2, module, STINT_PLAIN, STINT_MODULE),
	COLUMN(stint_frame, 3, flags, STINT_PLAIN, 0),
};

static const struct stint_column node_columns[] = {
	COLUMN(stint_node, 1, parent, STINT_DELTA, STINT_NODE),
	COLUMN(stint_node, 2, frame, STINT_DELTA, STINT_FRAME),
};

static const struct stint_column stack_columns[] = {
	COLUMN(stint_stack, 1, leaf, STINT_DELTA, STINT_NODE),
	COLUMN(stint_stack, 2, n_kernel, STINT_PLAIN, 0),
	COLUMN(stint_stack, 3, user_end, STINT_PLAIN, 0),
	COLUMN(stint_stack, 4, kernel_end, STINT_PLAIN, 0),
};

static const struct stint_column source_columns[] = {
	COLUMN(stint_source, 1, name_str, STINT_PLAIN, STINT_STRING),
	COLUMN(stint_source, 2, unit_str, STINT_PLAIN, STINT_STRING),
	COLUMN(stint_source, 3, freq_hz, STINT_PLAIN, 0),
};

static const struct stint_column sample_columns[] = {
	COLUMN(stint_sample, 1, time_ns, STINT_DELTA, 0),
	COLUMN(stint_sample, 2, weight, STINT_PLAIN, 0),
	COLUMN(stint_sample, 3, value, STINT_PLAIN, 0),
	COLUMN(stint_sample, 4, cpu, STINT_PLAIN, 0),
	COLUMN(stint_sample, 5, thread, STINT_PLAIN, STINT_THREAD),
	COLUMN(stint_sample, 6, stack, STINT_PLAIN, STINT_STACK),
	COLUMN(stint_sample, 7, source, STINT_PLAIN, STINT_SOURCE),
};

/* start_ns, wake_ns and reserved carry off_ns, runq_ns and start_ref while a block is encoded. */
static const struct stint_column offcpu_columns[] = {
	COLUMN(stint_offcpu, 1, start_ns, STINT_PLAIN, 0),
	COLUMN(stint_offcpu, 2, wake_ns, STINT_PLAIN, 0),
	COLUMN(stint_offcpu, 3, end_ns, STINT_DELTA, 0),
	COLUMN(stint_offcpu, 4, flags, STINT_PLAIN, 0),
	COLUMN(stint_offcpu, 5, cpu, STINT_DELTA, 0),
	COLUMN(stint_offcpu, 6, cpu_out, STINT_PLAIN, 0),
	COLUMN(stint_offcpu, 7, thread, STINT_PLAIN, STINT_THREAD),
	COLUMN(stint_offcpu, 8, state, STINT_PLAIN, 0),
	COLUMN(stint_offcpu, 9, syscall, STINT_PLAIN, 0),
	COLUMN(stint_offcpu, 10, stack, STINT_PLAIN, STINT_STACK),
	COLUMN(stint_offcpu, 11, waker, STINT_PLAIN, STINT_THREAD),
	COLUMN(stint_offcpu, 12, waker_stack, STINT_PLAIN, STINT_STACK),
	HIDDEN(stint_offcpu, 13, reserved, STINT_PLAIN),
};

static const struct stint_column task_columns[] = {
	COLUMN(stint_task, 1, time_ns, STINT_DELTA, 0),
	COLUMN(stint_task, 2, kind, STINT_PLAIN, 0),
	COLUMN(stint_task, 3, thread, STINT_PLAIN, STINT_THREAD),
	COLUMN(stint_task, 4, other, STINT_PLAIN, STINT_THREAD),
};

static const struct stint_column loss_columns[] = {
	COLUMN(stint_loss, 1, from_ns, STINT_DELTA, 0),		COLUMN(stint_loss, 2, to_ns, STINT_DELTA, 0),
	COLUMN(stint_loss, 3, count, STINT_PLAIN, 0),		COLUMN(stint_loss, 4, cause, STINT_PLAIN, 0),
	RENAMED(stint_loss, 5, table, STINT_PLAIN, "of_table"),
};

static const struct stint_column clock_columns[] = {
	COLUMN(stint_clock, 1, monotonic_ns, STINT_DELTA, 0),
	COLUMN(stint_clock, 2, realtime_ns, STINT_DELTA, 0),
};

static const struct stint_column total_columns[] = {
	COLUMN(stint_total, 1, time_ns, STINT_DELTA, 0),
	COLUMN(stint_total, 2, seen, STINT_PLAIN, 0),
	RENAMED(stint_total, 3, table, STINT_PLAIN, "of_table"),
	COLUMN(stint_total, 4, final, STINT_PLAIN, 0),
};

static const struct stint_column meta_columns[] = {
	COLUMN(stint_meta, 1, key_str, STINT_DELTA, STINT_STRING),
	COLUMN(stint_meta, 2, value_str, STINT_DELTA, STINT_STRING),
};

static const struct stint_column window_columns[] = {
	COLUMN(stint_window, 1, time_ns, STINT_DELTA, 0),
	COLUMN(stint_window, 2, stack, STINT_DELTA, STINT_STACK),
	COLUMN(stint_window, 3, process, STINT_PLAIN, STINT_PROCESS),
	COLUMN(stint_window, 4, ip, STINT_DELTA, 0),
	REG(5, 0),
	REG(6, 1),
	REG(7, 2),
	REG(8, 3),
	REG(9, 4),
	REG(10, 5),
	REG(11, 6),
	REG(12, 7),
	REG(13, 8),
	REG(14, 9),
	REG(15, 10),
	REG(16, 11),
	REG(17, 12),
	REG(18, 13),
	REG(19, 14),
	REG(20, 15),
	BYTES(stint_window, 21, bytes, STINT_MAX_WINDOW_BYTES),
};

static const struct stint_column unwound_columns[] = {
	COLUMN(stint_unwound, 1, stack, STINT_DELTA, STINT_STACK),
	COLUMN(stint_unwound, 2, as_stack, STINT_DELTA, STINT_STACK),
};

static const struct stint_column symbol_columns[] = {
	COLUMN(stint_symbol, 1, addr, STINT_DELTA, 0),
	COLUMN(stint_symbol, 2, size_bytes, STINT_PLAIN, 0),
	COLUMN(stint_symbol, 3, from_ns, STINT_DELTA, 0),
	COLUMN(stint_symbol, 4, module, STINT_PLAIN, STINT_MODULE),
	COLUMN(stint_symbol, 5, name_str, STINT_DELTA, STINT_STRING),
};

static const struct stint_column chain_columns[] = {
	COLUMN(stint_chain, 1, frame, STINT_DELTA, STINT_FRAME),
	COLUMN(stint_chain, 2, level, STINT_PLAIN, 0),
	COLUMN(stint_chain, 3, name_str, STINT_DELTA, STINT_STRING),
	COLUMN(stint_chain, 4, file_str, STINT_DELTA, STINT_STRING),
	COLUMN(stint_chain, 5, line, STINT_DELTA, 0),
	COLUMN(stint_chain, 6, flags, STINT_PLAIN, 0),
	COLUMN(stint_chain, 7, elf_bias, STINT_DELTA, 0),
	COLUMN(stint_chain, 8, func_off, STINT_PLAIN, 0),
};

static const struct stint_column symbol_source_columns[] = {
	COLUMN(stint_symbol_source, 1, module, STINT_DELTA, STINT_MODULE),
	COLUMN(stint_symbol_source, 2, from_str, STINT_DELTA, STINT_STRING),
	COLUMN(stint_symbol_source, 3, why_str, STINT_DELTA, STINT_STRING),
};

static const struct stint_column code_columns[] = {
	COLUMN(stint_machine_code, 1, addr, STINT_DELTA, 0),
	COLUMN(stint_machine_code, 2, size_bytes, STINT_PLAIN, 0),
	COLUMN(stint_machine_code, 3, module, STINT_DELTA, STINT_MODULE),
	BYTES(stint_machine_code, 4, bytes, STINT_MAX_CODE_BYTES),
};

static const struct stint_column index_columns[] = {
	COLUMN(stint_index_entry, 1, file_off, STINT_DELTA, 0),
	COLUMN(stint_index_entry, 2, t_min_ns, STINT_DELTA, 0),
	COLUMN(stint_index_entry, 3, t_max_ns, STINT_DELTA, 0),
	COLUMN(stint_index_entry, 4, table, STINT_PLAIN, 0),
	COLUMN(stint_index_entry, 5, n_rows, STINT_PLAIN, 0),
	COLUMN(stint_index_entry, 6, first_id, STINT_PLAIN, 0),
	COLUMN(stint_index_entry, 7, stored_bytes, STINT_PLAIN, 0),
	COLUMN(stint_index_entry, 8, raw_bytes, STINT_PLAIN, 0),
	COLUMN(stint_index_entry, 9, seq, STINT_DELTA, 0),
	COLUMN(stint_index_entry, 10, codec, STINT_PLAIN, 0),
	COLUMN(stint_index_entry, 11, flags, STINT_PLAIN, 0),
};

#define N_OF(array) (sizeof(array) / sizeof((array)[0]))
#define SCHEMA(name, row, columns, from, to)                                                                           \
	{                                                                                                              \
		name, sizeof(struct row), N_OF(columns), from, to, columns                                             \
	}
#define TIMELESS(name, row, columns) SCHEMA(name, row, columns, -1, -1)
#define TIMED(name, row, columns, from, to)                                                                            \
	SCHEMA(name, row, columns, offsetof(struct row, from), offsetof(struct row, to))

static const struct stint_schema schemas[STINT_N_TABLES] = {
	[STINT_STRING] = TIMELESS("string", stint_string, string_columns),
	[STINT_MODULE] = TIMELESS("module", stint_module, module_columns),
	[STINT_PROCESS] = TIMELESS("process", stint_process, process_columns),
	[STINT_THREAD] = TIMELESS("thread", stint_thread, thread_columns),
	[STINT_MAPPING] = TIMELESS("mapping", stint_mapping, mapping_columns),
	[STINT_FRAME] = TIMELESS("frame", stint_frame, frame_columns),
	[STINT_NODE] = TIMELESS("node", stint_node, node_columns),
	[STINT_STACK] = TIMELESS("stack", stint_stack, stack_columns),
	[STINT_SOURCE] = TIMELESS("source", stint_source, source_columns),
	[STINT_SAMPLE] = TIMED("sample", stint_sample, sample_columns, time_ns, time_ns),
	[STINT_OFFCPU] = TIMED("off-cpu", stint_offcpu, offcpu_columns, start_ns, end_ns),
	[STINT_TASK] = TIMED("task", stint_task, task_columns, time_ns, time_ns),
	[STINT_LOSS] = TIMED("loss", stint_loss, loss_columns, from_ns, to_ns),
	[STINT_CLOCK] = TIMED("clock", stint_clock, clock_columns, monotonic_ns, monotonic_ns),
	[STINT_TOTAL] = TIMED("total", stint_total, total_columns, time_ns, time_ns),
	[STINT_META] = TIMELESS("meta", stint_meta, meta_columns),
	[STINT_WINDOW] = TIMED("window", stint_window, window_columns, time_ns, time_ns),
	[STINT_SYMBOL] = TIMELESS("symbol", stint_symbol, symbol_columns),
	[STINT_CHAIN] = TIMELESS("chain", stint_chain, chain_columns),
	[STINT_SYMBOL_SOURCE] = TIMELESS("symbol-source", stint_symbol_source, symbol_source_columns),
	[STINT_UNWOUND] = TIMELESS("unwound", stint_unwound, unwound_columns),
	[STINT_CODE] = TIMELESS("code", stint_machine_code, code_columns),
	[STINT_INDEX] = TIMELESS("index", stint_index_entry, index_columns),
};

const struct stint_schema *stint_schema_of(uint32_t table)
{
	return table < STINT_N_TABLES && schemas[table].name ? &schemas[table] : NULL;
}

const char *stint_table_name(uint32_t table)
{
	const struct stint_schema *schema = stint_schema_of(table);

	return schema ? schema->name : NULL;
}

size_t stint_row_bytes(uint32_t table)
{
	const struct stint_schema *schema = stint_schema_of(table);

	return schema ? schema->row_bytes : 0;
}

void stint_row_visit(uint32_t table, const void *row, void (*each)(void *context, const char *name, uint64_t value),
		     void *context)
{
	const struct stint_schema *schema = stint_schema_of(table);
	size_t i;

	for (i = 0; schema && i < schema->n_columns; i++) {
		const struct stint_column *column = &schema->columns[i];
		const uint8_t *field = (const uint8_t *)row + column->offset;
		uint64_t wide = 0;
		uint32_t narrow = 0;

		if (!column->name || !column->width)
			continue;
		if (column->width == sizeof(wide))
			memcpy(&wide, field, sizeof(wide));
		else
			memcpy(&narrow, field, sizeof(narrow));
		each(context, column->name, wide | narrow);
	}
}

void stint_row_visit_bytes(uint32_t table, const void *row,
			   void (*each)(void *context, const char *name, struct stint_string bytes), void *context)
{
	const struct stint_schema *schema = stint_schema_of(table);
	struct stint_string bytes;
	size_t i;

	for (i = 0; schema && i < schema->n_columns; i++) {
		const struct stint_column *column = &schema->columns[i];

		if (column->width)
			continue;
		memcpy(&bytes, (const uint8_t *)row + column->offset, sizeof(bytes));
		each(context, column->name, bytes);
	}
}
