#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# make demo: an nginx of our own under load on loopback, recorded for some seconds, then the report from the file.
# SECONDS_TO_RECORD and DEMO_DIR (where the recording and the flame graph go) may be set.
set -eu
cd "$(dirname "$0")/.."
build=${STINT_BUILD:-build}
PATH=$PATH:/usr/sbin:/sbin
seconds=${SECONDS_TO_RECORD:-5}
nginx=
wrk=

die() {
	echo "demo: $*" >&2
	exit 4
}

# shellcheck disable=SC2317
cleanup() {
	[ -z "$wrk" ] || kill "$wrk" 2>/dev/null || true
	[ -z "$nginx" ] || kill "$nginx" 2>/dev/null || true
	wait 2>/dev/null || true
	rm -rf "$server"
}

server=$(mktemp -d)
trap cleanup EXIT
trap 'exit 130' INT TERM

[ -x "$build/stint" ] || die "$build/stint isn't built; run: make"
[ -x "$build/stint-record" ] || die "$build/stint-record isn't built here; make says why, make deps installs what it needs"
[ "$(id -u)" -eq 0 ] || die "recording a host needs root; run: sudo make demo"
for tool in nginx wrk; do
	command -v $tool >/dev/null || die "$tool isn't installed; run: make deps"
done

out=${DEMO_DIR:-$build/demo}
mkdir -p "$out"

free_port() {
	local port
	for _ in $(seq 50); do
		port=$((20000 + RANDOM % 20000))
		(exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || {
			echo $port
			return
		}
	done
	die "no free port on loopback"
}

# A page of 8 KB, compressed for each request, and an access log: something to see on the CPU and off it.
port=$(free_port)
chmod 755 "$server"
mkdir "$server/html"
for i in $(seq 160); do echo "$i: the quick brown fox jumps over the lazy dog"; done >"$server/html/index.html"
cat >"$server/nginx.conf" <<EOF
worker_processes 2;
daemon off;
user root;
pid $server/nginx.pid;
error_log $server/error.log;
events { worker_connections 512; }
http {
	access_log $server/access.log combined;
	client_body_temp_path $server/body;
	proxy_temp_path $server/proxy;
	fastcgi_temp_path $server/fastcgi;
	uwsgi_temp_path $server/uwsgi;
	scgi_temp_path $server/scgi;
	gzip on;
	server { listen 127.0.0.1:$port; root $server/html; }
}
EOF
nginx -p "$server" -c "$server/nginx.conf" >"$server/out" 2>&1 &
nginx=$!
for _ in $(seq 100); do
	(exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break
	kill -0 $nginx 2>/dev/null || break
	sleep 0.05
done
(exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || die "nginx didn't start: $(cat "$server/out" "$server/error.log" 2>/dev/null)"

wrk -t1 -c16 "-d$((seconds + 3))s" -H 'Accept-Encoding: gzip' "http://127.0.0.1:$port/" >"$server/wrk" 2>&1 &
wrk=$!
sleep 0.5

show() {
	echo
	echo "\$ $*"
	"$@"
}

file=$out/demo.stint
page=$out/demo.html
show "$build/stint-record" -a -d "$seconds" -o "$file" || die "the recorder failed (above)"
wait $wrk || die "wrk failed: $(cat "$server/wrk")"
wrk=
echo
grep -E 'Requests/sec|Latency ' "$server/wrk"

show "$build/stint" info "$file" | head -50
show "$build/stint" report --limit=20 "$file"
show "$build/stint" report --view=off-cpu --by=count --limit=20 "$file"
show "$build/stint" report --view=off-cpu --group=syscall --comm=nginx --limit=10 "$file"
show "$build/stint" flame "$file" -o "$page"

echo
echo "The recording:   $file ($(stat -c %s "$file") bytes; it reads the same on any machine with these binaries)"
echo "The flame graph: $page (open it in a browser)"
echo "Go on with:      $build/stint replay $file | less"
