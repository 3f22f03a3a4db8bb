/* SPDX-License-Identifier: MIT */
/* Functions to annotate. The tests make recordings of addresses in them; nobody runs them. */
#define NOINLINE __attribute__((noinline))

extern volatile unsigned sink;
volatile unsigned sink;

NOINLINE unsigned hot(unsigned n)
{
	unsigned x = 1;

	while (n--)
		x = x * 2654435761u + n; /* the hot line */
	return x;
}

NOINLINE unsigned caller(unsigned n)
{
	unsigned x = hot(n); /* the first call */

	sink = x;
	return x + hot(n + 1); /* the second call */
}

NOINLINE unsigned nested(unsigned n)
{
	if (!n)
		return sink;
	return nested(n - 1) + sink; /* the inner call */
}

static inline __attribute__((always_inline)) unsigned mixed(unsigned x)
{
	return (x ^ x >> 7) * 2246822519u; /* the inlined line */
}

NOINLINE unsigned outer(unsigned n)
{
	sink = n;
	return mixed(sink) + 1;
}

NOINLINE unsigned other(unsigned n)
{
	return mixed(n) - sink;
}

extern void rare(unsigned n) __attribute__((cold));
NOINLINE void rare(unsigned n)
{
	sink += n;
}

NOINLINE unsigned divided(unsigned n)
{
	sink = n;
	if (n == 77) {
		rare(n);
		rare(sink);
		sink = n * 3;
	}
	return sink * 5;
}

#if defined(__x86_64__)
NOINLINE long enter(long n)
{
	long result;

	__asm__ volatile("syscall" : "=a"(result) : "a"(n) : "rcx", "r11", "memory"); /* the system call */
	return result + 1;
}

/* Bytes that are no instruction in 64-bit mode, between some that are. */
__asm__(".text\n.globl junk\n.type junk, @function\njunk:\n\txorl %eax, %eax\n\t.byte 0x06, 0x1f\n\tret\n"
	".size junk, . - junk\n");

/* A label of assembly code: without a size. */
__asm__(".text\n.globl unsized\nunsized:\n\tincl %eax\n\tret\n");
#else
NOINLINE long enter(long n)
{
	return n + 1;
}
#endif

int main(int argc, char **argv)
{
	unsigned n = (unsigned)argc;

	(void)argv;
	return (int)(hot(n) + caller(n) + nested(n) + outer(n) + other(n) + divided(n) + (unsigned)enter(n));
}
