"""bcc, from the distribution: finding it, feeding it our own headers, and loading a program.

The package called ``bcc`` on the Python index is a crystal-lattice library; the one wanted here comes with the
distribution (``python3-bpfcc``), is pure Python over libbcc, and is invisible from a virtual environment.
"""

import contextlib
import ctypes
import importlib
import os
import re
import struct
import sys
import tempfile
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from ...errors import KernelUnsupportedError, PrivilegeError
from ..records import declarations
from .btf import KernelTypes
from .privileges import may_trace

HEADERS = Path(__file__).parent / "headers"
PROGRAMS = Path(__file__).parent.parent / "bpf"

INSTALL_HINT = "install python3-bpfcc with apt-get (Debian, Ubuntu) or python3-bcc with dnf (Fedora)"


def _search_path() -> list[str]:
    """Where distributions keep Python packages, newest first."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    bases = ("/usr/lib", "/usr/lib64")
    fixed = ["/usr/lib/python3/dist-packages", *(f"{base}/{version}/site-packages" for base in bases)]
    other = sorted(str(p) for base in bases for p in Path(base).glob("python3.*/site-packages"))
    return fixed + other[::-1]


def import_bcc() -> ModuleType:
    """The distribution's bcc; KernelUnsupportedError with the command that installs it where there is none."""
    present = sys.modules.get("bcc")
    if present is not None and hasattr(present, "BPF"):
        return present
    for folder in _search_path():
        if not (Path(folder) / "bcc" / "libbcc.py").is_file():
            continue
        sys.modules.pop("bcc", None)
        sys.path.insert(0, folder)
        try:
            return importlib.import_module("bcc")
        except (ImportError, OSError) as error:
            raise KernelUnsupportedError(f"bcc in {folder} cannot be loaded ({error}): {INSTALL_HINT}") from None
        finally:
            sys.path.remove(folder)
    raise KernelUnsupportedError(f"bcc, the BPF compiler, is not installed: {INSTALL_HINT}")


@contextlib.contextmanager
def captured_stderr() -> Iterator[Any]:
    """bcc's compiler writes to file descriptor 2: keep it for the message of an error."""
    sys.stderr.flush()
    saved = os.dup(2)
    with tempfile.TemporaryFile() as capture:
        os.dup2(capture.fileno(), 2)
        try:
            yield capture
        finally:
            os.dup2(saved, 2)
            os.close(saved)


def load(source: str, macros: Mapping[str, int | None]) -> Any:
    """A compiled, loaded and attached ``bcc.BPF``.

    Needs no kernel headers: BCC_KERNEL_SOURCE names the tree in ``headers``. ``macros`` become ``-DNAME=VALUE``;
    those of value None are left undefined, for the program to test. Kernel memory is read by plain loads where the
    kernel lets programs do that. PrivilegeError without the privilege to load BPF; KernelUnsupportedError where it
    does not compile, verify or attach.
    """
    if os.geteuid() != 0 or not may_trace():
        raise PrivilegeError("recording loads BPF programs, which needs root: run it with sudo")
    cast = _cast_function()
    return _load(source, {**macros, **({"PLAIN_READS": 1, "CAST_CALL": CAST_CALL} if cast else {})}, cast)


def _load(source: str, macros: Mapping[str, int | None], cast: int | None) -> Any:
    bcc = import_bcc()
    os.environ["BCC_KERNEL_SOURCE"] = str(HEADERS)
    flags = [f"-D{name}={value}" for name, value in sorted(macros.items()) if value is not None]

    class Program(bcc.BPF):  # type: ignore[name-defined,misc]
        """Calls of CAST_CALL become calls of the kernel's bpf_rdonly_cast before a function is loaded."""

        def __init__(self, **arguments: Any) -> None:
            try:
                super().__init__(**arguments)
            except Exception:
                # What was attached before the refusal would stay so until the process ends.
                with contextlib.suppress(Exception):
                    self.cleanup()
                raise

        def load_func(self, func_name: bytes | str, *arguments: Any, **more: Any) -> Any:
            name = func_name.encode() if isinstance(func_name, str) else func_name
            if cast is not None and name not in self.funcs:
                library = bcc.libbcc.lib
                start = library.bpf_function_start(self.module, name)
                size = library.bpf_function_size(self.module, name)
                code = (ctypes.c_char * size).from_address(start)
                code[:] = redirect_casts(bytes(code), cast)
            return super().load_func(func_name, *arguments, **more)

    with captured_stderr() as capture:
        try:
            return Program(text=source.encode(), cflags=[*flags, "-Wno-everything", f"-I{PROGRAMS}"])
        except Exception as error:  # bcc raises bare Exception for everything
            capture.seek(0)
            detail = capture.read().decode(errors="replace")
            raise _load_error(str(error), detail) from None


CAST_CALL = 0x7FF0_0000
"""Stands for bpf_rdonly_cast in a program's source: no helper of the kernel has this number."""

_INSTRUCTION = struct.Struct("<BBhi")
_CALL, _KERNEL_FUNCTION = 0x85, 2 << 4


def redirect_casts(code: bytes, function: int) -> bytes:
    """BPF instructions with calls of CAST_CALL made calls of the kernel function with this BTF id."""
    changed = bytearray(code)
    for at in range(0, len(code), _INSTRUCTION.size):
        operation, _, _, immediate = _INSTRUCTION.unpack_from(code, at)
        if operation == _CALL and immediate == CAST_CALL:
            _INSTRUCTION.pack_into(changed, at, _CALL, _KERNEL_FUNCTION, 0, function)
    return bytes(changed)


_CAST_TRIAL = """
int trial(struct bpf_raw_tracepoint_args *ctx)
{
    void *(*cast)(u64, u64) = (void *)CAST_CALL;
    return *(u64 *)cast(bpf_get_current_task(), 0) == 1;
}
"""


@cache
def _cast_function() -> int | None:
    """BTF id of bpf_rdonly_cast where it makes a kernel address readable (6.17 and later), else None; tried."""
    try:
        function = KernelTypes.load().function_id("bpf_rdonly_cast")
        if function is None:
            return None
        program = _load(_CAST_TRIAL, {"CAST_CALL": CAST_CALL}, function)
        program.load_func(b"trial", import_bcc().BPF.RAW_TRACEPOINT)
        program.cleanup()
    except Exception:  # bcc raises bare Exception for everything: reading through a helper always works
        return None
    return function


def _load_error(error: str, detail: str) -> Exception:
    lines = [line.strip() for line in detail.splitlines() if line.strip()]
    telling = [line for line in lines if "error:" in line or "R0 " in line or "invalid" in line] or lines[-1:]
    reason = f"{error.strip()}: {telling[0]}" if telling else error.strip()
    if "Operation not permitted" in error + detail and may_trace():
        return KernelUnsupportedError(f"this kernel takes none ({error.strip()}): use another probe set")
    if "Operation not permitted" in error + detail:
        return PrivilegeError(f"the kernel refuses to load BPF programs ({reason}): grant CAP_BPF and CAP_PERFMON")
    return KernelUnsupportedError(f"the BPF program does not load here ({reason}): run tmemlab doctor")


def program_text(*names: str) -> str:
    """The named files of ``bpf`` joined, their includes put in place: bcc rewrites only one text.

    ``record.h`` is no file: :func:`.records.declarations` makes it.
    """

    def included(found: re.Match[str]) -> str:
        if found[1] == "record.h":
            return declarations()
        return put_in((PROGRAMS / found[1]).read_text())

    def put_in(text: str) -> str:
        return re.sub(r'^#include "(\w+\.h)"$', included, text, flags=re.MULTILINE)

    return put_in("\n".join((PROGRAMS / name).read_text() for name in names))
