/* SPDX-License-Identifier: MIT */
#include "record/unwind_bpf.h"

#include <errno.h>
#include <linux/bpf.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static int bpf(enum bpf_cmd command, union bpf_attr *attr)
{
	long rc = syscall(SYS_bpf, command, attr, sizeof(*attr));

	return rc < 0 ? -errno : (int)rc;
}

int unwind_bpf_create_array(const char *name, uint32_t value_bytes, uint32_t flags)
{
	union bpf_attr attr = {.map_type = BPF_MAP_TYPE_ARRAY,
	                       .key_size = sizeof(uint32_t),
	                       .value_size = value_bytes,
	                       .max_entries = 1,
	                       .map_flags = flags | BPF_F_MMAPABLE};

	memccpy(attr.map_name, name, '\0', sizeof(attr.map_name) - 1);
	return bpf(BPF_MAP_CREATE, &attr);
}

int unwind_bpf_update(int map_fd, const void *key, const void *value)
{
	union bpf_attr attr = {.map_fd = (uint32_t)map_fd,
	                       .key = (uint64_t)(uintptr_t)key,
	                       .value = (uint64_t)(uintptr_t)value,
	                       .flags = BPF_ANY};

	return bpf(BPF_MAP_UPDATE_ELEM, &attr);
}

int unwind_bpf_delete(int map_fd, const void *key)
{
	union bpf_attr attr = {.map_fd = (uint32_t)map_fd, .key = (uint64_t)(uintptr_t)key};

	return bpf(BPF_MAP_DELETE_ELEM, &attr);
}

void *unwind_bpf_mmap(int map_fd, size_t size_bytes)
{
	void *at = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, map_fd, 0);

	return at == MAP_FAILED ? NULL : at;
}
