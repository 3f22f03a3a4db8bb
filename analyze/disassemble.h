/* SPDX-License-Identifier: MIT */
/* Machine code to instructions, one after the other. The only user of capstone. */
#ifndef STINT_ANALYZE_DISASSEMBLE_H
#define STINT_ANALYZE_DISASSEMBLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum machine { MACHINE_X86_64, MACHINE_AARCH64 };

/* The machine of a recording by its "arch" ("x86_64", "aarch64"; NULL means the first). False for all others. */
bool machine_of_arch(const char *arch, enum machine *ret);

/* Whether code of an ELF file of that EM_* is this machine's. */
bool machine_is_elf(enum machine machine, uint16_t elf_machine);

struct instruction {
	uint64_t addr;
	uint8_t n_bytes;
	bool is_data; /* no valid instruction: shown as .byte */
	bool is_call;
	bool is_jump;
	bool is_syscall;
	bool has_target;    /* of a jump or call: target is where it goes */
	bool has_reference; /* an operand in memory that is addressed relative to the instruction */
	uint64_t target;
	uint64_t reference;
	char mnemonic[32];
	char operands[160];
};

struct disassembler;

/*
 * intel: x86 in Intel's notation instead of AT&T's. Fails with STINT_ERR_NOMEM, or _UNSUPPORTED where the library
 * lacks the machine.
 */
int disassembler_new(struct disassembler **ret, enum machine machine, bool intel, struct stint_err *err);
void disassembler_free(struct disassembler *d); /* NULL is fine */

/*
 * The instruction at the beginning of size (at least 1) bytes, which are at addr. Bytes that are none become data: one
 * on x86, up to four on aarch64. Always takes at least one byte.
 */
void disassemble(struct disassembler *d, const uint8_t *bytes, size_t size, uint64_t addr, struct instruction *ret);

#endif
