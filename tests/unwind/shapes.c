/* SPDX-License-Identifier: MIT */
/*
 * Sleeps again and again at the bottom of a stack of a given shape, for comparing how it is walked. usage: shapes MODE
 */
#include <dlfcn.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline, noclone))

static volatile int sink;

/* Never returns, so that everything sees the same stack. */
NOINLINE static int rest(volatile char *room)
{
	struct timespec pause = {.tv_nsec = 20000000};

	for (;;) {
		nanosleep(&pause, NULL);
		sink += room ? room[0] : 0;
	}
	return sink;
}

NOINLINE static int with_alloca(int n)
{
	volatile char *room = __builtin_alloca((size_t)n * 100 + 1);

	room[0] = (char)n;
	return (n ? with_alloca(n - 1) : rest(room)) + room[0];
}

NOINLINE static int with_array(int n)
{
	volatile char room[n * 37 + 1];

	room[0] = (char)n;
	return (n ? with_array(n - 1) : rest(room)) + room[0];
}

NOINLINE static int large(int n)
{
	volatile char room[600000];

	room[0] = (char)n;
	return (n ? large(n - 1) : rest(room)) + room[n];
}

NOINLINE static int realigned(int n)
{
	volatile double lines[8] __attribute__((aligned(64)));
	volatile char *room = __builtin_alloca((size_t)n * 10 + 1);

	lines[0] = n;
	room[0] = (char)n;
	return (n ? realigned(n - 1) : rest(room)) + (int)lines[0] + room[0];
}

static int depth;

NOINLINE static int compare(const void *a, const void *b);

NOINLINE static int sort_again(int n)
{
	int values[3] = {n, n + 2, n + 1};

	qsort(values, 3, sizeof(values[0]), compare);
	return values[0];
}

NOINLINE static int compare(const void *a, const void *b)
{
	const int *x = a, *y = b;

	if (++depth > 12)
		rest(NULL);
	sink += sort_again(*x);
	return *x - *y;
}

NOINLINE static int tail_two(int n)
{
	return rest((volatile char *)&n) + n;
}

NOINLINE static int tail_one(int n)
{
	return tail_two(n + 1); /* a jump when optimized */
}

NOINLINE static int tail(int n)
{
	return tail_one(n) + n;
}

__attribute__((cold, noinline)) static int unlikely(int n)
{
	return rest(NULL) + n;
}

NOINLINE static int hot_and_cold(int n)
{
	if (__builtin_expect(n > 1, 0))
		return unlikely(n) * 3 + n;
	return n;
}

static sigjmp_buf out;

NOINLINE static int jump(int n)
{
	if (n)
		return jump(n - 1) + 1;
	siglongjmp(out, 1);
}

NOINLINE static int after_jump(int n)
{
	if (!sigsetjmp(out, 1))
		return jump(20);
	return rest(NULL) + n;
}

static void on_usr2(int signal)
{
	sink += signal;
	rest(NULL);
}

static void on_usr1(int signal)
{
	sink += signal;
	raise(SIGUSR2);
}

/* A handler that interrupts no call: the instruction it goes back to is what counts. */
static void on_segv(int signal)
{
	sink += signal;
	rest(NULL);
}

NOINLINE static int nested_signals(int n)
{
	stack_t alternate = {.ss_sp = malloc(65536), .ss_size = 65536};
	struct sigaction one = {.sa_handler = on_usr1, .sa_flags = SA_ONSTACK}, two = {.sa_handler = on_usr2};

	sigaltstack(&alternate, NULL);
	sigaction(SIGUSR1, &one, NULL);
	sigaction(SIGUSR2, &two, NULL);
	raise(SIGUSR1);
	return sink + n;
}

NOINLINE static int faulting(volatile int *nowhere)
{
	struct sigaction segv = {.sa_handler = on_segv};

	sigaction(SIGSEGV, &segv, NULL);
	*nowhere = 1;
	return sink;
}

NOINLINE static int with_vfork(int n)
{
	if (vfork() == 0) {
		/* Until standard input ends. */
		char byte;

		while (read(STDIN_FILENO, &byte, 1) > 0)
			;
		_exit(0);
	}
	return sink + n;
}

static void *thread(void *arg)
{
	with_alloca((int)(intptr_t)arg);
	return NULL;
}

NOINLINE static int with_thread(int n)
{
	pthread_t id;

	pthread_create(&id, NULL, thread, (void *)(intptr_t)n);
	pthread_join(id, NULL);
	return n;
}

#ifndef NO_CONTEXT
static ucontext_t back, other;

static void in_context(void)
{
	with_array(3);
}

NOINLINE static int with_context(int n)
{
	static char room[65536];

	getcontext(&other);
	other.uc_stack.ss_sp = room;
	other.uc_stack.ss_size = sizeof(room);
	other.uc_link = &back;
	makecontext(&other, in_context, 0);
	swapcontext(&back, &other);
	return n;
}
#endif

#ifndef NO_DLOPEN
NOINLINE static int with_library(const char *path)
{
	int (*call)(int (*)(volatile char *));
	void *handle = NULL;
	int i;

	/* Mapped and unmapped, and mapped again: perhaps elsewhere. */
	for (i = 0; i < 5; i++) {
		if (handle)
			dlclose(handle);
		handle = dlopen(path, RTLD_NOW);
		if (!handle)
			return 1;
	}
	*(void **)&call = dlsym(handle, "call_back");
	return call ? call(rest) : 1;
}
#endif

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";
	static const struct {
		const char *name;
		int (*run)(int);
	} modes[] = {
		{"alloca", with_alloca},     {"array", with_array}, {"large", large},	     {"realigned", realigned},
		{"qsort", sort_again},	     {"tail", tail},	    {"cold", hot_and_cold},  {"jump", after_jump},
		{"signals", nested_signals}, {"vfork", with_vfork}, {"thread", with_thread},
#ifndef NO_CONTEXT
		{"context", with_context},
#endif
	};
	size_t i;

	printf("ready\n");
	fflush(stdout);
	for (i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		if (!strcmp(mode, modes[i].name))
			return modes[i].run(5 + sink);
	if (!strcmp(mode, "fault"))
		return faulting(NULL);
#ifndef NO_DLOPEN
	if (!strcmp(mode, "library") && argc > 2)
		return with_library(argv[2]);
#endif
	fprintf(stderr, "shapes: no mode '%s'\n", mode);
	return 2;
}
