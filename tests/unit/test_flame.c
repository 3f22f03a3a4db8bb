/* SPDX-License-Identifier: MIT */
/* The flame graph's tree and its three ways out, with names that mean harm. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "analyze/flame.h"

static const char *const no_lines[] = {NULL};

static const struct flame_text plain_text = {
	.title = "title",
	.facts = no_lines,
	.notes = no_lines,
	.unit = "samples",
	.folded_unit = 1,
};

static uint32_t child(struct flame *f, uint32_t parent, const char *name, enum flame_kind kind)
{
	const struct flame_frame frame = {
		.name = name,
		.module = "m",
		.kind = kind,
		.kernel = kind == FLAME_KERNEL,
		.inlined = kind == FLAME_INLINED,
	};
	uint32_t id, node;

	assert_int_equal(flame_frame(f, &frame, &id, NULL), 0);
	assert_int_equal(flame_child(f, parent, id, &node, NULL), 0);
	return node;
}

static char *write_with(const struct flame_emitter *emitter, const struct flame *f, const struct flame_text *text)
{
	char *out = NULL;
	size_t size;
	FILE *memory = open_memstream(&out, &size);

	assert_non_null(memory);
	assert_int_equal(emitter->write(f, text, memory, NULL), 0);
	assert_int_equal(fclose(memory), 0);
	assert_int_equal(strlen(out), size); /* no NUL comes through */
	return out;
}

static void small_tree(struct flame *f)
{
	uint32_t thread, main_node, work, inlined;

	assert_int_equal(flame_init(f, NULL), 0);
	thread = child(f, 0, "app", FLAME_THREAD);
	main_node = child(f, thread, "main", FLAME_USER);
	work = child(f, main_node, "work", FLAME_USER);
	inlined = child(f, work, "square", FLAME_INLINED);
	flame_add(f, child(f, main_node, "read", FLAME_KERNEL), 30, 1);
	flame_add(f, work, 10, 1);
	flame_add(f, inlined, 60, 2);
	assert_int_equal(child(f, main_node, "work", FLAME_USER), work);
	assert_int_equal(flame_finish(f, NULL), 0);
	assert_int_equal(f->nodes[0].total, 100);
	assert_int_equal(f->nodes[0].count, 4);
	assert_int_equal(f->nodes[work].total, 70);
	assert_int_equal(f->nodes[main_node].first_child, work); /* the wider child first */
}

static void folds(void **state)
{
	struct flame f;
	char *out;

	(void)state;
	small_tree(&f);
	out = write_with(&flame_folded, &f, &plain_text);
	assert_string_equal(out, "app;main;work;square_[i] 60\napp;main;read_[k] 30\napp;main;work 10\n");
	free(out);
	flame_done(&f);
}

static void folds_hostile_names(void **state)
{
	struct flame f;
	uint32_t thread;
	char *out;

	(void)state;
	assert_int_equal(flame_init(&f, NULL), 0);
	thread = child(&f, 0, "a;b\nc", FLAME_THREAD);
	flame_add(&f, child(&f, thread, "back\\slash\xff\xc3\xa4", FLAME_USER), 2, 0);
	flame_add(&f, child(&f, thread, "", FLAME_USER), 1, 0);
	assert_int_equal(flame_finish(&f, NULL), 0);
	out = write_with(&flame_folded, &f, &plain_text);
	assert_string_equal(out, "a\\x3bb\\x0ac;back\\x5cslash\\xff\xc3\xa4 2\na\\x3bb\\x0ac;[no name] 1\n");
	free(out);
	flame_done(&f);
}

/* Frames that a folded line can't tell apart share one line; in the tree they stay two. */
static void folds_equal_lines_into_one(void **state)
{
	struct flame f;
	struct flame_frame frame = {.name = "same", .module = "liba", .kind = FLAME_USER};
	uint32_t id, a, b;
	char *out;

	(void)state;
	assert_int_equal(flame_init(&f, NULL), 0);
	assert_int_equal(flame_frame(&f, &frame, &id, NULL), 0);
	assert_int_equal(flame_child(&f, 0, id, &a, NULL), 0);
	frame.module = "libb";
	assert_int_equal(flame_frame(&f, &frame, &id, NULL), 0);
	assert_int_equal(flame_child(&f, 0, id, &b, NULL), 0);
	assert_int_not_equal(a, b);
	flame_add(&f, a, 1, 0);
	flame_add(&f, b, 2, 0);
	assert_int_equal(flame_finish(&f, NULL), 0);
	out = write_with(&flame_folded, &f, &plain_text);
	assert_string_equal(out, "same 3\n");
	free(out);
	flame_done(&f);
}

static uint64_t next_random(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return *seed >> 33;
}

static void random_tree(struct flame *f, uint64_t *seed, int n_stacks, uint64_t *ret_sum)
{
	assert_int_equal(flame_init(f, NULL), 0);
	*ret_sum = 0;
	for (int i = 0; i < n_stacks; i++) {
		uint32_t node = 0;
		int depth = 1 + (int)(next_random(seed) % 12);
		uint64_t value = next_random(seed) % 5000;
		char name[16];

		for (int d = 0; d < depth; d++) {
			snprintf(name, sizeof(name), "f%d", (int)(next_random(seed) % 4));
			node = child(f, node, name, (enum flame_kind)(FLAME_USER + next_random(seed) % 4));
		}
		flame_add(f, node, value, 1);
		*ret_sum += value;
	}
	assert_int_equal(flame_finish(f, NULL), 0);
}

/* The lines add up to the total, also where each one is rounded; every node's total is its own and its children's. */
static void sums_are_kept(void **state)
{
	uint64_t seed = 7;

	(void)state;
	for (int round = 0; round < 200; round++) {
		struct flame_text text = plain_text;
		struct flame f;
		uint64_t sum, folded = 0;
		char *out, *line, *rest;

		random_tree(&f, &seed, 200, &sum);
		assert_int_equal(f.nodes[0].total, sum);
		assert_int_equal(f.nodes[0].count, 200);
		for (uint32_t i = 0; i < f.n_nodes; i++) {
			uint64_t below = f.nodes[i].self, last = UINT64_MAX;

			for (uint32_t k = f.nodes[i].first_child; k; k = f.nodes[k].next_sibling) {
				below += f.nodes[k].total;
				assert_true(f.nodes[k].total <= last);
				last = f.nodes[k].total;
			}
			assert_int_equal(below, f.nodes[i].total);
		}
		text.folded_unit = round & 1 ? 1 : 1000;
		out = write_with(&flame_folded, &f, &text);
		for (line = strtok_r(out, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
			folded += strtoull(strrchr(line, ' ') + 1, NULL, 10);
		assert_int_equal(folded, sum / text.folded_unit);
		free(out);
		flame_done(&f);
	}
}

static void walks_every_node_once(void **state)
{
	uint64_t seed = 11, sum;
	uint32_t n = 0, node = 0;
	struct flame f;

	(void)state;
	random_tree(&f, &seed, 500, &sum);
	do {
		n++;
		node = flame_next(&f, node);
	} while (node);
	assert_int_equal(n, f.n_nodes);
	flame_done(&f);
}

static void huge_values_stay_at_the_largest(void **state)
{
	struct flame f;
	uint32_t node;

	(void)state;
	assert_int_equal(flame_init(&f, NULL), 0);
	node = child(&f, 0, "a", FLAME_USER);
	flame_add(&f, node, UINT64_MAX - 1, 1);
	flame_add(&f, node, 5, 1);
	flame_add(&f, child(&f, 0, "b", FLAME_USER), 5, 1);
	assert_int_equal(flame_finish(&f, NULL), 0);
	assert_true(f.nodes[0].total == UINT64_MAX);
	flame_done(&f);
}

static size_t count_of(const char *text, const char *what)
{
	size_t n = 0;

	for (text = strstr(text, what); text; text = strstr(text + 1, what))
		n++;
	return n;
}

/* A name can't end the page's data, open an element, or fill in another of its places. */
static void page_is_safe_from_names(void **state)
{
	static const char *const notes[] = {"</script><b>", NULL};
	static const char attack[] = "</script><script>alert(1)</script><img src=x onerror=alert(1)>"
				     "\xe2\x80\xa8@DATA@\xff";
	struct flame_text text = plain_text;
	struct flame f, empty;
	char *out, *plain;

	(void)state;
	assert_int_equal(flame_init(&f, NULL), 0);
	flame_add(&f, child(&f, child(&f, 0, attack, FLAME_THREAD), attack, FLAME_USER), 1, 1);
	assert_int_equal(flame_finish(&f, NULL), 0);
	assert_int_equal(flame_init(&empty, NULL), 0);
	assert_int_equal(flame_finish(&empty, NULL), 0);
	text.title = attack;
	text.notes = notes;
	out = write_with(&flame_html, &f, &text);
	plain = write_with(&flame_html, &empty, &plain_text);
	assert_int_equal(count_of(out, "</script>"), count_of(plain, "</script>"));
	assert_int_equal(count_of(out, "<script"), count_of(plain, "<script"));
	assert_int_equal(count_of(out, "<img"), 0);
	assert_int_equal(count_of(out, "\xff"), 0);
	assert_int_equal(count_of(out, "Content-Security-Policy"), 1);
	assert_int_equal(count_of(out, "stint.flame/1"), 1);
	assert_int_equal(count_of(plain, "http:") + count_of(plain, "https:"), 0);
	free(out);
	free(plain);
	flame_done(&f);
	flame_done(&empty);
}

static void picture_is_safe_from_names(void **state)
{
	struct flame f;
	char *out;

	(void)state;
	assert_int_equal(flame_init(&f, NULL), 0);
	flame_add(&f, child(&f, 0, "<script>&\"\x01\xff</title>", FLAME_USER), 1, 1);
	assert_int_equal(flame_finish(&f, NULL), 0);
	out = write_with(&flame_svg, &f, &plain_text);
	assert_null(strstr(out, "<script"));
	assert_null(strchr(out, '\x01'));
	assert_null(strchr(out, '\xff'));
	assert_non_null(strstr(out, "&#60;script&#62;&#38;&#34;\xef\xbf\xbd\xef\xbf\xbd&#60;/title&#62;"));
	free(out);
	flame_done(&f);
}

static void formats_values(void **state)
{
	char text[64];

	(void)state;
	flame_format_value(text, sizeof(text), 1234567, "samples");
	assert_string_equal(text, "1,234,567 samples");
	flame_format_value(text, sizeof(text), 999, "switches");
	assert_string_equal(text, "999 switches");
	flame_format_value(text, sizeof(text), 1234567890, "ns");
	assert_string_equal(text, "1.235 s");
	flame_format_value(text, sizeof(text), 1500, "ns");
	assert_string_equal(text, "1.500 us");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(folds),
		cmocka_unit_test(folds_hostile_names),
		cmocka_unit_test(folds_equal_lines_into_one),
		cmocka_unit_test(sums_are_kept),
		cmocka_unit_test(walks_every_node_once),
		cmocka_unit_test(huge_values_stay_at_the_largest),
		cmocka_unit_test(page_is_safe_from_names),
		cmocka_unit_test(picture_is_safe_from_names),
		cmocka_unit_test(formats_values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
