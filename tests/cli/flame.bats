#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# stint flame: pages, pictures and folded stacks.

setup() {
	cd "$BATS_TEST_DIRNAME/../.." || exit 1
	bin=${STINT_BUILD:-build}/stint
	host=testdata/host.stint
	tmp=$BATS_TEST_TMPDIR
}

# The sum of folded lines.
sum() { awk '{ n += $NF } END { print n + 0 }'; }

total() { # VIEW KEY
	"$bin" report --view="$1" --format=json $host | jq ".total.$2"
}

@test "flame: folded lines are thread, outermost to leaf, value" {
	"$bin" flame --format=folded $host >"$tmp/out" 2>"$tmp/err"
	[ "$(cat "$tmp/out")" = "server;server+0x1139;server+0x1188 304" ]
	grep -q '^stint flame: .*without a name' "$tmp/err"
	"$bin" flame --view=off-cpu --format=folded $host >"$tmp/out" 2>/dev/null
	grep -qE '^server;server\+0x1139;server\+0x1188;server\+0x11f0;schedule_\[k\];\[kernel\]\+0x9f0020_\[k\] 2719$' "$tmp/out"
	grep -qE '^cli\\xff\\xfe;' "$tmp/out"
}

@test "flame: folded lines add up to the report's totals, in every measure" {
	command -v jq >/dev/null || skip "jq is missing"
	[ "$("$bin" flame --format=folded $host 2>/dev/null | sum)" -eq "$(total on-cpu samples)" ]
	for by in duration blocked runqueue; do
		[ "$("$bin" flame --view=off-cpu --by=$by --format=folded $host 2>/dev/null | sum)" -eq \
			$(($(total off-cpu ${by}_ns) / 1000)) ]
	done
	[ "$("$bin" flame --view=off-cpu --by=count --format=folded $host 2>/dev/null | sum)" -eq "$(total off-cpu count)" ]
	[ "$("$bin" flame --view=off-cpu --by=open --format=folded $host 2>/dev/null | sum)" -eq "$(total off-cpu open)" ]
}

@test "flame: what is selected and what isn't add up" {
	all=$("$bin" flame --view=off-cpu --by=count --format=folded $host 2>/dev/null | sum)
	a=$("$bin" flame --view=off-cpu --by=count --comm=server --format=folded $host 2>/dev/null | sum)
	b=$("$bin" flame --view=off-cpu --by=count --comm='cli*' --format=folded $host 2>/dev/null | sum)
	[ "$a" -gt 0 ] && [ "$b" -gt 0 ] && [ $((a + b)) -eq "$all" ]
}

@test "flame: lines come by value, then by name" {
	"$bin" flame --view=off-cpu --format=folded $host 2>/dev/null >"$tmp/out"
	LC_ALL=C sort -c -s -k 2,2nr "$tmp/out"
}

@test "flame: a page is one file that asks for nothing else" {
	"$bin" flame $host -o "$tmp/page.html"
	! grep -qE '(src|href)=|url\(|@import' "$tmp/page.html" || false
	grep -q "default-src 'none'" "$tmp/page.html"
	grep -q '<title>on-CPU samples: host.stint</title>' "$tmp/page.html"
	[ "$(grep -c '<script' "$tmp/page.html")" -eq 2 ]
}

@test "flame: the policy's hashes are those of the page's own script and style" {
	"$bin" flame $host -o "$tmp/page.html"
	/usr/bin/python3 - "$tmp/page.html" <<-'END'
		import base64, hashlib, re, sys
		page = open(sys.argv[1], encoding="utf-8").read()
		for tag in ("script", "style"):
		    text = re.search(rf"<{tag}>(.*?)</{tag}>", page, re.S).group(1)
		    value = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
		    assert f"{tag}-src 'sha256-{value}'" in page, tag
	END
}

@test "flame: the page's data adds up" {
	command -v jq >/dev/null || skip "jq is missing"
	"$bin" flame --view=off-cpu $host -o "$tmp/page.html"
	sed -n '/id="data">/,/<\/script>/p' "$tmp/page.html" | sed '1d;$d' >"$tmp/data"
	[ "$(jq -r '.schema' "$tmp/data")" = stint.flame/1 ]
	[ "$(jq '.self | add' "$tmp/data")" = "$(total off-cpu duration_ns)" ]
	[ "$(jq '.count | add' "$tmp/data")" = "$(total off-cpu count)" ]
	[ "$(jq '(.depth | length) == (.self | length) and (.frame | max) < (.frames | length) / 3' "$tmp/data")" = true ]
}

@test "flame: a picture is well-formed XML" {
	"$bin" flame --view=off-cpu $host -o "$tmp/picture.svg"
	/usr/bin/python3 -c 'import sys, xml.etree.ElementTree as e; e.parse(sys.argv[1])' "$tmp/picture.svg"
	grep -q '<title>schedule' "$tmp/picture.svg"
	! grep -q '<script' "$tmp/picture.svg" || false
}

@test "flame: the format follows the output's name unless it is given" {
	"$bin" flame $host -o "$tmp/a.folded" 2>/dev/null
	grep -q '^server;' "$tmp/a.folded"
	"$bin" flame --format=svg $host -o "$tmp/a.html"
	grep -q '^<svg' "$tmp/a.html"
}

@test "flame: the same recording gives the same page" {
	"$bin" flame $host -o "$tmp/a.html"
	"$bin" flame - -o "$tmp/b.html" <$host
	diff <(sed 's/host\.stint/-/g' "$tmp/a.html") "$tmp/b.html"
}

@test "flame: nothing selected is said, and is no error" {
	"$bin" flame --comm=nobody $host -o "$tmp/page.html"
	grep -q 'Nothing was recorded that this picture could show (or nothing of it is selected)' "$tmp/page.html"
	run "$bin" flame --comm=nobody --format=folded $host
	[ "$status" -eq 0 ]
	[[ "$output" = *"Nothing was recorded"* ]]
}

@test "flame: a page that can't be written is no page" {
	run "$bin" flame $host -o "$tmp/nowhere/page.html"
	[ "$status" -eq 4 ]
	run "$bin" flame $host -o /dev/full
	[ "$status" -eq 4 ]
	[[ "${lines[0]}" = "stint flame: "*"No space left"* ]]
	[ -z "$(ls -A "$tmp")" ]
}

@test "flame: losses are in the page, the picture and beside the folded lines" {
	for format in html svg folded; do
		"$bin" flame --view=off-cpu --format=$format $host 2>&1 | grep -q '7 events were lost'
	done
}

@test "flame: every test recording is drawn or refused" {
	for file in testdata/*.stint; do
		for view in on-cpu off-cpu; do
			status=0
			"$bin" flame --view=$view "$file" >"$tmp/out" 2>/dev/null || status=$?
			[ "$status" -eq 0 ] || [ "$status" -eq 3 ] || { echo "$file: $status"; false; }
		done
	done
}

@test "flame: usage errors name the fault and point to --help" {
	for arguments in "" "--by=max --view=off-cpu $host" "--by=duration $host" "--by=samples --view=off-cpu $host" \
		"--format=png $host" "--view=gpu $host" "--min=1ms $host"; do
		# shellcheck disable=SC2086
		run "$bin" flame $arguments
		[ "$status" -eq 2 ]
		[ "${#lines[@]}" -eq 1 ]
		[[ "$output" = "stint flame: "*"; see 'stint flame --help'" ]]
	done
}
