/* SPDX-License-Identifier: MIT */
#include "base/amount.h"

#include <stddef.h>
#include <string.h>

#define BILLION UINT64_C(1000000000)

/* A decimal number, in integers, so that 0.1s is exactly 100 ms. */
struct decimal {
	uint64_t whole, billionths;
};

bool stint_parse_number(const char *text, uint64_t max, uint64_t *ret)
{
	uint64_t value = 0;

	if (!*text)
		return false;
	for (; *text; text++) {
		unsigned digit = (unsigned)(*text - '0');

		if (digit > 9 || digit > max || value > (max - digit) / 10)
			return false;
		value = value * 10 + digit;
	}
	*ret = value;
	return true;
}

/* Digits with an optional fraction; what follows them is left at *end. */
static bool parse_decimal(const char *text, const char **end, struct decimal *ret)
{
	uint64_t place = BILLION;
	bool digits = false;

	*ret = (struct decimal){0, 0};
	for (; *text >= '0' && *text <= '9'; text++, digits = true) {
		if (ret->whole > (UINT64_MAX - 9) / 10)
			return false;
		ret->whole = ret->whole * 10 + (uint64_t)(*text - '0');
	}
	if (*text == '.') {
		for (text++; *text >= '0' && *text <= '9'; text++, digits = true) {
			place /= 10;
			ret->billionths += (uint64_t)(*text - '0') * place;
		}
	}
	*end = text;
	return digits;
}

static bool scale(struct decimal number, uint64_t unit, uint64_t *ret)
{
	unsigned __int128 value =
		(unsigned __int128)number.whole * unit + (unsigned __int128)number.billionths * unit / BILLION;

	if (value > INT64_MAX)
		return false;
	*ret = (uint64_t)value;
	return true;
}

static bool unit_ns(const char *unit, uint64_t *ret)
{
	static const struct {
		const char *name;
		uint64_t ns;
	} units[] = {
		{"ns", 1}, {"us", 1000}, {"ms", 1000000}, {"s", BILLION}, {"m", 60 * BILLION}, {"h", 3600 * BILLION},
	};
	size_t i;

	for (i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (!strcmp(unit, units[i].name)) {
			*ret = units[i].ns;
			return true;
		}
	}
	return false;
}

bool stint_parse_time(const char *text, uint64_t bare_ns, uint64_t *ret_ns)
{
	struct decimal number;
	uint64_t unit = bare_ns;
	const char *end;

	if (!parse_decimal(text, &end, &number))
		return false;
	if (!*end && bare_ns == STINT_NEEDS_UNIT && (number.whole || number.billionths))
		return false;
	return (!*end || unit_ns(end, &unit)) && scale(number, unit, ret_ns);
}

bool stint_parse_share(const char *text, uint64_t *ret_billionths)
{
	struct decimal number;
	const char *end;

	return parse_decimal(text, &end, &number) && !strcmp(end, "%") &&
	       scale(number, BILLION / 100, ret_billionths) && *ret_billionths <= BILLION;
}

bool stint_parse_size(const char *text, uint64_t *ret_bytes)
{
	static const char letters[] = "KMGT";
	struct decimal number;
	uint64_t unit = 1;
	const char *end, *letter;

	if (!parse_decimal(text, &end, &number))
		return false;
	if (*end) {
		letter = strchr(letters, *end & ~0x20);
		if (!letter || !*letter || (end[1] && strcmp(end + 1, "B") && strcmp(end + 1, "iB")))
			return false;
		unit = UINT64_C(1) << 10 * (letter - letters + 1);
	}
	return scale(number, unit, ret_bytes);
}
