#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# --embed=symtab: names of functions from the files' own symbol tables, in the recording from the start.

bats_require_minimum_version 1.5.0
load helpers

# in_nowhere ARG…: stint in a root directory that has nothing but itself, its libraries (under another name), and *.stint.
in_nowhere() {
	local lib
	if [ ! -d nowhere ]; then
		mkdir -p nowhere/x
		cp "$stint" nowhere/x/stint
		ldd "$stint" | grep -o '/[^ ]*' | while read -r lib; do cp "$lib" nowhere/x/; done
	fi
	cp ./*.stint nowhere/
	chroot nowhere "/x/$(basename nowhere/x/ld-linux*)" --library-path /x /x/stint "$@"
}

# The same root directory with the recorded files in it as well, but none of debug information.
in_somewhere() {
	local file
	for file in "$PWD/prog" $(ldd prog | grep -o '/[^ ]*'); do
		mkdir -p "nowhere$(dirname "$file")"
		cp -L "$file" "nowhere$file"
	done
	in_nowhere "$@"
}

# The names PROGRAM+0xADDRESS in a list of names, but for those in its procedure linkage table.
nameless_but_stubs() { # PROGRAM NAMES
	local at name section address size
	readelf -SW "$1" | sed -n 's/^ *\[ *[0-9]*\] \(\.plt[^ ]*\) *[^ ]* *\([^ ]*\) *[^ ]* *\([^ ]*\).*/\1 \2 \3/p' >stubs
	grep "^$1+0x" "$2" | while read -r name; do
		at=$((${name##*+}))
		while read -r section address size; do
			((at >= 0x$address && at < 0x$address + 0x$size)) && continue 2
		done <stubs
		echo "$name"
	done
}

# names_of PROGRAM RECORDING: the recording has the names of all of the program's functions, a copy of burner that is gone.
names_of() {
	in_nowhere report --limit=0 --comm="$1" --format=json "$2" | jq -r '.rows[].name' >names
	grep -qx main names
	cp "$workloads/burner" "$1"
	nameless_but_stubs "$1" names >nameless
	[ ! -s nameless ] || fail "nameless: $(cat nameless)"
}

@test "by default there is none; with symtab, the names that the files here would give, read anywhere" {
	cp "$workloads/burner" prog
	record -F 999 --off-cpu=all -o plain.stint -- ./prog 1500 70
	record -F 999 --off-cpu=all --embed=kernel,jit,symtab -o e.stint -- ./prog 1500 70
	in_nowhere report plain.stint >plain
	grep -q 'prog+0x' plain
	in_nowhere report --limit=0 --format=json --no-inline e.stint | jq -r '.rows[].name' | sort >names_there
	grep -qx main names_there
	# What the tables don't have are the stubs that stint names by what they jump to.
	nameless_but_stubs prog names_there >nameless
	[ ! -s nameless ] || fail "nameless: $(cat nameless)"
	grep -qE '^(__)?libc_start|^__libc' names_there
	in_somewhere report --limit=0 --format=json --no-inline e.stint | jq -r '.rows[].name' | sort |
		grep -v '@plt$' >names_here
	comm -13 names_there names_here >more_here
	[ ! -s more_here ] || fail "these had a name where the files are: $(cat more_here)"
}

@test "a program that is deleted while it runs" {
	cp "$workloads/burner" gone
	start out ./gone 3000 70
	local program=$started
	start record.out "$recorder" -F 499 --embed=symtab -d 1 -o d.stint -p "$program"
	local recording=$started
	rm gone
	end_of "$recording" || fail "$(cat record.out.err)"
	names_of gone d.stint
}

@test "a program in another mount namespace, gone with it" {
	mkdir mnt
	start record.out "$recorder" -F 499 --embed=symtab -d 3 -o c.stint -a
	local recording=$started
	wait_for_recorder c.stint
	unshare -m sh -c "mount -t tmpfs none mnt && cp '$workloads/burner' mnt/inside && cd mnt && ./inside 1200 70" >out
	end_of "$recording" || fail "$(cat record.out.err)"
	names_of inside c.stint
}
