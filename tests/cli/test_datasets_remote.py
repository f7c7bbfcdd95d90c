"""``datasets push``, ``pull``, ``card`` and ``list`` as a user meets them."""

import json

import pytest

from tests.cli.test_datasets import damaged, run, trace
from tmemlab.datasets.share.catalogue import CATALOGUE, read_catalogue

__all__ = ["damaged", "trace"]


def test_push_and_pull(trace, tmp_path):
    done = run("push", trace, tmp_path / "there")
    assert (done.returncode, done.stdout) == (2, "")
    assert "anonymize it first" in done.stderr
    done = run("push", trace, tmp_path / "there", "--as-recorded", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["sent_bytes"] == sum(f.stat().st_size for f in trace.iterdir())
    done = run("pull", f"{tmp_path}/there/", tmp_path / "back")
    assert (done.returncode, done.stderr) == (0, "")
    assert run("verify", tmp_path / "back").returncode == 0
    # without OUT the last part of the address is the name
    (tmp_path / "cwd").mkdir()
    assert run("pull", f"file://{tmp_path}/there", cwd=tmp_path / "cwd").returncode == 0
    assert (tmp_path / "cwd/there/manifest.json").exists()


@pytest.mark.parametrize("name", read_catalogue(CATALOGUE).traces)
def test_pull_by_name(tmp_path, name):
    done = run("pull", name, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert run("verify", tmp_path / name).returncode == 0


def test_list_of_another_catalogue():
    mine, given = run("list", "--json"), run("list", "--catalogue", CATALOGUE, "--json")
    assert (mine.returncode, given.returncode) == (0, 0)
    assert json.loads(mine.stdout) == json.loads(given.stdout)


def test_card(trace):
    done = run("card", trace, "--name", "web", "--url", "https://example.org/web")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("---\nlicense: cc0-1.0\npretty_name: web\n")
    found = json.loads(run("card", trace, "--croissant").stdout)
    assert found["conformsTo"] == "http://mlcommons.org/croissant/1.0"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("pull", "no-such-trace"), 2, "the catalogue has no trace 'no-such-trace'"),
        (("pull", "{tmp}/none", "{tmp}/o"), 5, "has no manifest.json"),
        (("pull", "{trace}", "{trace}"), 2, "already exists"),
        (("pull", "{trace}", "{tmp}/o", "--sha256", "00"), 5, "not the one that was asked for"),
        (("pull", "x", "--catalogue", "{tmp}/none"), 2, "cannot be read"),
        (("list", "--catalogue", "{trace}/manifest.json"), 5, "is not a catalogue"),
        (("push", "{trace}", "gopher://x/y", "--as-recorded"), 2, "has the scheme 'gopher'"),
        (("push", "{trace}"), 2, "Missing argument"),
        (("card", "{tmp}/none"), 5, "is not a trace"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(trace, tmp_path, arguments, code, message):
    done = run(*(text.format(trace=trace, tmp=tmp_path) for text in arguments))
    assert done.returncode == code
    assert done.stdout == ""
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["t"]


def test_a_damaged_trace_is_not_pushed(damaged, tmp_path):
    done = run("push", damaged, tmp_path / "there", "--as-recorded")
    assert done.returncode == 5
    assert not (tmp_path / "there").exists()
