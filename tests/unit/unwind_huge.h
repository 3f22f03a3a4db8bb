/* SPDX-License-Identifier: MIT */
/*
 * Makes ELF files with as many functions and as many rows as wanted: one executable segment, and an .eh_frame that only
 * the program headers lead to. It is of no other use than to be read.
 */
#ifndef STINT_TESTS_UNWIND_HUGE_H
#define STINT_TESTS_UNWIND_HUGE_H

#include <elf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define HUGE_FUNCTION_BYTES 64u

struct huge_header {
	Elf64_Ehdr ehdr;
	Elf64_Phdr load, eh;
	uint8_t hdr[8]; /* .eh_frame_hdr */
	uint8_t cie[24];
};

/*
 * An FDE with addresses of 8 bytes; back is how far its CIE is in front of the field for that. The states are stack
 * pointers at ever other distances, a byte of code each.
 */
static inline size_t huge_fde(uint8_t *to, uint32_t back, uint64_t start, uint32_t n_states, bool other)
{
	uint32_t length = 4 + 16 + 1 + 3 * (n_states - 1), i;
	uint64_t size = HUGE_FUNCTION_BYTES;

	length = (length + 7) / 8 * 8 + 4;
	memset(to, 0, length + 4);
	memcpy(to, &length, 4);
	memcpy(to + 4, &back, 4);
	memcpy(to + 8, &start, 8);
	memcpy(to + 16, &size, 8);
	for (i = 1; i < n_states; i++) {
		uint8_t *op = to + 25 + 3 * (i - 1);

		op[0] = 0x41; /* advance_loc 1 */
		op[1] = 0x0e; /* def_cfa_offset */
		op[2] = (uint8_t)(8 + 8 * (i % 2 + 2 * (other && i == n_states - 1)));
	}
	return length + 4;
}

/*
 * n_functions functions with n_states rows each, in the order of their addresses or in another one; with other set, the
 * last row of each is another one. They have one of n_cies CIEs after the other. From the beginning of the file on.
 */
static inline void huge_write_cies(int fd, uint32_t n_functions, uint32_t n_states, bool shuffled, bool other,
				   uint32_t n_cies)
{
	/* Version 1, "zR", factors 1 and -8, return address 16, absolute addresses; CFA = rsp + 8, rip at CFA - 8. */
	static const uint8_t cie[24] = {20, 0,	  0,  0, 0, 0,	  0, 0, 1,    'z', 'R', 0,
					1,  0x78, 16, 1, 0, 0x0c, 7, 8, 0x90, 1,   0,	0};
	size_t at = sizeof(struct huge_header) + (n_cies - 1) * sizeof(cie),
	       fde = (4 + 16 + 1 + 3 * (n_states - 1) + 7) / 8 * 8 + 8;
	size_t size = at + n_functions * fde + 4, code = (size_t)n_functions * HUGE_FUNCTION_BYTES + 4096;
	uint8_t *file = calloc(1, size);
	struct huge_header *h = (struct huge_header *)file;
	const int32_t to = (int32_t)offsetof(struct huge_header, cie) - (int32_t)offsetof(struct huge_header, hdr) - 4;
	uint32_t i;

	memcpy(h->ehdr.e_ident, ELFMAG, SELFMAG);
	h->ehdr.e_ident[EI_CLASS] = ELFCLASS64;
	h->ehdr.e_ident[EI_DATA] = ELFDATA2LSB;
	h->ehdr.e_machine = EM_X86_64;
	h->ehdr.e_phoff = offsetof(struct huge_header, load);
	h->ehdr.e_phnum = 2;
	h->ehdr.e_phentsize = sizeof(Elf64_Phdr);
	/* What is read of it is a hole behind the rest: there is no code. */
	h->load = (Elf64_Phdr){.p_type = PT_LOAD, .p_flags = PF_X, .p_filesz = size + code, .p_memsz = size + code};
	h->eh = (Elf64_Phdr){.p_type = PT_GNU_EH_FRAME,
			     .p_offset = offsetof(struct huge_header, hdr),
			     .p_vaddr = offsetof(struct huge_header, hdr)};
	h->hdr[0] = 1;
	h->hdr[1] = 0x1b;
	memcpy(h->hdr + 4, &to, sizeof(to));
	for (i = 0; i < n_cies; i++)
		memcpy(h->cie + i * sizeof(cie), cie, sizeof(cie));
	for (i = 0; i < n_functions; i++) {
		/* 7919 is prime, and no number of functions here is a multiple of it. */
		uint64_t which = shuffled ? (uint64_t)i * 7919 % n_functions : i;

		size_t its_cie = offsetof(struct huge_header, cie) + i % n_cies * sizeof(cie);

		at += huge_fde(file + at, (uint32_t)(at + 4 - its_cie), size + which * HUGE_FUNCTION_BYTES, n_states,
			       other);
	}
	if (pwrite(fd, file, size, 0) != (ssize_t)size || ftruncate(fd, (off_t)(size + code)))
		abort();
	free(file);
}

static inline void huge_write(int fd, uint32_t n_functions, uint32_t n_states, bool shuffled, bool other)
{
	huge_write_cies(fd, n_functions, n_states, shuffled, other, 1);
}

/* A new file without a name. */
static inline int huge_file(uint32_t n_functions, uint32_t n_states, bool shuffled)
{
	int fd = memfd_create("huge", MFD_CLOEXEC);

	if (fd < 0)
		abort();
	huge_write(fd, n_functions, n_states, shuffled, false);
	return fd;
}

#endif
