# SPDX-License-Identifier: MIT
# One Makefile for everything; every output goes to $(BUILD). `make help` lists the targets.

BUILD   ?= build
PREFIX  ?= /usr/local
DESTDIR ?=
VERSION := 0.1.0

CC      ?= gcc
CLANG   ?= clang-14
STRIP   ?= llvm-strip-14
BPFTOOL ?= $(or $(shell command -v bpftool),/usr/sbin/bpftool)

OPTFLAGS ?= -O2 -g
WERROR   ?= -Werror
WARN     := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla $(WERROR)
CPPFLAGS += -D_GNU_SOURCE -DSTINT_VERSION='"$(VERSION)"' -I. -I$(BUILD)/gen
CFLAGS   += -std=c11 $(OPTFLAGS) $(WARN) -fno-strict-aliasing
SANITIZE ?=
CFLAGS   += $(SANITIZE)
LDFLAGS  += $(SANITIZE)

base_src    := $(wildcard base/*.c)
format_src  := $(wildcard format/*.c)
analyze_src := $(filter-out analyze/main.c,$(wildcard analyze/*.c))
# Everything of the recorder that doesn't need libbpf, so that it is unit-tested anywhere.
record_bpf_src := record/main.c record/session.c
record_src  := $(filter-out $(record_bpf_src),$(wildcard record/*.c))

obj = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))

format_libs  := -lzstd -lxxhash
analyze_libs := $(format_libs) -ldw -lelf -lcapstone -liberty -lz -llzma -lpthread -ldl -lm
record_libs  := $(format_libs) -lbpf -lelf -lz -llzma -lpthread

# The recorder needs a BPF compiler, bpftool and libbpf; without them only the offline half is built.
have_bpf := $(shell command -v $(CLANG) >/dev/null && command -v $(STRIP) >/dev/null && test -x "$(BPFTOOL)" && \
	    test -e /usr/include/bpf/libbpf.h && echo yes)

# `make V=1` shows whole commands, otherwise one word and the output's name.
Q   := $(if $(V),,@)
say  = $(if $(V),,@printf '  %-7s %s\n' $(1) $@)

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SECONDARY:

.PHONY: all help
all: $(BUILD)/stint ## build stint, and stint-record where BPF tools are installed
ifeq ($(have_bpf),yes)
all: $(BUILD)/stint-record
else
all:
	@echo "stint-record is left out: it needs $(CLANG), $(STRIP), bpftool and libbpf-dev (make deps installs them)"
endif

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c $< -o $@

$(BUILD)/lib%.a:
	@mkdir -p $(@D)
	@rm -f $@
	$(Q)ar rcs $@ $^

$(BUILD)/libbase.a: $(call obj,$(base_src))
$(BUILD)/libformat.a: $(call obj,$(format_src))
$(BUILD)/libanalyze.a: $(call obj,$(analyze_src))
$(BUILD)/librecord.a: $(call obj,$(record_src))

$(BUILD)/stint: $(call obj,analyze/main.c) $(BUILD)/libanalyze.a $(BUILD)/libformat.a $(BUILD)/libbase.a
	$(call say,LINK)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $^ $(analyze_libs) -o $@

$(BUILD)/stint-record: $(call obj,$(record_bpf_src)) $(BUILD)/librecord.a $(BUILD)/libformat.a $(BUILD)/libbase.a
	$(call say,LINK)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -static $^ $(record_libs) -o $@

# BPF: one object, one generated skeleton.
BPFFLAGS := -target bpf -mcpu=v2 -O2 -g -Wall -Werror -D__TARGET_ARCH_x86 -I.
bpf_headers := $(wildcard bpf/*.h)
$(BUILD)/bpf/stint.bpf.o: bpf/stint.bpf.c $(wildcard bpf/*.bpf.c) $(bpf_headers)
	@mkdir -p $(@D)
	$(call say,BPF)
	$(Q)$(CLANG) $(BPFFLAGS) -c $< -o $@.tmp
	$(Q)$(STRIP) -g $@.tmp
	$(Q)mv $@.tmp $@

$(BUILD)/gen/stint.skel.h: $(BUILD)/bpf/stint.bpf.o
	@mkdir -p $(@D)
	$(Q)$(BPFTOOL) gen skeleton $< name stint_bpf > $@

$(BUILD)/obj/record/session.o: $(BUILD)/gen/stint.skel.h

# The flame graph's page: its HTML, CSS and JavaScript in one C array.
$(BUILD)/gen/flame_page.h: analyze/flame/page.sh $(wildcard analyze/flame/*.html analyze/flame/*.css analyze/flame/*.js)
	@mkdir -p $(@D)
	analyze/flame/page.sh > $@

$(BUILD)/obj/analyze/flame_html.o: $(BUILD)/gen/flame_page.h

# Unit tests: one program per tests/unit/test_*.c, linked with everything but the mains and libbpf.
unit_bins := $(patsubst tests/unit/%.c,$(BUILD)/tests/%,$(wildcard tests/unit/test_*.c))
$(BUILD)/tests/test_%: $(BUILD)/obj/tests/unit/test_%.o $(BUILD)/libanalyze.a $(BUILD)/librecord.a \
		$(BUILD)/libformat.a $(BUILD)/libbase.a
	@mkdir -p $(@D)
	$(call say,LINK)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $^ -lcmocka $(analyze_libs) -o $@

# Programs that only tests and benchmarks use.
$(BUILD)/tools/%: $(BUILD)/obj/tests/tools/%.o $(BUILD)/libanalyze.a $(BUILD)/librecord.a $(BUILD)/libformat.a \
		$(BUILD)/libbase.a
	@mkdir -p $(@D)
	$(call say,LINK)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $^ $(analyze_libs) -o $@

tools: $(patsubst tests/tools/%.c,$(BUILD)/tools/%,$(wildcard tests/tools/*.c))

# Known-answer programs for the end-to-end tests: with frame pointers, without optimization surprises.
workload_bins := $(patsubst tests/workloads/%.c,$(BUILD)/workloads/%,$(wildcard tests/workloads/*.c))
$(BUILD)/workloads/%: tests/workloads/%.c
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) -std=c11 -D_GNU_SOURCE -O1 -g -fno-omit-frame-pointer -fno-optimize-sibling-calls -Wall -Wextra \
		$(WERROR) -pthread $< -o $@

# What tests/bench/walk.py runs: the walker in BPF programs of its own, and programs to be walked.
$(BUILD)/bench/walk.bpf.o: tests/bench/walk.bpf.c $(bpf_headers)
	@mkdir -p $(@D)
	$(call say,BPF)
	$(Q)$(CLANG) $(BPFFLAGS) -c $< -o $@.tmp
	$(Q)$(STRIP) -g $@.tmp
	$(Q)mv $@.tmp $@

$(BUILD)/gen/walk.skel.h: $(BUILD)/bench/walk.bpf.o
	@mkdir -p $(@D)
	$(Q)$(BPFTOOL) gen skeleton $< name walk_bpf > $@

$(BUILD)/obj/tests/bench/walk.o: $(BUILD)/gen/walk.skel.h
$(BUILD)/bench/walk: $(BUILD)/obj/tests/bench/walk.o $(BUILD)/librecord.a $(BUILD)/libformat.a $(BUILD)/libbase.a
	$(call say,LINK)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $^ $(record_libs) -o $@

$(BUILD)/bench/chain-cfi: chain_flags := -fomit-frame-pointer
$(BUILD)/bench/chain-fp: chain_flags := -fno-omit-frame-pointer
$(BUILD)/bench/chain-%: tests/bench/chain.c tests/bench/chain.h tests/workloads/workload.h
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) -std=c11 -D_GNU_SOURCE -I. -O2 -g $(chain_flags) -fno-optimize-sibling-calls -Wall -Wextra $(WERROR) \
		$< -o $@

bench-programs: $(if $(have_bpf),$(addprefix $(BUILD)/bench/,walk chain-cfi chain-fp))

.PHONY: bench-programs unit workloads test-programs test demo deps bench lint asan fuzz-smoke install clean
unit: $(unit_bins)
	@set -e; for t in $^; do echo "$$t"; $$t; done

workloads: $(workload_bins)
test-programs: all $(unit_bins) $(workload_bins) tools

# By Debian package, idempotent: what the build and the demonstration need and, when tests, benchmarks or the
# like are asked for in the same call, what those need.
deps_build := build-essential libcapstone-dev libdw-dev libelf-dev libiberty-dev libzstd-dev libxxhash-dev liblzma-dev \
	      zlib1g-dev clang-14 llvm-14 bpftool libbpf-dev nginx-light wrk
deps_test  := libcmocka-dev libdebuginfod-dev libclang-rt-14-dev lld-14 gcc-aarch64-linux-gnu debuginfod iproute2 \
	      libc6-dev-arm64-cross golang-go rustc bats perl jq python3 python3-zstandard python3-xxhash elfutils \
	      binutils dwz xz-utils nodejs openjdk-17-jdk-headless clang-format-14 musl-tools libc6-dbg file gdb shellcheck \
	      chromium util-linux bsdutils procps
deps_bench := linux-perf libbpf-tools bpftrace time
deps = $(deps_build) $(if $(filter test asan fuzz-smoke lint,$(MAKECMDGOALS)),$(deps_test)) \
       $(if $(filter bench,$(MAKECMDGOALS)),$(deps_test) $(deps_bench))
deps: ## install Debian packages, as root: for the build and the demo; `make deps test`: for the tests too
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq --no-install-recommends $(deps) >/dev/null

# `make deps demo` must see the tools that deps has just installed, so these start make afresh.
ifneq ($(filter deps,$(MAKECMDGOALS)),)
all demo test bench lint asan fuzz-smoke: | deps
endif

demo: ## record a live nginx for some seconds and print the report from the file
	@$(MAKE) --no-print-directory all
	@STINT_BUILD=$(BUILD) tests/demo.sh

test: ## run every test
	@$(MAKE) --no-print-directory test-programs
	@STINT_BUILD=$(BUILD) tests/run.sh

bench: ## measure stint and its peers in one interleaved run
	@$(MAKE) --no-print-directory test-programs bench-programs
	@STINT_BUILD=$(BUILD) tests/bench/run.sh

lint: ## check who includes whom, who prints, and what is banned
	@tests/lint/run.sh

asan: ## run the unit and command-line tests under the address and undefined-behaviour sanitizers
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/asan OPTFLAGS="-O1 -g" \
		SANITIZE="-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer" \
		have_bpf= test-programs
	@STINT_BUILD=$(BUILD)/asan tests/run.sh unit cli

fuzz-smoke: ## fuzz the reader and the symbolizer, a minute each
	@STINT_BUILD=$(BUILD) tests/fuzz/run.sh

install: all ## install into $(DESTDIR)$(PREFIX)
	install -D -m 755 $(BUILD)/stint $(DESTDIR)$(PREFIX)/bin/stint
	if test -e $(BUILD)/stint-record; then install -D -m 755 $(BUILD)/stint-record $(DESTDIR)$(PREFIX)/bin/stint-record; fi
	for page in docs/man/*.1; do install -D -m 644 $$page $(DESTDIR)$(PREFIX)/share/man/man1/$${page##*/} || exit 1; done

clean: ## remove every output
	rm -rf $(BUILD)

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
