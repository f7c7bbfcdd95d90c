"""Cgroups of both versions, on directories that look like their mounts."""

import os
from pathlib import Path

import pytest

from tmemlab.collect.host import cgroup
from tmemlab.collect.host.cgroup import Hierarchy, Namer, OwnCgroup, find_hierarchy, reclaim_of, resolve
from tmemlab.errors import InvalidInputError, KernelUnsupportedError, TmemlabError


def mounts(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    real = cgroup.read_text
    monkeypatch.setattr(cgroup, "read_text", lambda path: text if path == "/proc/self/mounts" else real(path))


def test_version_1_is_found_by_its_controller(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = ["c /cg/cpu cgroup rw,cpu 0 0", "c /cg/memory cgroup rw,relatime,memory 0 0", "u /cg/u cgroup2 rw 0 0"]
    mounts(monkeypatch, "\n".join(lines))
    assert find_hierarchy() == Hierarchy(Path("/cg/memory"), 1)


def test_version_2_is_found_by_its_controllers_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "cgroup.controllers").write_text("cpu io memory\n")
    mounts(monkeypatch, f"x /sys sysfs rw 0 0\nu {tmp_path} cgroup2 rw 0 0")
    assert find_hierarchy() == Hierarchy(tmp_path, 2)


def test_none_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    mounts(monkeypatch, "x /sys sysfs rw 0 0")
    with pytest.raises(KernelUnsupportedError, match="no memory cgroup controller"):
        find_hierarchy()


@pytest.mark.parametrize(("version", "name"), [(1, "memory.limit_in_bytes"), (2, "memory.max")])
def test_a_group_is_made_limited_and_removed(
    tmp_path: Path, version: int, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Path] = []

    def rmdir(self: Path) -> None:
        for file in self.iterdir():
            file.unlink()
        os.rmdir(self)  # noqa: PTH106 - this stands in for the method

    monkeypatch.setattr(Path, "rmdir", rmdir)
    with OwnCgroup(limit=4096 * 100, hierarchy=Hierarchy(tmp_path, version)) as group:
        made.append(group.directory)
        assert (group.directory / name).read_text() == str(4096 * 100)
        if version == 2:
            assert (tmp_path / "cgroup.subtree_control").read_text() == "+memory"
    assert not made[0].exists()


def test_a_mount_that_is_read_only_is_one_sentence(tmp_path: Path) -> None:
    group = OwnCgroup(1, Hierarchy(tmp_path / "no", 2))
    with pytest.raises(TmemlabError, match="cannot make the memory cgroup"), group:
        pass


def test_only_groups_below_the_mount_are_named(tmp_path: Path) -> None:
    group = tmp_path / "system.slice" / "redis.service"
    group.mkdir(parents=True)
    (group / "cgroup.procs").write_text("")
    hierarchy = Hierarchy(tmp_path, 2)
    assert resolve("/system.slice/redis.service", hierarchy) == group
    assert resolve(str(group), hierarchy) == group
    for wrong in ("/system.slice", "/none", "/etc"):
        with pytest.raises(InvalidInputError, match="not a memory cgroup"):
            resolve(wrong, hierarchy)


def test_ids_get_names_and_limits_once(tmp_path: Path) -> None:
    group = tmp_path / "a" / "b"
    group.mkdir(parents=True)
    (group / "memory.max").write_text("1048576\n")
    namer = Namer(Hierarchy(tmp_path, 2))
    number = group.stat().st_ino & 0xFFFFFFFF
    namer.note([number, 424242])
    namer.refresh_unknown()
    assert namer.paths[number] == "/a/b"
    assert namer.limits[number] == 1048576
    assert 424242 not in namer.paths


def test_what_reclaim_got_is_read_where_the_kernel_counts_it(tmp_path: Path) -> None:
    (tmp_path / "memory.stat").write_text("anon 4096\npgscan 400\npgsteal 100\npgscan_kswapd 7\n")
    assert reclaim_of(tmp_path) == {"scanned": 400, "reclaimed": 100}
    (tmp_path / "memory.stat").write_text("cache 0\ntotal_pgpgin 12\n")  # version 1
    assert reclaim_of(tmp_path) == {}
    assert reclaim_of(tmp_path / "absent") == {}
