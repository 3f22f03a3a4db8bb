/* SPDX-License-Identifier: MIT */
#include "analyze/demangle.h"

#include <ctype.h>
#include <libiberty/demangle.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#define DEMANGLE_MAX_INPUT   8192u
#define DEMANGLE_MAX_D_INPUT 1024u

struct output {
	char *text;
	size_t len;
	jmp_buf give_up;
};

/*
 * libiberty's callback interface keeps all its state on the stack, so leaving it by longjmp loses nothing; and there is
 * no other way to stop it in the midst of a name of a few hundred bytes that expands to gigabytes.
 */
static void collect(const char *part, size_t size, void *opaque)
{
	struct output *out = opaque;

	if (size >= DEMANGLE_MAX_BYTES - out->len)
		longjmp(out->give_up, 1);
	memcpy(out->text + out->len, part, size);
	out->len += size;
}

static size_t by_callback(const char *name, int options, char *text)
{
	struct output out = {.text = text};

	if (setjmp(out.give_up))
		return 0;
	if (!rust_demangle_callback(name, options, collect, &out)) {
		out.len = 0;
		if (!cplus_demangle_v3_callback(name, options, collect, &out))
			return 0;
	}
	text[out.len] = 0;
	return out.len;
}

static size_t by_string(const char *name, int options, char *text)
{
	char *d = strlen(name) > DEMANGLE_MAX_D_INPUT ? NULL : dlang_demangle(name, options);
	size_t len = d ? strlen(d) : 0;

	if (len >= DEMANGLE_MAX_BYTES)
		len = 0;
	if (len)
		memcpy(text, d, len + 1);
	free(d);
	return len;
}

/* The length of name without ".isra.0", ".constprop.1", ".part.2", ".cold", ".lto_priv.0", ".llvm.123" at its end. */
static size_t without_clone_suffixes(const char *name)
{
	static const char *const suffixes[] = {".isra",	    ".constprop", ".part",	".cold",
					       ".lto_priv", ".llvm",	  ".localalias"};
	const char *first = NULL, *at;
	size_t i;

	for (i = 0; i < sizeof(suffixes) / sizeof(*suffixes); i++) {
		at = strstr(name + !!*name, suffixes[i]);
		if (at && (at[strlen(suffixes[i])] == '.' || !at[strlen(suffixes[i])]) && (!first || at < first))
			first = at;
	}
	return first ? (size_t)(first - name) : strlen(name);
}

/* Where "read@plt" or "read@@GLIBC_2.2.5" goes on behind the name; NULL when it doesn't. */
static const char *suffix_at(const char *name)
{
	const char *at = strchr(name, '@');

	return at && at != name ? at : NULL;
}

static size_t demangle_plain(const char *name, int options, char *text)
{
	if (name[0] == '_' && (name[1] == 'Z' || name[1] == 'R' || !strncmp(name, "__Z", 3)))
		return by_callback(name, options, text);
	if (name[0] == '_' && name[1] == 'D' && (isdigit((unsigned char)name[2]) || !strcmp(name, "_Dmain")))
		return by_string(name, options, text);
	return 0;
}

size_t demangle(const char *linkage, enum demangle_mode mode, char text[static DEMANGLE_MAX_BYTES])
{
	char name[DEMANGLE_MAX_INPUT];
	const char *suffix = suffix_at(linkage);
	int options = DMGL_ANSI | (mode == DEMANGLE_FULL ? DMGL_PARAMS : 0);
	size_t size = strlen(linkage), len;

	if (mode == DEMANGLE_NONE || size >= sizeof(name))
		return 0;
	if (suffix)
		size = (size_t)(suffix - linkage);
	memcpy(name, linkage, size);
	name[size] = 0;
	if (mode == DEMANGLE_SHORT) {
		size = without_clone_suffixes(name);
		name[size] = 0;
		if (suffix && strcmp(suffix, "@plt"))
			suffix = ""; /* a symbol version */
	}
	len = demangle_plain(name, options, text);
	if (!len && !linkage[size])
		return 0; /* nothing is different */
	if (!len) {
		memcpy(text, name, size + 1);
		len = size;
	}
	if (suffix && strlen(suffix) < DEMANGLE_MAX_BYTES - len) {
		memcpy(text + len, suffix, strlen(suffix) + 1);
		len += strlen(suffix);
	}
	return len;
}
