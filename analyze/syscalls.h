/* SPDX-License-Identifier: MIT */
/* System calls by number and by name, for the machine that a recording is from. */
#ifndef STINT_ANALYZE_SYSCALLS_H
#define STINT_ANALYZE_SYSCALLS_H

#include <stdint.h>

/* The name of a system call; NULL when it isn't known for that machine ("x86_64", as uname -m; NULL means that too). */
const char *syscall_name(const char *arch, uint32_t nr);

/* The number for a name, -1 when there is none. */
int syscall_number(const char *arch, const char *name);

#endif
