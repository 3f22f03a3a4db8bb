/* SPDX-License-Identifier: MIT */
/* base/: errors, buffers, cursors, arenas, hash tables, amounts. */
#include <errno.h>
#include <setjmp.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/amount.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/cursor.h"
#include "base/err.h"
#include "base/map.h"

static uint64_t random_state;

static uint64_t next_random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static void err_message_has_offset_and_errno(void **state)
{
	struct stint_err err = STINT_ERR_INIT;

	(void)state;
	assert_int_equal(stint_err_set(&err, STINT_ERR_IO, ENOENT, 12, "can't read %s", "x"), STINT_ERR_IO);
	assert_string_equal(err.msg, "can't read x (at byte 12): No such file or directory");
	assert_int_equal(stint_err_prefix(&err, "%s", "file.stint"), STINT_ERR_IO);
	assert_string_equal(err.msg, "file.stint: can't read x (at byte 12): No such file or directory");
	assert_int_equal(stint_err_set(NULL, STINT_ERR_LIMIT, 0, -1, "ignored"), STINT_ERR_LIMIT);
}

static void err_long_messages_are_cut(void **state)
{
	struct stint_err err = STINT_ERR_INIT;
	char text[1000];

	(void)state;
	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	stint_err_set(&err, STINT_ERR_IO, ENOENT, 12, "%s", text);
	assert_int_equal(strlen(err.msg), sizeof(err.msg) - 1);
	/* Not the reason. */
	assert_non_null(strstr(err.msg, "aaa (at byte 12): No such file or directory"));
	stint_err_prefix(&err, "%s", text);
	assert_int_equal(strlen(err.msg), sizeof(err.msg) - 1);
}

static void err_exit_statuses_follow_the_contract(void **state)
{
	(void)state;
	assert_int_equal(stint_err_exit_status(0), 0);
	assert_int_equal(stint_err_exit_status(STINT_ERR_USAGE), 2);
	assert_int_equal(stint_err_exit_status(STINT_ERR_FORMAT), 3);
	assert_int_equal(stint_err_exit_status(STINT_ERR_IO), 3);
	assert_int_equal(stint_err_exit_status(STINT_ERR_SYSTEM), 4);
}

static void buf_keeps_its_maximum(void **state)
{
	struct stint_buf buf;

	(void)state;
	stint_buf_init(&buf, 10);
	stint_buf_bytes(&buf, "12345678", 8);
	assert_int_equal(stint_buf_status(&buf), 0);
	stint_buf_u32(&buf, 1);
	assert_int_equal(stint_buf_status(&buf), STINT_ERR_LIMIT);
	assert_int_equal(buf.len, 8);
	stint_buf_u8(&buf, 1); /* would fit, but the failure sticks */
	assert_int_equal(buf.len, 8);
	stint_buf_reset(&buf);
	stint_buf_printf(&buf, "%d-%s", 42, "abc");
	assert_int_equal(stint_buf_status(&buf), 0);
	assert_int_equal(buf.len, 6);
	assert_memory_equal(buf.data, "42-abc", 6);
	stint_buf_done(&buf);
	stint_buf_done(NULL);
}

static void integers_survive_a_round_trip(void **state)
{
	static const uint64_t edges[] = {0, 1, 127, 128, 16383, 16384, UINT32_MAX, UINT64_MAX - 1, UINT64_MAX};
	struct stint_buf buf;
	struct stint_cursor cur;
	size_t i;

	(void)state;
	stint_buf_init(&buf, 1 << 20);
	random_state = 7;
	for (i = 0; i < 1000; i++) {
		uint64_t value = i < sizeof(edges) / sizeof(*edges) ? edges[i] : next_random() >> (i % 64);

		stint_buf_u8(&buf, (uint8_t)value);
		stint_buf_u16(&buf, (uint16_t)value);
		stint_buf_u32(&buf, (uint32_t)value);
		stint_buf_u64(&buf, value);
		stint_buf_varint(&buf, value);
	}
	assert_int_equal(stint_buf_status(&buf), 0);
	cur = stint_cursor_of(buf.data, buf.len);
	random_state = 7;
	for (i = 0; i < 1000; i++) {
		uint64_t value = i < sizeof(edges) / sizeof(*edges) ? edges[i] : next_random() >> (i % 64);

		assert_int_equal(stint_cursor_u8(&cur), (uint8_t)value);
		assert_int_equal(stint_cursor_u16(&cur), (uint16_t)value);
		assert_int_equal(stint_cursor_u32(&cur), (uint32_t)value);
		assert_true(stint_cursor_u64(&cur) == value);
		assert_true(stint_cursor_varint(&cur) == value);
	}
	assert_false(cur.bad);
	assert_int_equal(stint_cursor_left(&cur), 0);
	stint_buf_done(&buf);
}

static void cursor_turns_bad_and_reads_zeros(void **state)
{
	static const uint8_t three[3] = {1, 2, 3};
	static const uint8_t endless[11] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	static const uint8_t too_wide[10] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2};
	struct stint_cursor cur = stint_cursor_of(three, sizeof(three));

	(void)state;
	assert_int_equal(stint_cursor_u32(&cur), 0);
	assert_true(cur.bad);
	assert_int_equal(stint_cursor_u8(&cur), 0);
	assert_null(stint_cursor_bytes(&cur, 0));
	cur = stint_cursor_of(endless, sizeof(endless));
	assert_true(stint_cursor_varint(&cur) == 0 && cur.bad);
	cur = stint_cursor_of(too_wide, sizeof(too_wide));
	assert_true(stint_cursor_varint(&cur) == 0 && cur.bad);
	cur = stint_cursor_of(endless, 0);
	assert_true(stint_cursor_varint(&cur) == 0 && cur.bad);
}

static void arena_memory_is_zeroed_and_apart(void **state)
{
	struct stint_arena arena = {0};
	uint8_t *pieces[200];
	size_t i, k;

	(void)state;
	for (i = 0; i < 200; i++) {
		size_t size = i == 100 ? 300000 : 1 + i * 37 % 1000;

		pieces[i] = stint_arena_alloc(&arena, size);
		assert_non_null(pieces[i]);
		assert_int_equal((uintptr_t)pieces[i] % alignof(max_align_t), 0);
		for (k = 0; k < size; k++)
			assert_int_equal(pieces[i][k], 0);
		memset(pieces[i], 0xee, size);
	}
	assert_null(stint_arena_alloc(&arena, SIZE_MAX));
	assert_string_equal(stint_arena_strndup(&arena, "abcdef", 3), "abc");
	stint_arena_done(&arena);
	stint_arena_done(NULL);
	assert_int_equal(arena.total_bytes, 0);
}

/* The map must always agree with a plain array that is indexed by the key. */
static void map_agrees_with_an_array(void **state)
{
	enum { N_KEYS = 500 };
	struct stint_map map = {0};
	uint64_t expected[N_KEYS] = {0};
	bool present[N_KEYS] = {0};
	size_t step, i, n_present = 0;

	(void)state;
	random_state = 11;
	for (step = 0; step < 200000; step++) {
		size_t key = next_random() % N_KEYS;

		if (next_random() % 3) {
			bool is_new;
			uint64_t *value = stint_map_put(&map, key * 4096, &is_new);

			assert_non_null(value);
			assert_int_equal(is_new, !present[key]);
			n_present += is_new;
			present[key] = true;
			expected[key] = *value = next_random();
		} else {
			stint_map_remove(&map, key * 4096);
			n_present -= present[key];
			present[key] = false;
		}
		if (step % 1000)
			continue;
		assert_int_equal(map.n_used, n_present);
		for (i = 0; i < N_KEYS; i++) {
			uint64_t *value = stint_map_get(&map, i * 4096);

			assert_int_equal(value != NULL, present[i]);
			assert_true(!value || *value == expected[i]);
		}
	}
	stint_map_done(&map);
	stint_map_done(NULL);
}

static void intern_gives_dense_stable_ids(void **state)
{
	struct stint_intern in = {0};
	uint32_t id, i;
	bool is_new;
	char text[32];

	(void)state;
	assert_int_equal(stint_intern_find(&in, "x", 1), 0);
	for (i = 1; i <= 5000; i++) {
		int len = snprintf(text, sizeof(text), "string %u", i);

		assert_int_equal(stint_intern_put(&in, text, (size_t)len, &id, &is_new), 0);
		assert_int_equal(id, i);
		assert_true(is_new);
	}
	for (i = 1; i <= 5000; i++) {
		int len = snprintf(text, sizeof(text), "string %u", i);

		assert_int_equal(stint_intern_put(&in, text, (size_t)len, &id, &is_new), 0);
		assert_int_equal(id, i);
		assert_false(is_new);
		assert_int_equal(stint_intern_find(&in, text, (size_t)len), i);
		assert_memory_equal(in.entries[i - 1].data, text, (size_t)len);
	}
	/* NUL bytes and prefixes are different strings. */
	assert_int_equal(stint_intern_put(&in, "a\0b", 3, &id, NULL), 0);
	assert_int_equal(id, 5001);
	assert_int_equal(stint_intern_put(&in, "a", 1, &id, NULL), 0);
	assert_int_equal(id, 5002);
	stint_intern_done(&in);
	stint_intern_done(NULL);
}

static void numbers_are_plain_digits(void **state)
{
	static const char *const wrong[] = {"", "-1", "+1", " 1", "1 ", "0x1", "1.", "101", "18446744073709551616"};
	uint64_t value = 7;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_false(stint_parse_number(wrong[i], 100, &value));
	assert_int_equal(value, 7);
	assert_true(stint_parse_number("100", 100, &value) && value == 100);
	assert_true(stint_parse_number("0018", 100, &value) && value == 18);
	assert_true(stint_parse_number("18446744073709551615", UINT64_MAX, &value) && value == UINT64_MAX);
	assert_false(stint_parse_number("18446744073709551616", UINT64_MAX, &value));
	assert_false(stint_parse_number("4", 3, &value));
}

static void times_need_a_unit(void **state)
{
	static const struct {
		const char *text;
		uint64_t ns;
	} right[] = {
		{"0", 0},
		{"0.0", 0},
		{"0s", 0},
		{"5ns", 5},
		{"50us", 50000},
		{"1ms", 1000000},
		{"1.5ms", 1500000},
		{".5s", 500000000},
		{"0.1s", 100000000},
		{"2m", 120000000000},
		{"1h", 3600000000000},
		{"0.9ns", 0},
		{"9223372036854775807ns", INT64_MAX},
	};
	static const char *const wrong[] = {"",
					    "5",
					    "1.5",
					    "us",
					    ".",
					    "-1s",
					    "1 s",
					    "1S",
					    "1us5",
					    "1e3s",
					    "1ks",
					    "nan",
					    "inf",
					    "9223372036854775808ns",
					    "99999999999h",
					    "99999999999999999999ns"};
	uint64_t ns;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(right) / sizeof(right[0]); i++) {
		assert_true(stint_parse_time(right[i].text, STINT_NEEDS_UNIT, &ns));
		assert_true(ns == right[i].ns);
	}
	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_false(stint_parse_time(wrong[i], STINT_NEEDS_UNIT, &ns));
	assert_true(stint_parse_time("2.5", STINT_SECONDS, &ns) && ns == 2500000000);
	assert_true(stint_parse_time("250ms", STINT_SECONDS, &ns) && ns == 250000000);
	assert_false(stint_parse_time("", STINT_SECONDS, &ns));
}

static void shares_and_sizes(void **state)
{
	static const char *const no_size[] = {"", "K", "-1", "1KK", "1KB ", "1X", "1Ki", "8388608T", "1e3", "nan"};
	uint64_t value;
	size_t i;

	(void)state;
	assert_true(stint_parse_share("30%", &value) && value == 300000000);
	assert_true(stint_parse_share("100%", &value) && value == 1000000000);
	assert_true(stint_parse_share("0.5%", &value) && value == 5000000);
	assert_false(stint_parse_share("100.1%", &value));
	assert_false(stint_parse_share("30", &value));
	assert_false(stint_parse_share("%", &value));
	assert_true(stint_parse_size("4096", &value) && value == 4096);
	assert_true(stint_parse_size("64K", &value) && value == 64 << 10);
	assert_true(stint_parse_size("1.5m", &value) && value == 3 << 19);
	assert_true(stint_parse_size("2GiB", &value) && value == UINT64_C(2) << 30);
	assert_true(stint_parse_size("1TB", &value) && value == UINT64_C(1) << 40);
	for (i = 0; i < sizeof(no_size) / sizeof(no_size[0]); i++)
		assert_false(stint_parse_size(no_size[i], &value));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(err_message_has_offset_and_errno),
		cmocka_unit_test(err_long_messages_are_cut),
		cmocka_unit_test(err_exit_statuses_follow_the_contract),
		cmocka_unit_test(buf_keeps_its_maximum),
		cmocka_unit_test(integers_survive_a_round_trip),
		cmocka_unit_test(cursor_turns_bad_and_reads_zeros),
		cmocka_unit_test(arena_memory_is_zeroed_and_apart),
		cmocka_unit_test(map_agrees_with_an_array),
		cmocka_unit_test(intern_gives_dense_stable_ids),
		cmocka_unit_test(numbers_are_plain_digits),
		cmocka_unit_test(times_need_a_unit),
		cmocka_unit_test(shares_and_sizes),
	};

	return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
