/* SPDX-License-Identifier: MIT */
#include "analyze/frame_code.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>

#include "analyze/elf_symtab.h"
#include "analyze/program.h"

#define MAX_GO_ENDS 8u
#define STUB_BYTES  16u
/* From this byte of a lazy stub on, the number of its function is on the stack. */
#define STUB_PUSHED 11u

struct range {
	uint64_t vaddr, size_bytes;
};

struct frame_code {
	struct elf_file *elf; /* NULL: see why */
	struct frame_file *rules;
	struct range go_ends[MAX_GO_ENDS];
	uint32_t n_go_ends;
	char *why;
};

#define AT_SP(bytes)                                                                                                   \
	{                                                                                                              \
		.cfa = {.how = FRAME_IN_REG, .reg = FRAME_SP, .off = (bytes)}, .regs[FRAME_IP] = {                     \
			.how = FRAME_AT_CFA,                                                                           \
			.off = -8                                                                                      \
		}                                                                                                      \
	}

/* Linker stubs, by how much is on the stack. */
static const struct frame_rules stub_rules[] = {AT_SP(8), AT_SP(16), AT_SP(24)};
static const struct frame_rules end_rules = {.regs[FRAME_IP] = {.how = FRAME_LOST}};

/* The kernel's image in this very process, if it is the recorded one. */
static int open_own_vdso(struct frame_code *code, const struct symbol_module *module, struct stint_err *err)
{
	const uint8_t *image = (const uint8_t *)getauxval(AT_SYSINFO_EHDR);
	const Elf64_Ehdr *header = (const void *)image;
	struct elf_file *ef;
	size_t size;
	void *copy;
	int rc;

	if (!image)
		return 0;
	/* Sections stand at its end. */
	size = header->e_shoff + (size_t)header->e_shnum * header->e_shentsize;
	copy = malloc(size);
	if (!copy)
		return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory for the vDSO");
	memcpy(copy, image, size);
	rc = elf_file_open_memory(&ef, "[vdso]", copy, size, err);
	if (rc)
		return rc == STINT_ERR_NOMEM ? rc : 0;
	if (module->build_id_size && ef->build_id_size == module->build_id_size &&
	    !memcmp(ef->build_id, module->build_id, ef->build_id_size))
		code->elf = ef;
	else
		elf_file_close(ef);
	return 0;
}

/* Functions of Go's runtime that leave one stack for another: its own unwinder ends there, too. */
static void find_go_ends(struct frame_code *code)
{
	static const char *const names[MAX_GO_ENDS] = {
		"runtime.mcall",       "runtime.mcall.abi0",	   "runtime.systemstack", "runtime.rt0_go",
		"runtime.rt0_go.abi0", "runtime.systemstack.abi0", "runtime.morestack",	  "runtime.morestack.abi0",
	};
	size_t i;

	if (!elf_file_section(code->elf, ".gopclntab"))
		return;
	for (i = 0; i < MAX_GO_ENDS; i++) {
		struct range *range = &code->go_ends[code->n_go_ends];

		if (elf_symbol_range(code->elf, names[i], &range->vaddr, &range->size_bytes))
			code->n_go_ends++;
	}
}

static int open_rules(struct frame_code *code, struct stint_err *err)
{
	int rc = frame_file_new(&code->rules, code->elf->image.at, code->elf->image.size, err);

	if (rc == STINT_ERR_NOMEM)
		return rc;
	if (!rc)
		find_go_ends(code);
	return 0;
}

int frame_code_new(struct frame_code **ret, const struct symbol_module *module,
		   const struct symbolizer_options *options, struct stint_err *err)
{
	struct frame_code *code = calloc(1, sizeof(*code));
	int rc;

	*ret = NULL;
	if (!code)
		return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory for unwind rules");
	rc = program_find_code(&code->elf, &code->why, module, options, err);
	if (!rc && !code->elf && module->kind == STINT_MODULE_VDSO && options->local)
		rc = open_own_vdso(code, module, err);
	if (!rc && code->elf)
		rc = open_rules(code, err);
	if (rc)
		frame_code_free(code);
	else
		*ret = code;
	return rc;
}

void frame_code_free(struct frame_code *code)
{
	if (!code)
		return;
	frame_file_free(code->rules);
	elf_file_close(code->elf);
	free(code->why);
	free(code);
}

const char *frame_code_why(const struct frame_code *code)
{
	if (code->elf)
		return NULL;
	return code->why ? code->why : "not found";
}

/*
 * The stub at an address in a PLT section without call frame information: a jump through memory,
 * perhaps behind an endbr64. Lazy ones go on with a push of their number at byte 6. The first stub of
 * a section may be the one that they all go to.
 */
static const struct frame_rules *stub_at(const struct elf_file *ef, const struct elf_section *section, uint64_t vaddr)
{
	struct elf_bytes bytes = elf_section_raw(ef, section);
	uint64_t off = vaddr - section->addr, start = off / STUB_BYTES * STUB_BYTES;
	const uint8_t *stub = bytes.at + start;

	if (off >= bytes.size)
		return NULL;
	if (bytes.size - start < STUB_BYTES)
		return &stub_rules[0];
	if (start == 0 && stub[0] == 0xff && stub[1] == 0x35)
		return &stub_rules[off < 6 ? 1 : 2];
	if ((section->addr + start) % STUB_BYTES == 0 && stub[0] == 0xff && stub[1] == 0x25 && stub[6] == 0x68)
		return &stub_rules[off % STUB_BYTES >= STUB_PUSHED];
	return &stub_rules[0];
}

static const struct frame_rules *find_stub(const struct elf_file *ef, uint64_t vaddr)
{
	static const char *const names[] = {".plt", ".plt.sec", ".plt.got", ".iplt"};
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const struct elf_section *section = elf_file_section(ef, names[i]);

		if (section && section->flags & SHF_EXECINSTR && vaddr >= section->addr &&
		    vaddr - section->addr < section->size)
			return stub_at(ef, section, vaddr);
	}
	return NULL;
}

#define START_CONTEXT_BYTES 26u

/*
 * Is the byte at an offset in glibc's __start_context, or the one in front of it, at which a return address is looked
 * up? What makecontext starts returns there, though nothing has called it. "mov %rbx, %rsp; mov (%rsp), %rdi; test
 * %rdi, %rdi; je 1f; call __setcontext; mov %rax, %rdi; 1: call exit; hlt".
 */
static bool in_start_context(const struct elf_bytes *image, uint64_t file_off)
{
	static const uint8_t next[] = {0x48, 0x89, 0xdc, 0x48, 0x8b, 0x3c, 0x24, 0x48, 0x85, 0xff, 0x74, 8, 0xe8};
	static const uint8_t result[] = {0x48, 0x89, 0xc7, 0xe8};
	uint64_t i, at;

	for (i = 0; i <= START_CONTEXT_BYTES; i++) {
		at = file_off + 1 - i;
		if (i > file_off || image->size < START_CONTEXT_BYTES || at > image->size - START_CONTEXT_BYTES)
			continue;
		if (!memcmp(image->at + at, next, sizeof(next)) &&
		    !memcmp(image->at + at + 17, result, sizeof(result)) &&
		    image->at[at + START_CONTEXT_BYTES - 1] == 0xf4)
			return true;
	}
	return false;
}

int frame_code_find(struct frame_code *code, uint64_t file_off, const struct frame_rules **ret)
{
	uint64_t vaddr;
	uint32_t i;
	int rc;

	*ret = NULL;
	if (code->elf && (code->elf->machine != EM_X86_64 || !code->elf->is_64))
		return STINT_ERR_UNSUPPORTED;
	if (!code->rules || !elf_file_vaddr(code->elf, file_off, &vaddr))
		return STINT_ERR_NOTFOUND;
	for (i = 0; i < code->n_go_ends; i++) {
		if (vaddr - code->go_ends[i].vaddr < code->go_ends[i].size_bytes) {
			*ret = &end_rules;
			return 0;
		}
	}
	if (in_start_context(&code->elf->image, file_off)) {
		*ret = &end_rules;
		return 0;
	}
	rc = frame_file_find(code->rules, vaddr, ret);
	if (rc == STINT_ERR_NOTFOUND)
		*ret = find_stub(code->elf, vaddr);
	return *ret ? 0 : rc;
}
