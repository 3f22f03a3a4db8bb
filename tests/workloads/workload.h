/* SPDX-License-Identifier: MIT */
/*
 * What the known-answer programs share. They block through raw system calls made in their own
 * functions, so that the blocking function is in the stack whatever libc was built with, and print
 * what they did as key=value lines.
 */
#ifndef STINT_TESTS_WORKLOAD_H
#define STINT_TESTS_WORKLOAD_H

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline, noclone))

/* A system call made here, by the calling function itself; returns what the kernel does (-errno on
 * failure). */
static inline __attribute__((always_inline, unused)) long raw_syscall(long nr, long a, long b, long c, long d)
{
	long ret;
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = 0;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "0"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
			 : "rcx", "r11", "memory");
	return ret;
}

static inline __attribute__((always_inline, unused)) long raw_futex(uint32_t *word, int op, uint32_t value)
{
	return raw_syscall(SYS_futex, (long)word, op | FUTEX_PRIVATE_FLAG, value, 0);
}

static inline __attribute__((always_inline, unused)) long raw_sleep_ns(uint64_t ns)
{
	struct timespec ts = {.tv_sec = (time_t)(ns / 1000000000u), .tv_nsec = (long)(ns % 1000000000u)};

	return raw_syscall(SYS_nanosleep, (long)&ts, 0, 0, 0);
}

static inline __attribute__((unused)) uint64_t clock_now_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static inline __attribute__((unused)) uint64_t now_ns(void)
{
	return clock_now_ns(CLOCK_MONOTONIC);
}

/* How often the calling thread has left the CPU so far, by the kernel's own count: blocked, and
 * preempted. */
static inline __attribute__((unused)) void switches_so_far(uint64_t *blocked, uint64_t *preempted)
{
	struct rusage usage;

	getrusage(RUSAGE_THREAD, &usage);
	*blocked = (uint64_t)usage.ru_nvcsw;
	*preempted = (uint64_t)usage.ru_nivcsw;
}

/* The program's argument n as a number in [low, high], or fallback where there is none. */
static inline __attribute__((unused)) uint64_t number_arg(int argc, char **argv, int n, uint64_t fallback, uint64_t low,
							  uint64_t high)
{
	char *end;
	unsigned long long value;

	if (n >= argc)
		return fallback;
	errno = 0;
	value = strtoull(argv[n], &end, 10);
	if (errno || end == argv[n] || *end || value < low || value > high) {
		fprintf(stderr, "%s: argument %d must be a number from %llu to %llu, not '%s'\n", argv[0], n,
			(unsigned long long)low, (unsigned long long)high, argv[n]);
		exit(2);
	}
	return value;
}

static inline __attribute__((unused)) void pin_to_cpu(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof set, &set)) {
		perror("sched_setaffinity");
		exit(1);
	}
}

static inline __attribute__((unused)) void start_thread(pthread_t *thread, void *(*run)(void *), void *arg)
{
	int rc = pthread_create(thread, NULL, run, arg);

	if (rc) {
		fprintf(stderr, "pthread_create: %s\n", strerror(rc));
		exit(1);
	}
}

/* Waits until a thread of a process of our own is off the CPU, blocked in that system call: no sooner, even if it is
 * preempted on its way there. */
static inline __attribute__((unused)) void wait_until_blocked(pid_t pid, pid_t tid, long nr)
{
	char path[64], text[32] = "";

	snprintf(path, sizeof path, "/proc/%d/task/%d/syscall", pid, tid);
	for (;;) {
		FILE *f = fopen(path, "r");
		char *end = text;

		if (!f) {
			perror(path);
			exit(1);
		}
		if (fgets(text, sizeof text, f) && strtol(text, &end, 10) == nr && end != text && *end == ' ') {
			fclose(f);
			return;
		}
		fclose(f);
		raw_sleep_ns(200000);
	}
}

static inline __attribute__((unused)) void say(const char *key, uint64_t value)
{
	printf("%s=%llu\n", key, (unsigned long long)value);
	fflush(stdout);
}

#endif
