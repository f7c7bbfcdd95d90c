"""A recommendation as the settings and the files that people use: sysfs, kernel command line, zram-generator.

Nothing here changes the machine: :func:`write_files` makes new files, and refuses to touch one that exists.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ...errors import InvalidInputError, TmemlabError
from ...policies.interface import Policy

PARAMETERS = "/sys/module/zswap/parameters"
_ZSWAP = ("max_pool_percent", "accept_threshold_percent", "shrinker", "zpool", "exclusive_loads")
"""Of the parameters of zswap's policies those that can be set; the others are measured times."""


@dataclass(frozen=True)
class Setting:
    """One value, and the file of a running kernel that it is written to."""

    file: str
    value: str

    def as_json(self) -> dict[str, str]:
        """An element of ``settings`` in ``tmemlab.advise/1``."""
        return {"file": self.file, "value": self.value}


@dataclass(frozen=True)
class File:
    """A file to install."""

    name: str
    place: str
    """Where it is to be put."""
    text: str


def _number(value: float) -> str:
    return f"{value:.10g}"


def settings_of(policy: Policy, compressor: str) -> list[Setting]:
    """What has to be set. compressor: that of the lengths which the advice is made with; empty: not known."""
    if policy.name.startswith("zswap."):
        named = {about.name: about for about in policy.params() if about.name in _ZSWAP}
        found = [Setting(f"{PARAMETERS}/compressor", compressor)] if compressor else []
        for name, about in named.items():
            value = getattr(policy, name)
            text = {"on": "Y", "off": "N"}.get(value, value) if isinstance(value, str) else _number(value)
            found.append(Setting(f"{PARAMETERS}/{about.kernel}", text))
        return [*found, Setting(f"{PARAMETERS}/enabled", "Y")]
    off = Setting(f"{PARAMETERS}/enabled", "N")
    if not policy.name.startswith("zram."):
        return [off]
    device = "/sys/block/zram0"
    found = [off]
    if compressor:
        found.append(Setting(f"{device}/comp_algorithm", compressor))
    found.append(Setting(f"{device}/disksize", f"{_number(_percent(policy, 'disksize'))}% of RAM"))
    if _percent(policy, "mem_limit"):
        found.append(Setting(f"{device}/mem_limit", f"{_number(_percent(policy, 'mem_limit'))}% of RAM"))
    if policy.name == "zram.writeback":
        mode, every = getattr(policy, "mode", "idle"), getattr(policy, "writeback_interval", 0)
        if mode != "huge":
            found.append(Setting(f"{device}/idle", str(getattr(policy, "idle_age", 0))))
        found.append(Setting(f"{device}/writeback", f"{mode} every {every} s"))
    return found


def _percent(policy: Policy, name: str) -> float:
    return float(getattr(policy, f"{name}_percent", 0.0))


def files_of(policy: Policy, compressor: str) -> list[File]:
    """The files that set it at every boot."""
    zswap = [setting for setting in settings_of(policy, compressor) if setting.file.startswith(PARAMETERS)]
    tmpfiles = "".join(f"w {s.file} - - - - {s.value}\n" for s in zswap)
    line = " ".join(f"zswap.{s.file.rpartition('/')[2]}={s.value}" for s in zswap)
    files = [
        File("zswap.conf", "/etc/tmpfiles.d/zswap.conf", f"# tmemlab advise: {policy.name}\n{tmpfiles}"),
        File("zswap.cmdline", "the kernel command line, instead of zswap.conf", f"{line}\n"),
    ]
    if policy.name.startswith("zram."):
        files.append(
            File("zram-generator.conf", "/etc/systemd/zram-generator.conf", _generator(policy, compressor))
        )
    if policy.name == "zram.writeback":
        files += _writeback(policy)
    return files


def _generator(policy: Policy, compressor: str) -> str:
    """A device of a share of RAM, in use before any disk; ``ram`` is in megabytes there."""
    lines = [f"# tmemlab advise: {policy.name}", "[zram0]"]
    lines.append(f"zram-size = ram * {_number(_percent(policy, 'disksize') / 100)}")
    if _percent(policy, "mem_limit"):
        lines.append(f"zram-resident-limit = ram * {_number(_percent(policy, 'mem_limit') / 100)}")
    if compressor:
        lines.append(f"compression-algorithm = {compressor}")
    lines.append("swap-priority = 100")
    if policy.name == "zram.writeback":
        lines += [
            "# name the partition that pages are written back to:",
            "# writeback-device = /dev/disk/by-id/...",
        ]
    return "\n".join(lines) + "\n"


def _writeback(policy: Policy) -> list[File]:
    """A service that does one turn, and a timer that starts it."""
    mode, age, every = (getattr(policy, name) for name in ("mode", "idle_age", "writeback_interval"))
    idle = "" if mode == "huge" else f"echo {age} > /sys/block/zram0/idle; "
    service = (
        f"[Unit]\nDescription=Write {mode} pages of zram0 back\n\n[Service]\nType=oneshot\n"
        f"ExecStart=/bin/sh -c '{idle}echo {mode} > /sys/block/zram0/writeback'\n"
    )
    timer = (
        f"[Unit]\nDescription=Write pages of zram0 back now and then\n\n[Timer]\nOnBootSec={every}s\n"
        f"OnUnitActiveSec={every}s\nAccuracySec=1s\n\n[Install]\nWantedBy=timers.target\n"
    )
    return [
        File("zram-writeback.service", "/etc/systemd/system/zram-writeback.service", service),
        File("zram-writeback.timer", "/etc/systemd/system/zram-writeback.timer", timer),
    ]


_NAMES = ("zswap.conf", "zswap.cmdline", "zram-generator.conf", "zram-writeback.service", "zram-writeback.timer")


def check_target(target: Path) -> None:
    """InvalidInputError, before any work, for a target that :func:`write_files` could not write."""
    if target.is_dir():
        for name in _NAMES:
            if (target / name).exists():
                raise InvalidInputError(
                    f"{target / name} exists, and nothing is overwritten: name another directory"
                )
    elif target.exists() or target.is_symlink():
        raise InvalidInputError(f"{target} exists, and nothing is overwritten: name another file")
    elif not target.parent.is_dir():
        raise InvalidInputError(f"--apply {target}: there is no directory {target.parent}")


def write_files(target: Path, files: Sequence[File]) -> list[Path]:
    """Write all into the directory ``target``; into a file ``target`` only what sets the mechanism.

    That is zram-generator.conf for zram, else the lines for tmpfiles.d. Returns what was written.
    InvalidInputError where one exists already.
    """
    check_target(target)
    if target.is_dir():
        chosen = [(target / file.name, file) for file in files]
    else:
        main = next((file for file in files if file.name == "zram-generator.conf"), files[0])
        chosen = [(target, main)]
    for path, file in chosen:
        try:
            with path.open("x") as stream:
                stream.write(file.text)
        except FileExistsError:
            raise InvalidInputError(f"{path} exists, and nothing is overwritten: name another file") from None
        except OSError as error:
            raise TmemlabError(
                f"cannot write {path} ({error.strerror}): name another place with --apply"
            ) from None
    return [path for path, _ in chosen]
