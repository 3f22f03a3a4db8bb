// SPDX-License-Identifier: GPL-2.0 OR MIT
/* The recorder's BPF programs, as one object. */
#include "bpf/types.h"

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

#include "bpf/scratch.h"
#include "bpf/target.h"

#include "bpf/follow.bpf.c"
#include "bpf/hotplug.bpf.c"
#include "bpf/interrupt.bpf.c"
#include "bpf/offcpu.bpf.c"
#include "bpf/late_stack.h"
#include "bpf/sample.bpf.c"
#include "bpf/iterate.bpf.c"

char LICENSE[] SEC("license") = "Dual MIT/GPL";
