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

void *unwind_bpf_mmap(int map_fd, size_t offset, size_t size_bytes)
{
	void *at = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, map_fd, (off_t)offset);

	return at == MAP_FAILED ? NULL : at;
}

int unwind_view_init(struct unwind_view *view, int map_fd, size_t size_bytes)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t piece = (size_bytes + UNWIND_VIEW_PIECES - 1) / UNWIND_VIEW_PIECES;
	void *base = mmap(NULL, size_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	*view = (struct unwind_view){.map_fd = map_fd};
	if (base == MAP_FAILED)
		return -errno;
	view->base = base;
	view->size_bytes = size_bytes;
	view->piece_bytes = (piece + page - 1) / page * page;
	return 0;
}

void unwind_view_done(struct unwind_view *view)
{
	if (view && view->base)
		munmap(view->base, view->size_bytes);
	if (view)
		view->base = NULL;
}

void *unwind_view_get(struct unwind_view *view, size_t offset, size_t size_bytes)
{
	const int flags = MAP_SHARED | MAP_FIXED;
	size_t i;

	for (i = offset / view->piece_bytes; i * view->piece_bytes < offset + size_bytes; i++) {
		size_t at = i * view->piece_bytes, left = view->size_bytes - at;
		size_t size = left < view->piece_bytes ? left : view->piece_bytes;

		if (!view->mapped[i] &&
		    mmap(view->base + at, size, PROT_READ | PROT_WRITE, flags, view->map_fd, (off_t)at) == MAP_FAILED)
			return NULL;
		view->mapped[i] = true;
	}
	return view->base + offset;
}
