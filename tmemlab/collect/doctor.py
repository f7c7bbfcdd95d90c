"""What this host can record, what is missing, and the command that fixes each."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..errors import KernelUnsupportedError, PrivilegeError, TmemlabError
from .host import cgroup as cgroups
from .host import samples as host
from .kernel import bpfcc, privileges
from .kernel.btf import BTF_PATH, KernelTypes
from .kernel.compressors import find_twin
from .probes import fentry, functions, kprobe, offsets, tracepoint
from .probes.zswap_worker import worker_macros

_SET = "probe set "
REQUIRED, USEFUL, STATE = "required", "useful", "state"
"""Without a required one nothing is recorded; a useful one adds to it; a state decides what there is to see."""


@dataclass(frozen=True)
class Finding:
    """One thing looked at. ``fix`` is the command or change that mends it, empty where nothing is wrong."""

    name: str
    weight: str
    ok: bool
    detail: str
    fix: str = ""
    exit_code: int = 4


def examine() -> list[Finding]:
    """Every finding, in the order to fix them in. Attaches and detaches probes; changes nothing."""
    root = os.geteuid() == 0
    findings = [
        Finding(
            "privileges", REQUIRED, root, "root" if root else f"user {os.geteuid()}",
            "" if root else "run it with sudo", PrivilegeError.exit_code,
        ),
        _attempt("type information", lambda: f"{len(KernelTypes.load().offsets)} types in {BTF_PATH}",
                 "boot a kernel built with CONFIG_DEBUG_INFO_BTF=y"),
        _attempt("bcc", lambda: f"version {bpfcc.import_bcc().__version__}", bpfcc.INSTALL_HINT),
    ]  # fmt: skip
    if all(finding.ok for finding in findings):
        findings += [*_probes(), _attempt("recording user", privileges.try_becoming_nobody, privileges.HINT)]
    return [*findings, *_host()]


def _attempt(name: str, look: Callable[[], str], fix: str) -> Finding:
    try:
        return Finding(name, REQUIRED, True, look())
    except TmemlabError as error:
        return Finding(name, REQUIRED, False, str(error).split(":")[0], fix)


def _probes() -> list[Finding]:
    """The probe sets, best first; what ``tracepoint`` needs is required only where no function can be probed."""
    types = KernelTypes.load()
    found = []
    for each in (fentry, kprobe):
        why = functions.refusal(types, each.hook, each.fasten)
        found.append(Finding(f"{_SET}{each.NAME}", USEFUL, not why, why or "attaches"))
    if any(finding.ok for finding in found):
        return [*found, _worker(types), _ring()]
    return [*found, *_tracepoints(), _worker(types), _ring()]


def _tracepoints() -> list[Finding]:
    names = [*tracepoint.REQUIRED, *(name for group in tracepoint.OPTIONAL.values() for name in group)]
    try:
        missing = set(tracepoint.missing_tracepoints(names))
        offsets.kernel_macros(KernelTypes.load())
    except (KernelUnsupportedError, PrivilegeError) as error:
        text, _, fix = str(error).partition(": ")
        return [Finding("BPF programs", REQUIRED, False, text, fix, error.exit_code)]
    found = [Finding("BPF programs", REQUIRED, True, "load, and attach to raw tracepoints")]
    for name in tracepoint.REQUIRED:
        ok = name not in missing
        fix = "" if ok else "boot a 6.13 or newer kernel with CONFIG_MEMCG=y"
        found.append(Finding(f"tracepoint {name}", REQUIRED, ok, "attaches" if ok else "missing", fix))
    for macro, group in tracepoint.OPTIONAL.items():
        ok = not missing.intersection(group)
        detail = "attaches" if ok else f"missing: the trace lacks {tracepoint.WITHOUT[macro]}"
        found.append(Finding(f"tracepoint {' and '.join(group)}", USEFUL, ok, detail))
    ok = tracepoint.have_syscall_tracepoints()
    found.append(
        Finding(
            "system call tracepoints", USEFUL, ok, "munmap, madvise, mremap, brk" if ok else "not found",
            "" if ok else "mount -t tracefs none /sys/kernel/tracing",
        )
    )  # fmt: skip
    return found


def _worker(types: KernelTypes) -> Finding:
    try:
        _, why = worker_macros(types)
    except (KernelUnsupportedError, PrivilegeError) as error:
        why = str(error).split(":")[0]
    detail = f"not seen: {why}; replays of a pool at its limit use default times" if why else "its runs are seen"
    return Finding("zswap's worker", USEFUL, not why, detail)


def _ring() -> Finding:
    """A ring buffer and a mappable array, the two kinds of map that a recording needs, made and dropped."""
    source = 'BPF_RINGBUF_OUTPUT(ring, 1);\nBPF_F_TABLE("array", u32, u64, cells, 1, 1024);\n'
    try:
        bpfcc.load(source, {}).cleanup()
    except (KernelUnsupportedError, PrivilegeError) as error:
        return Finding("BPF ring buffer", REQUIRED, False, str(error).split(":")[0], "boot a 5.8 or newer kernel")
    return Finding("BPF ring buffer", REQUIRED, True, "made and mapped")


def _host() -> list[Finding]:
    swaps = host.read_swaps()
    found = [
        Finding(
            "swap", STATE, bool(swaps),
            ", ".join(f"{s.device} ({s.type}, {s.size_bytes >> 20} MiB)" for s in swaps) or "none active",
            "" if swaps else "fallocate -l 4G /swap && chmod 600 /swap && mkswap /swap && swapon /swap",
        )
    ]  # fmt: skip
    settings = host.zswap_settings()
    on = host.zswap_enabled()
    detail = (
        f"{'on' if on else 'off'}, {settings.get('compressor')}, {settings.get('max_pool_percent')} % of RAM, "
        f"shrinker {'on' if settings.get('shrinker_enabled') in ('Y', '1') else 'off'}"
        if settings
        else "not built into this kernel"
    )
    fix = "" if on or not settings else "echo Y > /sys/module/zswap/parameters/enabled"
    found.append(Finding("zswap", STATE, on, detail, fix))
    zram = host.zram_settings()
    names = ", ".join(f"{z['device']} ({z['comp_algorithm']})" for z in zram)
    found.append(Finding("zram", STATE, bool(zram), names or "no device set up"))
    debugfs = os.access("/sys/kernel/debug/tracing", os.R_OK)
    found.append(
        Finding(
            "debugfs", USEFUL, debugfs, "readable" if debugfs else "not readable: samples lack zswap's limit hits",
            "" if debugfs else "mount -t debugfs none /sys/kernel/debug",
        )
    )  # fmt: skip
    try:
        hierarchy = cgroups.find_hierarchy()
        detail = f"memory controller on version {hierarchy.version} at {hierarchy.mount}"
        found.append(Finding("cgroups", USEFUL, True, detail))
    except KernelUnsupportedError as error:
        text, _, fix = str(error).partition(": ")
        found.append(Finding("cgroups", USEFUL, False, text, fix))
    twin = find_twin(host.compressor_in_use() or settings.get("compressor"))
    fix = "" if twin.exact else "apt-get install liblzo2-2" if twin.kernel_name.startswith("lzo") else ""
    found.append(Finding("compressor", USEFUL, twin.exact, twin.note, fix))
    return found


def probe_set(findings: list[Finding]) -> str:
    """Name of the set that a recording would use."""
    names = (finding.name for finding in findings if finding.ok and finding.name.startswith(_SET))
    return next(names, tracepoint.NAME).removeprefix(_SET)


def verdict(findings: list[Finding]) -> tuple[int, str]:
    """Exit code and a sentence: 0 when this host can record, 3 for want of privilege, 4 where it cannot."""
    lacking = [finding for finding in findings if finding.weight == REQUIRED and not finding.ok]
    if not lacking:
        idle = [finding.name for finding in findings if finding.name == "swap" and not finding.ok]
        rest = "; nothing will swap before a swap area is active" if idle else ""
        return 0, f"this host can record with the {probe_set(findings)} probe set{rest}"
    first = lacking[0]
    return first.exit_code, f"this host cannot record yet: {first.name} ({first.detail}): {first.fix}"


def document(findings: list[Finding]) -> dict[str, Any]:
    """The findings as tmemlab.doctor/1."""
    code, sentence = verdict(findings)
    return {
        "schema": "tmemlab.doctor/1",
        "can_record": code == 0,
        "exit_code": code,
        "verdict": sentence,
        "probe_set": probe_set(findings) if code == 0 else None,
        "findings": [vars(finding) for finding in findings],
    }
