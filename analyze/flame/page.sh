#!/bin/sh
# SPDX-License-Identifier: MIT
# Puts the flame graph's page together and writes it as the C array flame_page[] to standard output. The page's
# Content-Security-Policy names the hashes of its own script and style: nothing else runs in it, whatever a recording
# has for names.
set -eu
cd "$(dirname "$0")"
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

hash_of() {
	printf 'sha256-%s' "$(sha256sum "$1" | cut -c 1-64 | tr a-f A-F | basenc --base16 -d | base64)"
}

cat page.css >"$tmp/style"
cat tree.js page.js >"$tmp/script"
style_hash=$(hash_of "$tmp/style")
script_hash=$(hash_of "$tmp/script")

# An element's text is hashed to the byte, so the files go in as they are, between the two tags.
awk -v style="$tmp/style" -v script="$tmp/script" -v style_hash="$style_hash" -v script_hash="$script_hash" '
function insert(line, mark, file,    at, text, all) {
	at = index(line, mark)
	printf "%s", substr(line, 1, at - 1)
	while ((getline text < file) > 0)
		print text
	print substr(line, at + length(mark))
}
index($0, "@STYLE@") { insert($0, "@STYLE@", style); next }
index($0, "@SCRIPT@") { insert($0, "@SCRIPT@", script); next }
{ sub("@STYLE_HASH@", style_hash); sub("@SCRIPT_HASH@", script_hash); print }
' page.html >"$tmp/page"

echo '/* Made by analyze/flame/page.sh. */'
echo 'static const unsigned char flame_page[] = {'
od -An -v -tu1 "$tmp/page" | sed 's/ *\([0-9][0-9]*\)/\1,/g'
echo '};'
