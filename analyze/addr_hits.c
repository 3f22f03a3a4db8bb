/* SPDX-License-Identifier: MIT */
#include "analyze/addr_hits.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"

static bool reserve(struct addr_hits *hits, uint32_t n, uint32_t n_first)
{
	void *grown;

	if (n > hits->cap) {
		grown = realloc(hits->best, n * sizeof(*hits->best));
		if (!grown)
			return false;
		hits->best = grown;
		hits->cap = n;
	}
	if (n_first > hits->cap_first) {
		grown = realloc(hits->first, n_first * sizeof(*hits->first));
		if (!grown)
			return false;
		hits->first = grown;
		hits->cap_first = n_first;
	}
	return true;
}

int addr_hits_start(struct addr_hits *hits, const uint64_t *addrs, uint32_t n)
{
	uint64_t span = addrs[n - 1] - addrs[0], digits;
	uint32_t i, n_first = 0;

	for (hits->shift = 0; span >> hits->shift >= 2 * (uint64_t)n; hits->shift++)
		;
	if (!reserve(hits, n, (uint32_t)(span >> hits->shift) + 2))
		return STINT_ERR_NOMEM;
	hits->addrs = addrs;
	hits->n = n;
	addr_hits_again(hits);
	for (i = 0; i < n; i++) {
		digits = (addrs[i] - addrs[0]) >> hits->shift;
		while (n_first <= digits)
			hits->first[n_first++] = i;
	}
	hits->first[n_first] = n;
	return 0;
}

void addr_hits_again(struct addr_hits *hits)
{
	memset(hits->best, 0, hits->n * sizeof(*hits->best));
}

void addr_hits_done(struct addr_hits *hits)
{
	free(hits->best);
	free(hits->first);
	memset(hits, 0, sizeof(*hits));
}
