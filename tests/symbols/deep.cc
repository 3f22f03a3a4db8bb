// SPDX-License-Identifier: MIT
// Much code from few lines: regular expressions, containers and algorithms, inlined into each other a dozen deep.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <regex>
#include <string>
#include <unordered_map>
#include <vector>

#ifndef DEEP_NAMESPACE
#define DEEP_NAMESPACE deep
#endif

namespace DEEP_NAMESPACE {
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
	explicit box(T x) : v(std::move(x)) {}
	template <typename F> auto map(F f) { return box<decltype(f(v))>(f(v)); }
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
	return m;
}

__attribute__((noinline)) double sum(const std::vector<std::unique_ptr<shape>> &shapes)
{
	double total = 0;

	std::for_each(shapes.begin(), shapes.end(), [&](const auto &s) { total += s->area(); });
	return total;
}

int all(int argc, char **argv)
{
	std::vector<std::string> words(argv, argv + argc);
	std::unordered_map<std::string, std::vector<int>> places;
	std::vector<std::unique_ptr<shape>> shapes;
	auto counts = count(words);
	int numbers[] = {3, 1, 2};

	for (int i = 0; i < argc; i++) {
		shapes.push_back(std::make_unique<circle>(i));
		places[words[i]].push_back(i);
	}
	qsort(numbers, 3, sizeof(*numbers), compare);
	std::sort(words.begin(), words.end(), [](const auto &x, const auto &y) { return x.size() < y.size(); });
	std::regex pattern("a+(b|c)*");
	std::function<int(int)> add = [&](int x) { return x + (int)counts.size(); };
	auto boxed = box<std::string>("x").map([](const std::string &s) { return s.size(); });
	return printf("%f %d %d %zu %zu\n", sum(shapes), add(numbers[0]), (int)std::regex_match(words[0], pattern), boxed.v,
		      places.size());
}
} // namespace DEEP_NAMESPACE

#ifndef DEEP_PART
int main(int argc, char **argv)
{
	return DEEP_NAMESPACE::all(argc, argv);
}
#endif
