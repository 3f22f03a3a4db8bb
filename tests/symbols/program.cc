// SPDX-License-Identifier: MIT
// Something to look addresses up in: templates, inlining, lambdas, virtual calls, constructors, a static and a cold part.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace app {
struct shape {
	virtual ~shape() {}
	virtual double area() const = 0;
};
struct circle : shape {
	double r;
	explicit circle(double x) : r(x) {}
	double area() const override { return 3.14 * r * r; }
};
template <typename T> struct box {
	T v;
	template <typename F> auto map(F f) const { return f(v); }
};

static int compare(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

__attribute__((noinline)) std::map<std::string, int> count(const std::vector<std::string> &words)
{
	std::map<std::string, int> m;

	for (auto &word : words)
		m[word]++;
	if (m.size() > 1000)
		abort();
	return m;
}

__attribute__((noinline)) double sum(const std::vector<std::unique_ptr<shape>> &shapes)
{
	double total = 0;

	std::for_each(shapes.begin(), shapes.end(), [&](const auto &s) { total += s->area(); });
	return total;
}
} // namespace app

int main(int argc, char **argv)
{
	std::vector<std::string> words(argv, argv + argc);
	std::vector<std::unique_ptr<app::shape>> shapes;
	int numbers[] = {3, 1, 2};

	for (int i = 0; i < argc; i++)
		shapes.push_back(std::make_unique<app::circle>(i));
	qsort(numbers, 3, sizeof(*numbers), app::compare);
	std::sort(words.begin(), words.end(), [](const auto &x, const auto &y) { return x.size() < y.size(); });
	printf("%zu %f %d %zu\n", app::count(words).size(), app::sum(shapes), numbers[0],
	       app::box<std::string>{"x"}.map([](const std::string &s) { return s.size(); }));
	return 0;
}
