/* SPDX-License-Identifier: MIT */
/*
 * Compiles at run time, as far as anybody can tell: runs one function, then another one at the same address, and
 * tells profilers of both in a perf map ("map") or a jitdump ("dump").
 * usage: recode map|dump FIRST_MS SECOND_MS (of CPU time)
 */
#include <fcntl.h>
#include <sys/mman.h>

#include "workload.h"

#define CODE_BYTES 64

/* push rbp; mov rbp, rsp; mov ecx, edi; 1: dec ecx; jnz 1b; pop rbp; ret: the second with a nop in its loop. */
static const uint8_t first[] = {0x55, 0x48, 0x89, 0xe5, 0x89, 0xf9, 0xff, 0xc9, 0x75, 0xfc, 0x5d, 0xc3};
static const uint8_t second[] = {0x55, 0x48, 0x89, 0xe5, 0x89, 0xf9, 0x90, 0xff, 0xc9, 0x75, 0xfb, 0x5d, 0xc3};

static uint8_t *code;
static int told = -1;
static int dumping;

static void put(const void *data, size_t size)
{
	if (write(told, data, size) != (ssize_t)size) {
		perror("write");
		exit(1);
	}
}

static void tell_map(const char *name)
{
	char line[128];
	int length = snprintf(line, sizeof(line), "%lx %x %s\n", (unsigned long)code, CODE_BYTES, name);

	put(line, (size_t)length);
}

static void tell_dump(const char *name)
{
	struct {
		uint32_t id, size;
		uint64_t time_ns;
		uint32_t pid, tid;
		uint64_t vma, addr, code_size, index;
	} load = {.time_ns = now_ns(), .vma = (uintptr_t)code, .addr = (uintptr_t)code, .code_size = CODE_BYTES};

	load.pid = load.tid = (uint32_t)getpid();
	load.size = (uint32_t)(sizeof(load) + strlen(name) + 1 + CODE_BYTES);
	put(&load, sizeof(load));
	put(name, strlen(name) + 1);
	put(code, CODE_BYTES);
}

/* A dump is mapped, which is how profilers learn of it. */
static void open_told(void)
{
	struct {
		uint32_t magic, version, size, machine, pad, pid;
		uint64_t time_ns, flags;
	} header = {.magic = 0x4a695444, .version = 1, .size = sizeof(header), .machine = 62};
	char path[64];

	snprintf(path, sizeof(path), dumping ? "/tmp/jit-%d.dump" : "/tmp/perf-%d.map", getpid());
	told = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (told < 0) {
		perror(path);
		exit(1);
	}
	if (!dumping)
		return;
	put(&header, sizeof(header));
	if (mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, told, 0) == MAP_FAILED) {
		perror("mmap");
		exit(1);
	}
}

/* Runs for some CPU time, however long that takes, and returns how much it was. */
static uint64_t run(const char *name, const uint8_t *bytes, size_t size, uint64_t ms)
{
	uint64_t cpu_ns = clock_now_ns(CLOCK_THREAD_CPUTIME_ID), end_ns = cpu_ns + ms * 1000000;

	memcpy(code, bytes, size);
	__builtin___clear_cache((char *)code, (char *)code + CODE_BYTES);
	(dumping ? tell_dump : tell_map)(name);
	while (clock_now_ns(CLOCK_THREAD_CPUTIME_ID) < end_ns)
		((void (*)(int))(uintptr_t)code)(1000000);
	return clock_now_ns(CLOCK_THREAD_CPUTIME_ID) - cpu_ns;
}

int main(int argc, char **argv)
{
	uint64_t first_ms = number_arg(argc, argv, 2, 1500, 1, 100000);
	uint64_t second_ms = number_arg(argc, argv, 3, 1500, 1, 100000);

	if (argc < 2 || (strcmp(argv[1], "map") && strcmp(argv[1], "dump"))) {
		fprintf(stderr, "usage: recode map|dump FIRST_MS SECOND_MS\n");
		return 2;
	}
	dumping = !strcmp(argv[1], "dump");
	code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (code == MAP_FAILED) {
		perror("mmap");
		return 1;
	}
	open_told();
	printf("first_ns=%llu\n", (unsigned long long)run("compiled_first", first, sizeof(first), first_ms));
	printf("second_ns=%llu\n", (unsigned long long)run("compiled_second", second, sizeof(second), second_ms));
	printf("pid=%d\n", getpid());
	return 0;
}
