"""The tracepoint probe set: what it needs, what it does without, what it cannot see."""

import os
from pathlib import Path

from ...errors import KernelUnsupportedError
from ..kernel import bpfcc
from ..kernel.btf import KernelTypes
from .attached import Attached
from .offsets import kernel_macros

NAME = "tracepoint"

REQUIRED = (
    "count_memcg_events",
    "mm_vmscan_write_folio",
    "rss_stat",
    "page_fault_user",
    "page_fault_kernel",
    "mm_page_alloc",
    "mm_vmscan_direct_reclaim_begin",
    "mm_vmscan_direct_reclaim_end",
    "sched_process_exit",
)
"""Raw tracepoints without which stores and loads cannot be put together (count_memcg_events: from 6.13)."""

OPTIONAL = {
    "HAVE_EXIT_MMAP": ("exit_mmap",),
    "HAVE_FORK": ("sched_process_fork",),
    "HAVE_OOM": ("mark_victim",),
    "HAVE_KSWAPD": ("mm_vmscan_kswapd_wake", "mm_vmscan_kswapd_sleep"),
    "HAVE_MEMCG_RECLAIM": ("mm_vmscan_memcg_reclaim_begin", "mm_vmscan_memcg_reclaim_end"),
}
"""Macro -> raw tracepoints that it takes."""

SYSCALLS = ("sys_enter_munmap", "sys_enter_madvise", "sys_enter_mremap", "sys_enter_brk")

CANNOT_SEE = [
    "swap slots being freed: invalidates are inferred from exit, munmap, madvise, mremap, brk and slot reuse",
    "compressed lengths of pages that zswap does not take: they are sampled from contents on their way out",
    "load latency",
    "writes that a device fails after it has queued them (those of zram are seen)",
    "which page a writeback of the pool takes: writebacks are counted",
    "pool or zero-filled for pages charged to the root cgroup, for which the kernel raises no event",
]

WITHOUT = {
    "HAVE_EXIT_MMAP": "address spaces ending: their pages are never invalidated",
    "HAVE_FORK": "forks: a child's pages are told apart from its parent's only by slot",
    "HAVE_OOM": "OOM kills",
    "HAVE_KSWAPD": "kswapd waking and sleeping",
    "HAVE_MEMCG_RECLAIM": "direct reclaim on behalf of a cgroup's limit",
    "HAVE_SYSCALLS": "munmap, madvise, mremap and brk: mount tracefs on /sys/kernel/tracing to see them",
}

_TRIAL = "int trial(struct bpf_raw_tracepoint_args *ctx) { return 0; }"


_tried: dict[str, bool] = {}
"""Tracepoints, and whether this kernel has them: to attach and detach one waits for a grace period."""


def missing_tracepoints(names: list[str]) -> list[str]:
    """Those of ``names`` that a raw-tracepoint program cannot be attached to, each tried once in a process."""
    untried = [name for name in names if name not in _tried]
    if untried:
        bcc = bpfcc.import_bcc()
        program = bpfcc.load(_TRIAL, {})
        function = program.load_func(b"trial", bcc.BPF.RAW_TRACEPOINT)
        for name in untried:
            descriptor = bcc.libbcc.lib.bpf_attach_raw_tracepoint(function.fd, name.encode())
            _tried[name] = descriptor >= 0
            if descriptor >= 0:
                os.close(descriptor)
        program.cleanup()
    return [name for name in names if not _tried[name]]


def attach(types: KernelTypes, macros_of_ours: dict[str, int | None]) -> Attached:
    """Load and attach everything that this kernel has; KernelUnsupportedError names the tracepoints it lacks."""
    wanted = [*REQUIRED, *(name for names in OPTIONAL.values() for name in names)]
    missing = set(missing_tracepoints(wanted))
    lacking = [name for name in REQUIRED if name in missing]
    if lacking:
        raise KernelUnsupportedError(
            f"this kernel lacks the tracepoint{'s' if len(lacking) > 1 else ''} {', '.join(lacking)}: "
            "boot a 6.13 or newer kernel, or one with fentry or kprobes"
        )
    macros = kernel_macros(types)
    optional = {macro: not missing.intersection(names) for macro, names in OPTIONAL.items()}
    optional["HAVE_SYSCALLS"] = have_syscall_tracepoints()
    macros |= {macro: 1 if present else None for macro, present in optional.items()}
    macros |= macros_of_ours
    headers = ("common.h", "events.h", "worker.h", "rmap.h", "zswap.h", "choice.h")
    source = bpfcc.program_text(*headers, "tracepoint.c")
    without = [text for macro, text in WITHOUT.items() if not optional[macro]]
    return Attached(NAME, "", bpfcc.load(source, macros), [*CANNOT_SEE, *without])


def have_syscall_tracepoints() -> bool:
    """Whether tracefs is mounted where bcc looks and has the system calls of SYSCALLS."""
    for tracefs in ("/sys/kernel/debug/tracing", "/sys/kernel/tracing"):
        base = Path(tracefs) / "events" / "syscalls"
        if Path(tracefs).exists():
            return all((base / name / "format").exists() for name in SYSCALLS)
    return False
