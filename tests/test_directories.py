"""What is written goes where it was meant to, whoever else may write beside it. Issue: let no one in, 1 and 2."""

import ast
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tmemlab.cli import main
from tmemlab.collect.spool import SPOOL_NAME, Frame, SpoolWriter
from tmemlab.datasets.share.bundled import bundled
from tmemlab.datasets.share.transfer import pull
from tmemlab.datasets.trace.read import Trace
from tmemlab.datasets.trace.write import TraceWriter
from tmemlab.directories import OwnDirectory
from tmemlab.errors import InvalidInputError, TmemlabError

NOBODY = 65534
PACKAGE = Path(__file__).resolve().parent.parent / "tmemlab"
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be two users")


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """A directory like /tmp: everybody may write, nobody may touch what is another's."""
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    for parent in (tmp_path, *tmp_path.parents):
        if parent.stat().st_uid == os.geteuid() and parent != Path("/"):
            parent.chmod(parent.stat().st_mode | 0o111)
    return shared


def as_another(program: str, *arguments: object) -> None:
    """Run a program of Python's as another user."""
    before = f"import os, sys; os.setgid({NOBODY}); os.setuid({NOBODY})\n"
    python = shutil.which("python3", path="/usr/bin:/bin") or sys.executable
    subprocess.run([python, "-c", before + program, *map(str, arguments)], check=True)


@as_root
def test_a_pull_is_not_led_into_another_users_directory(shared: Path, tmp_path: Path) -> None:
    """1: its directory was foretold, taken from anybody, and links in it were followed."""
    victim = tmp_path / "victim"
    victim.write_text("root's own\n")
    source = Trace.open(bundled()["redis-frontswap"])
    digest = hashlib.sha256((source.path / "manifest.json").read_bytes()).hexdigest()[:16]
    trap = (
        "os.mkdir(sys.argv[1], 0o777); os.chmod(sys.argv[1], 0o777)\n"
        "for name in sys.argv[3:]: os.symlink(sys.argv[2], os.path.join(sys.argv[1], name))"
    )
    names = [file.path.name for file in source.files]
    for name in (f".out.pull-{digest}", f".out.pull-{digest}-0000aaaa"):
        as_another(trap, shared / name, victim, *names, "manifest.json")
    pull(f"file://{source.path}", shared / "out")
    assert victim.read_text() == "root's own\n"
    assert (shared / "out").stat().st_uid == 0 and (shared / "out").stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in (shared / "out").iterdir()} == {0o600}


@as_root
def test_a_pull_goes_on_in_its_own_directory_and_in_plain_files_alone(shared: Path, tmp_path: Path) -> None:
    own = OwnDirectory.left(shared / "out", "pull-1")
    again = OwnDirectory.left(shared / "out", "pull-1")
    assert again.path == own.path
    victim = tmp_path / "victim"
    victim.write_text("root's own\n")
    (own.path / "link").symlink_to(victim)
    os.link(victim, own.path / "second")
    os.mkfifo(own.path / "pipe")
    for name in ("link", "second", "pipe"):
        with pytest.raises(InvalidInputError, match="no plain file"):
            own.append(name)
    assert victim.read_text() == "root's own\n"


@as_root
@pytest.mark.parametrize("out", ["theirs", "link", "open"])
def test_collect_does_not_write_where_others_may(
    shared: Path, out: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """2: an empty directory of another user, and a link."""
    as_another("os.mkdir(sys.argv[1])", shared / "theirs")
    as_another("os.symlink(sys.argv[1], sys.argv[2])", shared / "theirs", shared / "link")
    (shared / "open").mkdir()
    (shared / "open").chmod(0o777)
    with pytest.raises(SystemExit) as ended:
        main(["collect", str(shared / out), "--counters-only", "--duration", "0.2s"])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    why = {"theirs": "belongs to another user (uid 65534)", "link": "is a link", "open": "others may write"}
    assert why[out] in said
    assert list((shared / "theirs").iterdir()) == [] and list((shared / "open").iterdir()) == []


@as_root
def test_a_directory_that_is_swapped_while_it_is_written_is_not_followed(shared: Path, tmp_path: Path) -> None:
    """2: in a directory that another user owns, names mean nothing; the descriptor does."""
    os.chown(shared, NOBODY, NOBODY)
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "manifest.json").write_text("root's own\n")
    with TraceWriter(shared / "out", durable=False) as writer:
        (partial,) = shared.glob(".out.partial-*")
        as_another(
            "os.rename(sys.argv[1], sys.argv[1] + '.aside'); os.symlink(sys.argv[2], sys.argv[1])", partial, victim
        )
        with pytest.raises(TmemlabError, match="swapped it"):
            writer.close(Trace.open(bundled()["redis-frontswap"]).manifest)
    assert (victim / "manifest.json").read_text() == "root's own\n"
    assert [path.name for path in victim.iterdir()] == ["manifest.json"]


@as_root
def test_a_place_that_is_closed_is_one_sentence(tmp_path: Path) -> None:
    """A folder that this user may not look into, or not write in; nothing recorded is lost."""
    closed, kept = tmp_path / "closed", tmp_path / "kept"
    closed.mkdir(mode=0o700)
    for parent in (tmp_path, *tmp_path.parents):
        if parent.stat().st_uid == 0 and parent != Path("/"):
            parent.chmod(parent.stat().st_mode | 0o111)
    trace = shutil.copytree(bundled()["redis-frontswap"], tmp_path / "trace")
    for path in (trace, *trace.iterdir()):
        path.chmod(0o755)
    kept.mkdir(mode=0o700)
    writer = SpoolWriter.into(OwnDirectory.existing(kept))
    writer.document(Frame.START, {"began_ns": 1})
    writer.close()
    os.chown(kept, NOBODY, NOBODY)
    os.chown(kept / SPOOL_NAME, NOBODY, NOBODY)
    program = (
        "import os, sys\n"
        "import tests.datasets.test_transfer, tmemlab.collect.recover, tmemlab.collect.matching.spool_to_trace\n"
        "from tmemlab.commands.datasets import pack, pull, recover, slice\n"
        "import tmemlab.datasets.derive.slice, tmemlab.datasets.share.pack\n"
        "from tmemlab.cli import main\n"
        f"os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})\n"
        "main(sys.argv[1:])"
    )
    for words in (
        ["slice", trace, closed / "a" / "out", "--from", "1s"], ["slice", trace, tmp_path / "out", "--from", "1s"],
        ["pack", trace, closed / "packed"], ["pull", f"file://{trace}", closed / "pulled"], ["recover", kept],
    ):  # fmt: skip
        done = subprocess.run(
            [sys.executable, "-c", program, "datasets", *map(str, words)], capture_output=True, text=True,
            env=os.environ | {"PYTHONPATH": str(PACKAGE.parent)},
        )  # fmt: skip
        assert done.returncode in (1, 2, 5), (words, done)
        assert "ermission denied" in done.stderr and "Traceback" not in done.stderr, (words, done.stderr)
    assert (kept / SPOOL_NAME).exists()


def test_what_is_removed_is_what_was_made(tmp_path: Path) -> None:
    own = OwnDirectory.beside(tmp_path / "out", "partial")
    (own.at / "file").write_text("")
    (own.at / "folder").mkdir()
    (own.at / "folder" / "file").write_text("")
    moved = own.path.with_name("moved")
    own.path.rename(moved)
    own.path.mkdir()
    own.remove()
    assert list(moved.iterdir()) == [] and own.path.is_dir()


def test_a_directory_in_use_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "file").write_text("mine")
    with pytest.raises(InvalidInputError, match="already exists"):
        OwnDirectory.new(tmp_path / "out")
    own = OwnDirectory.beside(tmp_path / "out", "partial")
    with pytest.raises(OSError, match="not empty"):
        own.become(tmp_path / "out")
    assert (tmp_path / "out" / "file").read_text() == "mine"


def test_results_are_this_users_alone(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        with TraceWriter(tmp_path / "t", durable=False) as writer:
            writer.close(Trace.open(bundled()["redis-frontswap"]).manifest)
        main_ = OwnDirectory.new(tmp_path / "new")
    finally:
        os.umask(old)
    assert main_.path.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "t").iterdir()} == {0o600}


WRITERS = {
    "datasets/trace/write.py": 1, "datasets/trace/output.py": 1, "datasets/share/pack.py": 2,
    "datasets/share/transfer.py": 2, "datasets/derive/keys.py": 2, "datasets/share/remote.py": 1,
    "collect/matching/spool_to_trace.py": 1,
}  # fmt: skip
"""Where files are opened for writing, and how often: by an OwnDirectory, without a name, exclusively (keys), at
a user's URL (remote), or in an OwnDirectory (rows)."""


def writes(call: ast.Call) -> bool:
    """Whether a call opens or makes something to write to by its name."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    words = [a.value for a in [*call.args, *(k.value for k in call.keywords)] if isinstance(a, ast.Constant)]
    modes = [w for w in words if isinstance(w, str) and w and set(w) <= set("rwaxbt+") and set(w) & set("wax+")]
    if name in ("open", "fdopen"):
        return bool(modes) or any("O_CREAT" in ast.dump(a) for a in call.args)
    return name in ("write_text", "write_bytes", "mkdtemp", "TemporaryDirectory", "NamedTemporaryFile")


def test_nothing_else_in_collect_and_datasets_opens_for_writing() -> None:
    found: dict[str, int] = {}
    for room in ("collect", "datasets"):
        for path in (PACKAGE / room).rglob("*.py"):
            calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
            count = sum(map(writes, calls))
            name = str(path.relative_to(PACKAGE))
            # the kernel's own files: cgroupfs, and oom_score_adj
            if count and name not in ("collect/host/cgroup.py", "collect/recording/command.py"):
                found[name] = count
    assert found == WRITERS
