/* SPDX-License-Identifier: MIT */
#include "analyze/disassemble.h"

#include <capstone/capstone.h>
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct disassembler {
	csh handle;
	cs_insn *insn;
	enum machine machine;
};

bool machine_of_arch(const char *arch, enum machine *ret)
{
	*ret = MACHINE_X86_64;
	if (!arch || !strcmp(arch, "x86_64"))
		return true;
	*ret = MACHINE_AARCH64;
	return !strcmp(arch, "aarch64");
}

bool machine_is_elf(enum machine machine, uint16_t elf_machine)
{
	return elf_machine == (machine == MACHINE_AARCH64 ? EM_AARCH64 : EM_X86_64);
}

int disassembler_new(struct disassembler **ret, enum machine machine, bool intel, struct stint_err *err)
{
	struct disassembler *d = calloc(1, sizeof(*d));
	cs_err failed;

	*ret = NULL;
	if (!d)
		return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory for disassembly");
	d->machine = machine;
	failed = machine == MACHINE_AARCH64 ? cs_open(CS_ARCH_ARM64, CS_MODE_ARM, &d->handle)
					    : cs_open(CS_ARCH_X86, CS_MODE_64, &d->handle);
	if (!failed)
		failed = cs_option(d->handle, CS_OPT_DETAIL, CS_OPT_ON);
	if (!failed && machine == MACHINE_X86_64 && !intel)
		failed = cs_option(d->handle, CS_OPT_SYNTAX, CS_OPT_SYNTAX_ATT);
	if (!failed)
		d->insn = cs_malloc(d->handle);
	if (failed || !d->insn) {
		disassembler_free(d);
		return failed && failed != CS_ERR_MEM
			       ? stint_err_set(err, STINT_ERR_UNSUPPORTED, 0, -1, "capstone: %s", cs_strerror(failed))
			       : stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory for disassembly");
	}
	*ret = d;
	return 0;
}

void disassembler_free(struct disassembler *d)
{
	if (!d)
		return;
	if (d->insn)
		cs_free(d->insn, 1);
	if (d->handle)
		cs_close(&d->handle);
	free(d);
}

static void find_x86_operands(const cs_insn *insn, struct instruction *ret)
{
	const cs_x86 *x86 = &insn->detail->x86;
	uint8_t i;

	for (i = 0; i < x86->op_count; i++) {
		const cs_x86_op *op = &x86->operands[i];

		if (op->type == X86_OP_IMM && (ret->is_jump || ret->is_call)) {
			ret->has_target = true;
			ret->target = (uint64_t)op->imm;
		} else if (op->type == X86_OP_MEM && op->mem.base == X86_REG_RIP && op->mem.index == X86_REG_INVALID) {
			ret->has_reference = true;
			ret->reference = insn->address + insn->size + (uint64_t)op->mem.disp;
		}
	}
}

static void find_arm64_operands(const cs_insn *insn, struct instruction *ret)
{
	const cs_arm64 *arm64 = &insn->detail->arm64;

	/* The target comes last: behind a register and a bit number in tbz. */
	if (!arm64->op_count || arm64->operands[arm64->op_count - 1].type != ARM64_OP_IMM)
		return;
	if (ret->is_jump || ret->is_call) {
		ret->has_target = true;
		ret->target = (uint64_t)arm64->operands[arm64->op_count - 1].imm;
	} else if (insn->id == ARM64_INS_ADR) {
		ret->has_reference = true;
		ret->reference = (uint64_t)arm64->operands[arm64->op_count - 1].imm;
	}
}

static void take_details(const struct disassembler *d, struct instruction *ret)
{
	const cs_insn *insn = d->insn;

	if (d->machine == MACHINE_AARCH64) {
		/* Capstone 4 counts BL among the jumps. */
		ret->is_call = insn->id == ARM64_INS_BL || insn->id == ARM64_INS_BLR;
		ret->is_jump = !ret->is_call && cs_insn_group(d->handle, insn, CS_GRP_JUMP);
		ret->is_syscall = insn->id == ARM64_INS_SVC;
		find_arm64_operands(insn, ret);
		return;
	}
	ret->is_call = cs_insn_group(d->handle, insn, CS_GRP_CALL);
	ret->is_jump = cs_insn_group(d->handle, insn, CS_GRP_JUMP);
	ret->is_syscall = insn->id == X86_INS_SYSCALL || insn->id == X86_INS_SYSENTER;
	find_x86_operands(insn, ret);
}

static void take_data(const struct disassembler *d, const uint8_t *bytes, size_t size, struct instruction *ret)
{
	size_t i, len = 0;

	ret->is_data = true;
	ret->n_bytes = d->machine == MACHINE_AARCH64 ? 4 - (ret->addr & 3) : 1;
	if (ret->n_bytes > size)
		ret->n_bytes = (uint8_t)size;
	memcpy(ret->mnemonic, ".byte", sizeof(".byte"));
	for (i = 0; i < ret->n_bytes; i++)
		len += (size_t)snprintf(ret->operands + len, sizeof(ret->operands) - len, "%s0x%02x", i ? ", " : "",
					bytes[i]);
}

void disassemble(struct disassembler *d, const uint8_t *bytes, size_t size, uint64_t addr, struct instruction *ret)
{
	const uint8_t *at = bytes;
	uint64_t next = addr;
	size_t left = size;

	*ret = (struct instruction){.addr = addr};
	if (!cs_disasm_iter(d->handle, &at, &left, &next, d->insn) || !d->insn->size) {
		take_data(d, bytes, size, ret);
		return;
	}
	ret->n_bytes = (uint8_t)d->insn->size;
	snprintf(ret->mnemonic, sizeof(ret->mnemonic), "%s", d->insn->mnemonic);
	snprintf(ret->operands, sizeof(ret->operands), "%s", d->insn->op_str);
	take_details(d, ret);
}
