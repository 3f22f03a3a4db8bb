/* SPDX-License-Identifier: MIT */
/* Names that are near to one that no function has: a slip of the pen, the wrong case, a part of the name. */
#include <stdlib.h>
#include <string.h>

#include "analyze/annotate.h"
#include "analyze/text.h"

#define MAX_NEAR       3
#define MAX_NEAR_BYTES 40 /* of a name shown; the whole message has to fit in an error */
#define MAX_COMPARED   64 /* of a name compared */

struct near_name {
	const char *name;
	size_t distance;
};

static int no_memory(struct stint_err *err)
{
	return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory for names");
}

/* How many characters to add, drop or change to get from one name to the other. */
static size_t edit_distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
	size_t row[MAX_COMPARED + 1], i, j;

	for (j = 0; j <= b_len; j++)
		row[j] = j;
	for (i = 1; i <= a_len; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (j = 1; j <= b_len; j++) {
			size_t change = diagonal + (a[i - 1] != b[j - 1]);
			size_t shift = row[j] < row[j - 1] ? row[j] : row[j - 1];

			diagonal = row[j];
			row[j] = change < shift + 1 ? change : shift + 1;
		}
	}
	return row[b_len];
}

/* The name without what it is qualified by: "f" of "ns::f". */
static const char *last_part(const char *name)
{
	const char *at, *last = name;

	for (at = name; *at && *at != '('; at++)
		if (at[0] == ':' && at[1] == ':' && at[2])
			last = at + 2;
	return last;
}

/* False when they are nothing alike. */
static bool is_near(const char *asked, const char *name, size_t *ret)
{
	const char *part = last_part(name), *asked_part = last_part(asked);
	size_t len = strlen(asked_part), part_len = strlen(part);

	*ret = 0;
	if (!len)
		return false;
	if (strcasestr(name, asked) || strcasestr(part, asked_part))
		return true;
	if (len > MAX_COMPARED || part_len > MAX_COMPARED)
		return false;
	*ret = edit_distance(asked_part, len, part, part_len);
	return *ret <= (len + 2) / 4;
}

static int by_distance(const void *a, const void *b)
{
	const struct near_name *na = a, *nb = b;

	if (na->distance != nb->distance)
		return na->distance < nb->distance ? -1 : 1;
	return strcmp(na->name, nb->name);
}

/* Keeps the names that are near and short enough to be shown, without template arguments; returns how many. */
static size_t gather(const struct annotations *a, struct near_name *near, struct stint_arena *arena)
{
	const struct functions *f = a->functions;
	struct stint_buf name;
	size_t n = 0;
	uint32_t i;

	stint_buf_init(&name, INT32_MAX);
	for (i = 1; i < f->n; i++) {
		stint_buf_reset(&name);
		text_short_name(&name, f->all[i].name);
		stint_buf_u8(&name, 0);
		if (!f->all[i].resolved || stint_buf_status(&name) || name.len > MAX_NEAR_BYTES ||
		    !is_near(a->symbol, (const char *)name.data, &near[n].distance))
			continue;
		near[n].name = stint_arena_strndup(arena, name.data, name.len - 1);
		n += near[n].name != NULL;
	}
	stint_buf_done(&name);
	return n;
}

int annotate_near_names(const struct annotations *a, struct stint_buf *out, struct stint_err *err)
{
	struct near_name *near = calloc(a->functions->n, sizeof(*near));
	struct stint_arena arena = {0};
	size_t n, shown = 0, i;

	if (!near)
		return no_memory(err);
	n = gather(a, near, &arena);
	if (n)
		qsort(near, n, sizeof(*near), by_distance);
	for (i = 0; i < n && shown < MAX_NEAR; i++)
		if (!i || strcmp(near[i].name, near[i - 1].name))
			stint_buf_printf(out, "%s%s", shown++ ? ", " : "", near[i].name);
	free(near);
	stint_arena_done(&arena);
	return stint_buf_status(out) ? no_memory(err) : 0;
}
