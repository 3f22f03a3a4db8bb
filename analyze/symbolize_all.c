/* SPDX-License-Identifier: MIT */
/* Many addresses at once: module by module, and what a module's DWARF has to say in one pass over it. */
#include <stdlib.h>
#include <string.h>

#include "analyze/symbolize_internal.h"

struct lookups {
	struct symbolizer *s;
	struct module *m; /* NULL for a number that nobody knows */
	struct symbol_request *requests;
	const struct symbol_request *last; /* the one that was answered last */
	struct stint_err *err;
};

/* frames may be NULL. False without memory. */
static bool answer(struct lookups *l, struct symbol_request *request, const struct symbol_frames *frames)
{
	const struct symbol_request *last = l->last;

	if (last && last->module == request->module && last->addr == request->addr && last->exact == request->exact)
		request->chain = last->chain;
	else
		request->chain = symbolizer_resolve(l->s, l->m, request->addr, request->exact, frames, l->err);
	l->last = request;
	return request->chain != NULL;
}

static bool take(void *context, uint32_t value, const struct dwarf_frame *frames, uint32_t n)
{
	struct lookups *l = context;

	return answer(l, &l->requests[value], &(struct symbol_frames){frames, n});
}

/* The values of places are the numbers of a module's requests. */
static bool look_up_module(struct lookups *l, struct addr_range *places, struct addr_range *spare, size_t n)
{
	size_t i, n_dwarf = 0;
	uint64_t vaddr;

	for (i = 0; i < n; i++) {
		struct symbol_request *request = &l->requests[places[i].value];

		if (l->m && symbolizer_asks_dwarf(l->s, l->m, request->addr, request->exact, &vaddr))
			places[n_dwarf++] = (struct addr_range){.start = vaddr, .value = places[i].value};
		else if (!answer(l, request, NULL))
			return false;
	}
	return !n_dwarf ||
	       !dwarf_lookup_all(l->m->program->dwarf, places, spare, n_dwarf, l->s->options.inlines, take, l);
}

int symbolizer_lookup_all(struct symbolizer *s, struct symbol_request *requests, size_t n, struct stint_err *err)
{
	struct addr_range *places = n < UINT32_MAX ? malloc((n + 1) * 2 * sizeof(*places)) : NULL;
	struct lookups l = {.s = s, .requests = requests, .err = err};
	bool ok = places != NULL;
	size_t i, end;

	for (i = 0; ok && i < n; i++)
		places[i] = (struct addr_range){.start = requests[i].module, .value = (uint32_t)i};
	if (ok)
		addr_ranges_sort(places, places + n, n);
	for (i = 0; ok && i < n; i = end) {
		for (end = i + 1; end < n && places[end].start == places[i].start; end++)
			;
		l.m = symbolizer_module(s, (uint32_t)places[i].start);
		ok = look_up_module(&l, &places[i], places + n, end - i);
	}
	free(places);
	return ok ? 0 : stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory for symbols");
}
