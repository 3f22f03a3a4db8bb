// SPDX-License-Identifier: MIT
// Sleeps in a destructor while an exception is on its way through its frames.
#include <cstdio>
#include <ctime>
#include <stdexcept>

static volatile int sink;

struct sleeper {
	__attribute__((noinline)) ~sleeper()
	{
		struct timespec pause = {0, 20000000};

		while (sink >= 0) {
			nanosleep(&pause, nullptr);
			sink = sink + 1;
		}
	}
};

__attribute__((noinline)) static int thrower(int n)
{
	if (n > 0)
		return thrower(n - 1) + 1;
	throw std::runtime_error("on its way");
}

__attribute__((noinline)) static int guarded(int n)
{
	sleeper s;

	return thrower(n) + sink;
}

int main()
{
	std::printf("ready\n");
	std::fflush(stdout);
	try {
		return guarded(4);
	} catch (const std::exception &e) {
		return 1;
	}
}
