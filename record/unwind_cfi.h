/* SPDX-License-Identifier: MIT */
/*
 * Call frame information as it stands in .eh_frame (LSB 5.0, chapter 10) and .debug_frame (DWARF
 * 5, 6.4): finds its entries and runs their programs. Only the registers that lead from frame to
 * frame are followed: stack pointer, frame pointer and return address. The bytes are not trusted:
 * whatever they hold, time is linear in their size, and memory is fixed.
 */
#ifndef STINT_RECORD_UNWIND_CFI_H
#define STINT_RECORD_UNWIND_CFI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "record/unwind_bytes.h"

struct unwind_arch;
struct unwind_section;

#define CFI_MAX_CIE_BYTES   4096u
#define CFI_MAX_CIE_READS   (256u << 10) /* in a pass: each FDE may name another CIE, read when it isn't held */
#define CFI_CIES	    256u	 /* held: linkers leave a few in a file */
#define CFI_MAX_ENTRY_BYTES UNWIND_BYTES_MAX
#define CFI_MAX_REMEMBERED  64u /* DW_CFA_remember_state without a restore */
#define CFI_MAX_EXPR_OPS    32u

enum cfi_rule_kind {
	CFI_SAME = 0,  /* as in this frame; for the stack pointer: the CFA */
	CFI_UNDEFINED, /* no caller, or not kept */
	CFI_AT_CFA,    /* at *(CFA + off) */
	CFI_IS_CFA,    /* the value is CFA + off */
	CFI_REGISTER,  /* in another register */
	CFI_AT_REG,    /* at *(reg + off) */
	CFI_COMPLEX,   /* an expression beyond these */
};

struct cfi_rule {
	uint8_t kind; /* enum cfi_rule_kind */
	uint8_t reg;
	int64_t off;
};

enum cfi_cfa_kind {
	CFI_CFA_NONE = 0,
	CFI_CFA_REG,   /* reg + off */
	CFI_CFA_DEREF, /* *(reg + off) + add */
	CFI_CFA_PLT,   /* sp + 8, and 8 more where pc % 16 >= off */
	CFI_CFA_COMPLEX,
};

struct cfi_cfa {
	uint8_t kind; /* enum cfi_cfa_kind */
	uint8_t reg;
	int64_t off;
	int64_t add;
};

struct cfi_state {
	struct cfi_cfa cfa;
	struct cfi_rule sp, fp, ra;
};

struct cfi_section {
	struct unwind_bytes bytes; /* below 4 GiB */
	uint64_t vaddr;		   /* of its first byte, for addresses relative to it */
	bool eh;		   /* .eh_frame; else .debug_frame */
};

struct cfi_cie {
	uint64_t off; /* in the section */
	uint64_t code_align;
	int64_t data_align;
	uint64_t ra_reg;
	uint8_t encoding;      /* DW_EH_PE_* of its FDEs' addresses */
	bool has_augmentation; /* FDEs have a length and data behind their addresses */
	bool signal;
	bool bad; /* unknown version or augmentation, or malformed: its FDEs are left out */
	struct cfi_state initial;
};

/* A function's entry. */
struct cfi_fde {
	uint32_t off;		    /* in the section */
	uint64_t start, size_bytes; /* addresses as linked */
	const uint8_t *code;	    /* its program; valid until the next entry is read */
	uint32_t code_bytes;
	uint64_t bias;		   /* address of a byte of the program, as linked, less where it is in memory */
	const struct cfi_cie *cie; /* likewise */
};

struct cfi {
	struct cfi_section section;
	const struct unwind_arch *arch;
	struct cfi_cie *cies; /* those read last, by their offsets' hash; NULL until one is read */
	uint32_t n_cie_reads; /* since whoever makes passes has begun this one, and has set it to 0 */
	uint64_t n_bad;	      /* entries left out since they are malformed or of a kind unknown here */
};

/* The source must outlive cfi. */
void cfi_init(struct cfi *cfi, const struct unwind_source *source, const struct unwind_section *section, bool eh,
	      const struct unwind_arch *arch);
void cfi_done(struct cfi *cfi); /* NULL and zeroed are fine */

/*
 * Calls each(context, fde) for every FDE in the section's order; bad entries are counted and
 * skipped, and a bad length ends the section. Returns 0, what each returned when that wasn't 0,
 * or with err set what the section's bytes failed with, STINT_ERR_NOMEM, _LIMIT for more than CFI_MAX_CIE_READS, or as
 * unwind_source_charge.
 */
int cfi_each_fde(struct cfi *cfi, int (*each)(void *context, const struct cfi_fde *fde), void *context,
		 struct stint_err *err);

/*
 * The FDE at an offset that cfi_each_fde has given. Returns 1, or 0 where there is none (the file is another one by
 * now), or errors as above.
 */
int cfi_fde_at(struct cfi *cfi, uint32_t off, struct cfi_fde *ret, struct stint_err *err);

/*
 * Runs an FDE's program: calls row(context, start, end, state) for every range of addresses with
 * one state, in ascending order, without gaps from the FDE's start to its end. state is NULL from
 * where the program turns out to be malformed. Returns 0 or what row returned when that wasn't 0.
 */
int cfi_run(const struct cfi *cfi, const struct cfi_fde *fde,
	    int (*row)(void *context, uint64_t start, uint64_t end, const struct cfi_state *state), void *context);

#endif
