/* SPDX-License-Identifier: MIT */
#include "record/privileges.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CAP_BIT(cap) (1ull << (cap))

/*
 * What stays after the programs are attached:
 * - CAP_SYS_PTRACE: other users' /proc/PID/maps and the stacks of threads that are asleep
 * (process_vm_readv);
 * - CAP_DAC_READ_SEARCH: the files that they map, for build IDs and JIT symbols, whatever their
 * modes;
 * - CAP_CHECKPOINT_RESTORE: /proc/PID/map_files, for files that are deleted or in containers;
 * - CAP_BPF: the maps, which kernels before 5.19 don't let anyone read without it. Alone it traces
 * nothing: loading such programs also takes CAP_PERFMON.
 * - CAP_KILL: to pass signals on to a command that has changed its user.
 * Set aside, without effect, is what perf events and their rings take on a CPU that comes online later.
 */
#define KEPT_CAPS                                                                                                      \
	(CAP_BIT(CAP_SYS_PTRACE) | CAP_BIT(CAP_DAC_READ_SEARCH) | CAP_BIT(CAP_CHECKPOINT_RESTORE) | CAP_BIT(CAP_BPF) | \
	 CAP_BIT(CAP_KILL))

#define ASIDE_CAPS (CAP_BIT(CAP_PERFMON) | CAP_BIT(CAP_IPC_LOCK))

/* CAP_SYS_ADMIN, which was all of them once, stays where it stands for one that isn't there. */
static uint64_t kept_caps(uint64_t permitted)
{
	const uint64_t needed = CAP_BIT(CAP_CHECKPOINT_RESTORE) | CAP_BIT(CAP_BPF);

	return (permitted & needed) == needed ? KEPT_CAPS : KEPT_CAPS | CAP_BIT(CAP_SYS_ADMIN);
}

static uint64_t effective_caps(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {{0}};

	if (syscall(SYS_capget, &header, data))
		return 0;
	return (uint64_t)data[1].effective << 32 | data[0].effective;
}

static bool read_line(const char *path, char *line, size_t size)
{
	FILE *file = fopen(path, "re");
	bool ok;

	if (!file)
		return false;
	ok = fgets(line, (int)size, file) != NULL;
	fclose(file);
	return ok;
}

bool privileges_explain(char *line, size_t size)
{
	uint64_t caps = effective_caps();
	char text[128];

	if (!(caps & CAP_BIT(CAP_SYS_ADMIN)) &&
	    (caps & (CAP_BIT(CAP_BPF) | CAP_BIT(CAP_PERFMON))) != (CAP_BIT(CAP_BPF) | CAP_BIT(CAP_PERFMON))) {
		snprintf(line, size,
			 "recording needs root, or the capabilities CAP_BPF, CAP_PERFMON, "
			 "CAP_SYS_PTRACE and "
			 "CAP_DAC_READ_SEARCH: try sudo");
		return true;
	}
	if (read_line("/sys/kernel/security/lockdown", text, sizeof(text)) && strstr(text, "[confidentiality]")) {
		snprintf(line, size,
			 "this kernel is locked down against reading its memory (confidentiality "
			 "mode): boot it with "
			 "lockdown=integrity or less");
		return true;
	}
	if (access("/sys/kernel/btf/vmlinux", R_OK)) {
		snprintf(line, size,
			 "this kernel doesn't describe its types (/sys/kernel/btf/vmlinux): it "
			 "needs CONFIG_DEBUG_INFO_BTF");
		return true;
	}
	return false;
}

bool privileges_missed(char *line, size_t size)
{
	if (effective_caps() & CAP_BIT(CAP_SYS_PTRACE))
		return false;
	snprintf(line, size,
		 "without CAP_SYS_PTRACE, the files and memory of other processes can't be read: "
		 "user stacks may be missing or cut short");
	return true;
}

int privileges_drop(bool sets_aside, struct stint_err *err)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {{0}};
	uint64_t kept, aside = sets_aside ? ASIDE_CAPS : 0;
	int i;

	if (syscall(SYS_capget, &header, data))
		return stint_err_set(err, STINT_ERR_SYSTEM, errno, -1, "cannot read the recorder's capabilities");
	kept = kept_caps((uint64_t)data[1].permitted << 32 | data[0].permitted);
	for (i = 0; i < 2; i++) {
		data[i].permitted &= (uint32_t)((kept | aside) >> (32 * i));
		data[i].effective &= (uint32_t)(kept >> (32 * i));
		data[i].inheritable = 0;
	}
	if (syscall(SYS_capset, &header, data))
		return stint_err_set(err, STINT_ERR_SYSTEM, errno, -1, "cannot give up capabilities");
	return 0;
}

void privileges_borrow(bool on)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {{0}};
	int i;

	if (syscall(SYS_capget, &header, data))
		return;
	for (i = 0; i < 2; i++) {
		data[i].effective &= (uint32_t)(~ASIDE_CAPS >> (32 * i));
		if (on)
			data[i].effective |= data[i].permitted & (uint32_t)(ASIDE_CAPS >> (32 * i));
	}
	(void)syscall(SYS_capset, &header, data);
}
