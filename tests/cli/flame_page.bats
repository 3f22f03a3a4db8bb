#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The flame graph's page in a real browser: zoom, search, keyboard, print, names that mean harm; no request leaves it.

setup() {
	cd "$BATS_TEST_DIRNAME/../.." || exit 1
	bin=${STINT_BUILD:-build}/stint
	chromium=$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)
	[ -n "$chromium" ] || skip "no Chromium is installed"
	"$bin" flame --view=off-cpu testdata/host.stint -o "$BATS_TEST_TMPDIR/page.html"
}

page() {
	timeout 120 /usr/bin/python3 tests/cli/flame_page.py "$chromium" "$BATS_TEST_TMPDIR/page.html" "$1"
}

@test "flame page: shows what was recorded" { page recording; }
@test "flame page: can be used by keyboard alone" { page keyboard; }
@test "flame page: can be used by mouse" { page mouse; }
@test "flame page: finds, and says the share" { page search; }
@test "flame page: hostile names are only text" { page hostile; }
@test "flame page: draws 100,000 nodes" { page large; }
@test "flame page: prints" { page print; }
