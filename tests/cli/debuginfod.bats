#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Debug files over HTTP from a real debuginfod, and from servers that are silent, gone or lie. debuginfod binds every
# interface, so each test has a network namespace of its own.

bats_require_minimum_version 1.5.0

setup_file() {
	cd "$BATS_TEST_DIRNAME/../.." || return 1
	export ROOT=$PWD BUILD=$PWD/${STINT_BUILD:-build}
	case ${STINT_BUILD:-build} in /*) BUILD=$STINT_BUILD ;; esac
	cd "$BATS_FILE_TMPDIR" || return 1
	g++ -O2 -g "$ROOT/tests/symbols/program.cc" -o whole
	mkdir served empty
	objcopy --only-keep-debug whole served/program.debug
	cp whole program
	strip program
	export ID
	ID=$(readelf -n whole | sed -n 's/.*Build ID: //p')
	{
		echo "meta start_ns 1000000000000"
		echo "meta end_ns 1000100000000"
		echo "thread MAIN 100 100 program"
		echo "module APP file $PWD/program $(sed 's/../%&/g' <<<"$ID")"
		addr=$(nm --defined-only whole | awk '$3 == "main" {print $1}')
		echo "stack S 1 0 APP:+0x$(printf '%x' $((0x$addr + 5)))"
		echo "sample 1us 0 MAIN S"
	} | "$BUILD/tools/make_recording" rec.stint
}

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	unshare -rn true 2>/dev/null || skip "no network namespace can be had here"
	export HOME=$PWD XDG_CACHE_HOME= DEBUGINFOD_CACHE_PATH=$PWD/cache DEBUGINFOD_URLS='' URL=http://127.0.0.1:8002
	export stint=$BUILD/stint files=$BATS_FILE_TMPDIR
	export rec=$files/rec.stint
}

# Runs a script (standard input) in a network namespace with lo up; what it started in the background ends with it.
alone() {
	{
		cat <<-'END'
			set -eu
			ip link set lo up
			trap 'kill $(jobs -p) 2>/dev/null || true; wait' EXIT
			# within COMMAND...: waits for it to succeed, 10 s at most.
			within() { for _ in $(seq 100); do "$@" && return; sleep 0.1; done; echo "after 10 s, still not: $*"; return 1; }
			connects() { (: </dev/tcp/127.0.0.1/8002) 2>/dev/null; }
			listening() { within connects; }
			lines_of() { "$stint" report --group=stack --format=json "$@" "$rec" | jq -r '.rows[0].frames[-1] | "\(.name) \(.file // "-" | sub(".*/"; ""))"'; }
			said_of() { "$stint" info --format=json "$@" "$rec" | jq -r '.modules[0].symbols'; }
		END
		cat
	} >script
	unshare -rn bash script
}

# A real server, which has scanned its directory.
real() {
	command -v debuginfod >/dev/null || skip "debuginfod is not installed"
	cat <<-'END'
		debuginfod -F -p 8002 -d :memory: "$files/served" >server.log 2>&1 &
		server=$!
		for i in $(seq 100); do
			python3 -c "import urllib.request; urllib.request.urlopen('$URL/buildid/$ID/debuginfo')" 2>/dev/null && break
			sleep 0.1
		done
	END
}

@test "a real server: by option, by environment, cached, and off by default" {
	{
		real
		cat <<-'END'
			[ "$(lines_of)" = "program+0x$(printf %x $((0x$(nm "$files/whole" | awk '$3 == "main" {print $1}') + 5))) -" ]
			[ "$(lines_of --debuginfod=$URL)" = "main program.cc" ]
			case $(said_of --debuginfod=$URL) in "debug: $PWD/cache/$ID/debuginfo") ;; *) exit 1 ;; esac
			rm -rf cache
			export DEBUGINFOD_URLS=$URL
			[ "$(lines_of)" = "main program.cc" ]
			rm -rf cache
			[ "$(lines_of --debuginfod=none)" != "main program.cc" ]
			[ ! -e cache ]
			"$stint" pack "$rec" -o packed.stint
			# Nothing is printed but on a terminal.
			rm -rf cache
			"$stint" report "$rec" 2>err >/dev/null
			[ ! -s err ]
			rm -rf cache
			script -qec "$stint report $rec" /dev/null >terminal
			grep -q debuginfod terminal
			kill $server
			wait $server || true
			[ "$(lines_of)" = "main program.cc" ]
			unset DEBUGINFOD_URLS
			rec=packed.stint
			[ "$(lines_of)" = "main program.cc" ]
		END
	} | alone
}

@test "nobody listens: said, and the rest works; what was cached before is found" {
	alone <<-'END'
		case $(lines_of --debuginfod=$URL) in program+0x*) ;; *) exit 1 ;; esac
		said_of --debuginfod=$URL | grep -i 'debuginfod: .*refused'
		mkdir -p cache/$ID
		cp "$files/served/program.debug" cache/$ID/debuginfo
		[ "$(lines_of --debuginfod=$URL)" = "main program.cc" ]
	END
}

@test "a server that takes connections and never answers is given up, after DEBUGINFOD_TIMEOUT" {
	alone <<-'END'
		python3 -c '
		import socket, time
		s = socket.create_server(("127.0.0.1", 8002))
		kept = []
		while True: kept.append(s.accept())' &
		listening
		export DEBUGINFOD_TIMEOUT=2
		before=$(date +%s)
		case $(lines_of --debuginfod=$URL) in program+0x*) ;; *) exit 1 ;; esac
		said_of --debuginfod=$URL >said; cat said; grep 'no answer within 2 s (DEBUGINFOD_TIMEOUT)' said
		took=$(($(date +%s) - before))
		echo "two runs took $took s"
		[ $took -ge 4 ] && [ $took -le 15 ]
	END
}

@test "a server that trickles is given up, after DEBUGINFOD_MAXTIME" {
	alone <<-'END'
		python3 -c '
		import socket, time
		s = socket.create_server(("127.0.0.1", 8002))
		while True:
		    c, _ = s.accept()
		    c.recv(4096)
		    c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
		    for i in range(100):
		        time.sleep(0.3)
		        try: c.sendall(b"x")
		        except OSError: break' &
		listening
		export DEBUGINFOD_TIMEOUT=10 DEBUGINFOD_MAXTIME=3
		before=$(date +%s)
		said_of --debuginfod=$URL >said; cat said; grep 'not done within 3 s (DEBUGINFOD_MAXTIME)' said
		[ $(($(date +%s) - before)) -le 10 ]
	END
}

@test "a server that sends another program's debug file, or none at all" {
	alone <<-'END'
		mkdir -p www/buildid/$ID
		echo 'int main(void) { return 0; }' >other.c
		gcc -g other.c -o www/buildid/$ID/debuginfo
		cp www/buildid/$ID/debuginfo www/buildid/$ID/executable
		python3 -m http.server -d www --bind 127.0.0.1 8002 >/dev/null 2>&1 &
		listening
		case $(lines_of --debuginfod=$URL) in program+0x*) ;; *) exit 1 ;; esac
		said_of --debuginfod=$URL | grep "build ID differs: $PWD/cache/$ID/debuginfo"
		rm -rf cache
		head -c 100000 /dev/urandom >www/buildid/$ID/debuginfo
		said_of --debuginfod=$URL | grep "damaged: $PWD/cache/$ID/debuginfo"
	END
}

# A recording whose stack was copied, of a program that isn't here any more.
copied() {
	local pid asleep=0 status=0
	[ "$(id -u)" -eq 0 ] || [ "$(cat /proc/sys/kernel/yama/ptrace_scope 2>/dev/null || echo 0)" -eq 0 ] ||
		skip "only root may trace other processes here (kernel.yama.ptrace_scope)"
	cp "$(command -v sleep)" gone
	./gone 60 3>&- &
	pid=$!
	for _ in $(seq 200); do
		grep -q gone "/proc/$pid/comm" && [ "$(awk '{print $3}' "/proc/$pid/stat")" = S ] && asleep=1 && break
		sleep 0.05
	done
	"$BUILD/tools/make_windows" copied.stint $pid || status=$?
	kill $pid
	wait $pid || true
	rm gone
	[ $asleep -eq 1 ] || { echo "gone isn't asleep after 10 s"; return 1; }
	[ $status -eq 0 ] || { echo "make_windows exited with $status"; return 1; }
}

@test "a server that is dead is waited for once: also for copied stacks, and by diff" {
	copied
	alone <<-'END'
		python3 -u -c '
		import socket
		s = socket.create_server(("127.0.0.1", 8002))
		kept = []
		while True:
		    kept.append(s.accept())
		    print("connection")' >>connections &
		listening
		within test -s connections
		export DEBUGINFOD_TIMEOUT=2
		for command in "report" "info" "flame --format=folded" "diff --normalize=samples copied.stint"; do
			: >connections
			"$stint" $command --debuginfod=$URL copied.stint >out
			echo "$command: $(wc -l <connections) connections"
			[ "$(wc -l <connections)" -eq 1 ]
		done
		# What stacks lack is a file that a server may have: the reason is the server, not that it wasn't found.
		"$stint" report --debuginfod=$URL copied.stint | grep 'not unwound to its end' >out; cat out
		grep -q '/gone (debuginfod: no answer within 2 s (DEBUGINFOD_TIMEOUT))' out
		"$stint" report --debuginfod=none copied.stint | grep 'not unwound to its end' | grep '/gone (not found)'
	END
}
