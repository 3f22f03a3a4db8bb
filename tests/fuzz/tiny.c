/* SPDX-License-Identifier: MIT */
/* The least program that has inlined functions, two units' worth of names and a cold part: seeds for mutants. */
struct point {
	int x, y;
};

static inline __attribute__((always_inline)) int square(int x)
{
	return x * x;
}

static inline __attribute__((always_inline)) int length(const struct point *p)
{
	return square(p->x) + square(p->y);
}

__attribute__((noinline)) int farthest(const struct point *points, int n)
{
	int i, best = 0;

	for (i = 0; i < n; i++)
		if (length(&points[i]) > best)
			best = length(&points[i]);
	if (__builtin_expect(best < 0, 0))
		__builtin_trap();
	return best;
}

void _start(void)
{
	static struct point points[2] = {{1, 2}, {3, 4}};

	farthest(points, 2);
	for (;;)
		;
}
