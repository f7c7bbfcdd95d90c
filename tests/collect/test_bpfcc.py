"""Finding bcc, and saying what to do where it is missing or is the wrong one."""

import sys
from pathlib import Path

import pytest

from tmemlab.collect import doctor
from tmemlab.collect.kernel import bpfcc
from tmemlab.errors import KernelUnsupportedError, PrivilegeError


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.delitem(sys.modules, "bcc", raising=False)
    monkeypatch.setattr(bpfcc, "_search_path", lambda: [str(tmp_path)])
    return tmp_path


def test_missing_bcc_names_the_package(nothing_installed: Path) -> None:
    with pytest.raises(KernelUnsupportedError, match=r"python3-bpfcc"):
        bpfcc.import_bcc()


def test_the_lattice_library_of_the_same_name_is_not_taken(nothing_installed: Path) -> None:
    (nothing_installed / "bcc").mkdir()
    (nothing_installed / "bcc" / "__init__.py").write_text("lattice = 'body-centred cubic'\n")
    with pytest.raises(KernelUnsupportedError, match="not installed"):
        bpfcc.import_bcc()


def test_a_broken_bcc_says_what_broke(nothing_installed: Path) -> None:
    (nothing_installed / "bcc").mkdir()
    (nothing_installed / "bcc" / "__init__.py").write_text("raise OSError('libbcc.so.0: cannot open')\n")
    (nothing_installed / "bcc" / "libbcc.py").write_text("")
    with pytest.raises(KernelUnsupportedError, match=r"libbcc.so.0: cannot open"):
        bpfcc.import_bcc()
    assert str(nothing_installed) not in sys.path


def test_loading_needs_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(PrivilegeError, match="sudo"):
        bpfcc.load("", {})


def test_doctor_puts_privileges_first_and_says_how_to_get_bcc(
    nothing_installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    code, sentence = doctor.verdict(doctor.examine())
    assert code == 3
    assert "sudo" in sentence
    monkeypatch.setattr("os.geteuid", lambda: 0)
    findings = doctor.examine()
    if next(f for f in findings if f.name == "type information").ok:
        code, sentence = doctor.verdict(findings)
        assert code == 4
        assert "python3-bpfcc" in sentence
    assert doctor.document(findings)["can_record"] is False


def test_only_the_stand_in_becomes_a_call_of_the_kernel_function() -> None:
    helper = bytes([0x85, 0, 0, 0, 35, 0, 0, 0])
    stand_in = bytes([0x85, 0, 0, 0]) + bpfcc.CAST_CALL.to_bytes(4, "little")
    # the second half of a 64-bit constant that looks like the stand-in's number is not a call
    constant = bytes([0x18, 1, 0, 0, 5, 0, 0, 0]) + bytes(4) + bpfcc.CAST_CALL.to_bytes(4, "little")
    changed = bpfcc.redirect_casts(helper + constant + stand_in, 65477)
    assert changed == helper + constant + bytes([0x85, 0x20, 0, 0]) + (65477).to_bytes(4, "little")
