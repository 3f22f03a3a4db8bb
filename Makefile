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
WARN     := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Werror
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
analyze_libs := $(format_libs) -ldw -lelf -liberty -lcapstone -lz -lpthread -ldl -lm
record_libs  := $(format_libs) -lbpf -lelf -lz -lpthread

# The recorder needs a BPF compiler, bpftool and libbpf; without them only the offline half is built.
have_bpf := $(shell command -v $(CLANG) >/dev/null && command -v $(STRIP) >/dev/null && test -x "$(BPFTOOL)" && \
	    test -e /usr/include/bpf/libbpf.h && echo yes)

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
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c $< -o $@

$(BUILD)/lib%.a:
	@mkdir -p $(@D)
	@rm -f $@
	ar rcs $@ $^

$(BUILD)/libbase.a: $(call obj,$(base_src))
$(BUILD)/libformat.a: $(call obj,$(format_src))
$(BUILD)/libanalyze.a: $(call obj,$(analyze_src))
$(BUILD)/librecord.a: $(call obj,$(record_src))

$(BUILD)/stint: $(call obj,analyze/main.c) $(BUILD)/libanalyze.a $(BUILD)/libformat.a $(BUILD)/libbase.a
	$(CC) $(CFLAGS) $(LDFLAGS) $^ $(analyze_libs) -o $@

$(BUILD)/stint-record: $(call obj,$(record_bpf_src)) $(BUILD)/librecord.a $(BUILD)/libformat.a $(BUILD)/libbase.a
	$(CC) $(CFLAGS) $(LDFLAGS) -static $^ $(record_libs) -o $@

# BPF: one object, one generated skeleton.
bpf_headers := $(wildcard bpf/*.h)
$(BUILD)/bpf/stint.bpf.o: bpf/stint.bpf.c $(wildcard bpf/*.bpf.c) $(bpf_headers)
	@mkdir -p $(@D)
	$(CLANG) -target bpf -mcpu=v2 -O2 -g -Wall -Werror -D__TARGET_ARCH_x86 -I. -c $< -o $@.tmp
	$(STRIP) -g $@.tmp
	mv $@.tmp $@

$(BUILD)/gen/stint.skel.h: $(BUILD)/bpf/stint.bpf.o
	@mkdir -p $(@D)
	$(BPFTOOL) gen skeleton $< name stint_bpf > $@

$(BUILD)/obj/record/session.o: $(BUILD)/gen/stint.skel.h

# Unit tests: one program per tests/unit/test_*.c, linked with everything but the mains and libbpf.
unit_bins := $(patsubst tests/unit/%.c,$(BUILD)/tests/%,$(wildcard tests/unit/test_*.c))
$(BUILD)/tests/test_%: $(BUILD)/obj/tests/unit/test_%.o $(BUILD)/libanalyze.a $(BUILD)/librecord.a \
		$(BUILD)/libformat.a $(BUILD)/libbase.a
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDFLAGS) $^ -lcmocka $(analyze_libs) -o $@

# Known-answer programs for the end-to-end tests: with frame pointers, without optimization surprises.
workload_bins := $(patsubst tests/workloads/%.c,$(BUILD)/workloads/%,$(wildcard tests/workloads/*.c))
$(BUILD)/workloads/%: tests/workloads/%.c
	@mkdir -p $(@D)
	$(CC) -std=c11 -D_GNU_SOURCE -O1 -g -fno-omit-frame-pointer -fno-optimize-sibling-calls -Wall -Wextra -Werror \
		-pthread $< -o $@

.PHONY: unit workloads clean
unit: $(unit_bins) ## run the unit tests
	@set -e; for t in $^; do echo "$$t"; $$t; done

workloads: $(workload_bins)

clean: ## remove every output
	rm -rf $(BUILD)

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
